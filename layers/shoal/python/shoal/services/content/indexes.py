"""Content indexes as their owners see and steer them: made, looked at, deleted.

An index is a dataset in the scope of its documents, bound to the embedding model of the deployment. It has one
record for each document. It is built by an import of its own (`build`, steps of imports, `activate`), and then
follows the documents (`following`). Dataset, selection, build and what tells the documents of it are put there in
one transaction; who dies behind it leaves the start of the build to the sweep.
"""

import logging
import time
from dataclasses import replace

from shoal.errors import Conflict, NotFound, ShoalError, TransactionCancelled
from shoal.model.bindings import Aggregation, Binding
from shoal.model.content_documents import check_document_id
from shoal.model.content_indexes import (
    MAX_INDEXES,
    ContentIndex,
    FailedDocument,
    IndexSpec,
    IndexStatus,
    index_scope,
)
from shoal.model.datasets import Dataset
from shoal.model.embedding_models import ModelRegistry
from shoal.model.ids import new_import_id
from shoal.model.imports import ErrorMode, Import, ImportFormat, ImportStatus
from shoal.services.append import Requirement
from shoal.services.content.counting import count_now
from shoal.services.content.documents import find_documents
from shoal.services.content.items import (
    IndexItem,
    index_item,
    index_not_found,
    parse_failure,
    parse_index,
    read_index,
)
from shoal.services.datasets import create_dataset, delete_dataset, list_datasets, resolve
from shoal.services.followers import Child, ChildKind, child_writes
from shoal.services.heads import keys_of
from shoal.services.imports.ending import conclude, fail
from shoal.services.imports.items import parse_import, put_with_dataset
from shoal.services.imports.lifecycle import check_quota
from shoal.services.imports.lookup import read_import
from shoal.services.imports.rejected import MAX_LISTED, rejected_of
from shoal.services.imports.starting import STARTING, open_import
from shoal.services.imports.workflow import workflow_of
from shoal.services.parts import PartReader
from shoal.services.retry import retry_busy
from shoal.services.waiting import Pause
from shoal.storage.keys import CONTENT_FAILURE_PREFIX, DatasetKeys
from shoal.storage.ports import DeleteItem, Item, Key, Ports, PutItem, Write

_log = logging.getLogger(__name__)
COUNT_SECONDS = 2.0
DELETED = "the index has been deleted"
_GONE = NotFound("dataset_not_found", "dataset not found: it has been deleted")


def create_index(
    ports: Ports,
    registry: ModelRegistry,
    reader: PartReader,
    documents: Dataset,
    spec: IndexSpec,
    *,
    vector_quota: int | None,
    seconds: float = COUNT_SECONDS,
    pause: Pause = time.sleep,
) -> ContentIndex:
    """Make an index of a dataset of documents, and begin to build it.

    Args:
        ports: where.
        registry: the models; the default one embeds.
        reader: of the process, through which the documents are counted.
        documents: what it selects from (`documents.ensure_documents`).
        spec: its name and selection (`model.content_indexes.check_index`).
        vector_quota: records that the tenant may hold; None for no limit.
        seconds: how long to count what it selects. Where that is not enough, `start_count` is the number of all
            documents, until the build knows better.
        pause: how to wait until documents that were sent just now can be counted.

    Raises:
        Conflict: `index_exists`, `too_many_indexes`.
        LimitReached: `vector_quota_exceeded`: the tenant is at its quota already.
        NotFound: `dataset_not_found`: deleted just now.
        TryAgain, StorageBusy: nothing was made.
    """
    tenant_id, scope = documents.tenant_id, index_scope(documents.name)
    check_quota(ports, tenant_id, vector_quota)
    if len(list_datasets(ports, tenant_id, scope=scope)) >= MAX_INDEXES:
        raise Conflict(
            "too_many_indexes",
            f"dataset {documents.name} has {MAX_INDEXES} indexes already; delete one that is not needed",
            {"limit": MAX_INDEXES},
        )
    counted = count_now(ports, reader, documents, spec.selection, seconds=seconds, pause=pause)
    now, model = ports.clock(), registry.find(registry.default)
    import_id = new_import_id(now)
    job: Import | None = None

    def beside(keys: DatasetKeys) -> list[Write]:
        nonlocal job
        index = IndexItem(
            keys=keys,
            documents_id=documents.dataset_id,
            filter=spec.selection.filter.text,
            projection=spec.selection.projection.text,
            import_id=import_id,
            created_at=now,
            updated_at=now,
            start_count=counted,
            vector_quota=vector_quota,
        )
        job = _build_of(index, spec.name)
        child = Child(keys.dataset_id, ChildKind.CONTENT, scope, spec.name, follows=True)
        return [PutItem(index_item(index)), *put_with_dataset(job), *child_writes(keys_of(documents), child)]

    try:
        made = create_dataset(
            ports,
            tenant_id,
            scope=scope,
            name=spec.name,
            dimension=model.dimension,
            metric=model.metric,
            # One record a document, whatever its length: what is counted, found and deleted is a document.
            binding=Binding(model.model_id, aggregation=Aggregation.AVERAGE),
            beside=beside,
        )
    except Conflict as taken:
        raise Conflict(
            "index_exists",
            f"dataset {documents.name} has an index {spec.name} already; delete it first, or choose another name",
        ) from taken
    except TransactionCancelled as lost:  # its name was free, so the documents are gone
        raise _GONE from lost
    if job is None:
        raise AssertionError("unreachable")
    try:
        open_import(ports, job)
    except ShoalError:
        _log.warning("build left to the sweep", extra={"import_id": job.import_id})
    return _view(documents, made.dataset, _needed(ports, keys_of(made.dataset)), job)


def _build_of(index: IndexItem, name: str) -> Import:
    return Import(
        import_id=index.import_id,
        tenant_id=index.keys.tenant_id,
        dataset_id=index.keys.dataset_id,
        dataset_name=name,
        format=ImportFormat.CONTENT,
        error_mode=ErrorMode.CONTINUE,
        max_bad_records=None,  # whatever of the content cannot be embedded, the rest is to be found
        created_at=index.created_at,
        expires_at=index.created_at,
        max_bytes=0,
        vector_quota=index.vector_quota,
    )


def get_index(ports: Ports, tenant_id: str, *, dataset_name: str, name: str) -> ContentIndex:
    """An index as it is now.

    Raises:
        NotFound: `dataset_not_found`, `index_not_found`.
    """
    documents = find_documents(ports, tenant_id, dataset_name)
    try:
        dataset = resolve(ports, tenant_id, scope=index_scope(dataset_name), name=name)
    except NotFound:
        raise index_not_found(dataset_name, name) from None
    index = read_index(ports, keys_of(dataset))
    if index is None:
        raise index_not_found(dataset_name, name)
    job = read_import(ports, index.build)
    return _view(documents, dataset, index, conclude(ports, job) if job else None)


def list_indexes(ports: Ports, tenant_id: str, *, dataset_name: str) -> list[ContentIndex]:
    """The indexes of a dataset, by name.

    Raises:
        NotFound: `dataset_not_found`.
    """
    documents = find_documents(ports, tenant_id, dataset_name)
    datasets = [view.dataset for view in list_datasets(ports, tenant_id, scope=index_scope(dataset_name))]
    items = _by_key(ports, [keys_of(dataset).content for dataset in datasets])
    indexes = [parse_index(item) for item in items.values() if "import_id" in item]
    by_id = {index.keys.dataset_id: index for index in indexes}
    builds = _by_key(ports, [index.build.item for index in indexes])
    found = []
    for dataset in datasets:
        index = by_id.get(dataset.dataset_id)
        if index is not None:
            item = builds.get(index.build.item)
            job = conclude(ports, parse_import(item)) if item else None
            found.append(_view(documents, dataset, index, job))
    return found


def delete_index(ports: Ports, tenant_id: str, *, dataset_name: str, name: str) -> ContentIndex:
    """Delete an index, however far it is; as it was before.

    Raises:
        NotFound: `dataset_not_found`, `index_not_found`.
        TryAgain, StorageBusy: send it again.
    """
    found = get_index(ports, tenant_id, dataset_name=dataset_name, name=name)
    keys = keys_of(found.dataset)
    build = _needed(ports, keys).build
    told = DeleteItem(keys_of(found.documents).child(found.dataset.dataset_id))
    try:
        delete_dataset(
            ports,
            tenant_id,
            scope=found.dataset.scope,
            name=name,
            requires=(Requirement(told, index_not_found(dataset_name, name)),),
        )
    except NotFound:
        raise index_not_found(dataset_name, name) from None
    job = read_import(ports, build)
    if job is not None and not job.status.terminal:
        try:
            fail(ports, job, DELETED)
            retry_busy(lambda: workflow_of(ports, job).stop(job.import_id, cause=DELETED))
        except ShoalError:
            _log.info("build left to its next step", extra={"import_id": job.import_id})
    return found


def failures_of(
    ports: Ports, index: ContentIndex, *, limit: int, after: str = ""
) -> tuple[list[FailedDocument], str | None]:
    """Documents that an index selects and does not hold, and why; and what continues the list, None at its end.

    They are told by id, once the build has tried all. While it has not ended, those
    beyond the first `MAX_LISTED` are only counted; a limit is at least 1.

    Raises:
        InvalidInput: `invalid_document_id`: `after` is no id.
        NotFound: `index_not_found`: deleted just now.
    """
    keys = keys_of(index.dataset)
    item = read_index(ports, keys)
    if item is None:
        raise index_not_found(index.documents.name, index.name)
    if not item.active:
        job = read_import(ports, item.build)
        rejected = rejected_of(ports, job, limit=MAX_LISTED) if job else []
        told = [FailedDocument(one.object_id, one.detail, one.stage) for one in rejected]
        found = sorted((one for one in told if one.document_id > after), key=lambda one: one.document_id)
    else:
        first = (
            keys.content_failure(check_document_id(after, where="after")).sk
            if after
            else CONTENT_FAILURE_PREFIX
        )
        page = ports.table.query(
            keys.partition, start=first, stop=f"{CONTENT_FAILURE_PREFIX}~", limit=limit + 2
        )
        listed = [parse_failure(entry).document for entry in page.items]
        found = [one for one in listed if one.document_id != after]
    more = len(found) > limit
    return found[:limit], found[limit - 1].document_id if more else None


# --- what is seen of one ----------------------------------------------------------------------------------


def _view(documents: Dataset, dataset: Dataset, index: IndexItem, job: Import | None) -> ContentIndex:
    """`job` is its build; None where that is forgotten, as it is by a table that was made anew."""
    ended = (job.completed_at or job.started_at or 0.0) if job else 0.0
    view = ContentIndex(
        dataset=dataset,
        documents=documents,
        filter=index.filter,
        projection=index.projection,
        status=IndexStatus.PENDING,
        created_at=index.created_at,
        updated_at=max(index.updated_at, ended),
        start_count=index.start_count,
        remaining_count=index.start_count,
        failed_count=0,
        error=index.behind,
    )
    if index.active or job is None:
        return replace(view, status=IndexStatus.ACTIVE, remaining_count=0, failed_count=index.failed)
    match job.status:
        case ImportStatus.AWAITING_UPLOAD:
            return view
        case ImportStatus.COMPLETED:
            return replace(
                view,
                status=IndexStatus.ACTIVE,
                start_count=job.objects,
                remaining_count=0,
                failed_count=job.records_rejected,
            )
        case ImportStatus.FAILED:
            # None of them is in it, and none will be.
            return replace(
                view,
                status=IndexStatus.INDEXING,
                remaining_count=0,
                failed_count=index.start_count,
                error=job.error_message,
            )
        case _:
            pass
    return replace(
        view,
        # Until its documents have been dealt out, nothing is done.
        status=IndexStatus.PENDING if job.stage == STARTING else IndexStatus.INDEXING,
        remaining_count=max(index.start_count - job.objects, 0),
        failed_count=job.records_rejected,
    )


def _needed(ports: Ports, keys: DatasetKeys) -> IndexItem:
    index = read_index(ports, keys)
    if index is None:
        raise _GONE
    return index


def _by_key(ports: Ports, keys: list[Key]) -> dict[Key, Item]:
    found = retry_busy(lambda: ports.table.batch_get(keys))
    return {Key(str(item["pk"]), str(item["sk"])): item for item in found}
