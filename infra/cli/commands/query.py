"""`shoal query`: the nearest records to a vector, or to a text."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli import output
from infra.cli.failures import UsageError
from infra.cli.options import AsJson, ProfileName, targets
from infra.cli.results import QueryResult

if TYPE_CHECKING:
    from infra.cli.client import ShoalClient


def query(
    ctx: typer.Context,
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="The dataset's name; `openverse/NAME` for an index.")
    ],
    vector: Annotated[
        str | None, typer.Option(metavar="JSON|@FILE", help="The vector: [0.1, …], or a file that holds it.")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            help="Words instead of a vector: embedded by the dataset's own model, or by the static one here "
            "(lower-cased, as the demo's) where it has none."
        ),
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, max=1000, help="How many.")] = 10,
    filter_: Annotated[
        str | None, typer.Option("--filter", metavar="JSON", help='Metadata to match: {"service": "S3"}')
    ] = None,
    namespace: Annotated[
        str | None, typer.Option(metavar="NAME", help='Look only there; "" for records that are in none.')
    ] = None,
    probes: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Cells to look into; default: as calibrated.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Tell what the query read and did.")] = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Find the nearest records.

    Examples: `shoal query songs --vector "[0.1, 0.9]"`, `shoal query songs --text "rain" -k 3 --json`
    """
    if (vector is None) == (text is None):
        raise UsageError("give either --vector or --text")
    wanted = object_of(filter_) if filter_ is not None else None
    told = {"nprobe": probes, "explain": explain or None, "namespace": namespace}
    more = {name: value for name, value in told.items() if value is not None}
    with targets(ctx).client(profile) as client:
        asked = _asked(client, dataset, text) if text is not None else _numbers(vector or "")
        found = client.query(dataset, asked, top_k=top_k, where=wanted, **more)
    if as_json:
        output.print_json(found)
    else:
        show(found)


def show(found: QueryResult) -> None:
    """The matches as a table, and how long it took."""
    rows = [(m.score, m.id, json.dumps(m.metadata, ensure_ascii=False)[:120]) for m in found.matches]
    output.table(("score", "id", "metadata"), rows)
    output.note(
        f"{found.mode}, {found.latency_ms:.1f} ms in the function, {found.round_trip_ms:.1f} ms in all"
    )
    for name, value in (found.explain or {}).items():
        output.note(f"  {name}: {json.dumps(value, ensure_ascii=False)}")
    if found.mode == "ephemeral" and found.job_id:
        output.note(f"nothing is indexed yet: `shoal job {found.job_id} --wait 60`")


def _asked(client: "ShoalClient", name: str, text: str) -> list[float] | str:
    """The text itself where the dataset has a model, or is an index of another dialect, else its vector."""
    if "/" in name:
        return text
    dataset = client.get_dataset(name)
    if dataset.embedding_model is not None:
        return text
    from infra.cli.embedder import embed_texts

    found: list[float] = embed_texts([text.lower()], dimension=dataset.dimension)[0].tolist()
    return found


def _numbers(text: str) -> list[float]:
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot read {text[1:]}: {error.strerror}") from error
    try:
        values = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--vector is not JSON: {error}", hint='--vector "[0.1, 0.2, 0.3]"') from error
    if not isinstance(values, list) or not all(type(x) in (int, float) for x in values):
        raise UsageError("--vector must be a list of numbers", hint='--vector "[0.1, 0.2, 0.3]"')
    return [float(x) for x in values]


def object_of(text: str) -> dict[str, Any]:
    """What `--filter` was given.

    Raises:
        UsageError: it is not a JSON object.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--filter is not JSON: {error}", hint="""--filter '{"service": "S3"}'""") from error
    if not isinstance(value, dict):
        raise UsageError("--filter must be a JSON object", hint="""--filter '{"service": "S3"}'""")
    return value
