"""`?offset=&limit=&status=` of lists of tasks."""

from dataclasses import dataclass
from typing import Any

from shoal.http.context import Context
from shoal.http.router import Parameter
from shoal.http.studio.errors import fault, invalid
from shoal.model.tasks import TaskStatus

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_OFFSET = 100_000
"""What is passed over has to be read."""
PARAMETERS = (
    Parameter("offset", f"How many to pass over: 0 to {MAX_OFFSET}, 0 by default.", "integer"),
    Parameter("limit", f"How many to show: 1 to {MAX_LIMIT}, {DEFAULT_LIMIT} by default.", "integer"),
    Parameter("status", f"Only those that are {', '.join(TaskStatus)}."),
)


@dataclass(frozen=True, slots=True)
class ListPage:
    """Which tasks a list shows; `status` None: all."""

    offset: int
    limit: int
    status: TaskStatus | None


def page_of(context: Context) -> ListPage:
    """Which tasks the request wants listed.

    Raises:
        InvalidInput: with all that is wrong.
    """
    faults: list[dict[str, Any]] = []
    offset = _whole(context, "offset", 0, (0, MAX_OFFSET), faults)
    limit = _whole(context, "limit", DEFAULT_LIMIT, (1, MAX_LIMIT), faults)
    text = context.request.first("status")
    status = None
    if text is not None:
        try:
            status = TaskStatus(text)
        except ValueError:
            *most, last = (f"'{each}'" for each in TaskStatus)
            known = f"{', '.join(most)} or {last}"
            wrong = fault("enum", ["query", "status"], f"Input should be {known}")
            faults.append({**wrong, "ctx": {"expected": known}})
    if faults:
        raise invalid(faults)
    return ListPage(offset, limit, status)


def _whole(
    context: Context, name: str, default: int, bounds: tuple[int, int], faults: list[dict[str, Any]]
) -> int:
    text = context.request.first(name)
    if text is None:
        return default
    low, high = bounds
    if text.isascii() and text.isdigit() and len(text) <= len(str(high)) and low <= int(text) <= high:
        return int(text)
    message = f"Input should be a whole number from {low} to {high}"
    faults.append(fault("int_parsing", ["query", name], message))
    return default
