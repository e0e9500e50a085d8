"""What tasks came to: said, or raised."""

from collections.abc import Sequence

from infra.cli import output
from infra.cli.collections.display import moment_of, words
from infra.cli.collections.results import Estimate, FailedItem, TaskInfo, TaskKind
from infra.cli.collections.running import Written
from infra.cli.failures import CliError, JobFailed, hint_for

SHOWN_FAILURES = 5


def end_of(task: TaskInfo, *, as_json: bool) -> None:
    """What every command about one task ends with.

    Raises:
        CliError: it did not do what was asked of it.
    """
    if as_json:
        output.print_json(task)
    else:
        _tell(task)
    error = failure(task)
    if error is not None:
        raise error


def end_of_written(done: Written, *, as_json: bool, verb: str = "upserted") -> None:
    """What writing objects ends with.

    Raises:
        CliError: a task failed, or some of its objects did.
    """
    if as_json:
        output.print_json(done)
    elif done.over:
        seconds = max(done.seconds, 1e-9)
        output.line(
            f"{verb} {done.objects - done.failed:,} of {done.objects:,} objects, {done.failed:,} failed, "
            f"in {done.seconds:.1f} s: {done.objects / seconds:,.0f} objects/s"
        )
        _tell_truncated(done.truncated)
        _tell_failures(done.failed_items, done.failed)
    else:
        output.line(
            f"{done.objects:,} objects in {len(done.tasks):,} tasks, the last of them {done.tasks[-1].task_id}"
        )
        output.note(f"follow it: `shoal tasks show {done.tasks[-1].task_id} --watch`")
    error = next(filter(None, map(failure, done.tasks)), None)
    if error is not None:
        raise error
    if done.failed:
        raise CliError(f"{done.failed:,} objects failed", hint="mend them and send them again")


def failure(task: TaskInfo) -> CliError | None:
    """The error of a task that did not do what was asked; None of one that did, or still may."""
    if not task.over or task.status == "done":
        return None
    why = f": {task.detail}" if task.detail else ""
    return JobFailed(f"{task.kind} {task.task_id} is {task.status}{why}", hint=_remedy(task))


def tell_estimate(estimate: Estimate, source: str, dest: str) -> None:
    """What a reindex would take, on stdout."""
    price = f"${estimate.dollars:,.2f}" if estimate.dollars else "nothing"
    output.line(
        f"{source} → {dest}: {estimate.documents:,} documents, about {estimate.tokens:,} tokens, "
        f"{price} to the model's provider, about {estimate.minutes:.1f} minutes"
    )


def _tell(task: TaskInfo) -> None:
    what = f" {task.source} → {task.dest}" if task.source else ""
    stage = f", {task.stage}" if task.stage and not task.over else ""
    told = words(moment_of(task), None)
    output.line(f"{task.task_id}{what} {task.status}{stage}" + (f": {told}" if told else ""))
    _tell_truncated(task.truncated)
    _tell_failures(task.failed_items, task.failed)
    if task.kind == TaskKind.REINDEX and task.status == "done":
        if task.deploy_as_blue:
            output.note(f"{task.dest} is blue; back at once: `shoal collections blue {task.source}`")
        else:
            output.note(f"let it answer searches: `shoal collections blue {task.dest}`")


def _tell_truncated(truncated: int) -> None:
    if truncated:
        output.line(f"{truncated:,} objects have too much text: only its beginning is embedded")


def _tell_failures(items: Sequence[FailedItem], failed: int) -> None:
    """The first objects that could not be done; an id may hold anything, and a terminal must not obey it."""
    if not failed:
        return
    output.line(f"{failed:,} objects failed" + (", the first of them:" if items else ""))
    for each in items[:SHOWN_FAILURES]:
        stage = f" ({each.failure_stage})" if each.failure_stage else ""
        text = f"  {each.object_id}: {each.detail}{stage}"
        output.line("".join(character if character.isprintable() else " " for character in text))


def _remedy(task: TaskInfo) -> str | None:
    """What to do about a task that ended badly."""
    known = hint_for((task.detail or "").split(":")[0].strip())
    if known is not None:
        return known
    again = "shoal reindex restart" if task.kind == TaskKind.REINDEX else "shoal tasks restart"
    match task.status:
        case "failed":
            return f"mend what it says, then `{again} {task.task_id}`"
        case "refused":
            return (
                f"`{again} {task.task_id}` when what is in its way is over; with --wait it begins by itself"
            )
        case _:
            return f"`{again} {task.task_id}` does it after all"
