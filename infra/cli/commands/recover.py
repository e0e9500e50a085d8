"""`shoal recover`: make the table anew from the bucket."""

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import output
from infra.cli.failures import CliError
from infra.cli.options import AsJson, ProfileName, targets

if TYPE_CHECKING:
    from shoal.services.recover import Report


def recover(
    ctx: typer.Context,
    table: Annotated[
        str | None, typer.Option(metavar="NAME", help="The table to fill. Default: the stack's own.")
    ] = None,
    force_into: Annotated[
        bool,
        typer.Option(
            "--force-into", help="Also into a table that has items: add what it lacks, change nothing it has."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and check everything, write nothing.")
    ] = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Make the whole table anew from the bucket: tenants, keys, datasets, snapshots, unapplied writes.

    For the day on which the table is lost (needs AWS credentials). A recovery that was cut off goes on with
    --force-into. Exit code 1 when something cannot be brought back; all else is back then.
    """
    from shoal.services.recover import recover as run

    ports = targets(ctx).ports(profile, table=table)
    report = run(ports, dry_run=dry_run, force_into=force_into, progress=output.note)
    if as_json:
        output.print_json(report)
    else:
        _show(report)
    if not report.whole:
        lost = sum(len(each.lost) for each in report.datasets)
        raise CliError(f"{len(report.damaged)} descriptions damaged, {lost} things lost; see above")


def _show(report: "Report") -> None:
    rows = [
        (each.tenant_id, each.name, each.version, each.row_count, each.snapshots, each.writes_again)
        for each in report.datasets
    ]
    output.table(("tenant", "dataset", "version", "vectors", "snapshots", "writes put back"), rows)
    for each in report.datasets:
        for what in each.lost:
            output.line(f"lost of {each.name}: {what}")
    for key, reason in report.damaged.items():
        output.line(f"damaged: {key}: {reason}")
    if report.there_already:
        output.note(f"{len(report.there_already)} datasets were there already, and stay as they are")
    verb = "would be back" if report.dry_run else "are back"
    output.note(f"{report.tenants} tenants, {report.keys} keys and {len(report.datasets)} datasets {verb}")
