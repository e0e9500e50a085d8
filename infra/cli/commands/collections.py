"""`shoal collections`: objects of text, embedded by a model; one collection of each family is blue."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import output
from infra.cli.collections.results import Family
from infra.cli.commands.query import object_of
from infra.cli.failures import UsageError
from infra.cli.options import AsJson, ProfileName, Yes, targets

if TYPE_CHECKING:
    from infra.cli.collections.results import CollectionInfo, Found

app = typer.Typer(
    no_args_is_help=True,
    help="Fill and search collections: objects with text, embedded here. The blue one answers searches.",
)
Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="The embedding model: `shoal models` lists them.")
]
FamilyOf = Annotated[Family, typer.Option("--family", help="What sort of objects.")]
OtherModel = Annotated[
    str | None,
    typer.Option("--model", metavar="MODEL", help="The collection of this model. Default: the blue one."),
]


def _show(found: "tuple[CollectionInfo, ...]") -> None:
    output.table(
        ("collection of", "state", "family", "vectors", "dimension", "metric", "parts count as", "created"),
        [
            (
                each.embedding_model_id,
                "blue" if each.blue else "green",
                each.family,
                each.vectors,
                each.dimension,
                each.metric,
                each.aggregation,
                each.created_at,
            )
            for each in found
        ],
    )


@app.command("list")
def list_(
    ctx: typer.Context,
    family: Annotated[Family | None, typer.Option("--family", help="Only these. Default: both.")] = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """List the collections."""
    with targets(ctx).client(profile) as client:
        found = tuple(
            each for wanted in ([family] if family else Family) for each in client.collections.list(wanted)
        )
    if as_json:
        output.print_json({"collections": found})
    elif found:
        _show(found)
    else:
        output.note("no collections yet: `shoal collections upsert FILE.ndjson` makes the first one")


@app.command(epilog="Example: `shoal collections create static-128`")
def create(
    ctx: typer.Context,
    model: Model,
    family: FamilyOf = Family.ITEMS,
    template: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="What of an object is embedded: `{title}. {description}`. Default: all."
        ),
    ] = None,
    aggregation: Annotated[
        str | None,
        typer.Option(metavar="min|avg", help="A long object counts by its nearest part, or by their middle."),
    ] = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Create the collection of a model. The first upsert makes one on the default model by itself."""
    with targets(ctx).client(profile) as client:
        made = client.collections.create(model, family=family, template=template, aggregation=aggregation)
    if as_json:
        output.print_json(made)
    else:
        output.line(f"created {made.embedding_model_id}: {made.dimension} dimensions, {made.metric}")
        output.note(f"let it answer searches: `shoal collections blue {made.embedding_model_id}`")


@app.command()
def show(
    ctx: typer.Context,
    model: Model,
    family: FamilyOf = Family.ITEMS,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Look at one collection."""
    with targets(ctx).client(profile) as client:
        found = client.collections.get(model, family=family)
    if as_json:
        output.print_json(found)
    else:
        _show((found,))


@app.command()
def delete(
    ctx: typer.Context,
    model: Model,
    family: FamilyOf = Family.ITEMS,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Delete a collection with all its objects. The blue one cannot be deleted."""
    with targets(ctx).client(profile) as client:
        if not yes:
            found = client.collections.get(model, family=family)
            if not typer.confirm(
                f"delete the collection of {model} with {found.vectors:,} vectors?", err=True
            ):
                raise UsageError("not deleted")
        client.collections.delete(model, family=family)
    if as_json:
        output.print_json({"deleted": model})
    else:
        output.line(f"deleted {model}")


@app.command(epilog="Example: `shoal collections blue static-128`; back: `shoal collections blue static-256`")
def blue(
    ctx: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="Whose collection is to be blue. Without: which is."),
    ] = None,
    family: FamilyOf = Family.ITEMS,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Show which collection answers searches, or let another one, at once and for all."""
    with targets(ctx).client(profile) as client:
        if model is not None:
            found: CollectionInfo | None = client.collections.set_blue(model, family=family)
        else:
            found = client.collections.blue(family)
    if as_json:
        output.print_json(found)
    elif found is None:
        output.note("none is blue yet: `shoal collections upsert FILE.ndjson` makes the first one")
    else:
        output.line(f"{found.embedding_model_id} is blue")


@app.command(
    epilog='A line: `{"object_id": "chair-1", "payload": {"title": "Office chair", "price": 299.99}}`'
)
def upsert(
    ctx: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="NDJSON: object_id, payload, item_info. `-`: stdin.")
    ],
    model: OtherModel = None,
    family: FamilyOf = Family.ITEMS,
    batch: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="Objects of one task.")] = 1000,
    name: Annotated[
        str | None,
        typer.Option(
            "--task-id",
            metavar="ID",
            help="Name the tasks ID-1, ID-2, …: sent again, they are not done again.",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until all can be found.")] = True,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Write objects: their text is embedded, and they are found by what it means. An id that is there is replaced.

    Each batch is a task; tasks are done in the order in which they are sent. Objects that cannot be embedded are
    told, and stop none of the others: exit code 1.
    """
    from infra.cli.collections.display import display
    from infra.cli.collections.ending import end_of_written
    from infra.cli.collections.objects import batches, read_objects
    from infra.cli.collections.running import upsert_all

    with targets(ctx).client(profile) as client, display() as shown:
        done = upsert_all(
            client,
            batches(read_objects(file), most=batch),
            shown,
            wait=wait,
            name=name,
            model_id=model,
            family=family,
        )
    if not done.tasks:
        raise UsageError(f"{file} holds no object")
    end_of_written(done, as_json=as_json)


@app.command("delete-objects", epilog="Example: `shoal collections delete-objects chair-1 chair-2`")
def delete_objects(
    ctx: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Objects.")] = None,
    ids_file: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="A file of ids, one a line. `-`: stdin.")
    ] = None,
    model: OtherModel = None,
    family: FamilyOf = Family.ITEMS,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until none is found.")] = True,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Delete objects, there or not."""
    from infra.cli.collections.display import display
    from infra.cli.collections.ending import end_of_written
    from infra.cli.collections.running import delete_all

    if bool(ids) == (ids_file is not None):
        raise UsageError("say which objects: ids, or --ids-file")
    wanted = ids or _ids(ids_file or "-")
    with targets(ctx).client(profile) as client, display() as shown:
        done = delete_all(client, wanted, shown, wait=wait, model_id=model, family=family)
    end_of_written(done, as_json=as_json, verb="deleted")


@app.command(
    epilog="""Example: `shoal collections search seat --filter '{"term": {"field": "color", "value": "black"}}'`"""
)
def search(
    ctx: typer.Context,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="In words. Without, the filter alone says what.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-k", min=1, max=1000, help="How many.")] = 10,
    where: Annotated[
        str | None,
        typer.Option(
            "--filter", metavar="JSON", help='Payloads to match: {"term": {"field": "color", "value": "red"}}'
        ),
    ] = None,
    max_distance: Annotated[
        float | None, typer.Option(metavar="D", help="Leave out what is farther away.")
    ] = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Search the blue collection of items by what a text means."""
    if text is None and where is None:
        raise UsageError("give a TEXT, or --filter")
    wanted = object_of(where) if where is not None else None
    with targets(ctx).client(profile) as client:
        found = client.collections.search(text, limit=limit, where=wanted, max_distance=max_distance)
    if as_json:
        output.print_json(found)
    else:
        _show_found(found)


def _show_found(found: "Found") -> None:
    import json

    rows = [
        (each.distance, each.object_id, json.dumps(each.payload, ensure_ascii=False)[:120])
        for each in found.hits
    ]
    output.table(("distance", "object", "payload"), rows)
    output.note(f"{len(rows):,} objects, {found.round_trip_ms:.1f} ms")


def _ids(file: str) -> list[str]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    found = [line for line in text.splitlines() if line]
    if not found:
        raise UsageError(f"{file} holds no id")
    return found
