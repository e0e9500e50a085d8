"""Reading one's own writes: a read may name a job or a version that its answer must know of."""

from shoal.errors import Conflict, InvalidInput
from shoal.http.context import Context
from shoal.http.native.places import Place
from shoal.model.ids import parse_job_id
from shoal.services import datasets
from shoal.services.heads import keys_of
from shoal.services.waiting import wait_until

MAX_SECONDS = 10
_RETRY_SECONDS = 1


def wait_for_writes(context: Context, place: Place, *, job: str | None, version: int | None) -> None:
    """Wait until the dataset of that place has applied a job and is at a version, where they are named.

    What is read afterwards is at least as new, as HEAD is read consistently.

    Raises:
        InvalidInput: the job is none, or of another dataset.
        NotFound: `dataset_not_found`.
        Conflict: `not_indexed_yet`: not within 10 seconds.
    """
    if job is None and version is None:
        return
    dataset = datasets.resolve(context.ports, context.principal.tenant_id, scope=place.scope, name=place.name)
    keys = keys_of(dataset)
    sequence = 0
    if job is not None:
        parsed = parse_job_id(job)
        if parsed is None or parsed[0] != dataset.dataset_id:
            raise InvalidInput("invalid_request", "job_id: is no job of this dataset")
        sequence = parsed[1]
        counter = context.ports.table.get(keys.sequence)
        if counter is None or int(counter["next"]) < sequence:
            raise InvalidInput("invalid_request", "job_id: is no job of this dataset")
    head = wait_until(
        context.ports,
        keys,
        sequence=sequence,
        version=version or 0,
        seconds=MAX_SECONDS,
        pause=context.deps.pause,
    )
    if head is None:
        raise Conflict(
            "not_indexed_yet",
            f"what was asked for is not indexed after {MAX_SECONDS} seconds; ask again",
            retry_after=_RETRY_SECONDS,
        )
