"""What imports put into a dataset's log: each entry in one transaction with the import's own item.

So the log and the item never tell different stories: an import is open exactly from the place that it names as
`sequence`, visible from the one that it names as `committed`, and failed once its end is in the log.
"""

from collections.abc import Sequence

from shoal.errors import StorageBusy, TransactionCancelled, TryAgain
from shoal.model.ids import transaction_token
from shoal.model.imports import Import
from shoal.model.jobs import JobKind
from shoal.services.imports.items import dataset_keys_of, keys_of_import
from shoal.services.places import job_item
from shoal.services.retry import retry_busy
from shoal.services.sequence import close_place, take_place
from shoal.storage.ports import Absent, Action, Assign, Condition, Item, Ports, PutItem, UpdateItem, Write

_ATTEMPTS = 10


def enter_log(
    ports: Ports,
    job: Import,
    kind: JobKind,
    *,
    place_field: str,
    changes: Sequence[Action],
    condition: Condition,
    log_key: str | None = None,
    sha256: str | None = None,
    size: int = 0,
    reserved: int = 0,
) -> bool:
    """Take a place in the log for the import, and change its item; whether both happened.

    Args:
        ports: where.
        job: the import.
        kind: what the place says of it.
        place_field: attribute of the item that gets the place's number.
        changes: what else changes of the item.
        condition: what must be true of the item; where it is not, nothing happens.
        log_key: the object that the place names, with `sha256` and `size`.
        sha256: see `log_key`.
        size: see `log_key`.
        reserved: rows whose reservation of quota ends with this place.

    Raises:
        NotFound: the dataset has been deleted.
        TryAgain: nothing happened.
    """
    keys = dataset_keys_of(job)
    counter = take_place(ports, keys)
    sequence = int(counter["next"])
    entry: Item = {
        **job_item(
            keys,
            sequence,
            kind=kind,
            log_key=log_key,
            sha256=sha256,
            size=size,
            rows=0,
            reserved=reserved,
            accepted_at=ports.clock(),
            log_bytes=int(counter["bytes"]),
            opened=job.sequence,
        ),
        "import_id": job.import_id,
    }
    writes: list[Write] = [
        PutItem(entry, condition=Absent("pk")),
        UpdateItem(keys_of_import(job).item, (*changes, Assign(place_field, sequence)), condition=condition),
    ]
    token = transaction_token("import", job.import_id, kind.value, sequence)
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token), attempts=_ATTEMPTS)
    except TransactionCancelled as lost:
        if _is_ours(lost.items[0], job, kind):
            return True  # an attempt whose answer was lost
        close_place(ports, keys, entry)
        if lost.failed[0]:
            raise TryAgain("the import took too long to enter the log; send the request again") from lost
        return False
    except StorageBusy as busy:
        stored = close_place(ports, keys, entry)
        if not _is_ours(stored, job, kind):
            raise TryAgain("storage is busy; send the request again") from busy
    return True


def _is_ours(stored: Item | None, job: Import, kind: JobKind) -> bool:
    """Whether what is at the place is what we were about to put there."""
    return stored is not None and stored.get("import_id") == job.import_id and stored["kind"] == kind.value
