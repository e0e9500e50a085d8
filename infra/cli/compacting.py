"""A compaction that was asked for, watched until nothing is left to do."""

import time
from collections.abc import Callable

from infra.cli import output
from infra.cli.client import ShoalClient
from infra.cli.compactions import CompactionInfo
from infra.cli.failures import JobFailed, NotIndexedInTime
from infra.cli.listing import DatasetStats

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 3.0
_STOPPED_TRIES = 3


def tidy(stats: DatasetStats) -> bool:
    """Whether no row is dead, and all rows are in one piece: a resident shard, or a set of cells."""
    return stats.stored_rows == stats.row_count and not stats.deltas and stats.cell_sets + stats.shards <= 1


def run_compaction(
    client: ShoalClient,
    dataset: str,
    before: str | None,
    *,
    timeout_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> DatasetStats:
    """Wait for what was asked for; the figures after it. `before` is the id of the compaction before it.

    A small dataset is built anew within a second and no compaction is seen; a large one gets a compaction of its
    own, whose end counts even where writes have made new pieces meanwhile.

    Raises:
        JobFailed: the compaction failed.
        NotIndexedInTime: it was not done in time.
    """
    give_up_at, pause, said = clock() + timeout_seconds, _FIRST_PAUSE_SECONDS, ""
    stopped: set[str] = set()
    while True:
        newest = client.compactions.newest(dataset)
        ours = newest if newest is not None and newest.compaction_id != before else None
        if ours is not None and ours.over and _came_to(client, dataset, ours, stopped):
            return client.listing.stats(dataset)
        text = _progress(ours)
        if text != said:
            output.note(text)
            said = text
        if newest is None or newest.over:
            stats = client.listing.stats(dataset)
            if tidy(stats):
                return stats
        if clock() > give_up_at:
            raise NotIndexedInTime(
                f"the compaction of {dataset} was not done after {timeout_seconds:.0f} s",
                hint=f"it goes on by itself: `shoal stats {dataset}`; a large dataset takes minutes",
            )
        sleep(pause)
        pause = min(pause * 1.3, _LONGEST_PAUSE_SECONDS)


def _came_to(client: ShoalClient, dataset: str, ours: CompactionInfo, stopped: set[str]) -> bool:
    """Whether a compaction that has ended did what was asked for; one that was overtaken is asked for again."""
    if ours.status == "failed":
        raise JobFailed(
            f"the compaction {ours.compaction_id} failed: {ours.error_message or 'no reason given'}",
            hint="nothing was changed; try again, and look at the alarms if it stays so",
        )
    if ours.status == "completed":
        return True
    if ours.compaction_id not in stopped:
        stopped.add(ours.compaction_id)
        if len(stopped) >= _STOPPED_TRIES:
            raise JobFailed(
                f"the compaction was overtaken {len(stopped)} times by what replaced its input",
                hint="try again when no import, restore or deletion is under way",
            )
        client.compactions.request(dataset)
    return False


def _progress(ours: CompactionInfo | None) -> str:
    if ours is None or ours.over:
        return "waiting for it to begin"
    pieces = f": {ours.done:,} of {ours.total:,} pieces" if ours.total else ""
    return f"{ours.stage or 'starting'}{pieces}"
