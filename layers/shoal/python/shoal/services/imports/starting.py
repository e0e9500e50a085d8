"""Starting an import: the same idempotent step for `complete`, the event of S3, and the sweep."""

from shoal.model.imports import Import, ImportStatus
from shoal.model.jobs import JobKind
from shoal.services.imports.ending import fail
from shoal.services.imports.items import dataset_keys_of, keys_of_import
from shoal.services.imports.log_entries import enter_log
from shoal.services.imports.lookup import read_import
from shoal.services.imports.workflow import start_workflow
from shoal.services.retry import retry_busy
from shoal.services.wake import wake_indexer
from shoal.storage.keys import parse_upload_key
from shoal.storage.ports import Action, Assign, Compare, ObjectHead, Ports

STARTING = "starting"
"""Stage of an import that is open, and whose workflow has not come to its first step."""


def start_uploaded(ports: Ports, key: str) -> bool:
    """Start the import whose upload is the object `key`, as the event of S3 says; whether it was ours to start.

    Nothing happens where it has started already, is over, or the key is not one of an upload.

    Raises:
        TryAgain: storage is busy.
    """
    keys = parse_upload_key(key)
    job = read_import(ports, keys) if keys else None
    if job is None:
        return False
    upload = retry_busy(lambda: ports.objects.head(key))
    if job.status is not ImportStatus.AWAITING_UPLOAD or upload is None:
        return False
    return start(ports, job, upload)


def start(ports: Ports, job: Import, upload: ObjectHead) -> bool:
    """Start the import with this version of its upload; whether this call did.

    Raises:
        NotFound: the dataset has been deleted.
        TryAgain: nothing was started.
    """
    if upload.size > job.max_bytes:
        limit = job.max_bytes
        fail(ports, job, f"the file has {upload.size} bytes, and an upload may have {limit}; split the file")
        return False
    return open_import(
        ports,
        job,
        Assign("version_id", upload.version_id),
        Assign("etag", upload.etag),
        Assign("size", upload.size),
    )


def open_import(ports: Ports, job: Import, *changes: Action) -> bool:
    """Open the import in the log, with more changes of its item, and start its workflow; whether this call did.

    Raises:
        NotFound: the dataset has been deleted.
        TryAgain: nothing was started.
    """
    opened = enter_log(
        ports,
        job,
        JobKind.IMPORT_OPEN,
        place_field="sequence",
        changes=(
            Assign("status", ImportStatus.VALIDATING.value),
            *changes,
            Assign("started_at", ports.clock()),
            Assign("stage", STARTING),
        ),
        condition=Compare("status", "=", ImportStatus.AWAITING_UPLOAD.value),
    )
    if opened:
        wake_indexer(ports, dataset_keys_of(job))
        start_workflow(ports, job)
    return opened


def upload_of(ports: Ports, job: Import) -> ObjectHead | None:
    """What has been uploaded, as it is now; None where nothing has."""
    return retry_busy(lambda: ports.objects.head(keys_of_import(job).upload))
