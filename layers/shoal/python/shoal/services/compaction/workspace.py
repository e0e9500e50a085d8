"""Where one compaction is worked on: the version that it reads, what its steps store, and how far it is."""

from collections.abc import Collection
from dataclasses import dataclass

from shoal.errors import ConditionFailed, CorruptObject, RunStopped
from shoal.model.compactions import Compaction, CompactionStatus
from shoal.services.compaction.items import dataset_keys_of, find_compaction, keys_of_compaction
from shoal.services.compaction.records import Extracted, Planned
from shoal.services.heads import parse_meta
from shoal.services.leases import renew_build
from shoal.services.parallel import in_parallel
from shoal.services.parts import PartReader
from shoal.services.pipeline.run import IndexRun, Piece
from shoal.services.retry import retry_busy
from shoal.services.snapshot import Snapshot, manifest_part
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Action, Add, Assign, Compare, Ports

_CACHE_BYTES = 64 * 1000 * 1000


@dataclass(frozen=True, slots=True)
class CompactionRun(IndexRun):
    """One compaction at work. `job` is the compaction as it was when the step began."""

    job: Compaction

    @property
    def run_id(self) -> str:
        """The compaction's id."""
        return self.job.run_id

    @property
    def sequence(self) -> int:
        """The watermark of what is compacted; each row has a sequence of its own."""
        return self.job.watermark

    @property
    def dataset_keys(self) -> DatasetKeys:
        """The dataset's keys."""
        return dataset_keys_of(self.job)

    def key(self, name: str) -> str:
        """Where an object of that name lies which the compaction makes on the way."""
        return keys_of_compaction(self.job).work(name)

    def snapshot(self) -> Snapshot:
        """The version that is compacted."""
        reader = PartReader(self.ports.objects, cache_bytes=_CACHE_BYTES)
        manifest = reader.load(manifest_part(self.job.manifest, self.job.manifest_sha256))
        return Snapshot(self.dataset, manifest, reader)

    # --- its rows

    def row_count(self) -> int:
        """How many rows were alive when it began."""
        return self.needed("planned", Planned).rows

    def pieces(self, numbers: Collection[int] | None = None) -> list[Piece]:
        """The pieces that have rows: those of the numbers given, or all.

        Raises:
            CorruptObject: one that is asked for has none, or is not there.
        """
        chosen = range(self.needed("planned", Planned).pieces) if numbers is None else sorted(numbers)
        found = in_parallel(lambda number: self.needed(f"extract-{number:06d}", Extracted), list(chosen))
        pieces = [_piece(one) for one in found if one.rows]
        if numbers is not None and len(pieces) != len(found):
            raise CorruptObject(f"a piece of {self.run_id} has no rows")
        return pieces

    # --- how far it is

    def update(self, *actions: Action) -> None:
        """Change the compaction, so long as it is running.

        Raises:
            RunStopped: it has ended.
        """
        running = Compare("status", "=", CompactionStatus.RUNNING.value)
        key = keys_of_compaction(self.job).item
        try:
            retry_busy(lambda: self.ports.table.update(key, actions, condition=running))
        except ConditionFailed as ended:
            raise RunStopped("the compaction has ended") from ended

    def enter(self, stage: str, *, total: int = 0) -> None:
        """Say which stage begins, and of how many pieces it consists.

        Raises:
            RunStopped: it has ended.
        """
        self.update(Assign("stage", stage), Assign("total", total), Assign("done", 0))

    def piece_done(self) -> None:
        """Count a piece of the stage as done. For people: a repeated attempt may leave it out.

        Raises:
            RunStopped: it has ended.
        """
        self.update(Add("done", 1))


def _piece(one: Extracted) -> Piece:
    if one.columns is None or one.hashes is None or one.sample is None:
        raise CorruptObject(f"piece {one.number} has rows, but they are nowhere")
    return Piece(one.number, one.rows, one.columns, one.hashes, one.sample)


def open_run(ports: Ports, run_id: str) -> CompactionRun:
    """The workspace of a compaction that is under way, whose build lease then holds for as long again.

    Raises:
        RunStopped: it has ended, somebody else has its lease, or its dataset is gone.
    """
    job = find_compaction(ports, run_id)
    if job is None:
        raise RunStopped("no such compaction")
    if job.status.terminal:
        raise RunStopped(f"the compaction is {job.status}")
    keys = dataset_keys_of(job)
    if renew_build(ports, keys, owner=run_id) is None:
        raise RunStopped("the compaction has lost its lease")
    meta = retry_busy(lambda: ports.table.get(keys.meta))
    if meta is None:
        raise RunStopped("the dataset is gone")
    return CompactionRun(ports, parse_meta(meta), job)
