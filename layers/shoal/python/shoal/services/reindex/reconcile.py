"""Reindexes that nobody else looks after any more: wherever somebody died, they go on or end."""

import logging

from shoal.errors import NotFound, ShoalError
from shoal.model.imports import ImportStatus
from shoal.model.tasks import TaskStatus
from shoal.services.imports.workflow import workflow_of
from shoal.services.reindex.beginning import begin_waiting
from shoal.services.reindex.deploying import deploy
from shoal.services.reindex.ending import DEST_DELETED, clear, end
from shoal.services.reindex.launching import launch
from shoal.services.reindex.lookup import import_of, read_reindex
from shoal.services.retry import retry_busy
from shoal.services.tasks.family import Pair, read_family, without_pair
from shoal.storage.keys import FamilyKeys
from shoal.storage.ports import Ports

_log = logging.getLogger(__name__)


def reconcile_reindexes(ports: Ports, keys: FamilyKeys) -> int:
    """Go on with the reindexes of a family, or end them, where nobody does; how many were helped.

    Imports that are under way are looked after by `services.imports.reconcile`. One that cannot be helped is
    logged, and holds up none of the others.
    """
    helped = 0
    for pair in read_family(ports, keys).reindexes:
        try:
            helped += _look_after(ports, keys, pair)
        except ShoalError as error:
            _log.warning("not helped", extra={"task_id": pair.task_id, "reason": str(error)})
    try:
        return helped + begin_waiting(ports, keys)
    except ShoalError as error:
        _log.warning("none begun", extra={"family": keys.family, "reason": str(error)})
        return helped


def _look_after(ports: Ports, keys: FamilyKeys, pair: Pair) -> bool:
    task = read_reindex(ports, keys.tenant_id, pair.task_id)
    if task is None:  # expired long ago
        write = without_pair(keys, read_family(ports, keys), pair.task_id)
        retry_busy(lambda: ports.table.update(write.key, write.actions, condition=write.condition))
        return True
    if task.status.terminal:
        clear(ports, task)
        return True
    job = import_of(ports, task)
    if job is None or job.status is ImportStatus.AWAITING_UPLOAD:
        try:
            launch(ports, task)
        except NotFound:
            return end(ports, task, TaskStatus.FAILED, DEST_DELETED) is not None
        return True
    if job.status is ImportStatus.FAILED:
        return end(ports, task, TaskStatus.FAILED, job.error_message) is not None
    if job.status is not ImportStatus.COMPLETED:
        return False
    if retry_busy(lambda: workflow_of(ports, job).status(job.import_id)) == "RUNNING":
        return False  # it is about to deploy
    return deploy(ports, job.import_id, seconds=0, pause=_no_pause)


def _no_pause(_seconds: float) -> None:
    """The sweep comes again soon."""
