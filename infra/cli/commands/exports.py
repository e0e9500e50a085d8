"""`shoal export` and `shoal exports`: a version of a dataset as Parquet files on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from infra.cli import output
from infra.cli.failures import UsageError
from infra.cli.options import AsJson, ProfileName, targets

Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name.")]


def export(
    ctx: typer.Context,
    dataset: Dataset,
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="DIRECTORY", help="Where the files go. Default: DATASET-export, here."),
    ] = None,
    snapshot: Annotated[
        str | None, typer.Option(metavar="NAME", help="Export this snapshot, not the current version.")
    ] = None,
    export_id: Annotated[
        str | None,
        typer.Option("--export", metavar="EXPORT", help="Download an export that is there, by its id."),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the export, and download it.")] = True,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Export a dataset: Parquet files of id, values, metadata, document and namespace, and a manifest.

    Each file's size and SHA-256 are compared with what was written. After an interruption the same command goes
    on where it was: what has come is not downloaded again. Progress goes to stderr.

    Example: `shoal export songs backup`, and back: `shoal import songs backup --create`
    """
    from infra.cli.exports.running import begin_only, run_export, tell

    if not wait and (directory is not None or export_id is not None):
        raise UsageError("--no-wait begins an export and downloads nothing", hint="leave DIRECTORY out")
    if snapshot is not None and export_id is not None:
        raise UsageError("--export names an export that is there: --snapshot is for a new one")
    with targets(ctx).client(profile) as client:
        if not wait:
            job = begin_only(client, dataset, snapshot=snapshot)
            if as_json:
                output.print_json(job.summary())
            else:
                output.line(f"{job.export_id} {job.status}")
            return
        path = directory or Path(f"{dataset}-export")
        done = run_export(client, dataset, path, snapshot=snapshot, export_id=export_id)
    if as_json:
        output.print_json(done.body())
    else:
        tell(done)


def exports(
    ctx: typer.Context, dataset: Dataset, as_json: AsJson = False, profile: ProfileName = None
) -> None:
    """List the exports of a dataset, newest first. Their files are kept for a week."""
    with targets(ctx).client(profile) as client:
        found = client.exports.list(dataset)
    if as_json:
        output.print_json({"exports": [each.summary() for each in found]})
    elif found:
        output.table(
            ("export", "status", "version", "files", "rows", "bytes", "created", "error"),
            [
                (
                    each.export_id,
                    each.status,
                    each.version,
                    f"{each.done:,}/{each.total:,}",
                    each.row_count,
                    each.bytes,
                    each.created_at,
                    each.error_message,
                )
                for each in found
            ],
        )
    else:
        output.note(f"no exports yet: `shoal export {dataset}`")
