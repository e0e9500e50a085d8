"""Job items after they were put: what their writes did, and when they may be forgotten.

What a job did is a function of the log up to it, so whoever applies it again finds the same. It is written before
the swap, and believed only once the watermark is there. The usual case needs no write: `usual_outcome` says it.
"""

import logging
from collections.abc import Mapping, Sequence
from functools import partial

from shoal.errors import ConditionFailed
from shoal.model.jobs import Job, JobKind
from shoal.model.writes import Outcome
from shoal.services.parallel import in_parallel
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys, sequence_sk
from shoal.storage.ports import Absent, AllOf, AnyOf, Assign, Compare, Exists, Ports

_log = logging.getLogger(__name__)
_KEPT_SECONDS = 7 * 86_400


def outcome_of(job: Job) -> Outcome | None:
    """What an applied job did; None for one that holds no write of records."""
    return usual_outcome(job) if job.outcome is None else job.outcome


def usual_outcome(job: Job) -> Outcome | None:
    """What a job did where its item says nothing: all that was asked of it."""
    match job.kind:
        case JobKind.UPSERT:
            return Outcome(upserted=job.rows)
        case JobKind.DELETE:
            return Outcome(deleted=job.rows)
        case JobKind.PATCH:
            return Outcome(patched=job.rows)
        case _:
            return None


def note_outcomes(
    ports: Ports, keys: DatasetKeys, jobs: Sequence[Job], outcomes: Mapping[int, Outcome], *, fence: int
) -> None:
    """Write what jobs did onto their items, where it is not what is there already.

    Args:
        ports: where the items are.
        keys: of the dataset.
        jobs: those that are about to be committed, as their items were read.
        outcomes: by sequence.
        fence: of the lease; a note under a newer one stays.

    Raises:
        StorageError: storage failed.
    """
    changed = [
        (job.sequence, outcomes[job.sequence])
        for job in jobs
        if job.sequence in outcomes and outcomes[job.sequence] != outcome_of(job)
    ]
    in_parallel(partial(_note, ports, keys, fence), changed)


def _note(ports: Ports, keys: DatasetKeys, fence: int, said: tuple[int, Outcome]) -> None:
    sequence, outcome = said
    not_overtaken = AnyOf((Absent("outcome_fence"), Compare("outcome_fence", "<=", fence)))
    actions = [Assign("outcome", outcome.to_json()), Assign("outcome_fence", fence)]
    condition = AllOf((Exists("pk"), not_overtaken))
    try:
        retry_busy(lambda: ports.table.update(keys.job(sequence), actions, condition=condition))
    except ConditionFailed:
        _log.info(
            "outcome noted by a newer lease", extra={"dataset_id": keys.dataset_id, "sequence": sequence}
        )


def expire_jobs(ports: Ports, keys: DatasetKeys, *, up_to: int) -> None:
    """Applied jobs may be forgotten after a week; before that a reader may still ask for them.

    Also those of commits that died before they came to this.
    """
    told = ports.table.get(keys.settled)
    first = int(told.get("expired_up_to", 0)) + 1 if told else up_to + 1
    expires_at = int(ports.clock()) + _KEPT_SECONDS
    while first <= up_to:
        page = ports.table.query(keys.partition, start=sequence_sk(first), stop=sequence_sk(up_to))
        ports.table.batch_put([{**item, "expires_at": expires_at} for item in page.items])
        reached = int(page.items[-1]["sequence"]) if page.after and page.items else up_to
        ports.table.update(keys.settled, [Assign("expired_up_to", reached)], condition=Exists("pk"))
        first = reached + 1
