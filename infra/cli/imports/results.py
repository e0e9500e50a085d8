"""What the API answers of imports, as frozen types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

type Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Progress:
    """The stage at hand and how many of its pieces are done; `total` is 0 where nobody has counted them."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Reason:
    """How many records were rejected for one reason."""

    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class ImportInfo:
    """An import, field by field as the API describes it. Times are ISO 8601 in UTC."""

    import_id: str
    dataset: str
    format: str
    status: str
    error_mode: str
    max_bad_records: int | None
    records_processed: int
    records_accepted: int
    records_rejected: int
    percent_complete: int
    rejected_records_url: str | None
    error_message: str | None
    created_at: str
    completed_at: str | None
    progress: Progress | None
    reasons: tuple[Reason, ...]

    @classmethod
    def of(cls, body: Json) -> "ImportInfo":
        """Read the API's object."""
        progress = body.get("progress")
        return cls(
            import_id=body["import_id"],
            dataset=body["dataset"],
            format=body["format"],
            status=body["status"],
            error_mode=body["error_mode"],
            max_bad_records=body["max_bad_records"],
            records_processed=body["records_processed"],
            records_accepted=body["records_accepted"],
            records_rejected=body["records_rejected"],
            percent_complete=body["percent_complete"],
            rejected_records_url=body["rejected_records_url"],
            error_message=body["error_message"],
            created_at=body["created_at"],
            completed_at=body["completed_at"],
            progress=Progress(progress["stage"], progress["done"], progress["total"]) if progress else None,
            reasons=tuple(Reason(each["reason"], each["count"]) for each in body.get("reasons") or ()),
        )

    @property
    def over(self) -> bool:
        """Terminal: it will not change any more."""
        return self.status in ("completed", "failed")

    @property
    def shown(self) -> object:
        """What makes a state another one."""
        return self.status, self.progress, self.records_accepted, self.records_rejected

    @property
    def failed(self) -> bool:
        """Nothing of the file was indexed."""
        return self.status == "failed"


@dataclass(frozen=True, slots=True)
class Upload:
    """Where the file goes: to one address, or in parts of `part_bytes` to several."""

    urls: tuple[str, ...]
    content_type: str
    max_bytes: int
    part_bytes: int | None

    @classmethod
    def of(cls, body: Json) -> "Upload":
        """Read the API's object."""
        parts = body.get("parts")
        urls = tuple(part["url"] for part in parts) if parts else (body["url"],)
        return cls(urls, body["content_type"], body["max_bytes"], body.get("part_bytes"))


@dataclass(frozen=True, slots=True)
class Part:
    """A part that was uploaded."""

    part_number: int
    etag: str
