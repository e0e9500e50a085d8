"""Jobs as users see them: the item in the log, and a status that follows from the watermark."""

from dataclasses import dataclass

from shoal.errors import NotFound
from shoal.model.ids import parse_job_id
from shoal.model.jobs import Job, JobStatus, status_of
from shoal.model.writes import Outcome
from shoal.services.heads import parse_head
from shoal.services.job_items import outcome_of
from shoal.services.places import parse_job
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Ports


@dataclass(frozen=True, slots=True)
class JobView:
    """A job with what is known of it by now."""

    job: Job
    status: JobStatus
    dataset_name: str

    @property
    def outcome(self) -> Outcome | None:
        """What it did to records, once it is indexed; None before, and for a job that is no write of records."""
        return outcome_of(self.job) if self.status is JobStatus.INDEXED else None


def get_job(ports: Ports, tenant_id: str, job_id: str) -> JobView:
    """A job of the tenant. Jobs are kept for 7 days after they were applied.

    Raises:
        NotFound: code `job_not_found`: unknown, forgotten, another tenant's, or of a deleted dataset.
    """
    place = parse_job_id(job_id)
    if place is not None:
        dataset_id, sequence = place
        keys = DatasetKeys(tenant_id, dataset_id)
        found = ports.table.batch_get([keys.meta, keys.head, keys.job(sequence)])
        items = {item["sk"]: item for item in found}
        meta, head_item, job_item = (items.get(key.sk) for key in (keys.meta, keys.head, keys.job(sequence)))
        if meta is not None and head_item is not None and job_item is not None:
            head = parse_head(head_item)
            job = parse_job(job_item)
            if head.live:
                return JobView(job, status_of(job, head), meta["name"])
    raise NotFound("job_not_found", "job not found")


def is_ready(ports: Ports, tenant_id: str, job_id: str) -> bool:
    """Whether what the job wrote can be queried; False for an unknown job too (contract).

    Place 0, which a query of a dataset without writes names, is always ready: there is nothing to wait for.
    """
    place = parse_job_id(job_id)
    if place is None:
        return False
    dataset_id, sequence = place
    item = ports.table.get(DatasetKeys(tenant_id, dataset_id).head)
    if item is None:
        return False
    head = parse_head(item)
    return head.live and sequence <= head.watermark
