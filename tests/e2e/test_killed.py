"""A mixed load while workers are killed at random and the whole stack is stopped and started again.

Writers own the ids that they write and do one thing after the other, so what each id may hold is exact: what was
acknowledged last, or what was tried after it and never answered.
"""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from infra.cli.local_stack import ensure_key
from infra.local.assembly import ensure_assembly
from infra.local.info import StackInfo
from infra.local.lifecycle import down, up
from infra.local.session import session_of
from infra.local.workers import pids_of
from tests.e2e.steps import ndjson, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WRITES_A_PHASE: Final = 50
"""Acknowledged writes before the stack is stopped, and after it was started again."""
KILLS: Final = 6
PHASE_SECONDS: Final = 60.0
"""At most; on an idle machine a phase is over in a quarter of it."""
WRITERS: Final = 3
IDS_EACH: Final = 30
FUNCTIONS: Final = (
    *("api", "indexer", "indexer", "builder", "query"),
    *("import_plan", "import_validate", "import_cells", "import_finish", "compaction"),
)
PATIENCE_SECONDS: Final = 150.0
"""For the sweep, which comes once a minute, to find what the dead have left behind."""
type Row = tuple[tuple[float, ...], dict[str, Any]] | None
"""Values and metadata of a record; None where there is none."""


@pytest.fixture(scope="module")
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A stack of this test's own, which it may stop."""
    state = tmp_path_factory.mktemp("killed")
    yield state
    down(state=state)


@dataclass
class Ledger:
    """What each id may hold, and the jobs that were acknowledged."""

    possible: dict[str, list[Row]] = field(default_factory=dict)
    jobs: list[str] = field(default_factory=list)
    answers: Counter[int | str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def note(self, changes: dict[str, Row], answer: httpx.Response | None) -> None:
        """Learn from an answer to a write, or from none."""
        status = answer.status_code if answer is not None else "none"
        self.answers[status] += 1
        if answer is not None and answer.status_code == 202:
            self.jobs.append(str(answer.json()["job_id"]))
        for name, row in changes.items():
            if answer is not None and answer.status_code == 202:
                self.possible[name] = [row]
            elif answer is None or answer.status_code >= 500:
                self.possible.setdefault(name, [None]).append(row)


@dataclass
class Load:
    """Writers and readers at work on one dataset until they are told to stop."""

    info: StackInfo
    name: str
    ledgers: list[Ledger] = field(default_factory=lambda: [Ledger() for _ in range(WRITERS + 1)])
    stop: threading.Event = field(default_factory=threading.Event)
    queries: Counter[int | str] = field(default_factory=Counter)

    @property
    def answers(self) -> Counter[int | str]:
        """How writes were answered."""
        return sum((ledger.answers for ledger in self.ledgers), Counter())

    @property
    def acknowledged(self) -> int:
        """How many writes were."""
        return self.answers[202]

    def client(self) -> httpx.Client:
        """A client of the API, which outlives restarts."""
        headers = {"authorization": f"Bearer {self.info.api_key}"}
        return httpx.Client(base_url=self.info.api_url, headers=headers, timeout=20.0, trust_env=False)

    def write(self, number: int) -> None:
        """Upsert, patch and delete ids of one's own."""
        dice, ledger = random.Random(number), self.ledgers[number]
        names = [f"w{number}-{n}" for n in range(IDS_EACH)]
        path = f"/v1/datasets/{self.name}/vectors"
        turn = 0
        with self.client() as client:
            while not self.stop.is_set():
                turn += 1
                chosen = dice.sample(names, dice.randint(1, 12))
                kind = dice.choice(("upsert", "upsert", "upsert", "delete", "patch"))
                if kind == "patch" and any(len(ledger.possible.get(name, [None])) > 1 for name in chosen):
                    kind = "upsert"  # what it would be merged into is not known
                changes: dict[str, Row] = {}
                for place, name in enumerate(chosen):
                    row = ledger.possible.get(name, [None])[-1]
                    if kind == "upsert":
                        row = ((float(number), float(turn), float(place), 1.0), {"turn": turn})
                    elif kind == "delete":
                        row = None
                    elif row is not None:
                        row = (row[0], {**row[1], "patched": turn})
                    changes[name] = row
                answer = self._send(client, kind, path, changes, turn)
                ledger.note(changes, answer)
                self.stop.wait(0.05 if answer is not None else 0.5)

    @staticmethod
    def _send(
        client: httpx.Client, kind: str, path: str, changes: dict[str, Row], turn: int
    ) -> httpx.Response | None:
        with suppress(httpx.HTTPError):
            if kind == "delete":
                return client.post(f"{path}/delete", json={"ids": list(changes), "wait": False})
            if kind == "patch":
                patches = [{"id": name, "metadata": {"patched": turn}} for name in changes]
                return client.post(f"{path}/patch", content=ndjson(*patches))
            lines = [
                {"id": name, "values": row[0], "metadata": row[1]} for name, row in changes.items() if row
            ]
            return client.post(path, content=ndjson(*lines))
        return None

    def query(self) -> None:
        """Ask all the time: whatever is answered was written once."""
        dice = random.Random(99)
        with self.client() as client:
            while not self.stop.is_set():
                asked = {"vector": [dice.random() * 3, dice.random() * 50, 1, 1], "top_k": 20}
                status: int | str = "none"
                with suppress(httpx.HTTPError):
                    answer = client.post(f"/v1/datasets/{self.name}/query", json=asked)
                    status = answer.status_code
                    if status == 200:
                        ids = [match["id"] for match in answer.json()["matches"]]
                        if len(set(ids)) != len(ids):
                            self.ledgers[0].wrong.append(f"a query answered {ids}")
                self.queries[status] += 1
                self.stop.wait(0.1)

    def import_files(self) -> None:
        """One import after the other, each of ids that no other has."""
        ledger, turn = self.ledgers[WRITERS], 0
        with self.client() as client:
            while not self.stop.is_set():
                turn += 1
                rows: dict[str, Row] = {
                    f"i{turn}-{n}": ((9.0, float(turn), float(n), 1.0), {"file": turn}) for n in range(40)
                }
                lines = [
                    {"id": name, "values": row[0], "metadata": row[1]} for name, row in rows.items() if row
                ]
                for name in rows:
                    ledger.possible[name] = [None]
                with suppress(httpx.HTTPError):
                    self._import(client, ndjson(*lines) + b"\n", rows, ledger)
                self.stop.wait(1.5)

    def _import(self, client: httpx.Client, body: bytes, rows: dict[str, Row], ledger: Ledger) -> None:
        path = f"/v1/datasets/{self.name}/imports"
        created = client.post(path, json={"format": "ndjson"})
        ledger.answers[created.status_code] += 1
        if created.status_code not in (200, 201):
            return
        job = created.json()
        for name, row in rows.items():
            ledger.possible[name].append(row)
        ledger.jobs.append(job["import_id"])
        upload = job["upload"]
        put = client.put(upload["url"], content=body, headers={"content-type": upload["content_type"]})
        if put.status_code == 200:
            client.post(f"{path}/{job['import_id']}/complete")


def kill_until(load: Load, state: Path, *, acknowledged: int, dice: random.Random) -> Counter[str]:
    """Kill workers at random until so many writes were acknowledged in all, and enough workers died."""
    killed: Counter[str] = Counter()
    give_up_at = time.monotonic() + PHASE_SECONDS
    while time.monotonic() < give_up_at and (load.acknowledged < acknowledged or killed.total() < KILLS):
        time.sleep(dice.uniform(0.3, 1.2))
        name = dice.choice(FUNCTIONS)
        for pid in pids_of(name, state):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed[name] += 1
    return killed


def test_every_acknowledged_write_survives(own_state: Path) -> None:
    assembly = ensure_assembly(print)

    def start() -> StackInfo:
        return up(state=own_state, progress=print, after_deploy=ensure_key, make_assembly=lambda _: assembly)

    info = start()
    queue, url = session_of(info).client("sqs"), info.outputs["WakeupsQueueUrl"]
    # Messages of a dead indexer come again soon, not after the two minutes that it may take.
    queue.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "3"})
    load = Load(info, "killed")
    with load.client() as client:
        made = client.post("/v1/datasets", json={"name": "killed", "dimension": 4, "metric": "l2"})
        assert made.status_code == 201, made.text
    works: list[Callable[[], None]] = [
        *(lambda number=number: load.write(number) for number in range(WRITERS)),
        load.query,
        load.import_files,
    ]
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    dice = random.Random(7)
    try:
        killed = kill_until(load, own_state, acknowledged=WRITES_A_PHASE, dice=dice)
        assert down(state=own_state)
        again = start()
        assert (again.api_url, again.api_key) == (info.api_url, info.api_key)
        killed += kill_until(load, own_state, acknowledged=2 * WRITES_A_PHASE, dice=dice)
    finally:
        load.stop.set()
        for thread in threads:
            thread.join(60)
    assert killed.total() >= KILLS, killed
    assert load.acknowledged >= WRITES_A_PHASE, load.answers
    assert load.queries[200], load.queries
    with load.client() as client, sweeping(info):
        settle(client, load)
        verify(client, load)
    print(f"killed {dict(killed)}; writes: {dict(load.answers)}; queries: {dict(load.queries)}")


@contextmanager
def sweeping(info: StackInfo) -> Iterator[None]:
    """The sweep's schedule comes every few seconds instead of once a minute."""
    client, done = session_of(info).client("lambda"), threading.Event()
    found = client.list_functions()["Functions"]
    (name,) = (
        each["FunctionName"]
        for each in found
        if each["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == "sweep"
    )

    def sweep() -> None:
        while not done.wait(3):
            client.invoke(FunctionName=name, Payload=b"{}", InvocationType="Event")

    thread = threading.Thread(target=sweep)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(30)


def settle(client: httpx.Client, load: Load) -> None:
    """Wait until every acknowledged job is over, and every import that was begun."""
    for job in {job for ledger in load.ledgers for job in ledger.jobs}:

        def over(job: str = job) -> str | None:
            path = f"/v1/datasets/killed/imports/{job}" if job.startswith("imp_") else f"/v1/jobs/{job}"
            answer = client.get(path)
            status = str(answer.json().get("status")) if answer.status_code == 200 else ""
            return status if status in ("indexed", "failed", "completed", "awaiting_upload") else None

        ended = until(over, seconds=PATIENCE_SECONDS, pause=0.2)
        assert job.startswith("imp_") or ended == "indexed", (job, ended)


def verify(client: httpx.Client, load: Load) -> None:
    """Each id holds what it may, the counts add up, and nothing is in doubt any more."""

    def show() -> dict[str, Any]:
        told: dict[str, Any] = client.get("/v1/datasets/killed").json()
        return told

    # A write whose answer was lost may still be under way: until no place of the log is open.
    until(lambda: True if show()["status"] == "indexed" else None, seconds=PATIENCE_SECONDS, pause=0.5)
    possible = {name: rows for ledger in load.ledgers for name, rows in ledger.possible.items()}
    found: dict[str, Row] = {}
    names = sorted(possible)
    for start in range(0, len(names), 500):
        asked = {"ids": names[start : start + 500], "include_values": True}
        answer = client.post("/v1/datasets/killed/vectors/fetch", json=asked)
        assert answer.status_code == 200, answer.text
        found |= {
            record["id"]: (tuple(record["embedding"]), record["metadata"])
            for record in answer.json()["vectors"]
        }
    wrong = {name: (rows, found.get(name)) for name, rows in possible.items() if found.get(name) not in rows}
    assert not wrong, json.dumps(wrong, default=str)[:4000]
    assert not [message for ledger in load.ledgers for message in ledger.wrong]
    assert show()["row_count"] == len(found)
    counted = client.get("/v1/datasets/killed/count")
    assert counted.status_code == 200, counted.text
    assert counted.json()["count"] == len(found)
    asked = {"vector": [1, 1, 1, 1], "top_k": 1000}
    answer = client.post("/v1/datasets/killed/query", json=asked)
    assert sorted(match["id"] for match in answer.json()["matches"]) == sorted(found)
    files = Counter(name.split("-")[0] for name in found if name.startswith("i"))
    assert set(files.values()) <= {40}, "an import is there whole, or not at all"
