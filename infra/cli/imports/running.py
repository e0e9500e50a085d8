"""One import from the file to its end, with everything that is said on the way."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infra.cli import output
from infra.cli.client import ShoalClient
from infra.cli.failures import CliError
from infra.cli.imports.calls import ImportCalls
from infra.cli.imports.display import Display, display, size_text, stage_of
from infra.cli.imports.following import follow
from infra.cli.imports.formats import Source
from infra.cli.imports.results import ImportInfo, Part, Upload
from infra.cli.imports.signed_urls import SignedUrls
from infra.cli.imports.summary import SHOWN_LINES, failure, summary
from infra.cli.imports.uploading import upload


@dataclass(frozen=True, slots=True)
class Done:
    """An import, and the seconds that its upload and all of it took; without waiting it may be under way."""

    job: ImportInfo
    upload_seconds: float
    seconds: float


def run_import(
    client: ShoalClient,
    dataset: str,
    source: Source,
    *,
    error_mode: str,
    max_bad_records: int | None,
    wait: bool,
    shown: Display | None = None,
    calls: ImportCalls | None = None,
) -> Done:
    """Create the import, upload the file, complete, and follow it to its end; as `shown`, or as the screen allows.

    An upload that fails gives its import up. One that is interrupted says how to go on.
    """
    began = time.monotonic()
    calls = calls or client.imports
    job, target = calls.create(
        dataset,
        file_format=source.format.value,
        error_mode=error_mode,
        max_bad_records=max_bad_records,
        multipart=source.multipart,
    )
    if shown is None:
        output.note(f"import {job.import_id}: {source.path.name}, {size_text(source.size)} of {job.format}")
        with display(source.size) as made:
            return _run(client, calls, job, source, target, made, began, wait=wait)
    return _run(client, calls, job, source, target, shown, began, wait=wait)


def _run(
    client: ShoalClient,
    calls: ImportCalls,
    job: ImportInfo,
    source: Source,
    target: Upload,
    shown: Display,
    began: float,
    *,
    wait: bool,
) -> Done:
    with client.signed_urls() as storage:
        parts = _upload(calls, storage, job, source, target, shown)
    uploaded = time.monotonic()
    job = calls.complete(job.dataset, job.import_id, parts=parts)
    if wait:
        job = watch(calls, job, shown)
    return Done(job, uploaded - began, time.monotonic() - began)


def _upload(
    calls: ImportCalls,
    storage: SignedUrls,
    job: ImportInfo,
    source: Source,
    target: Upload,
    shown: Display,
) -> tuple[Part, ...] | None:
    try:
        return upload(storage, source, target, count=shown.uploaded)
    except CliError:
        with suppress(
            CliError
        ):  # it is forgotten by itself in an hour; this only makes room for the next one
            calls.cancel(job.dataset, job.import_id)
        raise
    except KeyboardInterrupt:
        output.note(
            "\nthe upload was interrupted: nothing is imported, and the import ends by itself in an hour"
        )
        output.note(f"  end it now: `shoal {calls.command} cancel {job.dataset} {job.import_id}`")
        raise


def watch(calls: ImportCalls, job: ImportInfo, shown: Display) -> ImportInfo:
    """Follow an import to its end."""
    last = job
    try:
        for state in follow(lambda: calls.get(job.dataset, job.import_id)):
            shown.state(state)
            last = state
    except KeyboardInterrupt:
        output.note("\nthe import goes on by itself:")
        output.note(f"  look: `shoal {calls.command} show {job.dataset} {job.import_id} {calls.waiting}`")
        output.note(f"  end it: `shoal {calls.command} cancel {job.dataset} {job.import_id}`")
        raise
    return last


def watched(calls: ImportCalls, dataset: str, import_id: str, *, wait: bool) -> ImportInfo:
    """An import as it is, or, where somebody waits, as it ends."""
    job = calls.get(dataset, import_id)
    if not wait or job.over:
        return job
    with display(0) as shown:
        return watch(calls, job, shown)


def say_state(job: ImportInfo) -> None:
    """How far an import is, on stdout."""
    pieces = f": {job.progress.done:,} of {job.progress.total:,} pieces" if job.progress else ""
    output.line(f"{job.import_id} {stage_of(job)}{pieces}")


def tell(
    client: ShoalClient,
    done: ImportInfo,
    *,
    seconds: float | None = None,
    upload_seconds: float | None = None,
    calls: ImportCalls | None = None,
) -> None:
    """The summary on stdout."""
    calls = calls or client.imports
    rejected: list[str] = []
    if done.rejected_records_url:
        with client.signed_urls() as storage, suppress(CliError):  # what was rejected is told by count, too
            rejected = storage.first_lines(done.rejected_records_url, SHOWN_LINES)
    native = calls is client.imports
    dataset = client.get_dataset(done.dataset) if native and done.status == "completed" else None
    for text in summary(
        done, dataset=dataset, rejected=rejected, seconds=seconds, upload_seconds=upload_seconds
    ):
        output.line(text)
    if done.rejected_records_url:
        output.line(f"all of them, for an hour from now: {done.rejected_records_url}")
        output.note(
            f"  or: `shoal {calls.command} show {done.dataset} {done.import_id} --rejects rejected.jsonl`"
        )


def keep_rejects(
    client: ShoalClient, done: ImportInfo, path: Path, *, calls: ImportCalls | None = None
) -> None:
    """Download the reject file; its address may be old by now, so a new one is asked for."""
    url = (calls or client.imports).get(done.dataset, done.import_id).rejected_records_url
    if url is None:
        output.note("no records were rejected: nothing to download")
        return
    with client.signed_urls() as storage:
        size = storage.download(url, path)
    output.note(f"the rejected records are in {path} ({size_text(size)})")


def end_of(
    client: ShoalClient,
    done: ImportInfo,
    *,
    as_json: bool,
    rejects: Path | None,
    say: Callable[[], None],
    calls: ImportCalls | None = None,
) -> None:
    """What every command about one import ends with.

    Raises:
        CliError: the import failed, or all of its records were bad.
    """
    if as_json:
        output.print_json(done)
    else:
        say()
    if rejects is not None:
        keep_rejects(client, done, rejects, calls=calls)
    if done.failed or (done.over and not done.records_accepted):
        raise failure(done)
