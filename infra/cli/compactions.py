"""The API's calls about compactions."""

from dataclasses import dataclass

from infra.cli.failures import ApiError
from infra.cli.paths import dataset_path
from infra.cli.results import Json
from infra.cli.transport import Transport


@dataclass(frozen=True, slots=True)
class CompactionInfo:
    """The compaction that began last; `stage` is "" and `total` 0 where nobody has said yet."""

    compaction_id: str
    status: str
    rows: int
    error_message: str | None
    created_at: str
    completed_at: str | None
    stage: str = ""
    done: int = 0
    total: int = 0

    @classmethod
    def of(cls, body: Json) -> "CompactionInfo":
        """Read the API's object."""
        known = {name: body[name] for name in list(cls.__dataclass_fields__)[:6]}
        return cls(**known, **(body.get("progress") or {}))

    @property
    def over(self) -> bool:
        """Terminal: it will not change any more."""
        return self.status != "running"


class CompactionCalls:
    """Compactions of one API; made by `ShoalClient.compactions`."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def request(self, dataset: str) -> None:
        """Ask for a compaction that leaves no dead rows, and as few pieces as can be."""
        self._http.send("POST", f"{dataset_path(dataset)}/compact")

    def newest(self, dataset: str) -> CompactionInfo | None:
        """The compaction that began last; None where there was none for a month."""
        try:
            return CompactionInfo.of(self._http.send("GET", f"{dataset_path(dataset)}/compaction").json())
        except ApiError as error:
            if error.code != "compaction_not_found":
                raise
            return None
