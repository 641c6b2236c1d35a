"""Log lines: ids and outcomes, never what people wrote, who they are, or any secret."""

import logging
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

_WINDOW = 10.0  # seconds
_MOST = {"debug": 50_000, "info": 10_000}  # lines of one event in that time
_MOST_OF_OTHERS = 100


class Valve:
    """Lets so many lines of one event through in a while: whoever calls us with nonsense fills no disk.

    The next line of the event that is let through says how many were left out.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._until = 0.0
        self._seen: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def __call__(self, _logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        """Raises structlog.DropEvent for a line too many."""
        event = str(line["event"])
        if not self.opens(event, str(line["level"])):
            raise structlog.DropEvent
        left_out = self._left_out.pop(event, 0)
        return {**line, "left_out": left_out} if left_out else line

    def opens(self, event: str, level: str) -> bool:
        if self._seconds() >= self._until:
            self._seen.clear()
            self._until = self._seconds() + _WINDOW
        self._seen[event] += 1
        if self._seen[event] <= _MOST.get(level, _MOST_OF_OTHERS):
            return True
        self._left_out[event] += 1
        return False


def configure(level: str, json_lines: bool) -> None:
    """One line per event on standard error, for people or as JSON; tracebacks show places and kinds.

    Libraries' own warnings come in the same form.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    valve = Valve()
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    after = _rendering(json_lines)
    structlog.configure(
        processors=[*before, valve, *after],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    meta = ProcessorFormatter.remove_processors_meta
    handler.setFormatter(ProcessorFormatter(foreign_pre_chain=before, processors=[meta, *after]))
    handler.addFilter(lambda record: valve.opens(record.name, record.levelname.lower()))
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[handler])


def _rendering(json_lines: bool) -> list[Processor]:
    if json_lines:
        tracebacks = structlog.processors.ExceptionRenderer(_of_info)
        return [tracebacks, structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=write_traceback)]


def told(error: BaseException) -> str:
    """Where it happened, and the kinds of all errors that led there.

    What errors say of themselves is left out: it may repeat what somebody wrote, or a secret.
    """
    return "".join(_lines(error)).rstrip()


def _lines(error: BaseException) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _lines(before)
    for one in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _lines(one)
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}\n"


def _of_info(exc_info: ExcInfo) -> str:
    return told(exc_info[1])


def write_traceback(stream: TextIO, info: ExcInfo) -> None:
    """As structlog's console wants it."""
    stream.write(f"\n{told(info[1])}")
