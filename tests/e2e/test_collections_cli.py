"""`shoal models`, `collections`, `reindex` and `tasks` as installed, against the local stack."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local.info import StackInfo
from tests.e2e.steps import Shoal, told

pytestmark = pytest.mark.e2e
COLOURS = ("red", "green", "blue", "black")
THINGS = {
    "sofa": "A soft sofa for three people in the living room",
    "desk": "A standing desk for the office, adjustable in height",
    "lamp": "A lamp that lights the reading corner",
    "kettle": "An electric kettle that boils water for tea",
    "tent": "A tent for camping in the mountains",
    "bicycle": "A bicycle with twenty gears",
}


@pytest.fixture
def ours(shoal: Shoal, local_stack: StackInfo, new_key: Callable[..., str]) -> Shoal:
    """Runs the command with a key of a tenant that nobody else has: it has no collections."""
    key = new_key()

    def call(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return shoal(*arguments, stdin=stdin, SHOAL_API_URL=local_stack.api_url, SHOAL_API_KEY=key)

    return call


@pytest.fixture
def things(tmp_path: Path) -> Path:
    """Each thing in each colour."""
    path = tmp_path / "things.ndjson"
    lines = [
        {"object_id": f"{name}-{colour}", "payload": {"text": text, "colour": colour}}
        for name, text in THINGS.items()
        for colour in COLOURS
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_from_a_file_to_another_model(ours: Shoal, things: Path) -> None:
    assert {"static-256", "static-128"} <= {
        each["embedding_model_id"] for each in told(ours("models", "--json"))["models"]
    }
    told(ours("models", "alias", "text-embedding-v2", "static-128", "--json"))
    upserted = told(
        ours("collections", "upsert", str(things), "--batch", "10", "--task-id", "load", "--json")
    )
    assert [each["status"] for each in upserted["tasks"]] == ["done"] * 3
    assert told(ours("collections", "blue", "--json"))["embedding_model_id"] == "static-256"

    found = told(ours("collections", "search", "boil some water", "-k", "4", "--json"))["hits"]
    assert {each["object_id"] for each in found} == {f"kettle-{colour}" for colour in COLOURS}
    red = json.dumps({"term": {"field": "colour", "value": "red"}})
    found = told(ours("collections", "search", "boil some water", "-k", "1", "--filter", red, "--json"))[
        "hits"
    ]
    assert [each["object_id"] for each in found] == ["kettle-red"]

    estimate = told(ours("reindex", "static-256", "text-embedding-v2", "--dry-run", "--json"))
    assert estimate["documents"] == len(THINGS) * len(COLOURS)
    assert estimate["tokens"] > 0
    assert estimate["dollars"] == 0
    watched = ours("reindex", "static-256", "text-embedding-v2", "--deploy", "--watch", "--task-id", "move")
    assert watched.returncode == 0, watched.stderr
    assert "move static-256 → text-embedding-v2 done" in watched.stdout
    assert "24 of 24 objects" in watched.stdout
    assert told(ours("collections", "blue", "--json"))["embedding_model_id"] == "static-128"
    states = {
        each["embedding_model_id"]: (each["blue"], each["vectors"])
        for each in told(ours("collections", "list", "--json"))["collections"]
    }
    assert states == {"static-256": (False, 24), "static-128": (True, 24)}
    found = told(ours("collections", "search", "boil some water", "-k", "4", "--json"))["hits"]
    assert {each["object_id"] for each in found} == {f"kettle-{colour}" for colour in COLOURS}

    # Back again, and the new one away.
    refused = ours("collections", "delete", "static-128", "--yes")
    assert refused.returncode == 4
    assert "make another one blue first" in refused.stderr
    assert ours("collections", "blue", "static-256").stdout == "static-256 is blue\n"
    told(ours("collections", "delete", "static-128", "--yes", "--json"))
    assert [each["task_id"] for each in told(ours("reindex", "list", "--json"))["tasks"]] == ["move"]
    # Asked for again, it is the one that there was.
    again = told(ours("reindex", "static-256", "static-128", "--task-id", "move", "--json"))
    assert (again["task_id"], again["status"]) == ("move", "done")


def test_objects_go_and_tasks_are_listed(ours: Shoal, things: Path) -> None:
    told(ours("collections", "upsert", str(things), "--json"))
    gone = ours("collections", "delete-objects", "tent-red", "tent-green", "tent-none")
    assert gone.returncode == 0, gone.stderr
    assert gone.stdout.startswith("deleted 3 of 3 objects")
    found = told(ours("collections", "search", "camping in the mountains", "-k", "2", "--json"))["hits"]
    assert {each["object_id"] for each in found} == {"tent-blue", "tent-black"}
    tasks = told(ours("tasks", "list", "--json"))["tasks"]
    assert [(each["kind"], each["status"]) for each in tasks] == [("deletion", "done"), ("upsertion", "done")]
    shown = told(ours("tasks", "show", tasks[0]["task_id"], "--json"))
    assert (shown["kind"], shown["count"]) == ("deletion", 3)
    late = ours("tasks", "cancel", tasks[0]["task_id"])
    assert late.returncode == 4, late.stdout


def test_objects_without_a_word_are_told(ours: Shoal) -> None:
    lines = [
        {"object_id": "good", "payload": {"title": "A chair"}},
        {"object_id": "empty", "payload": {"n": 1}},
    ]
    done = ours("collections", "upsert", "-", stdin="".join(json.dumps(line) + "\n" for line in lines))
    assert done.returncode == 1
    assert "upserted 1 of 2 objects, 1 failed" in done.stdout
    assert "  empty: no text" in done.stdout
    assert "mend them and send them again" in done.stderr


def test_what_cannot_be(ours: Shoal) -> None:
    unknown = ours("collections", "create", "no-such-model")
    assert unknown.returncode == 4
    assert "no-such-model" in unknown.stderr
    assert "shoal models" in unknown.stderr
    empty = ours("collections", "search", "anything")
    assert empty.returncode == 4
    assert "Model is not initialized yet." in empty.stderr
    told(ours("collections", "create", "static-256", "--json"))
    itself = ours("reindex", "static-256", "static-256")
    assert itself.returncode == 4
    assert "static-256" in itself.stderr
    missing = ours("reindex", "show", "none")
    assert missing.returncode == 4
    assert "shoal tasks list" in missing.stderr
