"""The demo from start to end."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.cli.client import ShoalClient
from infra.cli.demo import answers, bulk, change_model, corpus, sentence
from infra.cli.demo.crash import Crash
from infra.cli.demo.keywords import KeywordIndex
from infra.cli.demo.operations import Operation, content_digest, load_operations
from infra.cli.demo.steps import Check, Steps
from infra.cli.measured import Measured, write
from infra.cli.results import LocalStack
from infra.cli.transport import Patience

WHERE = "round trips measured by the demo on this machine's local stack"
MODEL = "wordllama-256"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the demo went."""

    checks: tuple[Check, ...]
    seconds: float
    measured: Measured | None

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not hold."""
        return tuple(check for check in self.checks if not check.held)


class Connect(Protocol):
    """Makes a client of a stack, as patient as one wants it."""

    def __call__(self, stack: LocalStack, patience: Patience | None = None) -> ShoalClient:
        """The client; to be closed."""


def run(
    steps: Steps,
    *,
    state: Path,
    start_stack: Callable[[Callable[[str], None]], LocalStack],
    connect: Connect,
    indexer_pids: Callable[[], list[int]],
    own_tenant: Callable[[LocalStack], LocalStack],
) -> Outcome:
    """Do it all: bring the stack up, upload, ask, write, delete, import, kill, reindex, and say what it costs.

    `own_tenant` is the same stack with a tenant for the second act: a tenant has one collection of each model, and
    the demo must not mix its documents with what somebody keeps there.
    """
    steps.begin("bringing the local stack up")
    stack = start_stack(steps.say)
    steps.say(f"the API answers at {stack.api_url}")
    with connect(stack) as client, connect(stack) as other:
        crash = Crash(other, indexer_pids)
        if corpus.was_uploaded(client, state):
            crash.start(steps)
        operations = _read_operations(steps)
        digest = content_digest(operations, model=MODEL)
        upload = corpus.ensure_corpus(client, operations, digest, state=state, steps=steps)
        rows = client.get_dataset(corpus.DATASET).row_count
        steps.check("the count is exact", rows == len(operations), f"{rows:,} rows")

        crash.start(steps)
        steps.begin("asking five questions")
        keywords = KeywordIndex((each.id, each.searched_text) for each in operations)
        found = answers.ask_all(client, keywords)
        answers.show(found, {each.id: each for each in operations}, steps)
        answers.check(found, steps)
        measured = _measure(client, upload, found, state)
        crash.wait_for_successor()
        sentence.write_find_delete(client, steps)
        bulk.import_file(client, operations, found, steps)
        crash.finish(steps)
    own = own_tenant(stack)
    with connect(own) as client, connect(own, Patience(attempts=1)) as impatient:
        change_model.act(client, impatient, operations, digest, state=state, steps=steps)
    _show_cost(measured, steps)
    _show_next(stack, own, found, steps)
    return Outcome(tuple(steps.checks), steps.seconds, measured)


def _read_operations(steps: Steps) -> list[Operation]:
    steps.begin("reading the AWS API operations that botocore describes")
    operations = list(load_operations())
    services = len({each.client for each in operations})
    steps.say(f"{len(operations):,} operations of {services} services")
    return operations


def _measure(
    client: ShoalClient, upload: "corpus.Upload | None", found: list[answers.Answer], state: Path
) -> Measured | None:
    """Keep what this run measured; without an upload in it, only the queries are new."""
    from dataclasses import replace

    from infra.cli import measured as store

    query_ms = answers.median_round_trip(client)
    if upload is None:
        known = store.read(state)
        if known is store.ASSUMED:
            return None
        figures = replace(known, query_ms=query_ms)
    else:
        report = upload.report
        figures = Measured(
            rows=report.accepted,
            dimension=corpus.DIMENSION,
            upload_requests=report.requests,
            upload_bytes_sent=report.bytes_sent,
            upload_bytes_unpacked=report.bytes_unpacked,
            upload_seconds=report.seconds,
            index_seconds=upload.index_seconds,
            query_ms=query_ms,
            answer_bytes=_answer_bytes(found),
            where=WHERE,
        )
    write(state, figures)
    return figures


def _answer_bytes(found: list[answers.Answer]) -> int:
    """Bytes of an answer of ten matches with their metadata."""
    import json

    sizes = [
        len(json.dumps([[m.id, m.score, dict(m.metadata)] for m in answer.found.matches])) for answer in found
    ]
    return sum(sizes) // len(sizes)


def _show_cost(measured: Measured | None, steps: Steps) -> None:
    from infra.cli import cost_model, prices
    from infra.cli.measured import ASSUMED
    from infra.settings import Settings

    figures, settings = measured or ASSUMED, Settings()
    steps.plain(f"\nWhat this would cost on AWS ({prices.REGION}, arm64, list prices of {prices.AS_OF}):")
    for bill in (
        cost_model.rows(settings, figures, figures.rows),
        cost_model.keeping(figures, figures.rows),
        cost_model.queries(settings, figures),
        cost_model.rows(settings, figures),
        cost_model.idle(settings),
    ):
        steps.plain(f"  ${bill.list_price:9,.4f}  {bill.title} (${bill.after_free:,.4f} after the free tier)")
    steps.plain(f"  times are {figures.where}; `shoal cost` shows each position")


def _show_next(stack: LocalStack, documents: LocalStack, found: list[answers.Answer], steps: Steps) -> None:
    first = found[0].found.matches[0].id if found and found[0].found.matches else ""
    steps.plain("\nGo on by hand:")
    steps.plain("  .venv/bin/shoal ask")
    steps.plain(
        f'  curl -H "Authorization: Bearer {stack.api_key}" '
        f"{stack.api_url}/v1/datasets/{corpus.DATASET}/vectors/{first}"
    )
    steps.plain(
        f"  SHOAL_API_URL={documents.api_url} SHOAL_API_KEY={documents.api_key} "
        ".venv/bin/shoal collections search 'a queue for messages'"
    )
