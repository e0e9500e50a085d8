"""`shoal reindex` and `shoal tasks` against an API that plays the course of tasks."""

import json

import httpx
import pytest

from infra.cli.collections.display import Bars, Lines, Moment, words
from tests.unit.cli.studio_server import StudioServer, reindex, task
from tests.unit.cli.studio_shell import Shoal

RUN = "POST /internal/reindex-tasks/run"


def course(**last: object) -> list[dict[str, object]]:
    """What a reindex looks like while it goes on, and at its end."""
    return [
        reindex("pending", task_id="move", wait_on_conflict=True, detail="waits for reindex other"),
        reindex("processing", stage="embedding", count=0, total=19_796),
        reindex("processing", stage="embedding", count=0, total=19_796),
        reindex("processing", stage="embedding", count=8000, total=19_796, children=["a", "b"], failed=1),
        reindex("processing", stage="building", count=19_796, total=19_796, children=["a", "b"], failed=1),
        reindex(**{"status": "done", "count": 19_796, "total": 19_796, **last}),  # type: ignore[arg-type]
    ]


def test_it_is_begun_and_said_how_to_follow(shoal: Shoal, server: StudioServer) -> None:
    done = shoal("reindex", "static-256", "static-128")
    assert done.exit_code == 0, done.output
    assert server.said == [RUN]
    assert server.body(RUN) == {
        "source": {"embedding_model_id": "static-256"},
        "dest": {"embedding_model_id": "static-128"},
        "deploy_as_blue": False,
        "wait_on_conflict": False,
    }
    assert done.stdout == "t1 static-256 → static-128 pending\n"
    assert "shoal reindex show t1 --watch" in done.stderr


def test_every_option_reaches_the_api(shoal: Shoal, server: StudioServer) -> None:
    options = ["--deploy", "--wait", "--replace", "--max-failed-share", "0.01", "--task-id", "move"]
    assert shoal("reindex", "start", *options, "a", "b", "--family", "categories", "--json").exit_code == 0
    assert server.body(RUN) == {
        "source": {"embedding_model_id": "a"},
        "dest": {"embedding_model_id": "b"},
        "task_id": "move",
        "deploy_as_blue": True,
        "wait_on_conflict": True,
        "replace": True,
        "max_failed_share": 0.01,
        "family": "categories",
    }
    assert (
        shoal("reindex", "--deploy", "a", "b").exit_code == 0
    )  # options first: `start` is meant all the same
    assert server.body(RUN)["deploy_as_blue"] is True


def test_an_estimate_begins_nothing(shoal: Shoal, server: StudioServer) -> None:
    told = shoal("reindex", "static-256", "static-128", "--dry-run")
    assert told.exit_code == 0, told.output
    assert server.body(RUN)["dry_run"] is True
    assert (
        "19,796 documents, about 1,200,345 tokens, $0.02 to the model's provider, about 1.5 minutes"
        in told.stdout
    )
    as_json = json.loads(shoal("reindex", "static-256", "static-128", "--dry-run", "--json").stdout)
    assert as_json == {"documents": 19_796, "tokens": 1_200_345, "dollars": 0.024, "minutes": 1.5}
    assert shoal("reindex", "a", "b", "--dry-run", "--watch").exit_code == 2


def test_watched_to_its_end(shoal: Shoal, server: StudioServer) -> None:
    server.states["move"] = course(deploy_as_blue=True)
    done = shoal("reindex", "static-256", "static-128", "--deploy", "--task-id", "move", "--watch")
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines() == [
        "waiting: waits for reindex other",
        "embedding: 0 of 19,796 objects",
        "building: 19,796 of 19,796 objects, 1 failed, 2 children",
        "static-128 is blue; back at once: `shoal collections blue static-256`",
    ]
    assert done.stdout == "move static-256 → static-128 done: 19,796 of 19,796 objects\n"


def test_json_is_the_final_task_and_nothing_else(shoal: Shoal, server: StudioServer) -> None:
    server.states["move"] = course()
    done = shoal("reindex", "show", "move", "--watch", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["task_id"], told["status"], told["count"]) == ("move", "done", 19_796)
    assert (told["source"], told["dest"]) == ("static-256", "static-128")


@pytest.mark.parametrize(
    ("status", "detail", "hint"),
    [
        ("failed", "model_denied: no access to titan", "`shoal reindex restart move`"),
        ("refused", "static-256 is the source of reindex other", "with --wait it begins by itself"),
        ("canceled", None, "`shoal reindex restart move` does it after all"),
    ],
)
def test_what_to_do_about_one_that_ended_badly(
    shoal: Shoal, server: StudioServer, status: str, detail: str | None, hint: str
) -> None:
    server.states["move"] = [reindex(status, **({"detail": detail} if detail else {}))]
    done = shoal("reindex", "show", "move", "--watch")
    assert done.exit_code == 1
    assert f"error: reindex move is {status}" + (f": {detail}" if detail else "") in done.stderr
    assert hint in done.stderr


def test_refused_at_once(shoal: Shoal, server: StudioServer) -> None:
    server.answers = [("/run", httpx.Response(200, json=reindex("refused", detail="another one runs")))]
    done = shoal("reindex", "static-256", "static-128")
    assert done.exit_code == 1
    assert "move static-256 → static-128 refused: another one runs" in done.stdout
    assert "--watch" not in done.stderr


def test_failed_objects_do_not_sink_it(shoal: Shoal, server: StudioServer) -> None:
    items = [{"object_id": "x", "detail": "no text in it", "failure_stage": "on_inference"}]
    server.states["move"] = [reindex("done", count=5, total=5, failed_items=items)]
    done = shoal("reindex", "show", "move")
    assert done.exit_code == 0
    assert "1 objects failed, the first of them:\n  x: no text in it (on_inference)\n" in done.stdout
    assert "shoal collections blue static-128" in done.stderr


def test_list_cancel_restart(shoal: Shoal, server: StudioServer) -> None:
    assert "no reindex yet" in shoal("reindex", "list").stderr
    server.states["move"] = [reindex("processing")]
    server.lists["internal/reindex-tasks"] = [reindex("processing", count=7, total=9)]
    assert "7 of 9" in shoal("reindex", "list", "-n", "3").stdout
    server.lists["internal/reindex-tasks"] = [reindex("done", task_id=f"t{n}") for n in range(1003)]
    listed = json.loads(shoal("reindex", "list", "-n", "3", "--json").stdout)["tasks"]
    assert [each["task_id"] for each in listed] == ["t1002", "t1001", "t1000"]
    assert shoal("reindex", "cancel", "move").stdout == "move canceled\n"
    assert json.loads(shoal("reindex", "restart", "move", "--json").stdout)["status"] == "pending"
    missing = shoal("reindex", "cancel", "other")
    assert missing.exit_code == 4
    assert "Task with ID `other` not found" in missing.stderr


def test_help_comes_before_the_default_command(shoal: Shoal) -> None:
    told = shoal("reindex", "--help")
    assert told.exit_code == 0
    assert "without downtime" in told.stdout
    assert shoal("reindex").exit_code == 2
    assert shoal("reindex", "only-one").exit_code == 2


def test_a_task_of_any_kind(shoal: Shoal, server: StudioServer) -> None:
    server.states["load-1"] = [
        task("load-1", "processing", kinds=["embeddings/deletion-tasks"], processed_count=3),
        task("load-1", "done", kinds=["embeddings/deletion-tasks"], processed_count=5),
    ]
    shown = shoal("tasks", "show", "load-1", "--json")
    assert shown.exit_code == 0, shown.output
    assert (json.loads(shown.stdout)["kind"], json.loads(shown.stdout)["count"]) == ("deletion", 3)
    assert shoal("tasks", "cancel", "load-1").stdout == "load-1 canceled\n"
    assert server.said[-1] == "PUT /embeddings/deletion-tasks/cancel"
    assert shoal("tasks", "restart", "load-1", "--kind", "deletion").stdout == "load-1 pending\n"
    missing = shoal("tasks", "show", "other")
    assert missing.exit_code == 4
    assert "there is no task other (task_not_found)" in missing.stderr
    assert "shoal tasks list" in missing.stderr


def test_two_tasks_of_one_id(shoal: Shoal, server: StudioServer) -> None:
    server.states["t"] = [
        task("t", "done", kinds=["embeddings/deletion-tasks", "embeddings/upsertion-tasks"])
    ]
    both = shoal("tasks", "show", "t")
    assert both.exit_code == 2
    assert "several tasks are called t: upsertion, deletion" in both.stderr
    assert shoal("tasks", "show", "t", "--kind", "deletion").exit_code == 0


def test_tasks_of_all_kinds_newest_first(shoal: Shoal, server: StudioServer) -> None:
    server.lists = {
        "embeddings/upsertion-tasks": [task("old", "done") | {"created_at": "2026-05-28T20:00:00.000000Z"}],
        "internal/reindex-tasks": [reindex("processing", task_id="new")],
    }
    listed = json.loads(shoal("tasks", "list", "--json", "--status", "done").stdout)["tasks"]
    assert [each["task_id"] for each in listed] == ["new", "old"]
    assert server.body("GET /embeddings/upsertion-tasks/list")["status"] == "done"
    assert len(json.loads(shoal("tasks", "list", "-n", "1", "--json").stdout)["tasks"]) == 1
    server.lists = {}
    assert "no tasks" in shoal("tasks", "list").stderr


class Watch:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_lines_are_few_and_tell_the_pace() -> None:
    clock, said = Watch(), list[str]()
    lines = Lines(say=said.append, clock=clock)
    for second in range(7):
        clock.now = 100.0 + second
        lines.state(Moment("embedding", 500 * second, 4000))
    lines.state(Moment("embedding", 3000, 4000, detail="the model is busy"))
    lines.state(Moment("embedding", 4000, 4000, over=True))
    assert said == [
        "embedding: 0 of 4,000 objects",
        "embedding: 1,000 of 4,000 objects, 500/s",
        "embedding: 2,000 of 4,000 objects, 500/s",
        "embedding: 3,000 of 4,000 objects, 500/s",
        "embedding: 3,000 of 4,000 objects, 500/s, the model is busy",
    ]


def test_words_of_a_moment() -> None:
    assert words(Moment("", 0, None), None) == ""
    assert words(Moment("", 3, None, failed=1, children=1), 1234.5) == "3 objects, 1,234/s, 1 failed, 1 child"


def test_bars_have_one_for_each_stage() -> None:
    from io import StringIO

    from rich.console import Console
    from rich.progress import Progress, TextColumn

    told = TextColumn("{task.description} {task.completed:.0f}/{task.total} {task.fields[told]}")
    with Progress(told, console=Console(file=StringIO())) as bar:
        bars = Bars(bar, Watch())
        bars.state(Moment("embedding", 10, 40))
        bars.state(Moment("embedding", 20, 40, failed=2))
        bars.state(Moment("building", 40, 40))
        bars.state(Moment("done", 40, 40, over=True))
        shown = [(each.description, each.completed, each.total) for each in bar.tasks]
    assert shown == [("embedding", 40, 40), ("building", 40, 40)]
    assert bar.tasks[0].fields["told"] == "20 of 40 objects, 2 failed"
