"""The derivation that makes the index of a task: begun, also by who finds it half begun, and followed."""

from shoal.errors import NotFound
from shoal.model.derivations import EVERYTHING, Condition, Derivation, DerivationStatus
from shoal.model.openverse import SCOPE, TERM_FIELDS, Action, OpenverseTask
from shoal.model.terms import SENSITIVE
from shoal.services.derived.starting import get_derivation, source_named, start_derivation
from shoal.services.openverse.pulls import Pull
from shoal.services.openverse.steps import AGAIN, Next, move, wait_for_others
from shoal.services.openverse.tasks import finish_task
from shoal.services.term_lists import get_terms
from shoal.storage.ports import Ports


def condition_of(ports: Ports, task: OpenverseTask) -> Condition:
    """What of its source is left in the index of a task, by the lists of terms as they are now."""
    if task.action is not Action.CREATE_AND_POPULATE_FILTERED_INDEX:
        return EVERYTHING
    terms = get_terms(ports, task.tenant_id, SENSITIVE).terms
    return Condition(terms=terms, term_fields=TERM_FIELDS, list_name=SENSITIVE)


def begin_derivation(ports: Ports, task: OpenverseTask) -> Derivation:
    """Begin to make the index of a task; the run of its id where that has begun already.

    Raises:
        Conflict: `dataset_exists`, `source_unfinished`.
        NotFound: `dataset_not_found`: there is no source of that name.
        TryAgain: nothing was begun.
    """
    scope, name = task.source_scope or "", task.source or ""
    source = source_named(ports, task.tenant_id, scope=scope, name=name)
    return start_derivation(
        ports,
        task.tenant_id,
        source=source,
        scope=SCOPE,
        name=task.index or "",
        condition=condition_of(ports, task),
        vector_quota=task.vector_quota,
        run_id=task.run_id,
    )


def follow_derivation(ports: Ports, task: OpenverseTask, *, begin: float = 0.0) -> Next:
    """See how far the derivation is, and end the task when it has ended. `begin`: how far the task was before it,
    in per cent.

    Raises:
        Conflict, NotFound, TryAgain: as `begin_derivation`.
    """
    try:
        run = get_derivation(ports, task.tenant_id, task.run_id or "")
    except NotFound:
        run = begin_derivation(ports, task)
    match run.status:
        case DerivationStatus.RUNNING:
            move(ports, task, begin + run.progress * (100 - begin) / 100)
            return wait_for_others(ports, task)
        case DerivationStatus.COMPLETED:
            complete(ports, task, run)
        case DerivationStatus.FAILED | DerivationStatus.CANCELLED:
            why = run.error_message or f"the derivation {run.run_id} is {run.status}"
            finish_task(ports, task, failed=True, detail=why, work={})
    return AGAIN


def complete(ports: Ports, task: OpenverseTask, run: Derivation) -> OpenverseTask:
    """End a task whose index is there."""
    kept = run.rows_total - run.rows_removed
    pull = Pull.of(task)
    told = (
        task.detail,
        pull.told if pull.planned else None,
        f"{kept} of {run.rows_total} records of {run.source_name} are in {run.name}",
    )
    return finish_task(
        ports, task, detail="; ".join(filter(None, told)), removed_by_term=run.removed_by_term, work={}
    )
