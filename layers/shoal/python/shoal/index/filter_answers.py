"""Which rows match a filter: metadata parsed and asked, and the last few answers kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import orjson
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.model.filters import Filter


class FilterAnswers:
    """The answers of the last `most` filters over rows that never change; safe to use from several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Filter, NDArray[np.uint32]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def of(
        self, condition: Filter, candidates: Callable[[Filter], Iterable[tuple[int, bytes]]]
    ) -> NDArray[np.uint32]:
        """Row numbers, ascending, whose metadata matches: uint32, read-only.

        Args:
            condition: the filter.
            candidates: gives, for a filter, the rows that may match and their metadata, ascending.

        Raises:
            CorruptObject: metadata that is not a JSON object.
        """
        with self._lock:
            kept = self._kept.get(condition)
            if kept is not None:
                self._kept.move_to_end(condition)
                return kept
        rows = np.fromiter(_matching(condition, candidates(condition)), dtype=np.uint32)
        rows.flags.writeable = False
        with self._lock:
            self._kept[condition] = rows
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return rows


def _matching(condition: Filter, candidates: Iterable[tuple[int, bytes]]) -> Iterator[int]:
    for row, metadata in candidates:
        try:
            values = orjson.loads(metadata)
        except orjson.JSONDecodeError as error:
            raise CorruptObject(f"metadata of row {row} is not JSON") from error
        if not isinstance(values, dict):
            raise CorruptObject(f"metadata of row {row} is not an object")
        if condition.matches(values):
            yield row
