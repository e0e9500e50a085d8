"""`shoal datasets`: create, list, look at and delete."""

from typing import Annotated

import typer

from infra.cli import output
from infra.cli.failures import UsageError
from infra.cli.options import AsJson, ProfileName, Yes, targets
from infra.cli.results import DatasetInfo

app = typer.Typer(no_args_is_help=True, help="Create, list, look at and delete datasets.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The dataset's name: 1-64 of a-z, 0-9, _ and -.")]


def _show(found: tuple[DatasetInfo, ...]) -> None:
    output.table(
        ("name", "rows", "dimension", "metric", "embedding model", "status", "last indexed", "aliases"),
        [
            (
                d.name,
                d.row_count,
                d.dimension,
                d.metric,
                d.embedding_model,
                d.status,
                d.last_indexed_at,
                ", ".join(d.aliases) or None,
            )
            for d in found
        ],
    )


@app.command(epilog="Example: `shoal datasets create songs --dimension 256 --metric cosine`")
def create(
    ctx: typer.Context,
    name: Name,
    dimension: Annotated[
        int | None, typer.Option(min=1, max=4096, help="Length of the vectors. Default: as the model's.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="l2 (lower is nearer; the default), cosine or dot (higher is nearer)."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--embedding-model",
            metavar="MODEL",
            help="What makes vectors of the texts of queries: `shoal models`.",
        ),
    ] = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Create a dataset, of a dimension or of an embedding model."""
    if dimension is None and model is None:
        raise UsageError("give --dimension, or --embedding-model", hint="--dimension 256")
    with targets(ctx).client(profile) as client:
        made = client.create_dataset(name, dimension=dimension, metric=metric, embedding_model=model)
    if as_json:
        output.print_json(made)
    else:
        output.line(f"created {made.name}: {made.dimension} dimensions, {made.metric}")


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False, profile: ProfileName = None) -> None:
    """List the datasets of the key's tenant."""
    with targets(ctx).client(profile) as client:
        found = client.list_datasets()
    if as_json:
        output.print_json({"datasets": found})
    elif found:
        _show(found)
    else:
        output.note("no datasets yet: `shoal datasets create NAME --dimension N`")


@app.command()
def get(ctx: typer.Context, name: Name, as_json: AsJson = False, profile: ProfileName = None) -> None:
    """Look at one dataset."""
    with targets(ctx).client(profile) as client:
        found = client.get_dataset(name)
    if as_json:
        output.print_json(found)
    else:
        _show((found,))
        output.line(f"recall: {found.recall or 'exact'}")
        if found.error_message:
            output.line(f"last error: {found.error_message}")


@app.command()
def delete(
    ctx: typer.Context,
    name: Name,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also where aliases point at it, and those with it; needs `admin`."),
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Delete a dataset with all its records."""
    with targets(ctx).client(profile) as client:
        if not yes:
            found = client.get_dataset(name)
            aliases = f" and the aliases {', '.join(found.aliases)}" if force and found.aliases else ""
            if not typer.confirm(f"delete {name} with {found.row_count:,} records{aliases}?", err=True):
                raise UsageError("not deleted")
        client.delete_dataset(name, force=force)
    if as_json:
        output.print_json({"deleted": name})
    else:
        output.line(f"deleted {name}")
