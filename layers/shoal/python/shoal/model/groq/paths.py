"""Paths: `a.b[].c[0]{d}`, a base and the steps that lead on from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from shoal.model.groq.expressions import Expression, Projection
from shoal.model.groq.values import Json


class Step(Protocol):
    """One step of a path. Implementations are immutable."""

    def of(self, value: Json) -> Json:
        """Where it leads from a value; null where it leads nowhere."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """`.name` or `["name"]`."""

    name: str

    def of(self, value: Json) -> Json:
        """What an object has under the name."""
        found: Json = value.get(self.name) if isinstance(value, dict) else None
        return found


@dataclass(frozen=True, slots=True)
class Element:
    """`[0]`; a negative index counts from the end."""

    index: int

    def of(self, value: Json) -> Json:
        """What an array has at the place."""
        if not isinstance(value, list) or not -len(value) <= self.index < len(value):
            return None
        found: Json = value[self.index]
        return found


@dataclass(frozen=True, slots=True)
class Elements:
    """`[]`."""

    def of(self, value: Json) -> Json:
        """An array as it is."""
        return value if isinstance(value, list) else None


@dataclass(frozen=True, slots=True)
class Project:
    """`{a, b}`."""

    projection: Projection

    def of(self, value: Json) -> Json:
        """The projection of an object."""
        return self.projection.value(value) if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True)
class ForEach:
    """Steps that are taken from every element of an array; `joined` puts arrays that come of it into one."""

    steps: tuple[Step, ...]
    joined: bool

    def of(self, value: Json) -> Json:
        """An array of where they lead."""
        if not isinstance(value, list):
            return None
        found = [_after(self.steps, element) for element in value]
        if not self.joined:
            return found
        return [inner for each in found for inner in (each if isinstance(each, list) else [each])]


@dataclass(frozen=True, slots=True)
class Path:
    """A base, None for the object itself, and steps from it. `at` is where it is written, counted from 0."""

    base: Expression | None
    steps: tuple[Step, ...]
    at: int = field(compare=False, repr=False)

    def value(self, this: dict[str, Any]) -> Json:
        """What is at its end."""
        return _after(self.steps, this if self.base is None else self.base.value(this))

    @property
    def key(self) -> str | None:
        """The name under which a projection has it; None where it cannot do without another one.

        A path has that of its first attribute, unless another attribute follows outside of a `[]`.
        """
        names = [step.name for step in self.steps if isinstance(step, Attribute)]
        if self.base is None:
            return names[0] if len(names) == 1 else None
        return self.base.key if isinstance(self.base, Path) and not names else None


def _after(steps: tuple[Step, ...], value: Json) -> Json:
    for step in steps:
        if value is None:
            break
        value = step.of(value)
    return value


def linked(steps: Sequence[Attribute | Element | Elements | Project]) -> tuple[Step, ...]:
    """Steps as written, with those that are taken from every element put inside of a `ForEach`.

    From the last step to the first: what is behind a `[]` and takes one value (not `many`) is done for each
    element, and so is a projection before what takes an array. Arrays that come of each (`gives_many`) are joined.
    """
    behind: tuple[Step, ...] = ()
    many = gives_many = False
    for step in reversed(steps):
        match step:
            case Elements() if behind and not many:
                behind, many, gives_many = (step, ForEach(behind, joined=gives_many)), True, True
            case Elements():
                behind, many, gives_many = (step, *behind), True, gives_many or not behind
            case Project() if many:
                behind = (ForEach((step,), joined=False), *behind)
            case _:
                behind, many = (step, *behind), isinstance(step, Element)
    return behind
