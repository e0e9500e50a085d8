"""Several files, or an export's, imported one after the other into one dataset."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infra.cli import output
from infra.cli.client import ShoalClient
from infra.cli.exports.manifest import check_files, is_export, read_manifest
from infra.cli.failures import ApiError, CliError, UsageError
from infra.cli.imports.display import size_text
from infra.cli.imports.formats import Source, source_of
from infra.cli.imports.results import ImportInfo
from infra.cli.imports.running import Done, keep_rejects, run_import
from infra.cli.imports.summary import SHOWN_REASONS, failure, recall_text
from infra.cli.results import DatasetInfo
from shoal.model.exports import ExportManifest
from shoal.model.imports import ImportFormat

_ROOM_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is to be imported, in order, and the manifests of the exports that some of it is from."""

    sources: tuple[Source, ...]
    manifests: tuple[ExportManifest, ...]


def gather(paths: Sequence[Path], *, file_format: ImportFormat | None, multipart: bool) -> Gathered:
    """The files that are meant; those of an export are compared with its manifest first, all of them.

    Raises:
        UsageError: a file cannot be imported, or is not the one that was exported.
    """
    sources: list[Source] = []
    manifests: list[ExportManifest] = []
    for path in paths:
        if not is_export(path):
            sources.append(source_of(path, file_format=file_format, multipart=multipart))
            continue
        folder = path if path.is_dir() else path.parent
        manifest = read_manifest(folder)
        size = sum(each.size for each in manifest.files)
        output.note(
            f"comparing {len(manifest.files):,} files, {size_text(size)}, with {folder / 'manifest.json'}"
        )
        check_files(folder, manifest)
        manifests.append(manifest)
        sources += [
            source_of(folder / each.name, file_format=ImportFormat.PARQUET, multipart=multipart)
            for each in manifest.files
        ]
    return Gathered(tuple(sources), tuple(manifests))


def ready(client: ShoalClient, dataset: str, manifests: Sequence[ExportManifest], *, create: bool) -> None:
    """See that the dataset is there and of the dimension of what comes; with `create` it is made where it is not.

    Raises:
        UsageError: it is of another dimension, or there is no export to make it from.
        ApiError: `dataset_not_found`.
    """
    if create and not manifests:
        raise UsageError(
            "--create makes a dataset from an export's manifest, and there is none",
            hint=f"`shoal datasets create {dataset} --dimension N --metric METRIC`",
        )
    for manifest in manifests:
        found = _dataset_for(client, dataset, manifest, create=create)
        if found.dimension != manifest.dimension:
            raise UsageError(
                f"the export has {manifest.dimension} dimensions, {dataset} has {found.dimension}",
                hint=f"into another dataset: `shoal import OTHER … --create` (it was {manifest.dataset})",
            )
        if found.metric != manifest.metric:
            output.note(
                f"the export is of a dataset of metric {manifest.metric}, {dataset} has {found.metric}: "
                "queries will rank otherwise"
            )


def _dataset_for(client: ShoalClient, dataset: str, manifest: ExportManifest, *, create: bool) -> DatasetInfo:
    try:
        return client.get_dataset(dataset)
    except ApiError as error:
        if error.code != "dataset_not_found":
            raise
        if not create:
            error.hint = "--create makes it as the exported one was: same dimension, same metric"
            raise
    made = client.ensure_dataset(dataset, dimension=manifest.dimension, metric=manifest.metric)
    output.note(f"created {made.name}: {made.dimension} dimensions, {made.metric}")
    return made


@dataclass(frozen=True, slots=True)
class Whole:
    """All imports of a run, those of files that were not begun with left out."""

    sources: tuple[Source, ...]
    done: tuple[Done, ...]
    seconds: float

    @property
    def jobs(self) -> tuple[ImportInfo, ...]:
        """The imports."""
        return tuple(each.job for each in self.done)

    @property
    def failed(self) -> ImportInfo | None:
        """The import that ended the run."""
        last = self.jobs[-1] if self.jobs else None
        return (
            last if last is not None and (last.failed or (last.over and not last.records_accepted)) else None
        )

    def total(self, of: Callable[[ImportInfo], int]) -> int:
        """The sum over all imports."""
        return sum(map(of, self.jobs))


def run_all(
    client: ShoalClient,
    dataset: str,
    sources: Sequence[Source],
    *,
    error_mode: str,
    max_bad_records: int | None,
    wait: bool,
    rejects: Path | None,
    sleep: Callable[[float], None] = time.sleep,
) -> Whole:
    """Import one file after the other; the first that fails ends the run."""
    began = time.monotonic()
    whole = Whole(tuple(sources), (), 0.0)
    for number, source in enumerate(sources, 1):
        output.note(f"file {number} of {len(sources)}")
        try:
            done = _when_there_is_room(
                client,
                dataset,
                partial(
                    run_import,
                    client,
                    dataset,
                    source,
                    error_mode=error_mode,
                    max_bad_records=max_bad_records,
                    wait=wait,
                ),
                sleep=sleep,
            )
        except CliError as error:
            error.hint = error.hint or _go_on(dataset, sources[number - 1 :])
            raise
        whole = Whole(whole.sources, (*whole.done, done), time.monotonic() - began)
        if rejects is not None and done.job.records_rejected:
            keep_rejects(client, done.job, rejects.with_stem(f"{rejects.stem}-{source.path.stem}"))
        if whole.failed:
            break
    return whole


def _when_there_is_room(
    client: ShoalClient, dataset: str, begin: Callable[[], Done], *, sleep: Callable[[float], None]
) -> Done:
    """Import a file; where the dataset holds as many large imports as it can, once they have been compacted."""
    waited = 0.0
    while True:
        try:
            return begin()
        except ApiError as error:
            if error.code != "too_many_imports" or waited >= _LONGEST_WAIT_SECONDS:
                raise
        if not waited:
            output.note(f"{dataset} takes no further import for now: waiting for those that are there")
            client.compactions.request(dataset)
        sleep(_ROOM_SECONDS)
        waited += _ROOM_SECONDS


def end_of_all(client: ShoalClient, dataset: str, whole: Whole, *, as_json: bool) -> None:
    """What the command ends with.

    Raises:
        CliError: an import failed, or all of its records were bad.
    """
    found = client.get_dataset(dataset)
    if as_json:
        files = [
            {"file": str(source.path), "import": done.job}
            for source, done in zip(whole.sources, whole.done, strict=False)
        ]
        output.print_json({"dataset": found, "files": files})
    else:
        for line in summary_of_all(whole, found):
            output.line(line)
    if whole.failed:
        error = failure(whole.failed)
        left = whole.sources[len(whole.done) - 1 :]
        error.hint = f"{error.hint or 'mend it'}; then go on: {_go_on(dataset, left)}"
        raise error


def summary_of_all(whole: Whole, dataset: DatasetInfo) -> list[str]:
    """The lines: counts over all files, speed, reasons, the dataset."""
    accepted, rejected = (
        whole.total(lambda job: job.records_accepted),
        whole.total(lambda job: job.records_rejected),
    )
    of = f"{sum(not job.failed for job in whole.jobs):,} of {len(whole.sources):,} files"
    if not all(job.over for job in whole.jobs):
        return [f"{of} are on their way: `shoal imports list {dataset.name}`"]
    line = f"imported {accepted:,} records of {of}, {rejected:,} rejected, in {whole.seconds:.1f} s"
    if whole.seconds:
        line += f": {accepted / whole.seconds:,.0f} rows/s"
    reasons: Counter[str] = Counter()
    for job in whole.jobs:
        reasons.update({each.reason: each.count for each in job.reasons})
    lines = [line]
    if reasons:
        lines.append("rejected because:")
        lines += [f"  {count:>9,}  {reason}" for reason, count in reasons.most_common(SHOWN_REASONS)]
    return [*lines, f"{dataset.name}: {dataset.row_count:,} rows, recall {recall_text(dataset)}"]


def _go_on(dataset: str, left: Sequence[Source]) -> str:
    names = " ".join(str(each.path) for each in left[:3]) + (" …" if len(left) > 3 else "")
    return f"`shoal import {dataset} {names}`"
