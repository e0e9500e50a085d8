"""`shoal demo`: the whole thing on real data, on this machine."""

import sys

import typer

from infra.cli import output
from infra.cli.failures import CliError
from infra.cli.options import AsJson, targets


def demo(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Search 19,796 AWS API operations by what they do, on a stack on this machine.

    Brings the stack up, uploads, asks five questions, writes and deletes a sentence, imports it all as one file
    with bad lines in it, kills an indexer in the middle of a write, changes the embedding model while it is
    searched, and prices it all. Exit code 0 only if everything held. The first run takes minutes.
    """
    from infra.cli.client import ShoalClient
    from infra.cli.demo.run import run
    from infra.cli.demo.steps import Steps
    from infra.cli.local_stack import pids_of, start, state_folder, tenant_of_its_own
    from infra.cli.results import LocalStack
    from infra.cli.transport import Patience

    chosen = targets(ctx)
    state = state_folder(chosen.environ)

    def connect(stack: LocalStack, patience: Patience | None = None) -> ShoalClient:
        return ShoalClient(stack.api_url, stack.api_key, transport=chosen.transport, patience=patience)

    with Steps(sys.stderr if as_json else sys.stdout) as steps:
        outcome = run(
            steps,
            state=state,
            start_stack=lambda progress: start(state, port=None, progress=progress),
            connect=connect,
            indexer_pids=lambda: pids_of("indexer", state),
            own_tenant=lambda stack: tenant_of_its_own(stack, state, "demo"),
        )
        steps.plain(
            f"\n{len(outcome.checks) - len(outcome.failed)} of {len(outcome.checks)} checks held, "
            f"in {outcome.seconds:.0f} s"
        )
    if as_json:
        output.print_json({"ok": not outcome.failed, "seconds": outcome.seconds, "checks": outcome.checks})
    if outcome.failed:
        raise CliError("the demo failed: " + "; ".join(f"{c.name}: {c.found}" for c in outcome.failed))
