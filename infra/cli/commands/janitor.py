"""`shoal janitor`: what the scheduled function does, done now and from here, or only shown."""

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import output
from infra.cli.failures import CliError
from infra.cli.options import AsJson, ProfileName, targets

if TYPE_CHECKING:
    from shoal.services.janitor.garbage import Garbage


def janitor(
    ctx: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Delete nothing; show each object that would go, and why.")
    ] = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Remove what nothing needs any more, and clean deleted datasets (needs AWS credentials).

    Objects go a week after they were stored, once no version of the last 24 hours, no snapshot and no job names
    them. Exit code 1 when a tenant could not be looked through: then nothing of it is deleted.
    """
    from shoal.services.janitor.run import NotCleaned, run_janitor

    shown: list[Garbage] = []

    def show(found: "Garbage") -> None:
        if as_json:
            shown.append(found)
        else:
            output.line(
                f"{found.key}  {found.size:,} bytes  {found.age_seconds / 86_400:.0f} days  {found.reason}"
            )

    ignore = (lambda _: None) if not dry_run else show
    report = run_janitor(targets(ctx).ports(profile), dry_run=dry_run, on_garbage=ignore)
    if as_json:
        output.print_json({"report": report, **({"objects": shown} if dry_run else {})})
    else:
        would = "would go" if dry_run else "gone"
        output.note(
            f"{report.objects:,} objects, {report.bytes:,} bytes {would}; {report.datasets} deleted datasets "
            f"{'to clean' if dry_run else 'cleaned'}; {report.tenants} tenants looked through"
        )
    if report.stopped:
        raise CliError(
            f"not cleaned: {NotCleaned(report.stopped)}",
            hint="what is named cannot be read; `shoal recover --dry-run` shows what the bucket has",
        )
