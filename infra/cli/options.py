"""Options that many commands share, and how a command finds its target."""

from typing import Annotated

import typer

from infra.cli.targets import Targets

AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout; everything else on stderr.")
]
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-p",
        metavar="NAME",
        help="Target: `local`, or one of ~/.config/shoal/config.toml. Default: SHOAL_API_URL with SHOAL_API_KEY, "
        "else SHOAL_PROFILE, else the file's default, else the local stack.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def targets(ctx: typer.Context) -> Targets:
    """The targets that this run was started with."""
    found = ctx.obj
    return found if isinstance(found, Targets) else Targets()
