"""What a task that pulls records remembers between its steps: the objects, and the import of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from shoal.model.imports import ImportFormat
from shoal.model.openverse import OpenverseTask
from shoal.storage.keys import ImportKeys
from shoal.storage.ports import UpstreamObject


class FileState(StrEnum):
    """How far an object is."""

    WAITING = "waiting"
    BEGUN = "begun"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class PulledFile:
    """An object as it was listed, and the id that its import has or will have."""

    key: str
    size: int
    etag: str
    import_id: str
    state: FileState = FileState.WAITING

    @property
    def listed(self) -> UpstreamObject:
        """As the port takes it."""
        return UpstreamObject(self.key, self.size, self.etag, 0.0)


@dataclass(frozen=True, slots=True)
class Pull:
    """What is pulled, from which bucket, into which dataset; `records` and `rejected` are of imports done."""

    bucket: str = ""
    format: ImportFormat = ImportFormat.NDJSON
    dataset_id: str = ""
    files: tuple[PulledFile, ...] = ()
    records: int = 0
    rejected: int = 0

    @property
    def planned(self) -> bool:
        """Whether it is known what there is to pull."""
        return bool(self.files)

    @property
    def told(self) -> str:
        """What was pulled, in words."""
        done = len(self.those(FileState.DONE))
        rejected = f", {self.rejected} records rejected" if self.rejected else ""
        return f"{self.records} records pulled from {done} objects{rejected}"

    def those(self, state: FileState) -> list[PulledFile]:
        """The objects that are so far."""
        return [file for file in self.files if file.state is state]

    def with_file(self, file: PulledFile, state: FileState, *, records: int = 0, rejected: int = 0) -> "Pull":
        """As it is once one object is further."""
        files = tuple(replace(each, state=state) if each == file else each for each in self.files)
        return replace(self, files=files, records=self.records + records, rejected=self.rejected + rejected)

    def imports(self, tenant_id: str) -> Iterator[ImportKeys]:
        """The keys of imports that may have been begun, and are not known to be done."""
        return (
            ImportKeys(tenant_id, self.dataset_id, file.import_id)
            for file in self.files
            if file.state is not FileState.DONE
        )

    def as_work(self) -> dict[str, Any]:
        """As a task keeps it."""
        return {
            "bucket": self.bucket,
            "format": self.format.value,
            "dataset_id": self.dataset_id,
            "records": self.records,
            "rejected": self.rejected,
            "files": [
                [file.key, file.size, file.etag, file.import_id, file.state.value] for file in self.files
            ],
        }

    @classmethod
    def of(cls, task: OpenverseTask) -> "Pull":
        """What a task remembers; nothing of one that has not begun to pull, or does something else."""
        work = task.work
        if "files" not in work:
            return cls()
        return cls(
            bucket=str(work["bucket"]),
            format=ImportFormat(work["format"]),
            dataset_id=str(work["dataset_id"]),
            files=tuple(_file(entry) for entry in work["files"]),
            records=int(work["records"]),
            rejected=int(work["rejected"]),
        )


def _file(entry: Sequence[Any]) -> PulledFile:
    key, size, etag, import_id, state = entry
    return PulledFile(str(key), int(size), str(etag), str(import_id), FileState(state))
