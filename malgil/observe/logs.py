"""Structured logs on standard output: one line an event, trace id on every line, masked before they are written.

Rooms log through the standard library (`logging.getLogger(__name__)`, `%s` arguments, `extra=` for fields); nothing is
formatted for a line below the active level. Console lines for a person at a terminal, JSON otherwise.
"""

import logging
import sys
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger
from typing_extensions import override

from malgil.kit import json
from malgil.observe.masking import mask_item
from malgil.observe.trace import current_trace_id

Format = Literal["auto", "console", "json"]

# Libraries that tell at INFO what only their authors want to know.
_TALKATIVE: Final = ("httpx", "httpx2", "httpcore", "httpcore2", "websockets", "asyncio", "alembic")


def configure(level: str = "INFO", format: Format = "auto", stream: TextIO | None = None) -> None:
    """Send all logging, structlog's and the standard library's, to `stream` (standard output). May be called again."""
    stream = stream or sys.stdout
    console = format == "console" or (format == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace_id,
        structlog.processors.format_exc_info,
        structlog.processors.StackInfoRenderer(),
    ]
    handler = _Handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _mask, _renderer(console, stream)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


class _Handler(logging.StreamHandler[TextIO]):
    """Says that a line could not be formatted, without the line: the standard library would print it unmasked."""

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"a log line of {record.name} could not be written ({record.filename}:{record.lineno})\n")


def _add_trace_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["trace_id"] = current_trace_id()
    return event


def _mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: mask_item(name, value) for name, value in event.items()}


def _renderer(console: bool, stream: TextIO) -> Processor:
    if console:
        plain = structlog.dev.plain_traceback
        return structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0, exception_formatter=plain)
    return structlog.processors.JSONRenderer(serializer=_dump)


def _dump(event: EventDict, **_options: Any) -> str:
    return json.dumps(event)
