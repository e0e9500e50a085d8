"""Where one export is worked on: its version, what its steps store, and how far it is."""

from dataclasses import dataclass

from shoal.errors import ConditionFailed, RunStopped
from shoal.model.exports import Export, ExportStatus
from shoal.services.exports.items import dataset_keys_of, keys_of_export, parse_export
from shoal.services.heads import parse_head, parse_meta
from shoal.services.parts import PartReader
from shoal.services.pipeline import run
from shoal.services.pipeline.items import find_run
from shoal.services.pipeline.run import Run
from shoal.services.retry import retry_busy
from shoal.services.snapshot import Snapshot, manifest_part
from shoal.storage.keys import WorkKeys
from shoal.storage.ports import Action, Add, Assign, Compare, Ports

_CACHE_BYTES = 400 * 1000 * 1000
"""Parts that a step holds beside the rows of its file: most are asked for once."""


@dataclass(frozen=True, slots=True)
class ExportRun(Run):
    """One export at work. `job` is the export as it was when the step began."""

    job: Export

    @property
    def keys(self) -> WorkKeys:
        """The export's keys."""
        return keys_of_export(self.job)

    @property
    def run_id(self) -> str:
        """The export's id."""
        return self.job.export_id

    def key(self, name: str) -> str:
        """Where an object of that name lies which the export makes on the way."""
        return self.keys.work(name)

    def snapshot(self) -> Snapshot:
        """The version that is exported.

        Raises:
            CorruptObject: its manifest is missing or damaged.
        """
        job, reader = self.job, PartReader(self.ports.objects, cache_bytes=_CACHE_BYTES)
        manifest = reader.load(manifest_part(job.manifest, job.manifest_sha256))
        return Snapshot(self.dataset, manifest, reader, job.manifest, job.manifest_sha256)

    def enter(self, stage: str, *, total: int = 0) -> None:  # noqa: ARG002 - an export has one stage to watch
        """Say of how many files it consists.

        Raises:
            RunStopped: the export has ended.
        """
        self.update(Assign("total", total), Assign("done", 0))

    def piece_done(self) -> None:
        """Count a file as written.

        Raises:
            RunStopped: the export has ended.
        """
        self.update(Add("done", 1))

    def update(self, *actions: Action) -> Export:
        """Change the export, so long as it runs.

        Raises:
            RunStopped: it has ended.
        """
        running = Compare("status", "=", ExportStatus.RUNNING.value)
        try:
            item = retry_busy(lambda: self.ports.table.update(self.keys.item, actions, condition=running))
        except ConditionFailed as ended:
            raise RunStopped("the export has ended") from ended
        return parse_export(item)


type Step = run.Step[ExportRun]
"""A step of the workflow of exports."""


def find_export(ports: Ports, export_id: str) -> Export | None:
    """The export of that id, whoever owns it; None where there is none."""
    item = find_run(ports, export_id)
    return parse_export(item) if item else None


def open_export(ports: Ports, export_id: str) -> ExportRun:
    """The run of an export that is under way.

    Raises:
        RunStopped: it has ended, or its dataset is gone.
    """
    job = find_export(ports, export_id)
    if job is None:
        raise RunStopped("no such export")
    if job.status.terminal:
        raise RunStopped(f"the export is {job.status}")
    keys = dataset_keys_of(job)
    found = {
        entry["sk"]: entry for entry in retry_busy(lambda: ports.table.batch_get([keys.meta, keys.head]))
    }
    meta, head = found.get(keys.meta.sk), found.get(keys.head.sk)
    if meta is None or head is None or not parse_head(head).live:
        raise RunStopped("the dataset has been deleted")
    return ExportRun(ports, parse_meta(meta), job)
