"""Step `settle`: the version is waited for, until the derived dataset has become it.

It looks, and says what is next; most of the waiting is the workflow's.
"""

from collections.abc import Mapping
from typing import Any, Literal

from shoal.errors import NotFound, RunStopped
from shoal.model.derivations import Entered
from shoal.services.derived.run import DerivationRun, Step
from shoal.services.places import parse_job
from shoal.services.retry import retry_busy
from shoal.services.waiting import Pause, wait_until
from shoal.services.wake import wake_indexer

LOOK_AGAIN_SECONDS = 5

type Next = Literal["wait", "finish"]


def settle_with(*, seconds: float, pause: Pause) -> Step:
    """The step, for a process that waits so long itself before it has the workflow wait."""

    def settle(work: DerivationRun, item: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - no map's item
        """What is next: ``{"next", "seconds"}``.

        Raises:
            RunStopped: the run has ended, or its version cannot be applied.
        """
        sequence = work.needed("entered", Entered).sequence
        try:
            head = wait_until(work.ports, work.keys, sequence=sequence, seconds=seconds, pause=pause)
        except NotFound:
            raise RunStopped("the dataset has been deleted") from None
        if head is None:
            wake_indexer(work.ports, work.keys)
            return _next("wait")
        _check_applied(work, sequence)
        return _next("finish")

    return settle


def _next(what: Next) -> dict[str, Any]:
    return {"next": what, "seconds": LOOK_AGAIN_SECONDS}


def _check_applied(work: DerivationRun, sequence: int) -> None:
    """See that the place of the version has become the dataset, and was not passed over."""
    item = retry_busy(lambda: work.ports.table.get(work.keys.job(sequence)))
    failed = parse_job(item).error if item else None
    if failed is not None:
        work.refuse(f"the version could not be taken: {failed}")
