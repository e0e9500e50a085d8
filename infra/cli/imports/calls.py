"""The API's calls about imports."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from infra.cli.failures import ApiError
from infra.cli.imports.results import ImportInfo, Part, Upload
from infra.cli.paths import dataset_path, segment
from infra.cli.transport import Transport


class ImportCalls:
    """Imports of one API; made by `ShoalClient.imports`."""

    command = "imports"
    """Of `shoal`, that shows them; with `waiting` it follows one to its end."""
    waiting = "--wait"
    info: type[ImportInfo] = ImportInfo

    def __init__(self, http: Transport) -> None:
        self._http = http

    def create(
        self,
        dataset: str,
        *,
        file_format: str,
        error_mode: str = "continue",
        max_bad_records: int | None = None,
        multipart: bool = False,
    ) -> tuple[ImportInfo, Upload]:
        """Create an import. Not repeated where it may have worked."""
        body: dict[str, Any] = {
            "format": file_format,
            "error_mode": error_mode,
            "max_bad_records": max_bad_records,
        }
        if multipart:
            body["multipart"] = True
        return self._created(dataset, body)

    def _created(self, dataset: str, body: dict[str, Any]) -> tuple[ImportInfo, Upload]:
        answer = self._http.send("POST", self.path(dataset), json=body, repeatable=False).json()
        return self.info.of(answer), Upload.of(answer["upload"])

    def complete(self, dataset: str, import_id: str, *, parts: Sequence[Part] | None = None) -> ImportInfo:
        """Start what was uploaded. An import that S3's own event started first is as good."""
        body = {"parts": [asdict(part) for part in parts]} if parts is not None else None
        try:
            return self.info.of(
                self._http.send("POST", f"{self._one(dataset, import_id)}/complete", json=body).json()
            )
        except ApiError as error:
            if error.code != "import_not_pending":
                raise
            return self.get(dataset, import_id)

    def get(self, dataset: str, import_id: str) -> ImportInfo:
        """One import; 404 `import_not_found`."""
        return self.info.of(self._http.send("GET", self._one(dataset, import_id)).json())

    def list(self, dataset: str, *, limit: int = 100) -> tuple[ImportInfo, ...]:
        """The newest imports, newest first."""
        body = self._http.send("GET", self.path(dataset), params={"limit": str(limit)}).json()
        return tuple(self.info.of(each) for each in body["imports"])

    def cancel(self, dataset: str, import_id: str) -> ImportInfo:
        """End an import with nothing of it indexed; 409 `import_not_cancellable` once it is too late."""
        return self.info.of(self._http.send("POST", f"{self._one(dataset, import_id)}/cancel").json())

    def path(self, dataset: str) -> str:
        """Where the imports of a dataset are."""
        return f"{dataset_path(dataset)}/imports"

    def _one(self, dataset: str, import_id: str) -> str:
        return f"{self.path(dataset)}/{segment(import_id, 'import id')}"
