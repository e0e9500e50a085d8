"""`shoal documents`: documents of content, imported from exports into the datasets that indexes are made of."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import output
from infra.cli.commands.imports import ImportId, Rejects, show_cancelled, show_list
from infra.cli.options import AsJson, ProfileName, targets
from shoal.model.imports import ErrorMode

if TYPE_CHECKING:
    from infra.cli.client import ShoalClient
    from infra.cli.imports.results import ImportInfo
    from infra.cli.imports.running import Done

app = typer.Typer(no_args_is_help=True, help="Import documents of content, and look at such imports.")
Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="The name of the dataset of documents.")]


@app.command("import")
def import_(
    ctx: typer.Context,
    dataset: Dataset,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="NDJSON, a document a line, also packed by gzip or zstd; or the archive of an export.",
        ),
    ],
    error_mode: Annotated[
        ErrorMode,
        typer.Option(help="A bad document is dropped and reported (continue), or fails the import (abort)."),
    ] = ErrorMode.CONTINUE,
    max_bad_records: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="More bad documents than these fail the import.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Follow the import to its end, as is the default.")
    ] = True,
    rejects: Rejects = None,
    multipart: Annotated[
        bool, typer.Option("--multipart", help="Upload in parts, as is done anyway over 5 GiB.")
    ] = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Import documents: upload them, and follow the import until all of them are there.

    The dataset comes into being with its first import. Of a document that is there already the later version
    stays, by `_updatedAt`. Drafts and versions of releases are left out.

    Example: `shoal documents import production production.tar.gz --watch`
    """
    from infra.cli.documents.exports import opened_export
    from infra.cli.imports.running import run_import

    with targets(ctx).client(profile) as client:
        with opened_export(file, multipart=multipart) as source:
            done = run_import(
                client,
                dataset,
                source,
                error_mode=error_mode.value,
                max_bad_records=max_bad_records,
                wait=watch,
                calls=client.documents,
            )
        if not done.job.over:
            output.note(f"follow it: `shoal documents show {dataset} {done.job.import_id} --watch`")
        _end(client, done.job, as_json=as_json, rejects=rejects if done.job.over else None, done=done)


@app.command("list")
def list_(
    ctx: typer.Context,
    dataset: Dataset,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """List the imports of documents into a dataset, newest first."""
    with targets(ctx).client(profile) as client:
        found = client.documents.list(dataset, limit=limit)
    show_list(found, as_json=as_json, hint=f"`shoal documents import {dataset} FILE`")


@app.command()
def show(
    ctx: typer.Context,
    dataset: Dataset,
    import_id: ImportId,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it to its end.")] = False,
    rejects: Rejects = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Look at one import. Exit code 1 when it failed, or held no good document."""
    from infra.cli.imports.running import watched

    with targets(ctx).client(profile) as client:
        job = watched(client.documents, dataset, import_id, wait=watch)
        _end(client, job, as_json=as_json, rejects=rejects)


@app.command()
def cancel(
    ctx: typer.Context,
    dataset: Dataset,
    import_id: ImportId,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """End an import; none of its documents are stored."""
    with targets(ctx).client(profile) as client:
        job = client.documents.cancel(dataset, import_id)
    show_cancelled(job, as_json=as_json)


def _end(
    client: "ShoalClient",
    job: "ImportInfo",
    *,
    as_json: bool,
    rejects: Path | None,
    done: "Done | None" = None,
) -> None:
    from infra.cli.documents.calls import DocumentImportInfo
    from infra.cli.imports.running import end_of, say_state, tell

    def say() -> None:
        if not job.over:
            say_state(job)
            return
        seconds = None if done is None else (done.seconds, done.upload_seconds)
        tell(
            client,
            job,
            seconds=seconds and seconds[0],
            upload_seconds=seconds and seconds[1],
            calls=client.documents,
        )
        if isinstance(job, DocumentImportInfo):
            if job.documents_skipped:
                output.line(f"skipped {job.documents_skipped:,} drafts and versions of releases")
            if job.documents_outdated:
                output.line(f"{job.documents_outdated:,} were there already, as late or later: they stay")

    end_of(client, job, as_json=as_json, rejects=rejects, say=say, calls=client.documents)
