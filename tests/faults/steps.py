"""A step of a run, as data: one operation, or two processes that do several at once."""

from dataclasses import dataclass
from typing import Protocol

from tests.faults.luck import GOOD, Luck
from tests.faults.run import Doing


class Operation(Protocol):
    """Something that is done to the world by processes of its own, each with the luck of the operation."""

    def do(self, doing: Doing) -> None:
        """Do it. What may fail by bad luck does so here, unseen from outside."""


@dataclass(frozen=True, slots=True)
class Alone:
    """An operation, and the luck that it has."""

    operation: Operation
    luck: Luck = GOOD


@dataclass(frozen=True, slots=True)
class Together:
    """Two that are at work at once, each one operation after the other; `order` says whose call is next."""

    first: tuple[Alone, ...]
    second: tuple[Alone, ...]
    order: tuple[int, ...] = ()


type Step = Alone | Together
