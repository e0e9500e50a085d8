"""The ingestion server over the local stack: fresh index, filtered twin, alias switch, as its clients do it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from infra.local.info import StackInfo
from shoal.services.tenants import create_tenant
from shoal.storage.ports import Ports

pytestmark = pytest.mark.e2e
PATIENCE_SECONDS = 90.0
FILTERED = "CREATE_AND_POPULATE_FILTERED_INDEX"
FAILED = "Failed to schedule task due to an internal server error. Check scheduler logs."


def record(number: int, **metadata: Any) -> dict[str, Any]:
    """A record; every third one is about birds."""
    title = f"Bird number {number}" if number % 3 == 0 else f"Number {number}"
    return {"id": f"r{number}", "values": [float(number), 1.0], "metadata": {"title": title, **metadata}}


class Server:
    """One tenant's ingestion server."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def catalogue(self, *records: dict[str, Any]) -> None:
        """Write to the tenant's own records."""
        lines = "\n".join(map(json.dumps, records))
        answer = self.client.post("/v1/datasets/image/vectors", content=lines)
        assert answer.is_success, answer.text

    def ask(self, action: str, **fields: Any) -> httpx.Response:
        """Ask for a task as the newest client does: in a form, but for values that a form cannot carry."""
        body = {"model": "image", "action": action, **fields}
        if any(not isinstance(value, str) for value in fields.values()):
            return self.client.post("/task", json=body)
        return self.client.post("/task", data=body)

    def begun(self, action: str, **fields: Any) -> str:
        """Ask for a task that takes a while; where its status is."""
        answer = self.ask(action, **fields)
        assert answer.status_code == 202, answer.text
        assert answer.json()["message"] == "Successfully scheduled task"
        return str(answer.json()["status_check"])

    def ended(self, check: str) -> dict[str, Any]:
        """The status of a task once it has ended."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            status: dict[str, Any] = self.client.get(check).raise_for_status().json()
            assert status["active_workers"] is status["active"]
            if not status["active"]:
                return status
            assert status["error"] is False
            assert time.monotonic() < give_up_at, status
            time.sleep(0.2)

    def done(self, action: str, **fields: Any) -> dict[str, Any]:
        """Have a task done, from its request to its end."""
        status = self.ended(self.begun(action, **fields))
        assert (status["progress"], status["error"]) == (100.0, False), status
        return status

    def at_once(self, action: str, **fields: Any) -> None:
        """Have a task done within its request."""
        answer = self.ask(action, **fields)
        assert answer.status_code == 202, answer.text
        assert answer.json()["message"] == "Successfully completed task"

    def stat(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/stat/{name}").raise_for_status().json()
        return found

    def titles(self, name: str) -> set[str]:
        """What an index holds, as a search has it."""
        query = {"dataset": f"openverse/{name}", "vector": [0, 1], "top_k": 100}
        answer = self.client.post("/v1/query", json=query)
        assert answer.status_code == 200, answer.text
        return {match["metadata"]["title"] for match in answer.json()["matches"]}


@pytest.fixture
def server(
    local_stack: StackInfo,
    ports: Ports,
    new_key: Callable[..., str],
    client_of: Callable[[str], httpx.Client],
) -> Server:
    """A fresh tenant with thirty records and a list of sensitive terms."""
    client = client_of(new_key(tenant_id=create_tenant(ports, name="a catalogue").tenant_id))
    assert client.post("/v1/datasets", json={"name": "image", "dimension": 2}).status_code == 201
    put = client.put(
        "/v1/term-lists/sensitive", content="bird\nsea urchin\n", headers={"content-type": "text/plain"}
    )
    assert put.is_success
    made = Server(client)
    made.catalogue(*(record(number) for number in range(30)))
    return made


def test_a_refresh_as_the_catalogue_does_it(server: Server) -> None:
    everything = {record(number)["metadata"]["title"] for number in range(30)}
    without_birds = {title for title in everything if "Bird" not in title}
    server.done("REINDEX", index_suffix="one")
    filtered = server.done(FILTERED, origin_index_suffix="one", destination_index_suffix="one")
    assert filtered["removed_by_term"]["bird"] == 10
    server.at_once("PROMOTE", index_suffix="one", alias="image")
    server.at_once("POINT_ALIAS", index_suffix="one-filtered", alias="image-filtered")
    assert (server.titles("image"), server.titles("image-filtered")) == (everything, without_birds)

    # The next one is made beside it while it is live, then takes its place.
    server.catalogue(record(30), record(31))
    server.done("REINDEX", index_suffix="two")
    server.done(FILTERED, destination_index_suffix="two")
    assert server.titles("image") == everything
    server.at_once("PROMOTE", index_suffix="two", alias="image")
    server.at_once("POINT_ALIAS", index_suffix="two", alias="image-filtered")
    assert server.stat("image-filtered")["alt_names"] == "image-two-filtered"
    assert server.titles("image") == everything | {"Bird number 30", "Number 31"}
    assert server.titles("image-filtered") == without_birds | {"Number 31"}

    # What is live is not deleted by mistake; what is not, is.
    for suffix in ("two", "two-filtered"):
        assert server.ask("DELETE_INDEX", index_suffix=suffix).status_code == 400
    assert server.ask("DELETE_INDEX", alias="image").status_code == 400
    server.at_once("DELETE_INDEX", index_suffix="one")
    server.at_once("DELETE_INDEX", index_suffix="one-filtered")
    assert server.titles("image-filtered") == without_birds | {"Number 31"}
    server.at_once("DELETE_INDEX", alias="image", force_delete=True)
    assert [server.stat(name)["exists"] for name in ("image", "image-two", "image-two-filtered")] == [
        False,
        False,
        True,
    ]


def test_many_tasks_at_once_and_two_of_one_suffix(server: Server) -> None:
    suffixes = [f"n{number}" for number in range(5)] + ["n0", "n1"]
    with ThreadPoolExecutor(len(suffixes)) as pool:
        answers = list(pool.map(lambda suffix: server.ask("REINDEX", index_suffix=suffix), suffixes))
    begun = [answer.json()["status_check"] for answer in answers if answer.status_code == 202]
    refused = [answer for answer in answers if answer.status_code != 202]
    assert len(begun) == 5
    assert [answer.status_code for answer in refused] == [500, 500]
    for answer in refused:
        assert answer.json()["message"] == FAILED
        assert "already exists" in answer.json()["detail"]
    for check in begun:
        assert server.ended(check)["error"] is False
    for number in range(5):
        assert len(server.titles(f"image-n{number}")) == 30
    statuses = server.client.get("/task").json()
    assert sorted(status["error"] for status in statuses) == [False] * 5 + [True] * 2
    finished = [status["finish_timestamp"] for status in statuses]
    assert finished == sorted(finished)


def test_an_update(server: Server) -> None:
    server.done("REINDEX", index_suffix="live")
    server.catalogue(
        record(1, updated_on="2023-11-07T00:00:00+00:00", title="Renewed"),
        record(40, updated_on="2023-11-06 12:00:00+00"),
        record(41, updated_on="2023-11-05"),
    )
    status = server.done("UPDATE_INDEX", index_suffix="live", since_date="2023-11-06")
    assert status["detail"]
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while "Renewed" not in (titles := server.titles("image-live")):
        assert time.monotonic() < give_up_at
        time.sleep(0.2)
    assert titles == {record(number)["metadata"]["title"] for number in range(30)} - {"Number 1"} | {
        "Renewed",
        "Number 40",
    }


@contextmanager
def callbacks() -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    """Somebody who is to be called: where, and what came so far (method, path, body)."""
    came: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            came.append(("POST", self.path, body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_address[1]}", came
        finally:
            listening.shutdown()
            thread.join()


def test_callbacks(server: Server) -> None:
    with callbacks() as (address, came):
        server.done("REINDEX", index_suffix="one", callback_url=f"{address}/long")
        server.at_once("POINT_ALIAS", index_suffix="one", alias="image", callback_url=f"{address}/quick")
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while len(came) < 2:
            assert time.monotonic() < give_up_at, came
            time.sleep(0.2)
        assert sorted(came) == [("POST", "/long", b""), ("POST", "/quick", b"")]
    refused = server.begun("REINDEX", index_suffix="two", callback_url="http://169.254.169.254/latest")
    assert server.ended(refused)["error"] is False, "the task is done all the same"
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while "callback" not in server.client.get(refused).json().get("detail", ""):
        assert time.monotonic() < give_up_at
        time.sleep(0.2)


def test_the_server_itself(server: Server) -> None:
    assert server.client.get("/", params={"check_deps": "true"}).json() == {"status": "200 OK"}
    assert server.client.get("/static/mock_sensitive_terms.txt").text == "bird\nsea urchin\n"
    answer = server.client.request("OPTIONS", "/task")
    assert (answer.status_code, answer.text) == (200, "")
    for method, path, status, title in (
        ("PUT", "/task", 405, "405 Method Not Allowed"),
        ("GET", "/task/a/b", 404, "404 Not Found"),
        ("GET", "/static/other.txt", 404, "404 Not Found"),
    ):
        refused = server.client.request(method, path)
        assert (refused.status_code, refused.json()) == (status, {"title": title})
    answer = server.client.post("/task", content="{}", headers={"content-type": "text/plain"})
    assert answer.status_code == 415
