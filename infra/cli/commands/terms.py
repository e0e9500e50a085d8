"""`shoal terms`: lists of terms, such as the sensitive ones that a filtered index leaves out."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from infra.cli import output
from infra.cli.failures import UsageError
from infra.cli.options import AsJson, ProfileName, targets

app = typer.Typer(no_args_is_help=True, help="Set and look at lists of terms, such as `sensitive`.")
Name = Annotated[str, typer.Argument(metavar="LIST", help="The list's name: 1-64 of a-z, 0-9, _ and -.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False, profile: ProfileName = None) -> None:
    """List the lists."""
    with targets(ctx).client(profile) as client:
        found = client.term_lists.list()
    shown = [{"name": each.name, "count": each.count, "updated_at": each.updated_at} for each in found]
    if as_json:
        output.print_json({"term_lists": shown})
    elif found:
        output.table(("list", "terms", "set"), [tuple(each.values()) for each in shown])
    else:
        output.note("no lists yet: `shoal terms put sensitive FILE`")


@app.command(
    epilog="Example: `shoal terms put sensitive terms.txt`, or `echo water | shoal terms put sensitive -`"
)
def put(
    ctx: typer.Context,
    name: Name,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A term a line; `-` for standard input.")],
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Set a list, in place of what it was. Terms may be several words; capital letters make no difference."""
    terms = _read(file).splitlines()
    with targets(ctx).client(profile) as client:
        made = client.term_lists.put(name, terms)
    if as_json:
        output.print_json({"name": made.name, "count": made.count, "updated_at": made.updated_at})
    else:
        output.line(f"{made.name}: {made.count:,} terms")


@app.command()
def get(ctx: typer.Context, name: Name, as_json: AsJson = False, profile: ProfileName = None) -> None:
    """Print a list, a term a line."""
    with targets(ctx).client(profile) as client:
        found = client.term_lists.get(name)
    if as_json:
        output.print_json(found)
        return
    for term in found.terms:
        output.line(term)
    if not found.terms:
        output.note(f"{name} is empty")


@app.command()
def delete(ctx: typer.Context, name: Name, as_json: AsJson = False, profile: ProfileName = None) -> None:
    """Forget a list; what was made with it stays as it is."""
    with targets(ctx).client(profile) as client:
        client.term_lists.drop(name)
    if as_json:
        output.print_json({"deleted": name})
    else:
        output.line(f"deleted {name}")


def _read(file: str) -> str:
    """The text of a file, or of standard input.

    Raises:
        UsageError: it cannot be read, or is no text.
    """
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8") from error
