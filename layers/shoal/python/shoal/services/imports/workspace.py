"""Where one import is worked on: its upload, what its steps store on the way, and how far it is.

Attempts do not meet (invariant 8): what a step makes goes under a name that no other attempt has, and a small
record under a fixed name, put only if there is none, says whose counts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shoal.errors import ConditionFailed, CorruptObject, ImportStopped, ObjectMissing, PreconditionFailed
from shoal.index.checksums import Buffer, sha256_hex, verify
from shoal.model.datasets import Dataset
from shoal.model.ids import new_token
from shoal.model.import_work import WorkRecord
from shoal.model.imports import Import, ImportStatus
from shoal.model.manifests import PartRef
from shoal.services.heads import parse_head, parse_meta
from shoal.services.imports.items import dataset_keys_of, keys_of_import, parse_import
from shoal.services.imports.lookup import find_import, read_import
from shoal.services.retry import retry_busy
from shoal.storage.keys import ImportKeys
from shoal.storage.ports import Action, Add, AnyOf, Assign, Compare, Ports


@dataclass(frozen=True, slots=True)
class Workspace:
    """One import at work. `job` is the import as it was when the step began."""

    ports: Ports
    dataset: Dataset
    job: Import

    @property
    def keys(self) -> ImportKeys:
        """The import's keys."""
        return keys_of_import(self.job)

    # --- objects

    def put(self, name: str, data: Buffer) -> PartRef:
        """Store an object of this attempt; `name` says what it is."""
        key = self.keys.work(f"{name}-{new_token()}")
        retry_busy(lambda: self.ports.objects.put(key, memoryview(data)))
        return PartRef(key=key, size=memoryview(data).nbytes, sha256=sha256_hex(data))

    def read(self, ref: PartRef) -> bytes:
        """A stored object.

        Raises:
            CorruptObject: missing, or not what was stored.
        """
        try:
            data = retry_busy(lambda: self.ports.objects.get(ref.key))
        except ObjectMissing as missing:
            raise CorruptObject(f"{ref.key} is named but missing") from missing
        verify(data, sha256=ref.sha256, size=ref.size, name=ref.key)
        return data

    def read_range(self, ref: PartRef, start: int, stop: int) -> bytes:
        """Bytes ``[start, stop)`` of a stored object, which can't be verified by its checksum."""
        if start == stop:
            return b""
        data = retry_busy(lambda: self.ports.objects.get(ref.key, byte_range=(start, stop)))
        if len(data) != stop - start:
            raise CorruptObject(f"{ref.key} ends before byte {stop}")
        return data

    # --- records: the first one of a name counts

    def record[R: WorkRecord](self, name: str, made: R) -> tuple[R, bool]:
        """Store the record of a result unless there is one; the record that counts, and whether it is ours."""
        key = self.keys.work(f"{name}.json")
        try:
            retry_busy(lambda: self.ports.objects.put(key, made.line(), if_none_match=True))
        except PreconditionFailed:
            there = type(made).parse(retry_busy(lambda: self.ports.objects.get(key)))
            return there, there == made
        return made, True

    def recorded[R: WorkRecord](self, name: str, kind: type[R]) -> R | None:
        """The record of a result; None where there is none yet."""
        key = self.keys.work(f"{name}.json")
        try:
            return kind.parse(retry_busy(lambda: self.ports.objects.get(key)))
        except ObjectMissing:
            return None

    def needed[R: WorkRecord](self, name: str, kind: type[R]) -> R:
        """The record of a result that an earlier step has made.

        Raises:
            CorruptObject: there is none.
        """
        found = self.recorded(name, kind)
        if found is None:
            raise CorruptObject(f"no record {name} of import {self.job.import_id}")
        return found

    def put_items(self, name: str, items: Sequence[WorkRecord]) -> str:
        """Store what a map goes over, a JSON line each; the key."""
        ref = self.put(name, b"".join(item.line() + b"\n" for item in items))
        return ref.key

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


type Step = Callable[[Workspace, Mapping[str, Any]], Mapping[str, Any]]
"""A step of the workflow: called with the import and the item of the map (empty outside of one); what it returns
is the state's output."""


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
