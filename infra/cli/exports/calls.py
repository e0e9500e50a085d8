"""The API's calls about exports."""

from infra.cli.exports.results import ExportInfo
from infra.cli.paths import dataset_path, segment
from infra.cli.transport import Transport


class ExportCalls:
    """Exports of one API; made by `ShoalClient.exports`."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def create(self, dataset: str, *, snapshot: str | None = None) -> ExportInfo:
        """Begin to export the current version, or a snapshot's. Not repeated where it may have worked."""
        body = {} if snapshot is None else {"snapshot": snapshot}
        return ExportInfo.of(self._http.send("POST", _exports(dataset), json=body, repeatable=False).json())

    def get(self, dataset: str, export_id: str) -> ExportInfo:
        """One export, with its files once it is completed; 404 `export_not_found`."""
        path = f"{_exports(dataset)}/{segment(export_id, 'export id')}"
        return ExportInfo.of(self._http.send("GET", path).json())

    def list(self, dataset: str) -> tuple[ExportInfo, ...]:
        """The newest exports, newest first, without their files."""
        body = self._http.send("GET", _exports(dataset)).json()
        return tuple(ExportInfo.of(each) for each in body["exports"])


def _exports(dataset: str) -> str:
    return f"{dataset_path(dataset)}/exports"
