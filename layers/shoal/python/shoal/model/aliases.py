"""Aliases: names that point at datasets and can be moved, and what is remembered of their moves."""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_HISTORY = 100
"""Moves that are remembered of an alias."""
MAX_ALIASES = 250
"""Of a tenant in one scope: all of them are described in one object, each with its moves."""
MAX_OF_DATASET = 40
"""Aliases that point at one dataset: all of them go with it in one transaction, of 100 writes at most."""


@dataclass(frozen=True, slots=True)
class Target:
    """A dataset as an alias knows it. Another one of the same name, made later, is another target."""

    name: str
    dataset_id: str


@dataclass(frozen=True, slots=True)
class Move:
    """That an alias was moved, at `at` (epoch seconds); `before` is None for the one that made it."""

    at: float
    before: Target | None
    after: Target


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias as it is: where it points, how often it was moved there or elsewhere, and when (epoch seconds).

    That it was made counts as a move.
    """

    name: str
    target: Target
    moves: int
    created_at: float
    moved_at: float


def moved(name: str, before: Alias | None, target: Target, *, now: float) -> Alias:
    """The alias of that name once it points at the target."""
    if before is None:
        return Alias(name, target, moves=1, created_at=now, moved_at=now)
    return Alias(name, target, before.moves + 1, before.created_at, now)


def remembered(history: Sequence[Move], move: Move) -> tuple[Move, ...]:
    """The moves with one more; newest first, the oldest forgotten."""
    return (move, *history)[:MAX_HISTORY]


def target_before(history: Sequence[Move]) -> Target | None:
    """Where an alias pointed before its last move; None where it has only been made."""
    return history[0].before if history else None
