"""`shoal import` and `shoal imports`: large files, from the disk to the index."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import output
from infra.cli.imports.formats import FileFormat
from infra.cli.options import AsJson, ProfileName, targets
from shoal.model.imports import ErrorMode, ImportFormat

if TYPE_CHECKING:
    from infra.cli.imports.results import ImportInfo

app = typer.Typer(no_args_is_help=True, help="List imports, look at one, cancel one.")
Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name.")]
ImportId = Annotated[str, typer.Argument(metavar="IMPORT", help="The import's id.")]
Rejects = Annotated[
    Path | None,
    typer.Option(metavar="PATH", dir_okay=False, help="Download the rejected records, with their reasons."),
]


def import_(
    ctx: typer.Context,
    dataset: Dataset,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="NDJSON, also packed by gzip or zstd, or Parquet: id, values, metadata, namespace, document. "
            "Or the folder of an export.",
        ),
    ],
    file_format: Annotated[
        FileFormat | None, typer.Option("--format", help="What the file is. Default: as its name says.")
    ] = None,
    error_mode: Annotated[
        ErrorMode,
        typer.Option(help="A bad record is dropped and reported (continue), or fails the import (abort)."),
    ] = ErrorMode.CONTINUE,
    max_bad_records: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="More bad records than these fail the import of a file."),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Follow the import to its end.")] = True,
    rejects: Rejects = None,
    multipart: Annotated[
        bool, typer.Option("--multipart", help="Upload in parts, as is done anyway over 5 GiB.")
    ] = False,
    create: Annotated[
        bool,
        typer.Option("--create", help="Make the dataset where it is not there, as the exported one was."),
    ] = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Import a file: upload it, and follow it until it can be queried, all of it at once.

    Several files are imported one after the other, each all at once; the first that fails is the last. Of an
    export's folder, sizes and checksums are compared with its manifest before anything is imported.

    Fails if nothing was imported; some rejected records alone are no failure. Progress goes to stderr.

    Examples: `shoal import songs songs.ndjson.gz --max-bad-records 100 --rejects rejected.jsonl`,
    `shoal import songs backup --create` with what `shoal export songs backup` has made
    """
    from infra.cli.imports.many import end_of_all, gather, ready, run_all
    from infra.cli.imports.running import end_of, run_import, tell

    known = ImportFormat(file_format.value) if file_format else None
    found = gather(files, file_format=known, multipart=multipart)
    with targets(ctx).client(profile) as client:
        ready(client, dataset, found.manifests, create=create)
        if found.manifests or len(found.sources) > 1:
            whole = run_all(
                client,
                dataset,
                found.sources,
                error_mode=error_mode.value,
                max_bad_records=max_bad_records,
                wait=wait,
                rejects=rejects,
            )
            end_of_all(client, dataset, whole, as_json=as_json)
            return
        source = found.sources[0]
        done = run_import(
            client,
            dataset,
            source,
            error_mode=error_mode.value,
            max_bad_records=max_bad_records,
            wait=wait,
        )
        if not done.job.over:
            output.note(f"follow it: `shoal imports show {dataset} {done.job.import_id} --wait`")
        end_of(
            client,
            done.job,
            as_json=as_json,
            rejects=rejects if done.job.over else None,
            say=lambda: (
                tell(client, done.job, seconds=done.seconds, upload_seconds=done.upload_seconds)
                if done.job.over
                else output.line(f"{done.job.import_id} {done.job.status}")
            ),
        )


@app.command("list")
def list_(
    ctx: typer.Context,
    dataset: Dataset,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """List the imports of a dataset, newest first."""
    with targets(ctx).client(profile) as client:
        found = client.imports.list(dataset, limit=limit)
    show_list(found, as_json=as_json, hint=f"`shoal import {dataset} FILE`")


def show_list(found: "Sequence[ImportInfo]", *, as_json: bool, hint: str) -> None:
    """Imports as a table, or what to do where there are none."""
    if as_json:
        output.print_json({"imports": found})
    elif found:
        output.table(
            ("import", "format", "status", "%", "accepted", "rejected", "created", "error"),
            [
                (
                    each.import_id,
                    each.format,
                    each.status,
                    each.percent_complete,
                    each.records_accepted,
                    each.records_rejected,
                    each.created_at,
                    each.error_message,
                )
                for each in found
            ],
        )
    else:
        output.note(f"no imports yet: {hint}")


@app.command()
def show(
    ctx: typer.Context,
    dataset: Dataset,
    import_id: ImportId,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it to its end.")] = False,
    rejects: Rejects = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Look at one import. Exit code 1 when it failed, or held no good record."""
    from infra.cli.imports.running import end_of, say_state, tell, watched

    with targets(ctx).client(profile) as client:
        job = watched(client.imports, dataset, import_id, wait=wait)
        end_of(
            client,
            job,
            as_json=as_json,
            rejects=rejects,
            say=lambda: tell(client, job) if job.over else say_state(job),
        )


@app.command()
def cancel(
    ctx: typer.Context,
    dataset: Dataset,
    import_id: ImportId,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """End an import; nothing of it is indexed."""
    with targets(ctx).client(profile) as client:
        job = client.imports.cancel(dataset, import_id)
    show_cancelled(job, as_json=as_json)


def show_cancelled(job: "ImportInfo", *, as_json: bool) -> None:
    """An import that was told to end, as it is then."""
    if as_json:
        output.print_json(job)
    else:
        output.line(f"{job.import_id} {job.status}: {job.error_message}")
