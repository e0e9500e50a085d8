"""Which rows of a version are dead: gathered from its bitmaps once in a container."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from shoal.services.cells import Cells
from shoal.services.snapshot import DeadRows, Snapshot


def dead_rows(snapshot: Snapshot) -> DeadRows:
    """The dead rows of each shard that has any."""
    return snapshot.dead_rows()


def dead_numbers(snapshot: Snapshot, cells: Cells) -> NDArray[np.int64]:
    """The numbers of the dead rows of an import's cells, ascending: int64."""
    make = partial(cells.dead_numbers, dead_rows(snapshot))
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
