"""Collections, reindexes and the demo's second act over the real HTTP side, worker and workflow, in memory."""

import io
import json
from pathlib import Path

import pytest

from infra.cli.client import ShoalClient
from infra.cli.demo import change_model
from infra.cli.demo.operations import Operation, content_digest, load_operations
from infra.cli.demo.questions import QUESTIONS
from infra.cli.demo.steps import Steps
from infra.cli.imports import following
from infra.cli.transport import Patience
from tests.unit.cli.conftest import Run, lines, transport_of
from tests.unit.http.api import Api

THINGS = {
    "sofa": "A soft sofa for three people in the living room",
    "desk": "A standing desk for the office, adjustable in height",
    "kettle": "An electric kettle that boils water for tea",
    "tent": "A tent for camping in the mountains",
}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_FIRST_PAUSE_SECONDS", 0.0)


@pytest.fixture
def things(tmp_path: Path) -> Path:
    path = tmp_path / "things.ndjson"
    path.write_text(
        lines(
            [
                {"object_id": name, "payload": {"text": text, "n": n}}
                for n, (name, text) in enumerate(THINGS.items())
            ]
        )
    )
    return path


def first(run: Run, *arguments: str) -> str:
    found = run("collections", "search", *arguments, "-k", "1", "--json")
    assert found.exit_code == 0, found.output
    return str(json.loads(found.stdout)["hits"][0]["object_id"])


def test_from_texts_to_another_model_and_back(run: Run, things: Path) -> None:
    assert run("models", "alias", "openai/v2", "static-128").exit_code == 0
    assert "openai/v2" in run("models").stdout
    done = run("collections", "upsert", str(things), "--batch", "3", "--task-id", "load")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("upserted 4 of 4 objects, 0 failed")
    assert first(run, "boil water") == "kettle"
    assert first(run, "boil water", "--filter", '{"term": {"field": "n", "value": 3}}') == "tent"

    estimate = json.loads(run("reindex", "static-256", "openai/v2", "--dry-run", "--json").stdout)
    assert (estimate["documents"], estimate["dollars"]) == (4, 0)
    moved = run("reindex", "static-256", "openai/v2", "--deploy", "--watch", "--task-id", "move")
    assert moved.exit_code == 0, moved.output
    assert moved.stdout == "move static-256 → openai/v2 done: 4 of 4 objects, 1 child\n"
    assert run("collections", "blue").stdout == "static-128 is blue\n"
    assert first(run, "boil water") == "kettle"
    listed = json.loads(run("collections", "list", "--json").stdout)["collections"]
    assert {(each["embedding_model_id"], each["blue"], each["vectors"]) for each in listed} == {
        ("static-256", False, 4),
        ("static-128", True, 4),
    }
    again = run("reindex", "static-256", "static-128")
    assert again.exit_code == 4
    assert "--replace" in again.stderr
    itself = run("reindex", "static-128", "openai/v2")
    assert itself.exit_code == 4
    assert "(reindex_onto_itself)" in itself.stderr
    assert run("collections", "delete", "static-128", "--yes").exit_code == 4
    assert run("collections", "blue", "static-256").exit_code == 0
    assert run("collections", "delete", "static-128", "--yes").exit_code == 0
    assert "move" in run("reindex", "list").stdout


def test_objects_that_are_wrong_and_objects_that_go(run: Run, things: Path) -> None:
    assert run("collections", "upsert", str(things)).exit_code == 0
    wrong = run("collections", "upsert", "-", stdin='{"object_id": "empty", "payload": {"n": 1}}\n')
    assert wrong.exit_code == 1
    assert "empty: no text" in wrong.stdout
    gone = run("collections", "delete-objects", "kettle", "nobody")
    assert gone.stdout.startswith("deleted 2 of 2 objects"), gone.output
    assert first(run, "boil water") != "kettle"
    tasks = json.loads(run("tasks", "list", "--json").stdout)["tasks"]
    assert sorted(each["kind"] for each in tasks) == ["deletion", "upsertion", "upsertion"]
    assert {each["status"] for each in tasks} == {"done"}
    ended = run("tasks", "cancel", tasks[0]["task_id"])
    assert ended.exit_code == 4
    assert "(task_ended)" in ended.stderr
    again = run("tasks", "restart", tasks[0]["task_id"])
    assert again.exit_code == 0, again.output
    assert run("tasks", "show", tasks[0]["task_id"], "--watch").exit_code == 0


def test_what_cannot_be(run: Run) -> None:
    assert "(model_not_found)" in run("collections", "create", "no-such-model").stderr
    empty = run("collections", "search", "anything")
    assert empty.exit_code == 4
    assert "Model is not initialized yet." in empty.stderr
    missing = run("reindex", "static-256", "static-128")
    assert missing.exit_code == 4
    assert "(collection_not_found)" in missing.stderr


@pytest.fixture(scope="module")
def operations() -> list[Operation]:
    """Those of the services that the questions are about."""
    services = {question.expected.split(".")[0] for question in QUESTIONS}
    return [each for each in load_operations() if each.client in services]


def test_the_second_act_holds_twice(
    api: Api, tmp_path: Path, operations: list[Operation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_model, "_ASKED_BEFORE", 20)
    monkeypatch.setattr(change_model, "_ASKED_AFTER", 20)
    digest, stories = content_digest(operations, model="test"), []
    transport = transport_of(api)
    with (
        ShoalClient("https://shoal.test", api.key, transport=transport) as client,
        ShoalClient(
            "https://shoal.test", api.key, transport=transport, patience=Patience(attempts=1)
        ) as impatient,
    ):
        for _ in range(2):
            stream = io.StringIO()
            with Steps(stream) as steps:
                change_model.act(client, impatient, operations, digest, state=tmp_path, steps=steps)
            stories.append(stream.getvalue())
            assert [check for check in steps.checks if not check.held] == [], stream.getvalue()
    assert "documents/s from text to answer" in stories[0]
    assert "from an earlier run" in stories[1]
