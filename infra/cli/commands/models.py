"""`shoal models`: what makes texts vectors, and names of one's own for it."""

from typing import Annotated

import typer

from infra.cli import output
from infra.cli.default_command import DefaultCommand
from infra.cli.options import AsJson, ProfileName, targets


class _Models(DefaultCommand):
    default = "list"
    bare = True


app = typer.Typer(cls=_Models, help="List the embedding models, and give them names of your own.")
Alias = Annotated[str, typer.Argument(metavar="NAME", help="A name of your own.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False, profile: ProfileName = None) -> None:
    """List the embedding models of the deployment; what `shoal models` alone does, too."""
    with targets(ctx).client(profile) as client:
        found, aliases = client.models.list(), client.models.aliases()
    if as_json:
        output.print_json({"models": found, "aliases": aliases})
        return
    output.table(
        ("model", "provider", "dimension", "metric", "longest input", "$ a million tokens", "also called"),
        [
            (
                each.embedding_model_id + (" (default)" if each.default else ""),
                each.provider,
                each.dimension,
                each.metric,
                each.max_tokens,
                each.price,
                ", ".join(name for name, meant in aliases.items() if meant == each.embedding_model_id)
                or None,
            )
            for each in found
        ],
    )


@app.command(epilog="Example: `shoal models alias text-embedding-ada-002 static-256`")
def alias(
    ctx: typer.Context,
    name: Alias,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="What it is to stand for.")],
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Let a name stand for a model, wherever the API takes a model's id.

    So programs that name models of another service work as they are.
    """
    with targets(ctx).client(profile) as client:
        client.models.set_alias(name, model)
    if as_json:
        output.print_json({"alias": name, "embedding_model_id": model})
    else:
        output.line(f"{name} is {model}")


@app.command()
def unalias(ctx: typer.Context, name: Alias, as_json: AsJson = False, profile: ProfileName = None) -> None:
    """Forget a name."""
    with targets(ctx).client(profile) as client:
        client.models.drop_alias(name)
    if as_json:
        output.print_json({"deleted": name})
    else:
        output.line(f"forgot {name}")
