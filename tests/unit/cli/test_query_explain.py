"""`shoal query --probes --explain`: what is asked, and how the answer is shown."""

import json

import httpx
from typer.testing import CliRunner

from infra.cli.main import app
from infra.cli.targets import Targets

ANSWER = {"matches": [{"id": "a", "score": 0.5, "metadata": {}}], "latency_ms": 1.25, "mode": "cold"}
EXPLAIN = {"cells": 4, "bytes_read": 1_000_000, "stages_ms": {"scan": 0.5}}


def test_probes_and_explain_go_along_and_are_told_beside_the_matches() -> None:
    asked: list[object] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, json=ANSWER | {"explain": EXPLAIN})

    targets = Targets(
        environ={"SHOAL_API_URL": "https://shoal.test", "SHOAL_API_KEY": "shl_k"},
        transport=httpx.MockTransport(answer),
    )
    arguments = ["query", "songs", "--vector", "[1]", "--probes", "4", "--explain"]
    shown = CliRunner().invoke(app, arguments, obj=targets, catch_exceptions=False)
    assert shown.exit_code == 0
    assert asked == [{"vector": [1.0], "top_k": 10, "nprobe": 4, "explain": True}]
    assert '  stages_ms: {"scan": 0.5}' in shown.stderr
    assert "stages_ms" not in shown.stdout
    as_json = CliRunner().invoke(app, [*arguments, "--json"], obj=targets, catch_exceptions=False)
    assert json.loads(as_json.stdout)["explain"] == EXPLAIN
