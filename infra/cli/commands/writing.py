"""`shoal delete` and `shoal patch`: records by id, by filter, or all; metadata without sending vectors again."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli import output
from infra.cli.commands.listing import Dataset, Namespace, Prefix, Where, chosen_of
from infra.cli.failures import CliError, UsageError
from infra.cli.options import AsJson, ProfileName, Yes, targets

if TYPE_CHECKING:
    from infra.cli.client import ShoalClient
    from infra.cli.listing import Chosen
    from infra.cli.writing import WriteReport

Wait = Annotated[
    float, typer.Option(metavar="SECONDS", help="Wait for what it did, so long at most; 0 does not wait.")
]


def delete(
    ctx: typer.Context,
    dataset: Dataset,
    ids: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="A record; may be given several times.")
    ] = None,
    ids_file: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="A file of ids, one a line. `-`: stdin.")
    ] = None,
    where: Where = None,
    prefix: Prefix = None,
    namespace: Namespace = None,
    everything: Annotated[bool, typer.Option("--all", help="All records; the dataset stays.")] = False,
    wait: Wait = 60.0,
    yes: Yes = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Delete records: some ids, all that a filter, a prefix and a namespace mean, or all.

    Examples: `shoal delete songs --id song-1 --id song-2`, `shoal delete songs --namespace drafts --yes`,
    `shoal delete songs --filter '{"year": {"$lt": 1950}}'`
    """
    by_id = bool(ids) or ids_file is not None
    chosen = chosen_of(where, prefix, namespace)
    if by_id + bool(chosen.body()) + everything != 1:
        raise UsageError(
            "say what to delete: ids (--id, --ids-file), or a choice (--filter, --prefix, --namespace), or --all"
        )
    with targets(ctx).client(profile) as client:
        if by_id:
            wanted = [*(ids or []), *(_ids(ids_file) if ids_file is not None else ())]
            report = client.writes.delete(dataset, wanted, wait_seconds=wait)
        else:
            if not yes:
                _confirm(client, dataset, chosen)
            calls = client.writes
            report = (
                calls.delete_all(dataset, wait_seconds=wait)
                if everything
                else calls.delete_where(dataset, chosen, wait_seconds=wait)
            )
    _show(report, as_json=as_json, words={"deleted": "deleted", "missing": "not there"})


def _confirm(client: "ShoalClient", dataset: str, chosen: "Chosen") -> None:
    rows = client.listing.count(dataset, chosen)
    if not typer.confirm(f"delete {rows:,} records of {dataset}?", err=True):
        raise UsageError("not deleted")


def patch(
    ctx: typer.Context,
    dataset: Dataset,
    record_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="The record's id.")] = None,
    metadata: Annotated[
        str | None,
        typer.Option(metavar="JSON", help='What to merge into its metadata: {"year": 1999, "draft": null}'),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", help='NDJSON: one {"id": …, "metadata": {…}} a line. `-`: stdin.'),
    ] = None,
    wait: Wait = 60.0,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Change the metadata of records without sending their vectors again: null removes, objects are merged.

    Examples: `shoal patch songs song-1 --metadata '{"year": 1999}'`, `shoal patch songs --file changes.ndjson`
    """
    if (record_id is None) != (metadata is None) or (record_id is None) == (file is None):
        raise UsageError("give an ID with --metadata, or --file")
    with targets(ctx).client(profile) as client:
        if record_id is not None and metadata is not None:
            report = client.writes.patch(dataset, [(record_id, _object(metadata))], wait_seconds=wait)
        else:
            report = client.writes.patch(dataset, _changes(file or "-"), wait_seconds=wait)
    words = {"patched": "patched", "missing": "not there", "skipped": "left alone"}
    _show(report, as_json=as_json, words=words)
    if report.rejected:
        raise CliError(f"{len(report.rejected):,} lines were rejected", hint="mend and send them again")
    if not report.job_ids:
        raise UsageError("no lines in the input")
    if record_id is not None and report.outcome is not None and not report.outcome.patched:
        raise CliError(f"{record_id} was not patched", hint="`shoal vectors get` shows whether it is there")


def _show(report: "WriteReport", *, as_json: bool, words: dict[str, str]) -> None:
    if as_json:
        output.print_json(report)
        return
    if report.outcome is None:
        output.line(f"accepted: {' '.join(report.job_ids)}")
    else:
        output.line(", ".join(f"{getattr(report.outcome, name):,} {word}" for name, word in words.items()))
        if report.outcome.reason:
            output.note(report.outcome.reason)
    for each in report.rejected[:20]:
        output.note(f"line {each.position + 1}: {each.reason}")


def _ids(file: str) -> Iterator[str]:
    for line in _lines(file):
        yield line.decode().removesuffix("\n").removesuffix("\r")


def _changes(file: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Lines of patches; blank ones are skipped.

    Raises:
        UsageError: a line that is none; what came before it may have been sent.
    """
    import orjson

    for number, text in enumerate(_lines(file), 1):
        try:
            body = orjson.loads(text)
            yield body["id"], body["metadata"]
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{file}, line {number}: no patch with id and metadata: {error}") from error


def _lines(file: str) -> Iterator[bytes]:
    """The lines of a file that are not blank.

    Raises:
        UsageError: no such file.
    """
    try:
        stream = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    with stream:
        yield from (line for line in stream if line.strip())


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"--metadata is not JSON: {error}", hint="""--metadata '{"year": 1999}'"""
        ) from error
    if not isinstance(value, dict):
        raise UsageError("--metadata must be a JSON object", hint="""--metadata '{"year": 1999}'""")
    return value
