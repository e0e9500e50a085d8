"""Which rows a selection takes: metadata parsed and asked, and the last few answers kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from shoal.index.metadata import parse_object
from shoal.model.filters import Filter
from shoal.model.selection import Selection

MAX_KEPT_ROWS = 1_000_000
"""Row numbers in all kept answers together: 4 MB that no cache counts."""


class FilterAnswers:
    """The answers of the last `most` selections over rows that never change; safe to use from several threads.

    They hold at most `most_rows` rows together: an answer that alone has more is not kept.
    """

    def __init__(self, most: int, *, most_rows: int = MAX_KEPT_ROWS) -> None:
        self._most, self._most_rows = most, most_rows
        self._held = 0
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
        self._keep(selection, rows)
        return rows

    def _keep(self, selection: Selection, rows: NDArray[np.uint32]) -> None:
        if len(rows) > self._most_rows:
            return
        with self._lock:
            if selection in self._kept:
                return  # another thread was as quick
            self._kept[selection] = rows
            self._held += len(rows)
            while len(self._kept) > self._most or self._held > self._most_rows:
                _, dropped = self._kept.popitem(last=False)
                self._held -= len(dropped)


def _matching(condition: Filter | None, candidates: Iterable[tuple[int, bytes]]) -> Iterator[int]:
    for row, metadata in candidates:
        if condition is None or condition.matches(parse_object(metadata, row)):
            yield row
