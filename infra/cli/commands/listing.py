"""`shoal list`, `shoal count` and `shoal stats`: what is in a dataset."""

import json
import sys
from itertools import batched
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli import output
from infra.cli.failures import UsageError
from infra.cli.options import AsJson, ProfileName, targets
from infra.cli.results import Record

if TYPE_CHECKING:
    from infra.cli.listing import Chosen, DatasetStats

_TABLE_ROWS = 500
_SHOWN_CHARACTERS = 120

Dataset = Annotated[
    str, typer.Argument(metavar="DATASET", help="The dataset's name; `openverse/NAME` for an index.")
]
Where = Annotated[
    str | None,
    typer.Option("--filter", metavar="JSON", help='Metadata to match: {"year": {"$gte": 1990}}'),
]
Prefix = Annotated[str | None, typer.Option(metavar="TEXT", help="How the ids begin.")]
Namespace = Annotated[
    str | None, typer.Option(metavar="NAME", help='The namespace; "" for records that are in none.')
]


def list_(
    ctx: typer.Context,
    dataset: Dataset,
    where: Where = None,
    prefix: Prefix = None,
    namespace: Namespace = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=0, metavar="N", help="How many at most; 0 for all of them.")
    ] = 100,
    values: Annotated[bool, typer.Option("--values", help="With the vectors and documents.")] = False,
    as_lines: Annotated[
        bool, typer.Option("--ndjson", help="One JSON object a line, as `shoal vectors upsert` takes them.")
    ] = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """List records: all of one version, however much is written meanwhile.

    Examples: `shoal list songs --prefix rock/ -n 20`, `shoal list songs -n 0 --values --ndjson > songs.ndjson`
    """
    chosen = chosen_of(where, prefix, namespace)
    shown = 0
    with targets(ctx).client(profile) as client:
        found = client.listing.records(
            dataset, chosen, limit=limit or None, include_values=values, include_document=values
        )
        if as_json:
            output.print_json({"vectors": [_line(each) for each in found]})
            return
        # Page by page, so that a pipe sees the first ones at once, and memory holds few.
        for some in batched(found, _TABLE_ROWS):
            shown += len(some)
            if as_lines:
                sys.stdout.writelines(f"{json.dumps(_line(each), ensure_ascii=False)}\n" for each in some)
            else:
                _show(some, values=values)
    if not as_lines:
        more = f"; more with --limit, and `shoal count {dataset}` counts" if limit and shown == limit else ""
        output.note(f"{shown:,} records{more}")


def count(
    ctx: typer.Context,
    dataset: Dataset,
    where: Where = None,
    prefix: Prefix = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Count records, exactly: all of them, or those that match.

    Example: `shoal count songs --filter '{"genre": "jazz"}'`
    """
    chosen = chosen_of(where, prefix, namespace)
    with targets(ctx).client(profile) as client:
        found = client.listing.count(dataset, chosen)
    if as_json:
        output.print_json({"count": found})
    else:
        output.line(f"{found}")


def stats(ctx: typer.Context, dataset: Dataset, as_json: AsJson = False, profile: ProfileName = None) -> None:
    """Show a dataset in figures: rows, shards, cells, bytes, dead rows, what waits to be indexed, recall."""
    with targets(ctx).client(profile) as client:
        found = client.listing.stats(dataset)
    if as_json:
        output.print_json(found)
        return
    for name, text in lines_of(found).items():
        output.line(f"{name:<16}{text}")


def lines_of(found: "DatasetStats") -> dict[str, str]:
    """The figures in words."""
    from infra.cli.imports.display import size_text

    dead = found.stored_rows - found.row_count
    waiting = (
        f"{found.tail_writes:,} writes, {size_text(found.tail_bytes)}" if found.tail_writes else "nothing"
    )
    return {
        "dataset": f"{found.name}, {found.status}, version {found.version:,}",
        "rows": f"{found.row_count:,}",
        "dead rows": f"{dead:,} ({found.dead_share * 100:.1f} % of those stored)",
        "searched whole": f"{found.shards:,} shards ({found.deltas:,} of them deltas)",
        "cells": f"{found.cells:,} in {found.cell_shards:,} shards of {found.cell_sets:,} sets",
        "id index": f"{found.id_index_runs:,} runs",
        "size": f"{size_text(found.bytes)} ({size_text(found.vector_bytes)} of it vectors)",
        "to be indexed": waiting,
        "last indexed": found.last_indexed_at or "never",
        "last compacted": found.last_compacted_at or "never",
        "recall": str(found.recall or "exact"),
    }


def chosen_of(where: str | None, prefix: str | None, namespace: str | None) -> "Chosen":
    """Which records the options mean.

    Raises:
        UsageError: the filter is not a JSON object.
    """
    from infra.cli.listing import Chosen

    return Chosen(None if where is None else _object(where), prefix, namespace)


def _object(text: str) -> dict[str, Any]:
    hint = """--filter '{"year": {"$gte": 1990}}'"""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--filter is not JSON: {error}", hint=hint) from error
    if not isinstance(value, dict):
        raise UsageError("--filter must be a JSON object", hint=hint)
    return value


def _line(record: Record) -> dict[str, Any]:
    """A record as an upload takes it; what is not there is left out."""
    body: dict[str, Any] = {"id": record.id}
    if record.values is not None:
        body["values"] = list(record.values)
    body["metadata"] = record.metadata
    if record.namespace:
        body["namespace"] = record.namespace
    if record.document:
        body["document"] = record.document
    return body


def _show(records: tuple[Record, ...], *, values: bool) -> None:
    columns = ["id", "namespace", "metadata"] + (["values", "document"] if values else [])
    rows: list[list[object]] = []
    for each in records:
        row: list[object] = [
            _safe(each.id),
            _safe(each.namespace) or None,
            _short(json.dumps(each.metadata, ensure_ascii=False)),
        ]
        if values:
            numbers = " ".join(f"{x:.6g}" for x in each.values or ())
            row += [_short(numbers), _short(each.document) if each.document else None]
        rows.append(row)
    output.table(columns, rows)


def _safe(text: str) -> str:
    """A record may hold anything; a terminal must not obey it."""
    return "".join(character if character.isprintable() else " " for character in text)


def _short(text: str) -> str:
    text = _safe(text[: _SHOWN_CHARACTERS + 1])
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
