"""Imports: from a file to the first answer, against other engines fed from the same file."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from infra.local.errors import CommandFailed
from shoal.model.records import Vectors
from tests.benchmarks.environment import peers_python
from tests.benchmarks.harness import Say, Table
from tests.benchmarks.import_data import Data, both, ndjson_file
from tests.benchmarks.import_run import Imported, warm_site
from tests.benchmarks.import_tables import Engine, Round, engines_table, steps_table
from tests.benchmarks.peer_process import PEERS, Peer, PeerFailed, Task, run_peer
from tests.benchmarks.truth import nearest, recall

ROUNDS = 3
METRICS = ("l2", "cosine")
_QUERIES = 500
_PEERS_QUERIES = 200
_K = 10
_BARE = PEERS[0].module
_OURS = "Shoal: parsed, validated, stored, indexed, queried"


def run(
    say: Say, *, rows: int | None = None, rounds: int = ROUNDS, peers: int = len(PEERS), only: int = 0
) -> list[Table]:
    """Both sets of vectors, both metrics; `rows` are at most these of each set, `peers` the first so many.

    `only` is the number of the one comparison to make, from 1 to 4: words or made-up, each l2 or cosine.
    """
    try:
        python: Path | None = peers_python(say)
    except CommandFailed as failed:
        say(f"neither peers nor GloVe: {failed}")
        python = None
    tables = []
    for place, (data, metric) in enumerate(product(both(python, rows), METRICS), start=1):
        if only in (0, place):
            tables += _compare(say, data, metric, rounds, python, PEERS[:peers])
    return tables


def _compare(
    say: Say, data: Data, metric: str, rounds: int, python: Path | None, chosen: Sequence[Peer]
) -> list[Table]:
    """All engines in turns."""
    path = ndjson_file(data)
    say(f"{data.name}, {metric}: looking for the true neighbours")
    queries = data.queries[:_QUERIES]
    truth = nearest(data.vectors, queries, metric=metric, k=_K)
    task = Task(path, metric, queries[:_PEERS_QUERIES], truth[:_PEERS_QUERIES])
    ours = Engine(_OURS)
    peers = {peer: Engine(peer.title, peer.module != _BARE) for peer in chosen} if python else {}
    last: list[Imported] = []

    def import_it() -> None:
        imported, found = _import(data, path, metric, queries)
        last[:] = [imported]
        processor = sum(call.processor_seconds for call in imported.calls)
        share = recall(found, truth, data.ids)
        ours.rounds.append(Round(None, imported.queryable_seconds, processor, share, "default"))
        say(f"{data.name}, {metric}: ours {imported.queryable_seconds:.1f} s, recall {share:.3f}")

    for number in range(rounds):
        turns: list[Peer | None] = [None, *peers]
        first = number % len(turns)
        for peer in turns[first:] + turns[:first]:
            if peer is None:
                import_it()
            elif python is not None:
                _let(say, python, peer, task, peers[peer])
    size = path.stat().st_size / 1e6
    what = f"{len(data.ids):,} × {data.dimension} ({data.name}, {metric})"
    title = f"{what}, {size:,.0f} MB of NDJSON to the first answer, medians of {rounds}"
    bare = [engine for peer, engine in peers.items() if peer.module == _BARE]
    others = [engine for peer, engine in peers.items() if peer.module != _BARE]
    return [
        engines_table(title, ours, bare, others, _K),
        steps_table(f"Steps of the last import of {data.name}, {metric}", last[0]),
    ]


def _import(data: Data, path: Path, metric: str, queries: Vectors) -> tuple[Imported, list[list[str]]]:
    """Import the file over new stores, and ask what is measured only afterwards."""
    with warm_site() as site:
        imported = site.load(data, path, metric=metric)
        return imported, site.answers(imported.dataset, queries, top_k=_K)


def _let(say: Say, python: Path, peer: Peer, task: Task, engine: Engine) -> None:
    """Let a peer do it once."""
    if engine.failed:
        return
    try:
        answer = run_peer(python, peer, task)
    except PeerFailed as failed:
        engine.failed = str(failed).replace("\n", " ")
        say(f"{peer.title}: {failed}")
        return
    seconds, processor = answer["seconds"], answer["processor"]
    build = sum(seconds.values()) - seconds["parse"]
    used = sum(processor.values()) - (0 if engine.counts_parsing else processor["parse"])
    at = f"{answer['what']} {answer['at']}" + (
        f", {answer['refine']} × refined" if answer.get("refine") else ""
    )
    engine.rounds.append(Round(seconds["parse"], build, used, answer["recall"], at))
    say(f"{task.metric}: {peer.title} {build:.1f} s after parsing for {seconds['parse']:.1f} s")
