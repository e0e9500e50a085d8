"""What is stored of a content index beside its dataset: what it selects, how far it follows, and what failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shoal.errors import NotFound
from shoal.model.content_indexes import FailedDocument, Selection, parse_selection
from shoal.model.tasks import FailureStage
from shoal.services.retry import retry_busy
from shoal.storage.keys import CONTENT_FAILURE_PREFIX, DatasetKeys, ImportKeys
from shoal.storage.ports import Action, Add, AllOf, Assign, Compare, Condition, Drop, Item, Ports, UpdateItem


@dataclass(frozen=True, slots=True)
class IndexItem:
    """A content index as stored.

    `documents_id` is the dataset of its documents, `import_id` its build. Once that is `active`, it holds all
    changes of the documents up to the place `synced` of their log, and those of the next place up to and with the
    id `after_id`. `turn` counts all that was written since: who writes says which turn it has read. `failed`
    documents could not be embedded. It selected `start_count` documents when it was made, or fewer, until the
    build has counted them. `behind` is why it does not follow at the moment, `vector_quota` the tenant's when it
    was made.
    """

    keys: DatasetKeys
    documents_id: str
    filter: str
    projection: str
    import_id: str
    created_at: float
    updated_at: float
    start_count: int
    active: bool = False
    synced: int = 0
    after_id: str = ""
    turn: int = 0
    failed: int = 0
    behind: str | None = None
    vector_quota: int | None = None

    @property
    def documents(self) -> DatasetKeys:
        """Keys of the dataset of its documents."""
        return DatasetKeys(self.keys.tenant_id, self.documents_id)

    @property
    def build(self) -> ImportKeys:
        """Keys of its build."""
        return ImportKeys(self.keys.tenant_id, self.keys.dataset_id, self.import_id)

    @property
    def selection(self) -> Selection:
        """What it selects."""
        return parse_selection(self.filter, self.projection)

    def turned(self, *actions: Action, now: float) -> UpdateItem:
        """What changes it, if nobody has since it was read."""
        unchanged: Condition = AllOf((Compare("turn", "=", self.turn), Compare("active", "=", self.active)))
        return UpdateItem(
            self.keys.content, (*actions, Assign("updated_at", now), Add("turn", 1)), condition=unchanged
        )


def index_item(index: IndexItem) -> dict[str, Any]:
    """A new content index as stored."""
    key = index.keys.content
    return {
        "pk": key.pk,
        "sk": key.sk,
        "tenant_id": index.keys.tenant_id,
        "dataset_id": index.keys.dataset_id,
        "documents_id": index.documents_id,
        "filter": index.filter,
        "projection": index.projection,
        "import_id": index.import_id,
        "created_at": index.created_at,
        "updated_at": index.updated_at,
        "start_count": index.start_count,
        "active": index.active,
        "synced": index.synced,
        "after_id": index.after_id,
        "turn": index.turn,
        "failed": index.failed,
        "vector_quota": index.vector_quota,
    }


def parse_index(item: Item) -> IndexItem:
    """A content index as stored."""
    quota = item.get("vector_quota")
    return IndexItem(
        keys=DatasetKeys(str(item["tenant_id"]), str(item["dataset_id"])),
        documents_id=str(item["documents_id"]),
        filter=str(item["filter"]),
        projection=str(item["projection"]),
        import_id=str(item["import_id"]),
        created_at=float(item["created_at"]),
        updated_at=float(item["updated_at"]),
        start_count=int(item["start_count"]),
        active=bool(item["active"]),
        synced=int(item["synced"]),
        after_id=str(item["after_id"]),
        turn=int(item["turn"]),
        failed=int(item["failed"]),
        behind=item.get("behind"),
        vector_quota=None if quota is None else int(quota),
    )


def read_index(ports: Ports, keys: DatasetKeys) -> IndexItem | None:
    """The content index of a dataset as it is now; None where that is none, or gone."""
    item = retry_busy(lambda: ports.table.get(keys.content))
    return parse_index(item) if item and "import_id" in item else None


def index_not_found(dataset_name: str, name: str) -> NotFound:
    """The error of a dataset without an index of that name."""
    return NotFound("index_not_found", f"dataset {dataset_name} has no index {name[:80]}")


def say_behind(ports: Ports, index: IndexItem, why: str | None) -> None:
    """Say why an index does not follow its documents, or that it does again."""
    if index.behind == why:
        return
    action: Action = Drop("behind") if why is None else Assign("behind", why)
    still = Compare("import_id", "=", index.import_id)
    retry_busy(lambda: ports.table.update(index.keys.content, [action], condition=still))


# --- documents that failed ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed document as stored; `version` of it was tried, "" where that is not known."""

    document: FailedDocument
    version: str = ""


def failure_item(keys: DatasetKeys, failure: Failure) -> dict[str, Any]:
    """A failed document as stored."""
    told = failure.document
    key = keys.content_failure(told.document_id)
    return {
        "pk": key.pk,
        "sk": key.sk,
        "reason": told.reason,
        "stage": told.stage.value,
        "version": failure.version,
    }


def parse_failure(item: Item) -> Failure:
    """A failed document as stored."""
    document_id = str(item["sk"]).removeprefix(CONTENT_FAILURE_PREFIX)
    told = FailedDocument(document_id, str(item["reason"]), FailureStage(item["stage"]))
    return Failure(told, str(item["version"]))


def read_failures(ports: Ports, keys: DatasetKeys, ids: Sequence[str]) -> dict[str, Failure]:
    """Those of the documents that are known to have failed, by id."""
    wanted = [keys.content_failure(document_id) for document_id in dict.fromkeys(ids)]
    found = (parse_failure(item) for item in retry_busy(lambda: ports.table.batch_get(wanted)))
    return {failure.document.document_id: failure for failure in found}
