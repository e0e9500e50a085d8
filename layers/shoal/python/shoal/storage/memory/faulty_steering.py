"""Wrappers that let `Faults` happen to uploads and workflows: what only starts and stops the work of others."""

from collections.abc import Mapping, Sequence

from shoal.storage.memory.faults import ANY_CALL, WRITE, Faults
from shoal.storage.memory.faulty import happen
from shoal.storage.ports import Target, Uploads, Workflows


class FaultyUploads(Uploads):
    """`Uploads` that fail as their `Faults` say. Addresses are signed without asking anybody, so they never do."""

    def __init__(self, uploads: Uploads, faults: Faults) -> None:
        self._uploads = uploads
        self._faults = faults

    def put_target(self, key: str, *, content_type: str, seconds: int) -> Target:
        """Where to PUT."""
        return self._uploads.put_target(key, content_type=content_type, seconds=seconds)

    def start_parts(self, key: str, *, content_type: str) -> str:
        """Begin a multipart upload."""
        fault = self._faults.decide("uploads.start_parts", key, WRITE)
        return happen(
            fault, "uploads.start_parts", lambda: self._uploads.start_parts(key, content_type=content_type)
        )

    def part_targets(self, key: str, *, upload_id: str, count: int, seconds: int) -> list[Target]:
        """Where to PUT parts."""
        return self._uploads.part_targets(key, upload_id=upload_id, count=count, seconds=seconds)

    def join_parts(self, key: str, *, upload_id: str, parts: Sequence[tuple[int, str]]) -> None:
        """Make the object of the parts."""
        fault = self._faults.decide("uploads.join_parts", key, WRITE)
        happen(
            fault,
            "uploads.join_parts",
            lambda: self._uploads.join_parts(key, upload_id=upload_id, parts=parts),
        )

    def drop_parts(self, key: str, *, upload_id: str) -> None:
        """Give a multipart upload up."""
        fault = self._faults.decide("uploads.drop_parts", key, WRITE)
        happen(fault, "uploads.drop_parts", lambda: self._uploads.drop_parts(key, upload_id=upload_id))

    def get_target(self, key: str, *, file_name: str, seconds: int) -> Target:
        """Where to GET."""
        return self._uploads.get_target(key, file_name=file_name, seconds=seconds)


class FaultyWorkflows(Workflows):
    """`Workflows` that fail as their `Faults` say."""

    def __init__(self, workflows: Workflows, faults: Faults) -> None:
        self._workflows = workflows
        self._faults = faults

    def start(self, name: str, given: Mapping[str, str]) -> None:
        """Start an execution."""
        fault = self._faults.decide("workflows.start", name, WRITE)
        happen(fault, "workflows.start", lambda: self._workflows.start(name, given))

    def status(self, name: str) -> str | None:
        """How an execution is."""
        fault = self._faults.decide("workflows.status", name, ANY_CALL)
        return happen(fault, "workflows.status", lambda: self._workflows.status(name))

    def stop(self, name: str, *, cause: str) -> None:
        """End an execution."""
        fault = self._faults.decide("workflows.stop", name, WRITE)
        happen(fault, "workflows.stop", lambda: self._workflows.stop(name, cause=cause))
