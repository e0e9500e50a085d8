"""The command `shoal`: its tree of commands, and the one place where errors become a line and an exit code."""

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from infra.cli.aws_errors import aws_errors
from infra.cli.commands import (
    aliases,
    ask,
    collections,
    compact,
    cost,
    datasets,
    demo,
    derivations,
    doctor,
    documents,
    exports,
    imports,
    janitor,
    jobs,
    keys,
    listing,
    local,
    models,
    profiles,
    query,
    recover,
    reindex,
    snapshot,
    sources,
    tasks,
    tenants,
    terms,
    vectors,
    writing,
)
from infra.cli.failures import ApiError, CliError, Unreachable
from infra.cli.output import note
from shoal.errors import RequestError, StorageError

_EPILOG = """
**Examples**

`shoal demo` everything at once, on this machine

`shoal local up` a stack on this machine, with a ready key

`shoal datasets create songs --dimension 256 --metric cosine`

`shoal vectors upsert songs records.ndjson`

`shoal import songs millions.ndjson.gz`

`shoal query songs --text "a walk in the rain" --json`

`shoal export songs backup`, and back: `shoal import songs backup --create`

`shoal derive songs jazz --filter '{"genre": "jazz"}' --follow --watch`

`shoal collections upsert chairs.ndjson`, then `shoal collections search "something to sit on"`

`shoal reindex static-256 static-128 --deploy --watch`

**Exit codes**

0 done · 1 a check did not hold, or a write failed · 2 not possible as written · 3 nothing answers ·
4 the API refused · 5 no valid key · 6 a limit or a quota: later the same may pass · 130 interrupted
"""


class _Root(TyperGroup):
    """Turns what went wrong into one line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            with aws_errors():
                return super().invoke(ctx)
        except CliError as error:
            note(f"error: {_one_line(error)}")
            if error.hint:
                note(f"  try: {error.hint}")
            raise typer.Exit(error.exit_code) from error
        except RequestError as error:
            note(f"error: {error.message} ({error.code})")
            raise typer.Exit(ApiError.exit_code) from error
        except StorageError as error:
            note(f"error: AWS did not do it: {error}")
            raise typer.Exit(Unreachable.exit_code) from error
        except KeyboardInterrupt as stop:
            note("interrupted")
            raise typer.Exit(130) from stop
        except BrokenPipeError as closed:
            # The reader of our output went away, as `| head` does. Nothing is left to say, not even at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from closed


app = typer.Typer(
    cls=_Root,
    name="shoal",
    help="Shoal: a vector database made only of serverless AWS parts.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(local.app, name="local")
app.add_typer(profiles.app, name="profiles")
app.add_typer(tenants.app, name="tenants")
app.add_typer(keys.app, name="keys")
app.add_typer(datasets.app, name="datasets")
app.add_typer(vectors.app, name="vectors")
app.add_typer(imports.app, name="imports")
app.command("import")(imports.import_)
app.add_typer(documents.app, name="documents")
app.add_typer(snapshot.app, name="snapshot")
app.command("derive")(derivations.derive)
app.add_typer(derivations.app, name="derivation")
app.add_typer(aliases.app, name="aliases")
app.add_typer(terms.app, name="terms")
app.add_typer(sources.app, name="sources")
app.add_typer(models.app, name="models")
app.add_typer(collections.app, name="collections")
app.add_typer(reindex.app, name="reindex")
app.add_typer(tasks.app, name="tasks")
app.command("export")(exports.export)
app.command("exports")(exports.exports)
app.command("query")(query.query)
app.command("list")(listing.list_)
app.command("count")(listing.count)
app.command("stats")(listing.stats)
app.command("delete")(writing.delete)
app.command("patch")(writing.patch)
app.command("compact")(compact.compact)
app.command("job")(jobs.job)
app.command("usage")(jobs.usage)
app.command("ask")(ask.ask)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("janitor")(janitor.janitor)
app.command("recover")(recover.recover)
app.command("cost")(cost.cost)


def _one_line(error: CliError) -> str:
    text = " ".join(error.message.split())
    return f"{text} ({error.code})" if isinstance(error, ApiError) else text


def _show_version(wanted: bool) -> None:
    if wanted:
        from shoal import __version__

        typer.echo(f"shoal {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Shoal: a vector database made only of serverless AWS parts."""


def run() -> None:
    """Entry point of the console script."""
    app()
