"""Where the choices of a schedule come from: a seed, or hypothesis, which can then make a failing one smaller."""

import random
from collections.abc import Sequence
from typing import Protocol

from hypothesis import strategies as st


class Dice(Protocol):
    """Makes choices."""

    def number(self, low: int, high: int) -> int:
        """A whole number, both ends included."""

    def one[T](self, items: Sequence[T]) -> T:
        """One of several; the first is the simplest."""

    def some[T](self, items: Sequence[T], low: int, high: int) -> list[T]:
        """So many of them, each once at most."""


class SeededDice:
    """Choices out of a seed."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)

    def number(self, low: int, high: int) -> int:
        """A whole number."""
        return self._random.randint(low, high)

    def one[T](self, items: Sequence[T]) -> T:
        """One of several."""
        return self._random.choice(items)

    def some[T](self, items: Sequence[T], low: int, high: int) -> list[T]:
        """So many of them."""
        return self._random.sample(items, self._random.randint(low, min(high, len(items))))


class DrawnDice:
    """Choices of hypothesis."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def number(self, low: int, high: int) -> int:
        """A whole number."""
        return self._data.draw(st.integers(low, high))

    def one[T](self, items: Sequence[T]) -> T:
        """One of several."""
        return self._data.draw(st.sampled_from(items))

    def some[T](self, items: Sequence[T], low: int, high: int) -> list[T]:
        """So many of them."""
        return self._data.draw(
            st.lists(st.sampled_from(items), min_size=low, max_size=min(high, len(items)), unique=True)
        )
