"""`shoal reindex`: a collection embedded anew by another model, while it answers searches and is written to."""

from typing import Annotated

import typer

from infra.cli import output
from infra.cli.collections.results import Family, TaskKind
from infra.cli.commands.tasks import followed, table_of, told
from infra.cli.default_command import DefaultCommand
from infra.cli.failures import UsageError
from infra.cli.options import AsJson, ProfileName, targets


class _Reindex(DefaultCommand):
    default = "start"


app = typer.Typer(
    cls=_Reindex,
    no_args_is_help=True,
    help="Change the embedding model without downtime: `shoal reindex FROM TO --deploy --watch`.",
)
TaskId = Annotated[str, typer.Argument(metavar="TASK", help="The reindex's id.")]


@app.command(
    epilog="Examples: `shoal reindex static-256 static-128 --dry-run`, "
    "`shoal reindex static-256 static-128 --deploy --watch`, and back at once: `shoal collections blue static-256`"
)
def start(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FROM", help="The model of the collection that is there.")],
    dest: Annotated[str, typer.Argument(metavar="TO", help="The model to embed all its objects with.")],
    deploy: Annotated[
        bool, typer.Option("--deploy", help="Then let the new collection answer searches (make it blue).")
    ] = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", help="Begin when no other reindex is in its way, instead of being refused where one is."
        ),
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Empty the new collection first where it is there already.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say what it would take: documents, tokens, dollars, minutes."),
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it to its end.")] = False,
    max_failed_share: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, metavar="SHARE", help="Objects that may fail to embed, as a share of all."
        ),
    ] = None,
    family: Annotated[Family, typer.Option("--family", help="What sort of objects.")] = Family.ITEMS,
    task_id: Annotated[
        str | None,
        typer.Option("--task-id", metavar="ID", help="Its id: asked for again, it is the same one."),
    ] = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Embed all objects of a collection anew into that of another model; `shoal reindex FROM TO` is short for it.

    The collection answers searches and takes writes all the while, and what is written meanwhile reaches the new
    one too. With --deploy searches then go to the new one, from one moment to the next. The old one stays.
    """
    from infra.cli.collections.ending import end_of, tell_estimate

    if dry_run and watch:
        raise UsageError("--dry-run begins nothing: there is nothing to --watch")
    # What is left out means what the API says it does.
    settings = {"family": family.value} if family is not Family.ITEMS else {}
    with targets(ctx).client(profile) as client:
        if dry_run:
            estimate = client.tasks.estimate(source, dest, replace=replace or None, **settings)
            if as_json:
                output.print_json(estimate)
            else:
                tell_estimate(estimate, source, dest)
            return
        task = client.tasks.reindex(
            source,
            dest,
            task_id=task_id,
            deploy_as_blue=deploy,
            wait_on_conflict=wait,
            replace=replace or None,
            max_failed_share=max_failed_share,
            **settings,
        )
        if not watch and not task.over:
            output.note(f"follow it: `shoal reindex show {task.task_id} --watch`")
        end_of(followed(client, task, watch=watch), as_json=as_json)


@app.command("list")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many at most.")] = 20,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """List the reindexes, newest first."""
    with targets(ctx).client(profile) as client:
        found = client.tasks.newest(TaskKind.REINDEX, limit=limit)
    if as_json:
        output.print_json({"tasks": found})
    elif found:
        table_of(list(found))
    else:
        output.note("no reindex yet: `shoal reindex FROM TO`")


@app.command()
def show(
    ctx: typer.Context,
    task_id: TaskId,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it to its end.")] = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Look at one reindex. Exit code 1 when it failed, was refused or canceled."""
    from infra.cli.collections.ending import end_of

    with targets(ctx).client(profile) as client:
        task = client.tasks.get(TaskKind.REINDEX, task_id)
        end_of(followed(client, task, watch=watch), as_json=as_json)


@app.command()
def cancel(ctx: typer.Context, task_id: TaskId, as_json: AsJson = False, profile: ProfileName = None) -> None:
    """End a reindex; searches go on as if it had never been."""
    with targets(ctx).client(profile) as client:
        told(client.tasks.cancel(TaskKind.REINDEX, task_id), as_json=as_json)


@app.command()
def restart(
    ctx: typer.Context, task_id: TaskId, as_json: AsJson = False, profile: ProfileName = None
) -> None:
    """Begin a reindex that is over once more, from the start."""
    with targets(ctx).client(profile) as client:
        told(client.tasks.restart(TaskKind.REINDEX, task_id), as_json=as_json)
