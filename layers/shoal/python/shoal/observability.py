"""Logs: one JSON line an event, a lower-case message, everything else in fields.

Modules log with `logging.getLogger(__name__)` and `extra={...}`; `configure` gives the package's logger its one
handler, and `bind` adds fields (the request id) to every line until the next `bind`. Fields never hold a
secret, a vector or a document, and neither may exceptions: of those that are not ours only the type and the
frames are written, because messages of libraries quote their input. A test plants all three and greps.

The formatter is written here instead of taken from a library because of that rule, and because a library's
costs about a hundred modules at every cold start. There are no custom metrics: each costs money by the month,
and the route, status and duration of every request are in the logs, where Logs Insights counts them.
"""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

from shoal.errors import RequestError, ShoalError

PACKAGE = "shoal"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_bound: dict[str, Any] = {}
"""Fields of every line. One for the process, threads included: a container answers one request at a time."""


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line; what JSON cannot hold is written as its type's name."""
        line: dict[str, Any] = {
            "level": record.levelname,
            "message": record.getMessage(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "service": self._service,
            "logger": record.name,
            **_bound,
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[1] is not None:
            line |= describe(record.exc_info[1])
        return orjson.dumps(line, default=lambda value: type(value).__name__).decode()


def configure(service: str, level: str = "INFO", *, stream: TextIO | None = None) -> None:
    """Send the package's log lines to `stream` (default: standard output) as JSON, and nowhere else."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    logger = logging.getLogger(PACKAGE)
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False  # Lambda's own root handler would write every line again, as text


def bind(**fields: Any) -> None:
    """Put fields on every line from here on, instead of those of the last `bind`."""
    _bound.clear()
    _bound.update(fields)


def log_event(message: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log what happened, with fields."""
    logging.getLogger(PACKAGE).log(level, message, extra=fields)


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as fields: its type, where it came from, and its message only if it is one of ours.

    A `RequestError` may quote the request, so of these only the code is told.
    """
    fields: dict[str, Any] = {
        "error_type": f"{type(error).__module__}.{type(error).__qualname__}",
        "stack": [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ],
    }
    if isinstance(error, RequestError):
        fields["error_code"] = error.code
    elif isinstance(error, ShoalError):
        fields["error_message"] = str(error)
    cause = error.__cause__ or error.__context__
    if cause is not None and cause is not error:
        fields["cause"] = describe(cause)
    return fields
