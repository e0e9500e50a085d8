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
        answer = self._http.send("POST", _imports(dataset), json=body, repeatable=False).json()
        return ImportInfo.of(answer), Upload.of(answer["upload"])

    def complete(self, dataset: str, import_id: str, *, parts: Sequence[Part] | None = None) -> ImportInfo:
        """Start what was uploaded. An import that S3's own event started first is as good."""
        body = {"parts": [asdict(part) for part in parts]} if parts is not None else None
        try:
            return ImportInfo.of(
                self._http.send("POST", f"{_import(dataset, import_id)}/complete", json=body).json()
            )
        except ApiError as error:
            if error.code != "import_not_pending":
                raise
            return self.get(dataset, import_id)

    def get(self, dataset: str, import_id: str) -> ImportInfo:
        """One import; 404 `import_not_found`."""
        return ImportInfo.of(self._http.send("GET", _import(dataset, import_id)).json())

    def list(self, dataset: str, *, limit: int = 100) -> tuple[ImportInfo, ...]:
        """The newest imports, newest first."""
        body = self._http.send("GET", _imports(dataset), params={"limit": str(limit)}).json()
        return tuple(ImportInfo.of(each) for each in body["imports"])

    def cancel(self, dataset: str, import_id: str) -> ImportInfo:
        """End an import with nothing of it indexed; 409 `import_not_cancellable` once it is too late."""
        return ImportInfo.of(self._http.send("POST", f"{_import(dataset, import_id)}/cancel").json())


def _imports(dataset: str) -> str:
    return f"{dataset_path(dataset)}/imports"


def _import(dataset: str, import_id: str) -> str:
    return f"{_imports(dataset)}/{segment(import_id, 'import id')}"
