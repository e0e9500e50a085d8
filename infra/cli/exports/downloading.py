"""The files of an export, from where S3 hands them out to a folder: several at once, each one compared."""

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from infra.cli.client import ShoalClient
from infra.cli.exports.manifest import plain_name, read_manifest, sha256_of, size_of
from infra.cli.exports.results import ExportedFile, ExportInfo
from infra.cli.failures import CliError, UsageError
from infra.cli.imports.signed_urls import Count, SignedUrls

FILES_AT_ONCE = 4
_ADDRESS_SECONDS = 1800.0
"""Addresses are good for an hour; one that is half as old is not begun with."""
_SPARE_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Downloaded:
    """How many files came, and how many were there and right already."""

    fetched: int
    kept: int


@dataclass
class Addresses:
    """Where an export's files are: asked for again when what was told is old. For many threads."""

    client: ShoalClient
    job: ExportInfo
    clock: Callable[[], float] = time.monotonic
    _told_at: float = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._told_at = self.clock()

    def of(self, name: str, *, renew: bool) -> str:
        """The address of a file."""
        job = self._current(renew=renew)
        return next(file.url for file in job.files if file.name == name)

    def of_manifest(self, *, renew: bool) -> str:
        """The address of the manifest."""
        return self._current(renew=renew).manifest_url or ""

    def _current(self, *, renew: bool) -> ExportInfo:
        with self._lock:
            if renew or self.clock() - self._told_at > _ADDRESS_SECONDS:
                self.job = self.client.exports.get(self.job.dataset, self.job.export_id)
                self._told_at = self.clock()
            return self.job


def download(client: ShoalClient, job: ExportInfo, folder: Path, *, begin: Count, count: Count) -> Downloaded:
    """Get what of a completed export is not in the folder yet; at last its manifest.

    `begin` gets the bytes that are to come, `count` what comes of them (negative where some must come again).

    Raises:
        UsageError: the folder cannot hold them.
        CliError: refused, or what came is not what was exported.
        Unreachable: no answer.
    """
    wanted = [file for file in job.files if not _is_right(folder / plain_name(file.name), file)]
    drafts = {file.name: folder / f"{file.name}.part" for file in wanted}
    missing = sum(max(file.bytes - (size_of(drafts[file.name]) or 0), 0) for file in wanted)
    _refuse_too_small(folder, missing)
    begin(missing)
    addresses, stop = Addresses(client, job), threading.Event()
    pool = ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="file")
    with client.signed_urls() as storage:
        try:
            coming = [
                pool.submit(_fetch, storage, addresses, file, drafts[file.name], folder, count, stop)
                for file in wanted
            ]
            wait(coming, return_when=FIRST_EXCEPTION)
            for each in coming:
                if each.done():
                    each.result()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
        _fetch_manifest(storage, addresses, folder)
    return Downloaded(len(wanted), len(job.files) - len(wanted))


def _is_right(path: Path, file: ExportedFile) -> bool:
    return size_of(path) == file.bytes and sha256_of(path) == file.sha256


def _refuse_too_small(folder: Path, missing: int) -> None:
    free = shutil.disk_usage(folder).free
    if missing + _SPARE_BYTES > free:
        raise UsageError(
            f"{missing:,} bytes are to come, and {folder} has room for {free:,}",
            hint="make room, or name a folder on another disk",
        )


def _fetch(
    storage: SignedUrls,
    addresses: Addresses,
    file: ExportedFile,
    draft: Path,
    folder: Path,
    count: Count,
    stop: threading.Event,
) -> None:
    """One file, which appears under its name when it is right; twice, where what came first was damaged."""
    for _ in range(2):
        if (size_of(draft) or 0) > file.bytes:
            draft.unlink()
        try:
            storage.fetch(
                lambda renew: addresses.of(file.name, renew=renew), draft, file.bytes, count=count, stop=stop
            )
        except OSError as error:
            raise CliError(f"cannot write {draft}: {error.strerror}") from error
        if sha256_of(draft) == file.sha256:
            draft.replace(folder / file.name)
            return
        draft.unlink()
        count(-file.bytes)
    raise CliError(f"{file.name} arrived damaged, twice", hint="try again; if it stays so, export anew")


def _fetch_manifest(storage: SignedUrls, addresses: Addresses, folder: Path) -> None:
    """The manifest, which must name the files that have come."""
    path = folder / "manifest.json"
    storage.download(addresses.of_manifest(renew=False), path)
    named = {(file.name, file.size, file.sha256) for file in read_manifest(folder).files}
    if named != {(file.name, file.bytes, file.sha256) for file in addresses.job.files}:
        path.unlink()
        raise CliError("the manifest names other files than the API does", hint="export anew")
