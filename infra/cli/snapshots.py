"""The API's calls about snapshots: name a version, look, forget, go back, clone."""

from dataclasses import dataclass

from infra.cli.paths import dataset_path, segment
from infra.cli.results import DatasetInfo, Json
from infra.cli.transport import Transport


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A version of a dataset that has a name. Times are ISO 8601 in UTC."""

    name: str
    dataset: str
    version: int
    row_count: int
    created_at: str

    @classmethod
    def of(cls, body: Json) -> "SnapshotInfo":
        """Read the API's object."""
        return cls(**{name: body[name] for name in cls.__dataclass_fields__})


class SnapshotCalls:
    """Snapshots of one API; made by `ShoalClient.snapshots`."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def create(self, dataset: str, name: str) -> SnapshotInfo:
        """Name the current version; 409 `snapshot_exists`. Not repeated where it may have worked."""
        answer = self._http.send("POST", _snapshots(dataset), json={"name": name}, repeatable=False)
        return SnapshotInfo.of(answer.json())

    def list(self, dataset: str) -> tuple[SnapshotInfo, ...]:
        """All snapshots of a dataset, by name."""
        body = self._http.send("GET", _snapshots(dataset)).json()
        return tuple(SnapshotInfo.of(each) for each in body["snapshots"])

    def get(self, dataset: str, name: str) -> SnapshotInfo:
        """One snapshot; 404 `snapshot_not_found`."""
        return SnapshotInfo.of(self._http.send("GET", _snapshot(dataset, name)).json())

    def delete(self, dataset: str, name: str) -> None:
        """Take the name away; the dataset stays as it is. Not repeated where it may have worked."""
        self._http.send("DELETE", _snapshot(dataset, name), repeatable=False)

    def restore(self, dataset: str, name: str, *, source: str | None = None) -> str:
        """Have the dataset go back to a snapshot, of its own or of a relative; the job's id.

        Not repeated where it may have worked: what is written in between would be undone.
        """
        body = {"snapshot": name} if source is None else {"snapshot": name, "dataset": source}
        answer = self._http.send("POST", f"{dataset_path(dataset)}/restore", json=body, repeatable=False)
        return str(answer.json()["job_id"])

    def clone(self, dataset: str, name: str, *, snapshot: str | None = None) -> DatasetInfo:
        """A new dataset of the current version or of a snapshot. Not repeated where it may have worked."""
        body = {"name": name} if snapshot is None else {"name": name, "snapshot": snapshot}
        answer = self._http.send("POST", f"{dataset_path(dataset)}/clone", json=body, repeatable=False)
        return DatasetInfo.of(answer.json())


def _snapshots(dataset: str) -> str:
    return f"{dataset_path(dataset)}/snapshots"


def _snapshot(dataset: str, name: str) -> str:
    return f"{_snapshots(dataset)}/{segment(name, 'snapshot name')}"
