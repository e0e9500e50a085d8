"""`shoal vectors`: records of a dataset, written, read and deleted."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from infra.cli import output
from infra.cli.failures import CliError, UsageError
from infra.cli.options import AsJson, ProfileName, targets
from infra.cli.results import Record

app = typer.Typer(no_args_is_help=True, help="Write, read and delete records.")
Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name.")]
RecordId = Annotated[str, typer.Argument(metavar="ID", help="The record's id.")]


@app.command(
    epilog="Example: `shoal vectors upsert songs records.ndjson --wait 60`, or `… | shoal vectors upsert songs -`"
)
def upsert(
    ctx: typer.Context,
    dataset: Dataset,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|-", help='NDJSON: one {"id": …, "values": […], "metadata": {…}} a line. `-`: stdin.'
        ),
    ],
    namespace: Annotated[
        str | None, typer.Option(metavar="NAME", help="The namespace of records that name none.")
    ] = None,
    if_absent: Annotated[bool, typer.Option("--if-absent", help="Skip records whose id exists.")] = False,
    if_newer_than: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Skip records whose value at PATH of the metadata is not greater than the stored one.",
        ),
    ] = None,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", help="Wait until the records are queryable.")
    ] = 0.0,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Write records; those whose id exists are replaced. Fails if some are rejected, and says which."""
    sent = 0

    def progress(rows: int) -> None:
        nonlocal sent
        sent += rows
        output.note(f"{sent:,} records sent")

    asked = {
        "namespace": namespace,
        "if_newer_than": if_newer_than,
        "if_absent": "true" if if_absent else None,
    }
    more = {name: value for name, value in asked.items() if value is not None}
    with targets(ctx).client(profile) as client:
        report = client.upsert(dataset, _read(file), progress=progress, **more)
        if wait > 0 and report.job_ids:
            client.wait_indexed(report.job_ids, timeout_seconds=wait)
    if as_json:
        output.print_json(report)
    else:
        output.line(f"accepted {report.accepted:,} records in {report.requests} requests")
        for each in report.rejected[:20]:
            output.note(f"record {each.position + 1}: {each.reason}")
    if report.rejected:
        raise CliError(f"{len(report.rejected):,} records were rejected", hint="mend and send them again")
    if not report.job_ids:
        raise UsageError("no records in the input")


def _read(file: str) -> Iterator[Record]:
    """Records of an NDJSON file, one at a time; blank lines are skipped.

    Raises:
        UsageError: no such file, or a line that is no record; what came before it may have been sent.
    """
    import orjson

    try:
        stream = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    with stream:
        for number, text in enumerate(stream, 1):
            if not text.strip():
                continue
            try:
                record = Record.of(orjson.loads(text))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise UsageError(f"{file}, line {number}: no record with id and values: {error}") from error
            if record.values is None:
                raise UsageError(f"{file}, line {number}: no record with id and values: no values")
            yield record


@app.command()
def get(
    ctx: typer.Context,
    dataset: Dataset,
    record_id: RecordId,
    values: Annotated[bool, typer.Option(help="Show vector and document, too.")] = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Show one record."""
    with targets(ctx).client(profile) as client:
        record = client.get(dataset, record_id, include_values=values, include_document=values)
    if as_json:
        output.print_json(record)
        return
    output.line(record.id)
    if record.namespace:
        output.line(f"  in the namespace {record.namespace}")
    for name, value in record.metadata.items():
        output.line(f"  {name}: {value}")
    if record.values is not None:
        output.line("  values: " + " ".join(f"{x:.6g}" for x in record.values))
    if record.document is not None:
        output.line(f"  document: {record.document}")


@app.command()
def delete(
    ctx: typer.Context,
    dataset: Dataset,
    record_id: RecordId,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Delete one record, there or not."""
    with targets(ctx).client(profile) as client:
        job_id = client.delete(dataset, record_id)
    if as_json:
        output.print_json({"job_id": job_id})
    else:
        output.line(f"deleting {record_id}: {job_id}")
