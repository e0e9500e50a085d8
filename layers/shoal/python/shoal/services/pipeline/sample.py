"""A sample of the rows of a piece: what the cells are trained on."""

import numpy as np
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.index.checksums import Buffer
from shoal.index.container import count_of, pack, section_of, unpack
from shoal.model.limits import MAX_DIMENSION
from shoal.model.records import Vectors

_KIND, _FORMAT = "sample", 1


def sample_positions(rows: int, wanted: int, *, seed: int) -> NDArray[np.intp]:
    """Which of `rows` rows go into a sample of `wanted`, ascending: the same for each attempt."""
    if wanted >= rows:
        return np.arange(rows)
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(rows, size=wanted, replace=False))


def encode_sample(vectors: Vectors, hashes: NDArray[np.uint64]) -> bytes:
    """The object of a sample: vectors (float32, shape (n, dimension)) and hashed ids (uint64, shape (n, 2))."""
    attributes = {"rows": len(vectors), "dimension": int(vectors.shape[1])}
    sections = {
        "vectors": np.ascontiguousarray(vectors, dtype="<f4").tobytes(),
        "hashes": np.ascontiguousarray(hashes, dtype="<u8").tobytes(),
    }
    return pack(_KIND, _FORMAT, attributes, sections)


def decode_sample(data: Buffer) -> tuple[Vectors, NDArray[np.uint64]]:
    """Read a sample, after its checksum has been compared.

    Raises:
        CorruptObject: it is not one.
    """
    container = unpack(_KIND, data, versions=(_FORMAT,))
    rows = count_of(container.attributes, "rows")
    dimension = count_of(container.attributes, "dimension", most=MAX_DIMENSION)
    if not dimension:
        raise CorruptObject("sample: no dimension")
    vectors = np.frombuffer(section_of(container, "vectors", size=rows * dimension * 4), dtype="<f4")
    hashes = np.frombuffer(section_of(container, "hashes", size=rows * 16), dtype="<u8")
    return vectors.reshape(rows, dimension).astype(np.float32, copy=False), hashes.reshape(rows, 2)
