"""Simple paths of JSONMatch: `a.b`, `a[0]`, `a[-1]`, `a[_key=="x"]`, `['a b']`; and what setting and unsetting at
them makes of a JSON object.

What a path does not lead to stays as it is; only members of objects are made where they are missing.
"""

import re
from dataclasses import dataclass
from typing import Any

import orjson

from shoal.errors import InvalidInput

MAX_STEPS = 32
MAX_PATH_CHARACTERS = 1024
_MAX_GROWTH = 1000
"""Elements by which setting one behind the end may make an array longer."""
_STEP = re.compile(
    r"""
      \.?(?P<name>[A-Za-z_]\w*)
    | \[\s*(?P<index>-?\d{1,9})\s*\]
    | \[\s*'(?P<quoted>[^'\\]*)'\s*\]
    | \[\s*(?P<key>[A-Za-z_]\w*)\s*==\s*(?P<value>"(?:[^"\\]|\\.)*"|'[^'\\]*'|-?\d+(?:\.\d+)?|true|false)\s*\]
    """,
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an object."""

    name: str


@dataclass(frozen=True, slots=True)
class Element:
    """An element of an array; a negative one counts from its end."""

    index: int


@dataclass(frozen=True, slots=True)
class Matching:
    """The elements of an array that are objects with this member."""

    name: str
    value: Any


type Step = Member | Element | Matching
type Steps = tuple[Step, ...]


def parse_path(text: str, *, where: str) -> Steps:
    """The steps of a path; `where` is what errors call it.

    Raises:
        InvalidInput: `invalid_path`; names the position.
    """
    steps: list[Step] = []
    at = 0
    if not 0 < len(text) <= MAX_PATH_CHARACTERS:
        raise InvalidInput("invalid_path", f"{where}: a path has 1 to {MAX_PATH_CHARACTERS} characters")
    while at < len(text):
        found = _STEP.match(text, at)
        # A dot stands between names, and nowhere else.
        dotted = text[at] == "."
        if found is None or (found["name"] is not None and dotted is (at == 0)):
            raise InvalidInput(
                "invalid_path",
                f"{where}: cannot read {text[:80]!r} at position {at + 1}; paths are made of a.b, a[0], a[-1], "
                "a[_key==\"x\"] and ['a b']",
                {"position": at + 1},
            )
        steps.append(_step(found))
        at = found.end()
    if len(steps) > MAX_STEPS:
        raise InvalidInput("invalid_path", f"{where}: a path has at most {MAX_STEPS} steps")
    return tuple(steps)


def _step(found: re.Match[str]) -> Step:
    if found["name"] is not None:
        return Member(found["name"])
    if found["quoted"] is not None:
        return Member(found["quoted"])
    if found["index"] is not None:
        return Element(int(found["index"]))
    value = found["value"]
    try:
        return Matching(found["key"], value[1:-1] if value.startswith("'") else orjson.loads(value))
    except orjson.JSONDecodeError:
        return Matching(found["key"], value[1:-1])


def with_value(target: Any, steps: Steps, value: Any) -> Any:
    """JSON with a value set at a path; the input stays as it is.

    Raises:
        InvalidInput: `invalid_path`: an array would become much longer.
    """
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, Member):
        if isinstance(target, list):
            return target
        members = target if isinstance(target, dict) else {}
        there = members.get(step.name)
        made = with_value(there, rest, value)
        if rest and made is None and there is None:
            return target  # further on it needs an array, and there is none
        return {**members, step.name: made}
    if not isinstance(target, list):
        return target
    changed = list(target)
    if isinstance(step, Element) and step.index >= len(changed):
        if step.index - len(changed) > _MAX_GROWTH:
            raise InvalidInput(
                "invalid_path", f"index {step.index} is far behind the end of an array of {len(changed)}"
            )
        changed += [None] * (step.index + 1 - len(changed))
    for place in _places(changed, step):
        changed[place] = with_value(changed[place], rest, value)
    return changed


def without(target: Any, steps: Steps) -> Any:
    """JSON without what is at a path; the input stays as it is."""
    step, rest = steps[0], steps[1:]
    if isinstance(step, Member):
        if not isinstance(target, dict) or step.name not in target:
            return target
        if rest:
            return {**target, step.name: without(target[step.name], rest)}
        return {name: value for name, value in target.items() if name != step.name}
    if not isinstance(target, list):
        return target
    places = set(_places(target, step))
    if rest:
        return [without(each, rest) if place in places else each for place, each in enumerate(target)]
    return [each for place, each in enumerate(target) if place not in places]


def _places(elements: list[Any], step: Element | Matching) -> list[int]:
    """The elements that a step means."""
    if isinstance(step, Element):
        place = step.index + len(elements) if step.index < 0 else step.index
        return [place] if 0 <= place < len(elements) else []
    return [
        place
        for place, each in enumerate(elements)
        if isinstance(each, dict) and step.name in each and _same(each[step.name], step.value)
    ]


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)
