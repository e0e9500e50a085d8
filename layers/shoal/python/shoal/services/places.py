"""Places of the log as items of the table: one job each, put once under a condition, never changed but to fail."""

from shoal.model.ids import job_id
from shoal.model.jobs import Job, JobKind
from shoal.model.writes import Outcome
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Item


def job_item(
    keys: DatasetKeys,
    sequence: int,
    *,
    kind: JobKind,
    log_key: str | None,
    sha256: str | None,
    size: int,
    rows: int,
    reserved: int,
    accepted_at: float,
    log_bytes: int,
    opened: int | None = None,
) -> Item:
    """The item at one place of the log. `log_bytes` is the length of the log up to and with this place."""
    key = keys.job(sequence)
    return {
        "pk": key.pk,
        "sk": key.sk,
        "job_id": job_id(keys.dataset_id, sequence),
        "sequence": sequence,
        "kind": kind.value,
        "log_key": log_key,
        "sha256": sha256,
        "size": size,
        "rows": rows,
        "reserved": reserved,
        "accepted_at": accepted_at,
        "log_bytes": log_bytes,
        "opened": opened,
    }


def aborted_item(keys: DatasetKeys, sequence: int, *, now: float, log_bytes: int) -> Item:
    """A place of the log that changes nothing and that nobody may take any more.

    `log_bytes` is 0 where the length of the log up to here is not known.
    """
    return job_item(
        keys,
        sequence,
        kind=JobKind.ABORTED,
        log_key=None,
        sha256=None,
        size=0,
        rows=0,
        reserved=0,
        accepted_at=now,
        log_bytes=log_bytes,
    )


def parse_job(item: Item) -> Job:
    """A job as stored."""
    return Job(
        job_id=item["job_id"],
        sequence=int(item["sequence"]),
        kind=JobKind(item["kind"]),
        log_key=item.get("log_key"),
        sha256=item.get("sha256"),
        size=int(item["size"]),
        rows=int(item["rows"]),
        reserved=int(item["reserved"]),
        accepted_at=float(item["accepted_at"]),
        error=item.get("error"),
        log_bytes=int(item["log_bytes"]),
        opened=None if item.get("opened") is None else int(item["opened"]),
        outcome=None if item.get("outcome") is None else Outcome.of_json(item["outcome"]),
        removed=int(item.get("removed", 0)),
        follows=None if item.get("follows") is None else int(item["follows"]),
    )
