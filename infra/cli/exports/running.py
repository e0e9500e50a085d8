"""One export from its begin to the files on this machine, with everything that is said on the way."""

import time
from dataclasses import dataclass
from pathlib import Path

from infra.cli import output
from infra.cli.client import ShoalClient
from infra.cli.exports.display import Display, display
from infra.cli.exports.downloading import Downloaded, download
from infra.cli.exports.folder import Folder, Unfinished
from infra.cli.exports.results import ExportInfo
from infra.cli.failures import ApiError, CliError, JobFailed
from infra.cli.imports.display import size_text
from infra.cli.imports.following import follow


@dataclass(frozen=True, slots=True)
class Done:
    """An export that is complete in its folder; the seconds are those of all of it."""

    job: ExportInfo
    folder: Path
    downloaded: Downloaded
    seconds: float

    def body(self) -> dict[str, object]:
        """As JSON."""
        files = [
            {"name": each.name, "rows": each.rows, "bytes": each.bytes, "sha256": each.sha256}
            for each in self.job.files
        ]
        counts = {"downloaded_files": self.downloaded.fetched, "kept_files": self.downloaded.kept}
        return self.job.summary() | {"directory": str(self.folder), "files": files} | counts


def run_export(
    client: ShoalClient, dataset: str, path: Path, *, snapshot: str | None, export_id: str | None
) -> Done:
    """Export, or go on with the export that was begun for the folder, and download it.

    `export_id` names one that is there already.

    Raises:
        JobFailed: the export failed.
        UsageError: the folder holds another export, or cannot be written to.
        CliError: the download failed; what has come stays, and the same command goes on from there.
    """
    began = time.monotonic()
    folder = Folder(path)
    job = _begin(client, dataset, folder, snapshot=snapshot, export_id=export_id)
    folder.begin(Unfinished(dataset, snapshot, job.export_id))
    with display() as shown:
        try:
            job = _watch(client, dataset, job, shown)
            found = download(client, job, path, begin=shown.begin, count=shown.downloaded)
        except KeyboardInterrupt:
            output.note(
                f"\nthe export goes on by itself; the same command goes on with its download, as does "
                f"`shoal export {dataset} {path} --export {job.export_id}`"
            )
            raise
    folder.complete()
    return Done(job, path, found, time.monotonic() - began)


def begin_only(client: ShoalClient, dataset: str, *, snapshot: str | None) -> ExportInfo:
    """Begin an export, and say how to get it."""
    job = _create(client, dataset, snapshot)
    output.note(f"get it: `shoal export {dataset} DIRECTORY --export {job.export_id}`")
    return job


def tell(done: Done) -> None:
    """The summary on stdout."""
    job, came = done.job, done.downloaded
    output.line(
        f"exported {job.row_count:,} records of {job.dataset}, version {job.version:,}: "
        f"{_files(len(job.files))}, {size_text(job.bytes)}, in {done.folder}"
    )
    were = "was" if came.kept == 1 else "were"
    kept = f", {_files(came.kept)} {were} there already" if came.kept else ""
    output.line(
        f"downloaded {_files(came.fetched)} in {done.seconds:.1f} s{kept}; sizes and checksums are right"
    )
    output.line(f"import it back: `shoal import {job.dataset} {done.folder} --create`")


def _begin(
    client: ShoalClient, dataset: str, folder: Folder, *, snapshot: str | None, export_id: str | None
) -> ExportInfo:
    if export_id is not None:
        return client.exports.get(dataset, export_id)
    folder.refuse_what_is_there()
    there = folder.unfinished()
    if there is not None and (there.dataset, there.snapshot) == (dataset, snapshot):
        job = _still_good(client, there)
        if job is not None:
            output.note(f"going on with {job.export_id}, which was begun for {folder.path}")
            return job
    job = _create(client, dataset, snapshot)
    output.note(f"export {job.export_id}: {dataset}, version {job.version:,}")
    return job


def _create(client: ShoalClient, dataset: str, snapshot: str | None) -> ExportInfo:
    """A new export; says so where writes are on their way that it does not hold."""
    if snapshot is None and client.get_dataset(dataset).status in ("validating", "indexing"):
        output.note("writes that are not indexed yet will not be in it: `shoal stats` counts them")
    return client.exports.create(dataset, snapshot=snapshot)


def _still_good(client: ShoalClient, there: Unfinished) -> ExportInfo | None:
    """The export, unless it failed or is gone: then a new one is begun."""
    try:
        job = client.exports.get(there.dataset, there.export_id)
    except ApiError as error:
        if error.code != "export_not_found":
            raise
        return None
    return None if job.status == "failed" else job


def _watch(client: ShoalClient, dataset: str, job: ExportInfo, shown: Display) -> ExportInfo:
    """Follow an export to its end."""
    last = job
    for state in follow(lambda: client.exports.get(dataset, job.export_id)):
        shown.state(state)
        last = state
    if last.status == "failed":
        reason = last.error_message or "no reason given"
        hint = "export again" if "new export" not in reason else None
        raise JobFailed(f"export {last.export_id} failed: {reason}", hint=hint)
    if last.manifest_url is None:
        raise CliError(f"export {last.export_id} has no files to download", hint="export again")
    return last


def _files(count: int) -> str:
    return f"{count:,} file" if count == 1 else f"{count:,} files"
