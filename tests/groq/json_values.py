"""When two values of JSON are the same."""

from typing import Any


def same(ours: Any, theirs: Any) -> bool:
    """Whether two values of JSON are the same, numbers as doubles."""
    match ours, theirs:
        case (bool() | None, _) | (_, bool() | None):
            return ours is theirs
        case int() | float(), int() | float():
            return float(ours) == float(theirs)
        case list(), list():
            return len(ours) == len(theirs) and all(map(same, ours, theirs))
        case dict(), dict():
            return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
        case _:
            return type(ours) is type(theirs) and bool(ours == theirs)
