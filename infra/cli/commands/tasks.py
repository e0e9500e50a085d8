"""`shoal tasks`: what was asked of collections, and how far it is."""

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import output
from infra.cli.collections.results import TaskKind
from infra.cli.options import AsJson, ProfileName, targets

if TYPE_CHECKING:
    from infra.cli.client import ShoalClient
    from infra.cli.collections.results import TaskInfo

app = typer.Typer(no_args_is_help=True, help="List tasks, look at one, cancel or restart one.")
TaskId = Annotated[str, typer.Argument(metavar="TASK", help="The task's id.")]
Kind = Annotated[
    TaskKind | None,
    typer.Option("--kind", help="What it does. Default: found out; ids are unique in a kind."),
]


@app.command("list")
def list_(
    ctx: typer.Context,
    kind: Annotated[TaskKind | None, typer.Option("--kind", help="Only these. Default: all.")] = None,
    status: Annotated[
        str | None,
        typer.Option(metavar="WORD", help="pending, processing, done, canceled, failed or refused."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many at most.")] = 20,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """List tasks, newest first."""
    with targets(ctx).client(profile) as client:
        found = [
            task
            for wanted in ([kind] if kind else TaskKind)
            for task in client.tasks.newest(wanted, limit=limit, status=status)
        ]
    found = sorted(found, key=lambda task: task.created_at, reverse=True)[:limit]
    if as_json:
        output.print_json({"tasks": found})
    elif found:
        table_of(found)
    else:
        output.note("no tasks: `shoal collections upsert FILE.ndjson` makes some")


@app.command()
def show(
    ctx: typer.Context,
    task_id: TaskId,
    kind: Kind = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it to its end.")] = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Look at one task. Exit code 1 when it failed, was refused or canceled."""
    from infra.cli.collections.ending import end_of

    with targets(ctx).client(profile) as client:
        end_of(followed(client, _find(client, task_id, kind), watch=watch), as_json=as_json)


@app.command()
def cancel(
    ctx: typer.Context,
    task_id: TaskId,
    kind: Kind = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """End a task that waits or runs; what it has written stays."""
    with targets(ctx).client(profile) as client:
        found = _find(client, task_id, kind)
        told(client.tasks.cancel(TaskKind(found.kind), task_id), as_json=as_json)


@app.command()
def restart(
    ctx: typer.Context,
    task_id: TaskId,
    kind: Kind = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Do a task that is over once more, after all tasks that wait now."""
    with targets(ctx).client(profile) as client:
        found = _find(client, task_id, kind)
        told(client.tasks.restart(TaskKind(found.kind), task_id), as_json=as_json)


def followed(client: "ShoalClient", task: "TaskInfo", *, watch: bool) -> "TaskInfo":
    """The task at its end where that is wanted, or as it is."""
    if not watch or task.over:
        return task
    from infra.cli.collections.display import display
    from infra.cli.collections.running import follow_task

    with display() as shown:
        return follow_task(client, task, shown)


def told(task: "TaskInfo", *, as_json: bool) -> None:
    """What became of a request about a task."""
    if as_json:
        output.print_json(task)
    else:
        output.line(f"{task.task_id} {task.status}" + (f": {task.detail}" if task.detail else ""))


def table_of(tasks: "list[TaskInfo]") -> None:
    """Tasks, one a line."""
    output.table(
        ("task", "kind", "of", "status", "objects", "failed", "created", "detail"),
        [
            (
                each.task_id,
                each.kind,
                f"{each.source} → {each.dest}" if each.source else each.embedding_model_id,
                each.status,
                f"{each.count:,}" + (f" of {each.total:,}" if each.total is not None else ""),
                each.failed,
                each.created_at,
                each.detail,
            )
            for each in tasks
        ],
    )


def _find(client: "ShoalClient", task_id: str, kind: TaskKind | None) -> "TaskInfo":
    return client.tasks.get(kind, task_id) if kind else client.tasks.find(task_id)
