"""Which rows of a version's cells are dead: worked out of its bitmaps once in a container."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from shoal.services.cells import Cells
from shoal.services.snapshot import Snapshot


def dead_numbers(snapshot: Snapshot, cells: Cells) -> NDArray[np.int64]:
    """The numbers of the dead rows of an import's cells, ascending: int64."""
    make = partial(cells.dead_numbers, snapshot.dead_rows())
    name = f"dead#{_version(snapshot)}#{cells.name}"
    return snapshot.reader.made(name, make, lambda numbers: numbers.nbytes)


def contains(ascending: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which values (int64) are among ascending ones: bool, in the shape of `values`."""
    if not len(ascending):
        return np.zeros(values.shape, dtype=np.bool_)
    places = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    found: NDArray[np.bool_] = ascending[places] == values
    return found


def _version(snapshot: Snapshot) -> str:
    return f"{snapshot.manifest.dataset_id}/{snapshot.manifest.version}"
