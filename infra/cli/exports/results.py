"""What the API answers of exports, as frozen types."""

from dataclasses import dataclass

from infra.cli.results import Json


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A Parquet file of an export: what it must be, and where it is for an hour."""

    name: str
    rows: int
    bytes: int
    sha256: str
    url: str

    @classmethod
    def of(cls, body: Json) -> "ExportedFile":
        """Read the API's object."""
        return cls(body["name"], body["rows"], body["bytes"], body["sha256"], body["url"])


@dataclass(frozen=True, slots=True)
class ExportInfo:
    """An export as the API describes it. `done` of `total` files are written; times are ISO 8601 in UTC."""

    export_id: str
    dataset: str
    status: str
    version: int
    done: int
    total: int
    row_count: int
    bytes: int
    created_at: str
    completed_at: str | None
    error_message: str | None
    files: tuple[ExportedFile, ...] = ()
    manifest_url: str | None = None

    @classmethod
    def of(cls, body: Json) -> "ExportInfo":
        """Read the API's object."""
        manifest = body.get("manifest")
        return cls(
            export_id=body["export_id"],
            dataset=body["dataset"],
            status=body["status"],
            version=body["version"],
            done=body["progress"]["done"],
            total=body["progress"]["total"],
            row_count=body["row_count"],
            bytes=body["bytes"],
            created_at=body["created_at"],
            completed_at=body["completed_at"],
            error_message=body["error_message"],
            files=tuple(ExportedFile.of(each) for each in body.get("files") or ()),
            manifest_url=manifest["url"] if manifest else None,
        )

    @property
    def over(self) -> bool:
        """Terminal: it will not change any more."""
        return self.status != "running"

    @property
    def shown(self) -> object:
        """What makes a state another one."""
        return self.status, self.done, self.total

    def summary(self) -> dict[str, object]:
        """Without addresses, which are good for an hour and for whoever sees them."""
        return {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in ("files", "manifest_url")
        }
