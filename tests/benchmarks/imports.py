"""Imports: from a file to the first answer, against other engines fed from the same file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from infra.local.errors import CommandFailed
from tests.benchmarks.environment import peers_python
from tests.benchmarks.harness import Say, Table
from tests.benchmarks.import_data import Data, both, ndjson_file
from tests.benchmarks.import_run import Imported, Site, warm_site
from tests.benchmarks.peer_process import PEERS, Peer, PeerFailed, Task, run_peer
from tests.benchmarks.truth import nearest, recall

ROUNDS = 3
_QUERIES = 500
_PEERS_QUERIES = 200
_K = 10
_BARE = PEERS[0]
_TARGET, _GOAL = 0.15, 0.10
METRICS = ("l2", "cosine")


@dataclass(slots=True)
class _Measured:
    """What one engine took, a figure a round, and its last recall."""

    parse: list[float] = field(default_factory=list)
    build: list[float] = field(default_factory=list)
    recall: float = 0.0
    at: str = ""
    failed: str = ""


def run(say: Say, *, rows: int | None = None, rounds: int = ROUNDS) -> list[Table]:
    """Both sets of vectors, both metrics, all peers; `rows` are at most these of each set."""
    try:
        python: Path | None = peers_python(say)
    except CommandFailed as failed:
        say(f"neither peers nor GloVe: {failed}")
        python = None
    return [
        table
        for data in both(python, rows)
        for metric in METRICS
        for table in _compare(say, data, metric, rounds, python)
    ]


def _compare(say: Say, data: Data, metric: str, rounds: int, python: Path | None) -> list[Table]:
    path = ndjson_file(data)
    say(f"{data.name}, {metric}: looking for the true neighbours")
    queries = data.queries[:_QUERIES]
    truth = nearest(data.vectors, queries, metric=metric, k=_K)
    task = Task(path, metric, queries[:_PEERS_QUERIES], truth[:_PEERS_QUERIES])
    measured = {peer: _Measured() for peer in (PEERS if python else ())}
    ours, last = _Measured(), list[Imported]()

    def import_it(site: Site) -> None:
        imported = site.load(data, path, metric=metric)
        ours.build.append(imported.queryable_seconds)
        last[:] = [imported]
        say(f"{data.name}, {metric}: ours {imported.queryable_seconds:.1f} s")
        if len(ours.build) == rounds:
            ours.recall = recall(site.answers(imported.dataset, queries), truth, data.ids)

    for number in range(rounds):
        # Who goes first changes from round to round.
        turns: list[Peer | None] = [None, *measured]
        for peer in turns[number % len(turns) :] + turns[: number % len(turns)]:
            if peer is None:
                with warm_site() as site:
                    import_it(site)
            elif python is not None:
                _let(say, python, peer, task, measured[peer])
    size = path.stat().st_size / 1e6
    title = f"{len(data.ids):,} × {data.dimension} ({data.name}, {metric}), {size:,.0f} MB of NDJSON"
    return [_table(title, ours, measured, rounds), _steps_table(data, metric, last[0])]


def _let(say: Say, python: Path, peer: Peer, task: Task, measured: _Measured) -> None:
    """Let a peer do it once. One that has failed is left alone."""
    if measured.failed:
        return
    try:
        answer = run_peer(python, peer, task)
    except PeerFailed as failed:
        measured.failed = str(failed).replace("\n", " ")
        say(f"{peer.title}: {failed}")
        return
    seconds = answer["seconds"]
    measured.parse.append(seconds["parse"])
    measured.build.append(sum(seconds.values()) - seconds["parse"])
    measured.recall, measured.at = answer["recall"], f"{answer['what']} {answer['at']}"
    if answer.get("refine"):
        measured.at += f", {answer['refine']} × refined"
    say(f"{task.metric}: {peer.title} {measured.build[-1]:.1f} s after parsing for {seconds['parse']:.1f} s")


def _table(title: str, ours: _Measured, peers: Mapping[Peer, _Measured], rounds: int) -> Table:
    table = Table(
        f"{title} to the first answer, medians of {rounds}",
        ("engine", "parse", "write and index", "in all", "of bare hnswlib", f"recall@{_K}", "at"),
    )
    bare = peers.get(_BARE)
    bare_seconds = median(bare.build) if bare and bare.build else None

    def ratio(seconds: float) -> str:
        return f"{seconds / bare_seconds:.2f} ×" if bare_seconds else ""

    mine = median(ours.build)
    table.add(
        "Shoal, parsed, validated, stored, queried",
        "",
        "",
        f"{mine:.1f} s",
        ratio(mine),
        f"{ours.recall:.3f}",
        "default",
    )
    for peer, found in peers.items():
        if found.failed or not found.build:
            table.add(peer.title, "", "", "failed", "", "", "")
            table.notes.append(f"{peer.title}: {found.failed}")
            continue
        parse, build = median(found.parse), median(found.build)
        whole = build if peer is _BARE else parse + build
        parsed = "not counted" if peer is _BARE else f"{parse:.1f} s"
        table.add(
            peer.title,
            parsed,
            f"{build:.1f} s",
            f"{whole:.1f} s",
            ratio(whole),
            f"{found.recall:.3f}",
            found.at,
        )
    if bare_seconds:
        reached = "reaches the goal" if mine <= _GOAL * bare_seconds else "misses the goal"
        holds = "holds" if mine <= _TARGET * bare_seconds else "does **not** hold"
        table.notes.append(
            f"The target, {_TARGET:.2f} × bare, {holds}; it {reached}, {_GOAL:.2f} ×. All rounds: "
            f"ours {_list(ours.build)}, bare hnswlib {_list(bare.build if bare else ())}."
        )
    return table


def _list(seconds: Sequence[float]) -> str:
    return ", ".join(f"{value:.1f} s" for value in seconds)


def _steps_table(data: Data, metric: str, imported: Imported) -> Table:
    """Where the time went, of the last round."""
    table = Table(
        f"Steps of the last import of {data.name}, {metric}", ("step", "calls", "seconds of all", "longest")
    )
    for step in dict.fromkeys(call.step for call in imported.calls):
        seconds = [call.seconds for call in imported.calls if call.step == step]
        table.add(step, str(len(seconds)), f"{sum(seconds):.2f} s", f"{max(seconds):.2f} s")
    first = imported.queryable_seconds - imported.seconds
    table.notes.append(
        f"The workflow took {imported.seconds:.2f} s, with two calls at a time in maps, "
        f"and the first query, which was cold, {first:.2f} s."
    )
    return table
