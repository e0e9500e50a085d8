"""Step `finish`: the derived dataset can be seen, and remembers what it was made of."""

import logging
from collections.abc import Mapping
from typing import Any

from shoal.errors import RunStopped, ShoalError, TransactionCancelled
from shoal.model.derivations import MOST_TERMS_TOLD, DerivationStatus, Taken, TakenVersion
from shoal.model.ids import new_token, transaction_token
from shoal.services.derived.ending import RUNNING, ended, free
from shoal.services.derived.items import find_derivation, keys_of_derivation, source_keys_of
from shoal.services.derived.run import DerivationRun
from shoal.services.descriptors import describe_dataset
from shoal.services.followers import (
    Child,
    ChildKind,
    child_writes,
    children_of,
    forget_child,
    say_synced,
    visible_children,
    wake_followers,
)
from shoal.services.heads import read_head
from shoal.services.name_items import appearance
from shoal.services.retry import retry_busy
from shoal.services.wake import ask_to_compact
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Action, Assign, CheckItem, Compare, Drop, Ports, UpdateItem, Write

_log = logging.getLogger(__name__)
_TRIES = 12


def finish(work: DerivationRun, item: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - no map's item
    """Complete the run.

    Raises:
        RunStopped: it has ended.
    """
    taken, version = work.needed("taken", Taken), work.needed("source", TakenVersion)
    source, job = source_keys_of(work.job), work.job
    writes: list[Write] = [
        UpdateItem(
            keys_of_derivation(job).item, ended(work.ports, DerivationStatus.COMPLETED), condition=RUNNING
        ),
        free(job, *remembered(work.ports.clock(), version.version, taken)),
        *(appearance(work.dataset, run_id=work.run_id) if job.first else ()),
    ]
    beside: list[Write] = []
    if job.first:
        child = Child(
            dataset_id=job.dataset_id,
            kind=ChildKind.DERIVED,
            scope=job.scope,
            name=job.name,
            follows=work.dataset.follows,
            synced_version=version.version,
        )
        beside += child_writes(source, child)
        if not child.follows:
            beside.append(CheckItem(source.head, Compare("state", "=", "live")))
    # Where the source is deleted by now, there is nobody to be told of a child.
    if not _done(work, [*writes, *beside]) and not _done(work, writes):
        run = find_derivation(work.ports, work.run_id)
        if run is None or run.status is not DerivationStatus.COMPLETED:
            raise RunStopped("the run has ended, or its dataset is gone")
    _tell_others(work, version, taken)
    return {}


def _done(work: DerivationRun, writes: list[Write]) -> bool:
    # HEAD of both datasets is written by their commits all the time, and a transaction that meets one is refused.
    token = transaction_token("derived", new_token())
    try:
        retry_busy(lambda: work.ports.table.transact(writes, token=token), attempts=_TRIES)
    except TransactionCancelled:
        return False
    return True


def _tell_others(work: DerivationRun, version: TakenVersion, taken: Taken) -> None:
    """What completing is followed by; the janitor, the sweep and the daily look make up for it."""
    source = source_keys_of(work.job)
    _log.info(
        "derived",
        extra={"run_id": work.run_id, "dataset_id": work.job.dataset_id, "version": version.version},
    )
    try:
        describe_dataset(work.ports, work.keys)
        if taken.strategy == "rewrite":
            ask_to_compact(work.ports, work.keys)
        if work.job.first:
            _forget_gone(work.ports, source)
        if work.dataset.follows:
            say_synced(work.ports, source, work.job.dataset_id, version=version.version)
            head = read_head(work.ports, source)
            if head is not None and head.live and head.version > version.version:
                wake_followers(work.ports, source)
    except ShoalError as error:
        _log.warning("left for later", extra={"run_id": work.run_id, "reason": str(error)})


def _forget_gone(ports: Ports, source: DatasetKeys) -> None:
    """Have a source forget the derived datasets that were deleted: one after the other is made of some sources."""
    known = children_of(ports, source)
    there = {child.dataset_id for child in visible_children(ports, source)}
    for child in known:
        if child.kind is ChildKind.DERIVED and child.dataset_id not in there:
            forget_child(ports, source, child.dataset_id)


def remembered(now: float, version: int, taken: Taken) -> tuple[Action, ...]:
    """What a derived dataset remembers of a version of its source that it takes."""
    most = sorted(taken.by_term, key=lambda one: (-one[1], one[0]))[:MOST_TERMS_TOLD]
    return (
        Assign("source_version", version),
        Assign("built_at", now),
        Assign("rows_removed", taken.rows_removed),
        Assign("removed_by_term", [list(pair) for pair in most]),
        Assign("strategy", taken.strategy),
        Assign("masks", None if taken.masks is None else taken.masks.model_dump_json()),
        Drop("error_message"),
    )
