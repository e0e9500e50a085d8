"""The kinds of values that settings have, with what AWS allows of each; and what is wrong with a wrong one."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

LARGEST_API_TIMEOUT: Final = 29
"""An HTTP API gives up after 30 s; a function that outlives that works for nobody."""

RETENTION_DAYS: Final = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)


def _split(value: object) -> object:
    """Command-line context is text: read `a,b` as a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _known_retention(value: int) -> int:
    """CloudWatch keeps logs for certain periods only; find out now rather than in the deployment."""
    if value not in RETENTION_DAYS:
        raise ValueError(f"CloudWatch knows only {', '.join(map(str, sorted(RETENTION_DAYS)))} days")
    return value


def _read_json(value: object) -> object:
    """Command-line context is text: read JSON out of it."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None


type Memory = Annotated[int, Field(ge=128, le=10240)]
type ApiTimeout = Annotated[int, Field(ge=1, le=LARGEST_API_TIMEOUT)]
type Timeout = Annotated[int, Field(ge=1, le=900)]
type PollerConcurrency = Annotated[int, Field(ge=2, le=1000)]
type Days = Annotated[int, Field(ge=1, le=3650)]
type Quota = Annotated[int, Field(ge=0)]
type Retention = Annotated[int, AfterValidator(_known_retention)]
type Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
type Origins = Names
type Objects = Annotated[tuple[dict[str, Any], ...], BeforeValidator(_read_json)]
type Counts = Annotated[dict[str, Annotated[int, Field(ge=1)]], BeforeValidator(_read_json)]
type Prices = Annotated[dict[str, Annotated[float, Field(ge=0)]], BeforeValidator(_read_json)]


def explain(error: ValidationError, *, prefix: str, known: Iterable[str]) -> str:
    """One line for each wrong setting."""
    lines = []
    for problem in error.errors(include_url=False):
        name = ".".join(str(part) for part in problem["loc"][:1])
        if problem["type"] == "extra_forbidden":
            lines.append(f"{prefix}{name} is not a setting; there are: {', '.join(known)}")
        elif name:
            lines.append(f"{prefix}{name}: {problem['msg']} (got {problem['input']!r})")
        else:
            lines.append(problem["msg"])
    return "\n".join(lines)
