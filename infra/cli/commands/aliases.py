"""`shoal aliases`: names that point at datasets, moved from one to the next at once, and back."""

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import output
from infra.cli.failures import UsageError
from infra.cli.options import AsJson, ProfileName, Yes, targets

if TYPE_CHECKING:
    from infra.cli.aliases import AliasInfo

app = typer.Typer(no_args_is_help=True, help="Point names at datasets, move them at once, and back.")
Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="The alias: 1-64 of a-z, 0-9, _ and -.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False, profile: ProfileName = None) -> None:
    """List the aliases, and where they point."""
    with targets(ctx).client(profile) as client:
        found = client.aliases.list()
    if as_json:
        shown = (
            {name: value for name, value in output.plain(each).items() if name != "history"} for each in found
        )
        output.print_json({"aliases": list(shown)})
    elif found:
        output.table(
            ("alias", "dataset", "moves", "moved"),
            [(each.alias, each.dataset, each.moves, each.moved_at) for each in found],
        )
    else:
        output.note("no aliases yet: `shoal aliases set ALIAS DATASET`")


@app.command()
def show(ctx: typer.Context, alias: Alias, as_json: AsJson = False, profile: ProfileName = None) -> None:
    """Look at an alias and its last moves, newest first."""
    with targets(ctx).client(profile) as client:
        found = client.aliases.get(alias)
    if as_json:
        output.print_json(found)
        return
    output.line(f"{found.alias} points at {found.dataset}")
    output.table(
        ("moved", "from", "to"),
        [(move.at, move.from_dataset, move.to_dataset) for move in found.history],
    )


@app.command("set", epilog="Example: `shoal aliases set products products-2024-06 --if products-2024-05`")
def set_(
    ctx: typer.Context,
    alias: Alias,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's own name.")],
    if_dataset: Annotated[
        str | None, typer.Option("--if", metavar="DATASET", help="Only where it points at this one now.")
    ] = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Have an alias point at a dataset. Whoever asks by it is answered from the old one or from the new one."""
    with targets(ctx).client(profile) as client:
        pointed = client.aliases.point(alias, dataset, if_dataset=if_dataset)
    _told(pointed, as_json=as_json)
    if not as_json and pointed.moves > 1:
        output.note(f"back to where it pointed before: `shoal aliases rollback {alias}`")


@app.command()
def rollback(
    ctx: typer.Context, alias: Alias, yes: Yes = False, as_json: AsJson = False, profile: ProfileName = None
) -> None:
    """Have an alias point where it did before its last move; once more, and it is forth again."""
    with targets(ctx).client(profile) as client:
        now = client.aliases.get(alias)
        before = now.history[0].from_dataset if now.history else None
        if not yes and before is not None:
            _ask(f"have {alias}, which points at {now.dataset}, point at {before} again?", "not moved")
        pointed = client.aliases.roll_back(alias, if_dataset=now.dataset)
    _told(pointed, as_json=as_json)


@app.command()
def delete(
    ctx: typer.Context, alias: Alias, yes: Yes = False, as_json: AsJson = False, profile: ProfileName = None
) -> None:
    """Take an alias away, with what is remembered of its moves. The dataset stays as it is."""
    with targets(ctx).client(profile) as client:
        if not yes:
            _ask(f"delete {alias}, which points at {client.aliases.get(alias).dataset}?", "not deleted")
        client.aliases.drop(alias)
    if as_json:
        output.print_json({"deleted": alias})
    else:
        output.line(f"deleted {alias}")


def _told(pointed: "AliasInfo", *, as_json: bool) -> None:
    if as_json:
        output.print_json({"alias": pointed.alias, "dataset": pointed.dataset, "moves": pointed.moves})
    else:
        output.line(f"{pointed.alias} points at {pointed.dataset}")


def _ask(question: str, otherwise: str) -> None:
    """Ask the user.

    Raises:
        UsageError: the answer was no.
    """
    if not typer.confirm(question, err=True):
        raise UsageError(otherwise)
