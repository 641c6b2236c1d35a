"""`python -m bot.sandbox --port N`: the sandbox on its own, with one bot."""

import argparse
import asyncio
import contextlib
import os

from bot.clock import Clock
from bot.sandbox.server import BotSpec, build, run


def main() -> None:
    default = os.environ.get
    parser = argparse.ArgumentParser(prog="python -m bot.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--token", default=default("HUIYIN_CHANNELS__TELEGRAM__TOKEN", "100:sandbox"))
    parser.add_argument("--username", default=default("HUIYIN_CHANNELS__TELEGRAM__USERNAME", "huiyin_bot"))
    parser.add_argument("--name", default="回音")
    given = parser.parse_args()
    app = build(Clock(), [BotSpec(given.token, given.username, given.name)])
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(app, "127.0.0.1", given.port))


if __name__ == "__main__":
    main()
