"""`shoal local`: the whole stack on this machine."""

from dataclasses import asdict
from typing import Annotated

import typer

from infra.cli import output
from infra.cli.failures import Unreachable
from infra.cli.options import AsJson, targets

app = typer.Typer(
    no_args_is_help=True, help="Start and stop the stack on this machine, without an AWS account."
)


@app.command()
def up(
    ctx: typer.Context,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port of the API. Default: the last one, or a free one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start the stack, or bring the running one up to date; prints its address and a ready key."""
    from infra.cli.local_stack import start, state_folder

    stack = start(state_folder(targets(ctx).environ), port=port, progress=output.note)
    if as_json:
        output.print_json(asdict(stack))
        return
    output.line(f"API  {stack.api_url}")
    output.line(f"key  {stack.api_key}")
    output.note(f'try: curl -H "Authorization: Bearer {stack.api_key}" {stack.api_url}/v1/datasets')


@app.command()
def down(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Stop the stack; its data stays for the next time."""
    from infra.cli.local_stack import state_folder, stop

    stopped = stop(state_folder(targets(ctx).environ), progress=output.note)
    if as_json:
        output.print_json({"stopped": stopped})
    else:
        output.line("stopped" if stopped else "it was not running")


@app.command()
def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show where the stack answers, and its key. Exit code 3 when it is not up."""
    from infra.cli.local_stack import running, state_folder

    stack = running(state_folder(targets(ctx).environ))
    if stack is None:
        raise Unreachable("the local stack is not up", hint="`shoal local up` starts it")
    if as_json:
        output.print_json(asdict(stack))
    else:
        for name, value in asdict(stack).items():
            output.line(f"{name:17} {value}")
