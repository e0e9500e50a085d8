"""Callbacks: a POST without a body, through the real way out; who answers badly is tried again, then given up."""

from collections.abc import Callable

import pytest

from shoal.errors import TooLarge
from shoal.model.openverse import Action, Callback, OpenverseTask, TaskState
from shoal.outbound.client import Client
from shoal.outbound.sender import Sender
from shoal.services.openverse.callback import PAUSES, TRIES
from shoal.services.openverse.tasks import change_task
from shoal.storage.memory import MemoryOutbound
from shoal.storage.memory.faults import Fault
from shoal.storage.memory.outbound import hang, refuse
from shoal.storage.model_ports import Answer
from shoal.storage.outbound_messages import Request
from tests.unit.outbound.loopback import Conversation, Script, answer, serving, silence
from tests.unit.services.openverse.world import OpenverseWorld
from tests.workflow.kills import KilledOnce, killing
from tests.workflow.machine import Invoke

URL = "http://catalogue.example/done"


def way_out(*, allow_loopback: bool = True, seconds: float = 5.0) -> Sender:
    """The real one, as the function `outbound` has it."""
    client = Client(allow_loopback=allow_loopback, seconds=seconds)
    return Sender(client, read_key=lambda name: name, prefix=None)


def completed(world: OpenverseWorld, url: str = URL) -> OpenverseTask:
    """A task that is done, and of which nobody was told yet."""
    world.index("image-a")
    return world.accept(Action.UPDATE_INDEX, index_suffix="a", since_date="2024-01-01", callback_url=url)


def called(
    script: Script, url: str = "http://127.0.0.1:{}/done?run=7", **way: float
) -> tuple[OpenverseTask, list[str]]:
    """The task once its workflow has ended, and the request lines that arrived."""
    world = OpenverseWorld()
    world.use(way_out(**way))  # type: ignore[arg-type] # seconds alone
    with serving(script) as server:
        task = completed(world, url.format(server.port))
        assert world.run(task).succeeded
    assert all(not request.body for request in server.asked)
    assert all(request.headers["content-length"] == "0" for request in server.asked)
    return world.task(task), [request.line for request in server.asked]


def still_completed(task: OpenverseTask) -> bool:
    return (task.status, task.progress, task.is_bad_request) == (TaskState.COMPLETED, 100.0, False)


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "204 No Content"])
def test_who_is_told_gets_one_post_without_a_body(status: str) -> None:
    task, lines = called(answer(b"", status=status))
    assert lines == ["POST /done?run=7 HTTP/1.1"]
    assert (task.callback, task.callback_attempts) == (Callback.SENT, 1)
    assert still_completed(task)
    assert "callback" not in str(task.detail)


@pytest.mark.parametrize(
    "status", ["500 Internal Server Error", "503 Service Unavailable", "429 Too Many Requests"]
)
def test_one_who_fails_is_asked_again_and_then_given_up(status: str) -> None:
    task, lines = called(answer(status=status))
    assert len(lines) == TRIES == 5
    assert (task.callback, task.callback_attempts) == (Callback.FAILED, TRIES)
    assert still_completed(task)
    assert f"the callback was not delivered: it answers {status[:3]}; given up after 5 tries" in str(
        task.detail
    )


def test_one_who_recovers_is_told() -> None:
    scripts = iter([answer(status="500 Oops"), answer(status="502 Oops"), answer()])

    def script(talk: Conversation) -> None:
        next(scripts)(talk)

    task, lines = called(script)
    assert len(lines) == 3
    assert (task.callback, task.callback_attempts) == (Callback.SENT, 3)


def test_pauses_grow() -> None:
    world = OpenverseWorld()
    world.outside.put(URL, hang)
    task = completed(world)
    waited: list[float] = []

    def invoke(function: str, payload: dict[str, object]) -> object:
        found = world.call(world.ports, function, payload)
        waited.append(float(found["seconds"]) if world.task(task).status.terminal else 0)
        return found

    assert world.run(task, invoke).succeeded  # type: ignore[arg-type]
    assert tuple(seconds for seconds in waited if seconds) == PAUSES
    assert list(PAUSES) == sorted(PAUSES)


def test_one_who_hangs_is_given_up() -> None:
    task, lines = called(silence, seconds=0.2)
    assert lines  # the server is busy with the first for as long as it lasts
    assert (task.callback, task.callback_attempts) == (Callback.FAILED, TRIES)
    assert "does not answer within 0.2 s; given up after 5 tries" in str(task.detail)
    assert still_completed(task)


def test_one_who_drips_is_given_up() -> None:
    task, _ = called(lambda talk: talk.drip(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100_000), seconds=0.2)
    assert task.callback is Callback.FAILED
    assert still_completed(task)


@pytest.mark.parametrize(
    "status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent"]
)
def test_a_redirect_is_not_followed(status: str) -> None:
    with serving(answer()) as elsewhere:
        location = f"Location: http://127.0.0.1:{elsewhere.port}/"
        task, lines = called(answer(status=status, headers=(location,)))
    assert len(lines) == 1
    assert elsewhere.asked == []
    assert task.callback is Callback.FAILED
    assert f"it answers {status[:3]}, and redirects are not followed" in str(task.detail)
    assert still_completed(task)


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "404 Not Found", "410 Gone"])
def test_a_refusal_is_final(status: str) -> None:
    task, lines = called(answer(status=status))
    assert len(lines) == 1
    assert task.callback is Callback.FAILED
    assert f"it answers {status[:3]}" in str(task.detail)


def test_an_answer_that_nobody_reads() -> None:
    task, lines = called(answer(bytes(2 * 1024 * 1024)))
    assert len(lines) == 1
    assert task.callback is Callback.SENT


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1/done", "not, or not only, at a public internet address"),
        ("http://[::1]/done", "not, or not only, at a public internet address"),
        ("http://10.0.0.8/done", "not, or not only, at a public internet address"),
        ("https://192.168.1.1/done", "not, or not only, at a public internet address"),
        ("http://169.254.169.254/latest/meta-data/", "not, or not only, at a public internet address"),
        ("http://[fd00:ec2::254]/", "not, or not only, at a public internet address"),
        ("http://100.64.0.1/", "not, or not only, at a public internet address"),
        ("http://0x7f000001/", "four decimal numbers"),
        ("ftp://catalogue.example/done", "begins with https:// or http://"),
        ("file:///etc/passwd", "begins with https:// or http://"),
        ("javascript:alert(1)", "begins with https:// or http://"),
        ("//catalogue.example", "begins with https:// or http://"),
        ("http://user:secret@catalogue.example/", "no user name or password"),
        ("http://catalogue.example:8080/", "port 443 or 80"),
        ("http://catalogue.example/a b", "white space"),
        ("not a url", "white space"),
    ],
)
def test_addresses_that_are_refused(url: str, words: str) -> None:
    world = OpenverseWorld()
    world.use(way_out(allow_loopback=False))
    ended = world.done(completed(world, url))
    assert (ended.callback, ended.callback_attempts) == (Callback.REFUSED, 1)
    assert "the callback was not delivered" in str(ended.detail)
    assert words in str(ended.detail)
    assert "secret" not in str(ended.detail)
    assert still_completed(ended)


def test_a_name_that_points_inside() -> None:
    world = OpenverseWorld()
    world.outside.put(URL, refuse)
    assert world.done(completed(world)).callback is Callback.REFUSED


def test_nobody_is_told_of_a_task_that_failed() -> None:
    world = OpenverseWorld()
    world.outside.put(URL, Answer(200, b""))
    task = completed(world)
    request = {"index_suffix": "a", "since_date": "no date"}
    assert change_task(world.ports, task, request=request) is not None
    ended = world.failed(task)
    assert ended.callback is None
    assert world.outside.sent == []


def test_a_task_without_a_callback() -> None:
    world = OpenverseWorld()
    world.index("image-a")
    task = world.accept(Action.UPDATE_INDEX, index_suffix="a", since_date="2024-01-01")
    assert world.done(task).callback is None


def test_what_was_done_at_once_is_told_by_the_workflow() -> None:
    world = OpenverseWorld()
    world.outside.put(URL, Answer(200, b""))
    world.index("image-a")
    task = world.accept(Action.POINT_ALIAS, index_suffix="a", alias="image", callback_url=URL)
    assert world.outside.sent == []
    assert task.task_id in world.ingestions.started
    assert world.done(task).callback is Callback.SENT
    assert [request.body for request in world.outside.sent] == [b""]


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
@pytest.mark.parametrize("says", [200, 500])
def test_whoever_dies_it_is_told_and_not_for_ever(fault: Fault, says: int) -> None:
    worlds: list[tuple[OpenverseWorld, OpenverseTask]] = []

    def make(number: int | None) -> KilledOnce:
        world = OpenverseWorld()
        world.outside.put(URL, Answer(says, b""))
        worlds.append((world, completed(world)))
        return KilledOnce(world.process, world.call, number=number, fault=fault)

    def run(killer: Invoke) -> None:
        world, task = worlds[-1]
        assert world.run(task, killer).succeeded
        ended = world.task(task)
        assert still_completed(ended)
        if says == 200:
            assert ended.callback is Callback.SENT
            assert 1 <= len(world.outside.sent) <= 2
        else:
            assert ended.callback is Callback.FAILED
            assert TRIES - 1 <= len(world.outside.sent) <= TRIES

    killing(make, run)


def test_who_hears_of_it_is_not_asked_by_two_processes_at_once() -> None:
    world = OpenverseWorld()
    other: list[Callable[[], object]] = []

    def endpoint(_request: Request) -> Answer:
        if other:
            other.pop()()
        return Answer(500, b"")

    world.outside.put(URL, endpoint)
    task = completed(world)
    given = {"step": "work", "task_id": task.task_id, "tenant_id": task.tenant_id}
    while not world.task(task).status.terminal:
        world.call(world.ports, "ingestion", given)
    other.append(lambda: world.call(world.ports, "ingestion", given))
    world.call(world.ports, "ingestion", given)
    assert world.task(task).callback_attempts == len(world.outside.sent) == 2


def test_an_answer_that_is_too_large_counts_as_told() -> None:
    class Large(MemoryOutbound):
        def post(self, *_: object, **__: object) -> Answer:
            raise TooLarge("answer_too_large", "it answers with more than 1 MB")

    world = OpenverseWorld()
    world.use(Large())
    assert world.done(completed(world)).callback is Callback.SENT
