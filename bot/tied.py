"""`python -m bot.tied COMMAND ...`: a `huiyin` command that ends with the process that started it.

Whoever starts it keeps the other end of its standard input; when that end closes, for whatever reason,
the command is asked to stop. This also works where the starter was killed and could not say goodbye.
"""

import os
import signal
import threading

from bot.cli import main


def _end_with_starter() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, daemon=True).start()
    main()
