"""Which rows a selection takes: metadata parsed and asked, and the last few answers kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import orjson
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.model.filters import Filter
from shoal.model.selection import Selection


class FilterAnswers:
    """The answers of the last `most` selections over rows that never change; safe to use from several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Selection, NDArray[np.uint32]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def of(
        self, selection: Selection, candidates: Callable[[Selection], Iterable[tuple[int, bytes]]]
    ) -> NDArray[np.uint32]:
        """Numbers of the rows that it takes, ascending: uint32, read-only.

        Args:
            selection: which rows.
            candidates: gives the rows that are of the selection's namespace and prefix and may pass its filter,
                ascending, each with its metadata (which nobody looks at where there is no filter).

        Raises:
            CorruptObject: metadata that is not a JSON object.
        """
        with self._lock:
            kept = self._kept.get(selection)
            if kept is not None:
                self._kept.move_to_end(selection)
                return kept
        rows = np.fromiter(_matching(selection.filter, candidates(selection)), dtype=np.uint32)
        rows.flags.writeable = False
        with self._lock:
            self._kept[selection] = rows
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return rows


def _matching(condition: Filter | None, candidates: Iterable[tuple[int, bytes]]) -> Iterator[int]:
    for row, metadata in candidates:
        if condition is None:
            yield row
            continue
        try:
            values = orjson.loads(metadata)
        except orjson.JSONDecodeError as error:
            raise CorruptObject(f"metadata of row {row} is not JSON") from error
        if not isinstance(values, dict):
            raise CorruptObject(f"metadata of row {row} is not an object")
        if condition.matches(values):
            yield row
