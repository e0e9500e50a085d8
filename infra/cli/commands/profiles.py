"""`shoal profiles`: the named targets of this user."""

from dataclasses import replace
from typing import Annotated

import typer

from infra.cli import output
from infra.cli import profiles as store
from infra.cli.failures import UsageError
from infra.cli.options import AsJson, targets

app = typer.Typer(no_args_is_help=True, help="Name the stacks you work with.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The profile's name.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the profiles, without their keys."""
    config = store.read(store.config_path(targets(ctx).environ))
    known = [store.Profile(store.LOCAL), *(p for p in config.profiles.values() if p.name != store.LOCAL)]
    shown = [
        {
            "name": p.name,
            "default": p.name == config.default,
            "api_url": p.api_url,
            "has_key": p.api_key is not None,
            "stack": p.stack,
            "region": p.region,
            "aws_profile": p.aws_profile,
        }
        for p in known
    ]
    if as_json:
        output.print_json({"profiles": shown})
    else:
        output.table(tuple(shown[0]), [tuple(each.values()) for each in shown])


@app.command("set", epilog="Example: `shoal profiles set prod --api-url https://… --api-key shl_… --default`")
def set_(
    ctx: typer.Context,
    name: Name,
    api_url: Annotated[str | None, typer.Option(help="The API's address.")] = None,
    api_key: Annotated[str | None, typer.Option(help="A key for it.")] = None,
    stack: Annotated[str | None, typer.Option(help="CloudFormation stack, for operator tasks.")] = None,
    region: Annotated[str | None, typer.Option(help="The stack's region.")] = None,
    aws_profile: Annotated[str | None, typer.Option(help="AWS credentials to use.")] = None,
    default: Annotated[bool, typer.Option("--default", help="Use it when no other is named.")] = False,
) -> None:
    """Add or change a profile; what is not given stays."""
    if name in (store.LOCAL, "environment"):
        raise UsageError(f"{name!r} names itself", hint="choose another name")
    path = store.config_path(targets(ctx).environ)
    config = store.read(path)
    given = {
        "api_url": api_url,
        "api_key": api_key,
        "stack": stack,
        "region": region,
        "aws_profile": aws_profile,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    profile = replace(config.profiles.get(name, store.Profile(name)), **changes)
    chosen = name if default else config.default
    store.write(path, store.Config(chosen, {**config.profiles, name: profile}))
    output.note(f"{name} is in {path}")


@app.command()
def use(ctx: typer.Context, name: Name) -> None:
    """Use a profile when no other is named."""
    path = store.config_path(targets(ctx).environ)
    config = store.read(path)
    if name != store.LOCAL and name not in config.profiles:
        raise UsageError(f"no profile {name!r}", hint="`shoal profiles list`")
    store.write(path, store.Config(name, config.profiles))
    output.note(f"default: {name}")


@app.command()
def remove(ctx: typer.Context, name: Name) -> None:
    """Forget a profile. The stack behind it is left alone."""
    path = store.config_path(targets(ctx).environ)
    config = store.read(path)
    if name not in config.profiles:
        raise UsageError(f"no profile {name!r}", hint="`shoal profiles list`")
    rest = {key: value for key, value in config.profiles.items() if key != name}
    store.write(path, store.Config(store.LOCAL if config.default == name else config.default, rest))
    output.note(f"forgot {name}")
