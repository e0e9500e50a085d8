"""Manifests: what a dataset is at one version. A small root names immutable parts by key and checksum."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shoal.errors import CorruptObject
from shoal.model.datasets import Metric
from shoal.model.limits import MAX_MANIFEST_BYTES

MANIFEST_FORMAT: Literal[1] = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PartRef(_Frozen):
    """An object named by a manifest: nothing of it is parsed before `sha256` (hex) matches."""

    key: str
    size: int = Field(ge=0)
    sha256: str


class FileRef(_Frozen):
    """A file of a shard."""

    size: int = Field(ge=0)
    sha256: str


class ShardRef(_Frozen):
    """A shard: `rows` rows whose sequences lie between `min_sequence` and `max_sequence`.

    `files` are named `vectors.f32`, `records.sqlite` and, but for deltas, `index.hnsw`; those of a shard of cells
    `vectors.f32` and `records.cells`. Either kind but deltas may have `properties.front` and `properties` beside
    them, the index of its metadata (`index.properties`).
    """

    shard_id: str
    rows: int = Field(gt=0)
    min_sequence: int
    max_sequence: int
    files: dict[str, FileRef]


class RunRef(PartRef):
    """A run of the id index with its number of entries.

    Its first `front_size` bytes, which hold the digest of each block behind them, can be verified on their own.
    """

    entries: int
    front_size: int
    front_sha256: str


class Recall(_Frozen):
    """What calibration saw: recall@10 at `ef` against exact search over `samples` queries."""

    target: float
    measured: float
    ef: int
    samples: int
    sampled_at: float


class CellRecall(_Frozen):
    """What calibration saw of a cell set: recall@10 when so many cells are probed, against exact search.

    `filtered_measured` and `filtered_probes` are those of queries whose filter leaves one row in a hundred, for
    `filtered_target`. `sure_probes` reach that target without a filter: what a filter that leaves nearly all rows
    needs.
    """

    target: float
    measured: float
    probes: int = Field(gt=0)
    filtered_measured: float
    filtered_probes: int = Field(gt=0)
    filtered_target: float | None = None
    sure_probes: int | None = None
    samples: int
    sampled_at: float


class CellSetRef(PartRef):
    """The cells of one import or compaction: how many, their rows (dead ones included), and the first sequence of
    the import, or the watermark of what was compacted.
    """

    cells: int = Field(gt=0)
    rows: int = Field(gt=0)
    sequence: int
    recall: CellRecall


class Manifest(_Frozen):
    """The root. `deltas`, `cell_sets` and `runs` are ordered oldest first.

    `open_imports` are their first sequences. `masked`: among the dead rows are some that the id index knows as the
    newest of their ids, because a derived dataset leaves them out; without it there are none.
    """

    format: Literal[1] = MANIFEST_FORMAT
    dataset_id: str
    version: int = Field(ge=0)
    dimension: int
    metric: Metric = Field(strict=False)
    watermark: int = 0
    row_count: int = 0
    reserved_total: int = 0
    resident: ShardRef | None = None
    deltas: tuple[ShardRef, ...] = Field(default=(), strict=False)
    cell_sets: tuple[CellSetRef, ...] = Field(default=(), strict=False)
    runs: tuple[RunRef, ...] = Field(default=(), strict=False)
    dead_base: PartRef | None = None
    dead_increments: tuple[PartRef, ...] = Field(default=(), strict=False)
    open_imports: tuple[int, ...] = Field(default=(), strict=False)
    recall: Recall | None = None
    created_at: float = 0.0
    compacted_at: float | None = None
    masked: bool = False

    @property
    def shards(self) -> tuple[ShardRef, ...]:
        """The shards that are searched whole: the resident one, if any, then the deltas. Those of cells are named
        by their cell sets.
        """
        return ((self.resident,) if self.resident else ()) + self.deltas

    @property
    def delta_bytes(self) -> int:
        """Vector bytes of all deltas: what every query scans."""
        return sum(shard.rows for shard in self.deltas) * self.dimension * 4

    @property
    def resident_bytes(self) -> int:
        """Vector bytes of the resident shard, its dead rows included."""
        return self.resident.rows * self.dimension * 4 if self.resident else 0

    @property
    def flat_rows(self) -> int:
        """Rows outside of cells, dead ones included: those that a build of the resident shard reads."""
        return sum(shard.rows for shard in self.shards)

    @property
    def recall_summary(self) -> dict[str, float | int | None] | None:
        """What calibration promises of a query: the worst of all that it asks; None before any calibration.

        `probes` are cells in all, `ef` is that of the resident graph.
        """
        measured = [item.recall for item in self.cell_sets]
        kinds: list[Recall | CellRecall] = [*measured, *((self.recall,) if self.recall else ())]
        if not kinds:
            return None
        return {
            "target": kinds[-1].target,
            "measured": min(kind.measured for kind in kinds),
            "probes": sum(kind.probes for kind in measured) or None,
            "ef": self.recall.ef if self.recall else None,
            "sampled_at": max(kind.sampled_at for kind in kinds),
        }

    @property
    def tombstone_horizon(self) -> int | None:
        """Tombstones after this sequence must be kept for an open import; None when there is none open."""
        return min(self.open_imports, default=None)


def encode(manifest: Manifest) -> bytes:
    """The stored form.

    Raises:
        ValueError: over 64 KB; a root names parts, it does not hold them.
    """
    data = manifest.model_dump_json().encode()
    if len(data) > MAX_MANIFEST_BYTES:
        raise ValueError(f"manifest root of {len(data)} bytes")
    return data


def decode(data: bytes) -> Manifest:
    """Parse a stored root whose checksum has been compared.

    Raises:
        CorruptObject: not a manifest of a known format.
    """
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        raise CorruptObject(f"manifest cannot be read: {error.error_count()} errors") from error
