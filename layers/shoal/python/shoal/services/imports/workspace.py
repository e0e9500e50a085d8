"""Where one import is worked on: its upload, its chunks, and how far it is."""

from collections.abc import Collection
from dataclasses import dataclass

from shoal.errors import ConditionFailed, CorruptObject, ImportStopped
from shoal.model.import_work import ChunkRecord, Settled
from shoal.model.imports import Import, ImportStatus
from shoal.services.heads import parse_head, parse_meta
from shoal.services.imports.items import dataset_keys_of, keys_of_import, parse_import
from shoal.services.imports.lookup import find_import, read_import
from shoal.services.parallel import in_parallel
from shoal.services.pipeline import run
from shoal.services.pipeline.run import IndexRun, Piece
from shoal.services.retry import retry_busy
from shoal.storage.keys import ImportKeys
from shoal.storage.ports import Action, Add, AnyOf, Assign, Compare, Ports


@dataclass(frozen=True, slots=True)
class Workspace(IndexRun):
    """One import at work. `job` is the import as it was when the step began."""

    job: Import

    @property
    def keys(self) -> ImportKeys:
        """The import's keys."""
        return keys_of_import(self.job)

    @property
    def run_id(self) -> str:
        """The import's id."""
        return self.job.import_id

    @property
    def sequence(self) -> int:
        """The place in the log from which on newer writes win over the import."""
        if self.job.sequence is None:
            raise CorruptObject("an import at work has no sequence")
        return self.job.sequence

    def key(self, name: str) -> str:
        """Where an object of that name lies which the import makes on the way."""
        return self.keys.work(name)

    # --- its rows, once they are settled

    def row_count(self) -> int:
        """How many rows count."""
        return self.needed("settled", Settled).rows

    def pieces(self, numbers: Collection[int] | None = None) -> list[Piece]:
        """The chunks that have accepted rows: those of the numbers given, or all.

        Raises:
            CorruptObject: a chunk that is asked for has none, or is not there.
        """
        kept = self.needed("settled", Settled).kept
        chosen = sorted(map(int, kept) if numbers is None else numbers)

        def piece(number: int) -> Piece:
            record = self.needed(f"chunk-{number:06d}", ChunkRecord)
            if record.columns is None or record.hashes is None or record.sample is None:
                raise CorruptObject(f"chunk {number} has no rows")
            places = kept[str(number)]
            return Piece(number, record.accepted, record.columns, record.hashes, record.sample, places)

        return in_parallel(piece, chosen)

    # --- the import itself

    def fresh(self) -> Import:
        """The import as it is now.

        Raises:
            ImportStopped: it is gone.
        """
        job = read_import(self.ports, self.keys)
        if job is None:
            raise ImportStopped("the import is gone")
        return job

    def update(self, *actions: Action) -> Import:
        """Change the import, so long as it is neither failed nor completed.

        Raises:
            ImportStopped: it has ended.
        """
        under_way = (ImportStatus.VALIDATING, ImportStatus.INDEXING)
        condition = AnyOf(tuple(Compare("status", "=", status.value) for status in under_way))
        try:
            item = retry_busy(lambda: self.ports.table.update(self.keys.item, actions, condition=condition))
        except ConditionFailed as ended:
            raise ImportStopped("the import has ended") from ended
        return parse_import(item)

    def enter(self, stage: str, *, total: int = 0) -> None:
        """Say which stage begins, and of how many pieces it consists.

        Raises:
            ImportStopped: the import has ended.
        """
        self.update(Assign("stage", stage), Assign("total", total), Assign("done", 0))

    def piece_done(self) -> None:
        """Count a piece of the stage as done. For people: a repeated attempt may leave it out.

        Raises:
            ImportStopped: the import has ended.
        """
        self.update(Add("done", 1))


type Step = run.Step[Workspace]
"""A step of the import's workflow."""


def open_workspace(ports: Ports, import_id: str) -> Workspace:
    """The workspace of an import that is under way.

    Raises:
        ImportStopped: it has ended, or its dataset is gone.
    """
    job = find_import(ports, import_id)
    if job is None:
        raise ImportStopped("no such import")
    if job.status.terminal:
        raise ImportStopped(f"the import is {job.status}")
    dataset_keys = dataset_keys_of(job)
    found = {entry["sk"]: entry for entry in ports.table.batch_get([dataset_keys.meta, dataset_keys.head])}
    meta, head = found.get(dataset_keys.meta.sk), found.get(dataset_keys.head.sk)
    if meta is None or head is None or not parse_head(head).live:
        raise ImportStopped("the dataset has been deleted")
    return Workspace(ports, parse_meta(meta), job)
