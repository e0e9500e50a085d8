"""`shoal ask`: questions to the demo's dataset, one after the other."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import output
from infra.cli.options import AsJson, ProfileName, targets

if TYPE_CHECKING:
    from infra.cli.client import ShoalClient


def ask(
    ctx: typer.Context,
    question: Annotated[
        list[str] | None,
        typer.Argument(metavar="[QUESTION]", help="In words. Without one, you are asked for more."),
    ] = None,
    dataset: Annotated[
        str, typer.Option(help="A dataset whose vectors are of the static model.")
    ] = "aws-operations",
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, max=100, help="How many answers.")] = 5,
    as_json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Ask in words which AWS API operation does something (`shoal demo` uploads them).

    Example: `shoal ask translate a sentence into french`
    """
    with targets(ctx).client(profile) as client:
        dimension = client.get_dataset(dataset).dimension
        if question:
            _answer(client, dataset, " ".join(question), dimension, top_k, as_json)
            return
        if not as_json:
            output.note("what do you want to do? an empty line ends")
        while text := _read_line():
            _answer(client, dataset, text, dimension, top_k, as_json)


def _read_line() -> str:
    if sys.stdin.isatty():
        sys.stderr.write("> ")
        sys.stderr.flush()
    return sys.stdin.readline().strip()


def _answer(
    client: "ShoalClient", dataset: str, text: str, dimension: int, top_k: int, as_json: bool
) -> None:
    from infra.cli.demo.operations import boto3_line
    from infra.cli.embedder import embed_texts

    vector = embed_texts([text.lower()], dimension=dimension)[0]
    found = client.query(dataset, vector.tolist(), top_k=top_k)
    if as_json:
        output.print_json({"question": text, "answer": found})
        return
    rows = [
        (m.score, m.metadata.get("service", ""), m.metadata.get("operation", m.id)) for m in found.matches
    ]
    output.table(("score", "service", "operation"), rows)
    for match in found.matches[:1]:
        about = match.metadata
        if "method" in about:
            output.line(f"→ {boto3_line(about['client'], about['method'], about.get('required', ()))}")
    output.note(f"{found.round_trip_ms:.1f} ms")
