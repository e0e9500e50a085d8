"""`shoal compact`: against the real HTTP side, and against servers that are slow, overtaken or broken."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from infra.cli.client import ShoalClient
from infra.cli.compacting import run_compaction
from infra.cli.failures import JobFailed, NotIndexedInTime
from infra.cli.transport import Patience
from tests.unit.cli.conftest import Run, lines

STATS: dict[str, Any] = {
    "name": "songs",
    "status": "indexed",
    "version": 3,
    "row_count": 90,
    "stored_rows": 100,
    "dead_share": 0.1,
    "shards": 2,
    "deltas": 1,
    "cell_sets": 1,
    "cell_shards": 1,
    "cells": 4,
    "id_index_runs": 2,
    "bytes": 1000,
    "vector_bytes": 800,
    "tail_writes": 0,
    "tail_bytes": 0,
    "last_compacted_at": None,
    "last_indexed_at": "2026-05-28T20:26:40Z",
    "recall": None,
}
TIDY = STATS | {"stored_rows": 90, "dead_share": 0.0, "shards": 0, "deltas": 0}


def compaction(number: int, status: str, **more: Any) -> dict[str, Any]:
    return {
        "compaction_id": f"cmp_{number}",
        "dataset": "songs",
        "status": status,
        "rows": 90,
        "error_message": None,
        "created_at": "2026-05-28T20:26:40Z",
        "completed_at": None,
        "progress": None,
        **more,
    }


class Server:
    """Answers looks with what is planned, the last one again and again; None is no compaction."""

    def __init__(self, looks: Sequence[dict[str, Any] | None], stats: Sequence[dict[str, Any]]) -> None:
        self.looks, self.stats, self.asked = list(looks), list(stats), 0

    def client(self) -> ShoalClient:
        return ShoalClient(
            "https://shoal.test",
            "shl_k",
            transport=httpx.MockTransport(self.answer),
            patience=Patience(sleep=lambda _: None),
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/compact"):
            self.asked += 1
            return httpx.Response(202, json={"dataset": "songs", "status": "requested"})
        if request.url.path.endswith("/stats"):
            return httpx.Response(200, json=_next(self.stats))
        found = _next(self.looks)
        if found is None:
            error = {"error": {"code": "compaction_not_found", "message": "none"}}
            return httpx.Response(404, json=error)
        return httpx.Response(200, json=found)


def _next[T](planned: list[T]) -> T:
    return planned.pop(0) if len(planned) > 1 else planned[0]


def run_it(server: Server, before: str | None = None) -> Any:
    ticks: Iterator[float] = iter(range(1000))
    return run_compaction(
        server.client(),
        "songs",
        before,
        timeout_seconds=50,
        clock=lambda: float(next(ticks)),
        sleep=lambda _: None,
    )


def test_it_ends_with_the_compaction_that_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    progress = {"stage": "building", "done": 1, "total": 5}
    server = Server(
        [
            None,
            compaction(1, "running"),
            compaction(1, "running", progress=progress),
            compaction(1, "completed"),
        ],
        [STATS, STATS | {"stored_rows": 91}],
    )
    assert run_it(server).stored_rows == 91  # written meanwhile: what was asked for is done all the same
    assert capsys.readouterr().err.splitlines() == [
        "waiting for it to begin",
        "starting",
        "building: 1 of 5 pieces",
    ]


def test_one_before_it_does_not_count() -> None:
    server = Server([compaction(1, "completed")] * 3 + [compaction(2, "completed")], [STATS])
    run_it(server, before="cmp_1")
    assert server.looks == [compaction(2, "completed")]


def test_a_small_dataset_is_built_without_one() -> None:
    assert run_it(Server([None], [STATS, STATS, TIDY])).stored_rows == 90


def test_one_that_was_overtaken_is_asked_for_again_twice() -> None:
    server = Server([compaction(1, "stopped"), compaction(1, "stopped"), compaction(2, "completed")], [STATS])
    run_it(server)
    assert server.asked == 1
    often = Server([compaction(number, "stopped") for number in (1, 2, 3)], [STATS])
    with pytest.raises(JobFailed, match="overtaken 3 times"):
        run_it(often)


def test_a_failure_and_patience_that_ends() -> None:
    with pytest.raises(JobFailed, match="cmp_1 failed: internal error"):
        run_it(Server([compaction(1, "failed", error_message="internal error")], [STATS]))
    with pytest.raises(NotIndexedInTime, match="not done after 50 s"):
        run_it(Server([compaction(1, "running")], [STATS]))


def test_before_and_after(run: Run) -> None:
    records = [{"id": f"r{n}", "values": [n, 1]} for n in range(20)]
    assert run("datasets", "create", "songs", "--dimension", "2").exit_code == 0
    assert run("vectors", "upsert", "songs", "-", "--wait", "5", stdin=lines(records)).exit_code == 0
    for n in range(5):
        run("vectors", "delete", "songs", f"r{n}")
    done = run("compact", "songs")
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["rows", "15", "15"] in rows
    assert ["dead", "rows", "5", "0"] in rows
    again = run("compact", "songs", "--json")
    found = json.loads(again.stdout)
    assert found["before"] == found["after"]
    assert found["after"]["stored_rows"] == 15
    assert "nothing to do" in run("compact", "songs").stderr
    run("vectors", "delete", "songs", "r9")
    assert run("compact", "songs", "--no-wait").stdout == "requested\n"
    assert run("compact", "nothing").exit_code == 4
