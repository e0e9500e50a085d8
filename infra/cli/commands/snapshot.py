"""`shoal snapshot`: name a version, go back to it, clone it."""

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import output
from infra.cli.failures import UsageError
from infra.cli.options import AsJson, ProfileName, Yes, targets

if TYPE_CHECKING:
    from infra.cli.snapshots import SnapshotInfo

app = typer.Typer(no_args_is_help=True, help="Name versions of a dataset, go back to one, clone one.")
Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The snapshot's name: 1-64 of a-z, 0-9, _ and -.")]


def _described(found: "SnapshotInfo") -> str:
    return f"{found.name}: version {found.version:,}, {found.row_count:,} records, of {found.created_at}"


@app.command(epilog="Example: `shoal snapshot create songs before-migration`")
def create(
    ctx: typer.Context, dataset: Dataset, name: Name, as_json: AsJson = False, profile: ProfileName = None
) -> None:
    """Name the current version of a dataset. Nothing is copied; it is kept until the name is deleted."""
    with targets(ctx).client(profile) as client:
        before = client.get_dataset(dataset)
        made = client.snapshots.create(dataset, name)
    if before.status in {"validating", "indexing"}:
        output.note("writes are being indexed: those that are not yet are not in the snapshot")
    if as_json:
        output.print_json(made)
    else:
        output.line(_described(made))
        output.note(f"go back to it: `shoal snapshot restore {dataset} {name}`")


@app.command("list")
def list_(ctx: typer.Context, dataset: Dataset, as_json: AsJson = False, profile: ProfileName = None) -> None:
    """List the snapshots of a dataset."""
    with targets(ctx).client(profile) as client:
        found = client.snapshots.list(dataset)
    if as_json:
        output.print_json({"snapshots": found})
    elif found:
        output.table(
            ("snapshot", "version", "rows", "created"),
            [(each.name, each.version, each.row_count, each.created_at) for each in found],
        )
    else:
        output.note(f"no snapshots yet: `shoal snapshot create {dataset} NAME`")


@app.command()
def delete(
    ctx: typer.Context,
    dataset: Dataset,
    name: Name,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Delete a snapshot; the dataset itself stays as it is."""
    with targets(ctx).client(profile) as client:
        if not yes:
            _ask(f"delete the snapshot {_described(client.snapshots.get(dataset, name))}?", "not deleted")
        client.snapshots.delete(dataset, name)
    if as_json:
        output.print_json({"deleted": name})
    else:
        output.line(f"deleted {name}")


@app.command()
def restore(
    ctx: typer.Context,
    dataset: Dataset,
    name: Name,
    source: Annotated[
        str | None,
        typer.Option("--of", metavar="DATASET", help="Whose snapshot it is: a clone's, or the original's."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is applied.")] = True,
    timeout: Annotated[
        float, typer.Option(min=1.0, metavar="SECONDS", help="How long to wait; it goes on without us.")
    ] = 600.0,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Have a dataset go back to a snapshot. All that was written since is undone; queries go on meanwhile.

    To be able to undo the restore too, name the current version first.

    Example: `shoal snapshot create songs now`, then `shoal snapshot restore songs before-migration`
    """
    from infra.cli.restoring import run_restore

    with targets(ctx).client(profile) as client:
        if not yes:
            found = client.snapshots.get(source or dataset, name)
            rows = client.get_dataset(dataset).row_count
            _ask(f"have {dataset}, {rows:,} records now, go back to {_described(found)}?", "not restored")
        job_id = client.snapshots.restore(dataset, name, source=source)
        if not wait:
            if as_json:
                output.print_json({"job_id": job_id, "status": "pending"})
            else:
                output.line(f"restoring {dataset}: {job_id}")
                output.note(f"follow it: `shoal job {job_id} --wait 600`")
            return
        seconds = run_restore(client, dataset, job_id, timeout_seconds=timeout)
        after = client.get_dataset(dataset)
    if as_json:
        output.print_json({"job_id": job_id, "status": "indexed", "row_count": after.row_count})
    else:
        output.line(f"{dataset} is back at {name}: {after.row_count:,} records, after {seconds:.1f} s")


@app.command(epilog="Example: `shoal snapshot clone songs songs-trial`")
def clone(
    ctx: typer.Context,
    dataset: Dataset,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the new dataset.")],
    snapshot: Annotated[
        str | None, typer.Option(metavar="NAME", help="Clone this snapshot, not the current version.")
    ] = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Make a new dataset of a version of this one. Nothing is copied; each goes its own way from there."""
    with targets(ctx).client(profile) as client:
        made = client.snapshots.clone(dataset, name, snapshot=snapshot)
    if as_json:
        output.print_json(made)
    else:
        output.line(f"created {made.name} with the {made.row_count:,} records of {snapshot or dataset}")


def _ask(question: str, otherwise: str) -> None:
    """Ask the user.

    Raises:
        UsageError: the answer was no.
    """
    if not typer.confirm(question, err=True):
        raise UsageError(otherwise)
