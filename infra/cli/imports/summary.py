"""What an import came to, in lines."""

import json
from collections.abc import Sequence
from typing import Any

from infra.cli.failures import CliError, hint_for
from infra.cli.imports.results import ImportInfo
from infra.cli.results import DatasetInfo

SHOWN_REASONS = 8
SHOWN_LINES = 5
_RECORD_CHARACTERS = 90


def summary(
    job: ImportInfo,
    *,
    dataset: DatasetInfo | None,
    rejected: Sequence[str] = (),
    seconds: float | None = None,
    upload_seconds: float | None = None,
) -> list[str]:
    """The lines: counts, speed, reasons, the first of the `rejected` lines, recall."""
    lines = [_counts(job, seconds, upload_seconds)]
    if job.records_rejected:
        lines.append("rejected because:")
        lines += [f"  {each.count:>9,}  {each.reason}" for each in job.reasons[:SHOWN_REASONS]]
        if len(job.reasons) > SHOWN_REASONS:
            lines.append(f"  and {len(job.reasons) - SHOWN_REASONS} more reasons")
    if rejected:
        lines.append("the first of them:")
        lines += [f"  {_rejected(text)}" for text in rejected]
    if dataset is not None:
        lines.append(f"{dataset.name}: {dataset.row_count:,} rows, recall {recall_text(dataset)}")
    return lines


def recall_text(dataset: DatasetInfo) -> str:
    """What a query may expect to find."""
    return str(dataset.recall) if dataset.recall else "exact"


def failure(job: ImportInfo) -> CliError:
    """The error of an import that failed, or found no good record: why, on one line, and what to do."""
    if not job.failed:
        return CliError(
            f"import {job.import_id} holds no good record: nothing was imported",
            hint="mend the lines that the reject file names",
        )
    reason = job.error_message or "no reason given"
    return CliError(f"import {job.import_id} failed: {reason}", hint=_remedy(job, reason))


def _remedy(job: ImportInfo, reason: str) -> str | None:
    """What to do about a failure; nothing about one that somebody wanted, or that says so itself."""
    if reason == "cancelled" or "try again" in reason:
        return None
    known = hint_for(reason.split()[0].rstrip(":,"))
    if known is not None:
        return known
    if job.records_rejected:
        option = "--error-mode continue" if job.error_mode == "abort" else "--max-bad-records"
        return f"mend the lines that the reject file names, or let more of them be dropped: {option}"
    return "mend the file and import it again"


def _counts(job: ImportInfo, seconds: float | None, upload_seconds: float | None) -> str:
    whole = f"of {job.records_processed:,} records, {job.records_rejected:,} rejected"
    if job.failed:
        return f"failed: nothing is indexed {whole}"
    line = f"imported {job.records_accepted:,} {whole}"
    if seconds:
        parts = f" ({upload_seconds:.1f} s of it the upload)" if upload_seconds is not None else ""
        line += f", in {seconds:.1f} s{parts}: {job.records_accepted / seconds:,.0f} rows/s"
    return line


def _rejected(text: str) -> str:
    """One line of the reject file, shortened."""
    try:
        found: Any = json.loads(text)
        line, reason, record = found["line"], found["reason"], str(found["record"])
    except (ValueError, TypeError, KeyError):
        return text[:_RECORD_CHARACTERS]
    shown = record if len(record) <= _RECORD_CHARACTERS else record[: _RECORD_CHARACTERS - 1] + "…"
    # A record may hold anything; a terminal must not obey it.
    safe = "".join(character if character.isprintable() else " " for character in shown)
    return f"line {line:,}: {reason}: {safe}"
