"""`shoal job` and `shoal usage`."""

from typing import Annotated

import typer

from infra.cli import output
from infra.cli.options import AsJson, ProfileName, targets


def job(
    ctx: typer.Context,
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="A job's id, as writes answer it.")],
    wait: Annotated[float, typer.Option(metavar="SECONDS", help="Wait until it is indexed.")] = 0.0,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Show how far a write is; with --wait, fail unless it gets indexed."""
    with targets(ctx).client(profile) as client:
        if wait > 0:
            client.wait_indexed([job_id], timeout_seconds=wait)
        found = client.job(job_id)
    if as_json:
        output.print_json(found)
    else:
        output.line(f"{found.job_id} {found.status}" + (f": {found.error}" if found.error else ""))


def usage(ctx: typer.Context, as_json: AsJson = False, profile: ProfileName = None) -> None:
    """Show what the key's tenant uses of its quotas."""
    with targets(ctx).client(profile) as client:
        found = client.usage()
    if as_json:
        output.print_json(found)
        return
    output.table(
        ("what", "used", "quota"),
        [
            ("vectors", found.vectors_used, _quota(found.vector_quota)),
            ("queries today", found.queries_today, _quota(found.daily_query_quota)),
        ],
    )


def _quota(value: int | None) -> str:
    return "unlimited" if value is None else f"{value:,}"
