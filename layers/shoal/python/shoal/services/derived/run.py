"""Where one run that derives a dataset is worked on: what its steps store, and how far it is."""

from dataclasses import dataclass
from typing import NoReturn

from shoal.errors import ConditionFailed, CorruptObject, RunStopped
from shoal.model.datasets import Dataset
from shoal.model.derivations import Condition, Derivation, DerivationStatus, Lineage, TakenVersion
from shoal.services.derived.ending import RUNNING, end
from shoal.services.derived.items import (
    dataset_keys_of,
    find_derivation,
    keys_of_derivation,
    parse_derivation,
    parse_lineage,
)
from shoal.services.heads import parse_head, parse_meta
from shoal.services.parts import PartReader
from shoal.services.pipeline import run
from shoal.services.pipeline.run import Run
from shoal.services.retry import retry_busy
from shoal.services.snapshot import Snapshot, empty_manifest, manifest_part
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Action, Add, Assign, Ports

_CACHE_BYTES = 400 * 1000 * 1000


@dataclass(frozen=True, slots=True)
class DerivationRun(Run):
    """One run at work; `dataset` is the one that it makes. `job` is the run as it was when the step began,
    `lineage` what the dataset remembers, the condition among it.
    """

    job: Derivation
    lineage: Lineage

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.job.run_id

    @property
    def keys(self) -> DatasetKeys:
        """The keys of the dataset that is made."""
        return dataset_keys_of(self.job)

    @property
    def condition(self) -> Condition:
        """Which records are in it."""
        return self.lineage.condition

    def key(self, name: str) -> str:
        """Where an object of that name lies which the run makes on the way."""
        return keys_of_derivation(self.job).work(name)

    def reader(self) -> PartReader:
        """A cache for what one step reads."""
        return PartReader(self.ports.objects, cache_bytes=_CACHE_BYTES)

    # --- how far it is

    def enter(self, stage: str, *, total: int = 0) -> None:
        """Say which stage begins, and how many rows are looked at in it.

        Raises:
            RunStopped: the run has ended.
        """
        self.update(Assign("stage", stage), Assign("to_look_at", total), Assign("looked_at", 0))

    def piece_done(self) -> None:
        """Nothing: rows are counted, by `rows_done`."""

    def rows_done(self, rows: int) -> None:
        """Count so many rows as looked at.

        Raises:
            RunStopped: the run has ended.
        """
        self.update(Add("looked_at", rows))

    def update(self, *actions: Action) -> Derivation:
        """Change the run, so long as it is running.

        Raises:
            RunStopped: it has ended.
        """
        key = keys_of_derivation(self.job).item
        try:
            item = retry_busy(lambda: self.ports.table.update(key, actions, condition=RUNNING))
        except ConditionFailed as ended:
            raise RunStopped("the run has ended") from ended
        return parse_derivation(item)

    def refuse(self, message: str) -> NoReturn:
        """End the run because it cannot succeed; its owner reads why.

        Raises:
            RunStopped: always.
        """
        end(self.ports, self.job, DerivationStatus.FAILED, message)
        raise RunStopped(message)


type Step = run.Step[DerivationRun]
"""A step of the workflow."""


def open_version(reader: PartReader, source: Dataset, version: TakenVersion) -> Snapshot:
    """A version of the source, opened; without rows where nothing was ever written into it.

    Raises:
        CorruptObject: its manifest is missing or damaged.
    """
    if version.manifest is None or version.manifest_sha256 is None:
        return Snapshot(source, empty_manifest(source), reader)
    manifest = reader.load(manifest_part(version.manifest, version.manifest_sha256))
    return Snapshot(source, manifest, reader, version.manifest, version.manifest_sha256)


def open_derivation(ports: Ports, run_id: str) -> DerivationRun:
    """A run that is under way.

    Raises:
        RunStopped: it has ended, or its dataset is gone.
    """
    job = find_derivation(ports, run_id)
    if job is None:
        raise RunStopped("no such run")
    if job.status.terminal:
        raise RunStopped(f"the run is {job.status}")
    keys = dataset_keys_of(job)
    wanted = [keys.meta, keys.head, keys.derivation]
    found = {item["sk"]: item for item in retry_busy(lambda: ports.table.batch_get(wanted))}
    meta, head, lineage = (found.get(key.sk) for key in wanted)
    if meta is None or head is None or not parse_head(head).live:
        raise RunStopped("the dataset has been deleted")
    if lineage is None:
        raise CorruptObject(f"nothing says of what {job.dataset_id} is derived")
    return DerivationRun(ports, parse_meta(meta), job, parse_lineage(lineage))
