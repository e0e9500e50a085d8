"""The API's calls about imports of documents: those about any import, under other paths."""

from dataclasses import dataclass
from typing import Any

from infra.cli.imports.calls import ImportCalls
from infra.cli.imports.results import ImportInfo, Json, Upload
from infra.cli.paths import segment


@dataclass(frozen=True, slots=True)
class DocumentImportInfo(ImportInfo):
    """An import of documents; `skipped` are drafts and versions of releases, of the `outdated` ones the dataset
    held a version that is as late, or later.
    """

    documents_skipped: int
    documents_outdated: int

    @classmethod
    def of(cls, body: Json) -> "DocumentImportInfo":
        """Read the API's object."""
        known = ImportInfo.of(body)
        fields = {name: getattr(known, name) for name in ImportInfo.__dataclass_fields__}
        return cls(
            **fields,
            documents_skipped=body["documents_skipped"],
            documents_outdated=body["documents_outdated"],
        )


class DocumentImportCalls(ImportCalls):
    """Imports of documents of one API; made by `ShoalClient.documents`."""

    command = "documents"
    waiting = "--watch"
    info = DocumentImportInfo

    def create(
        self,
        dataset: str,
        *,
        file_format: str = "documents",  # noqa: ARG002 - the only one there is
        error_mode: str = "continue",
        max_bad_records: int | None = None,
        multipart: bool = False,
    ) -> tuple[ImportInfo, Upload]:
        """Create an import; a dataset comes into being with its first one."""
        body: dict[str, Any] = {"error_mode": error_mode, "multipart": multipart}
        if max_bad_records is not None:
            body["max_bad_records"] = max_bad_records
        return self._created(dataset, body)

    def path(self, dataset: str) -> str:
        """Where the imports of a dataset are."""
        return f"/vX/data/import/{segment(dataset, 'dataset name')}"
