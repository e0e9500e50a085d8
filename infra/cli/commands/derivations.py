"""`shoal derive` and `shoal derivation`: datasets made of another one by a filter or a list of terms."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.commands.listing import chosen_of
from infra.cli.failures import UsageError
from infra.cli.options import AsJson, ProfileName, targets
from infra.cli.output import note, print_json

if TYPE_CHECKING:
    from infra.cli.client import ShoalClient
    from infra.cli.derivations import DerivationInfo

_RUN = re.compile(r"drv_[0-9a-f]{32}")
app = typer.Typer(
    no_args_is_help=True, help="Where a dataset comes from; make a derived one anew, or cancel that."
)
Watch = Annotated[bool, typer.Option("--watch", help="Follow it to its end.")]


def derive(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="The dataset whose records are taken, or an alias.")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the new dataset.")],
    where: Annotated[
        str | None,
        typer.Option("--filter", metavar="JSON", help="Only records whose metadata matches."),
    ] = None,
    terms: Annotated[
        str | None,
        typer.Option(
            "--terms", metavar="LIST", help="Without records that hold a term of this list (`shoal terms`)."
        ),
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            metavar="PATH",
            help="Where terms are looked for: title, tags[].name, … Again for more.",
        ),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Keep it in step with the source; it then takes no other writes."),
    ] = False,
    watch: Watch = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Make a dataset of the records of another one: all, or those that a filter or a list of terms leaves in.

    What is stored is shared where that is cheaper, so that even of a large dataset it takes seconds. Nothing is
    to be seen of the new one before it is whole; --watch waits for that, and exit code 1 says that it failed. The
    source goes on as if nothing were.

    Examples: `shoal derive songs jazz --filter '{"genre": "jazz"}' --follow --watch`,
    `shoal derive songs clean --terms sensitive --field title --field "tags[].name" --watch`
    """
    from infra.cli.deriving import end_of

    if terms is not None and not fields:
        raise UsageError("--terms needs the fields to look at", hint=f"--terms {terms} --field title")
    if fields and terms is None:
        raise UsageError("--field is where --terms are looked for", hint="--terms LIST, or --filter JSON")
    condition = chosen_of(where, None, None).where
    with targets(ctx).client(profile) as client:
        run = client.derivations.derive(
            source, name, filter=condition, terms=terms, fields=fields or (), follow=follow
        )
        end_of(_followed(client, run, watch=watch), as_json=as_json)


@app.command(epilog="Examples: `shoal derivation show jazz`, `shoal derivation show drv_… --watch`")
def show(
    ctx: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="DATASET|RUN", help="A dataset's name, or the id of a run: drv_….")
    ],
    watch: Watch = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Show where a dataset comes from and what is derived from it; or one run, with exit code 1 when it failed.

    With --watch the run, or the dataset's last one, is followed to its end.
    """
    from infra.cli.deriving import end_of, tell_lineage

    with targets(ctx).client(profile) as client:
        if _RUN.fullmatch(what):
            end_of(_followed(client, client.derivations.get(what), watch=watch), as_json=as_json)
            return
        found = client.derivations.lineage(what)
        if watch and found.last_run is not None and not found.last_run.over:
            end_of(_followed(client, found.last_run, watch=True), as_json=as_json)
            return
    if as_json:
        print_json(found)
    else:
        tell_lineage(found)


@app.command(epilog="Example: `shoal derivation rebuild jazz --watch`")
def rebuild(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The derived dataset.")],
    watch: Watch = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Make a derived dataset anew of what its source holds now, by the same condition.

    It answers as before until the new version is whole, and then with that at once. What was written to it since
    is replaced.
    """
    from infra.cli.deriving import end_of

    with targets(ctx).client(profile) as client:
        run = client.derivations.rebuild(dataset)
        end_of(_followed(client, run, watch=watch), as_json=as_json)


@app.command()
def cancel(
    ctx: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The id of the run: drv_….")],
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """End a run. A dataset that it was making is not there then; one that it was making anew stays as it is."""
    from infra.cli.output import line

    with targets(ctx).client(profile) as client:
        over = client.derivations.cancel(run_id)
    if as_json:
        print_json(over)
    elif over.status == "cancelled":
        line(f"{over.derivation_id} cancelled")
    else:
        line(f"{over.derivation_id} is {over.status} already")


def _followed(client: "ShoalClient", run: "DerivationInfo", *, watch: bool) -> "DerivationInfo":
    """The run at its end where that is wanted, or as it is."""
    from infra.cli.deriving import follow_derivation

    if watch and not run.over:
        return follow_derivation(client, run)
    if not run.over:
        note(f"follow it: `shoal derivation show {run.derivation_id} --watch`")
    return run
