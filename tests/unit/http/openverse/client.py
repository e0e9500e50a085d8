"""One tenant's ingestion server, spoken to with gateway events."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlencode

from shoal.model.datasets import Dataset, Metric
from shoal.model.openverse import SCOPE, OpenverseTask
from shoal.services import aliases, datasets
from shoal.services.datasets import creation
from shoal.services.heads import keys_of, new_head_item
from shoal.services.openverse.tasks import read_task
from shoal.storage.memory import MemoryTable
from shoal.storage.ports import Write
from tests.unit.http.api import Answer, Api

FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
HOST = {"host": "localhost:8001", "x-forwarded-proto": "http"}
BAD_REQUEST = "Failed during task execution due to bad request. Check scheduler logs."
FAILED = "Failed to schedule task due to an internal server error. Check scheduler logs."
DONE = "Successfully completed task"
SCHEDULED = "Successfully scheduled task"


class Openverse(Api):
    """A tenant with the dataset `image`, from which indexes are made."""

    def records(self, model: str = "image") -> None:
        """Make the tenant's own dataset of a media type."""
        self.dataset(model, dimension=2)

    def task(self, action: str, *, model: str = "image", form: bool = False, **fields: Any) -> Answer:
        """Ask for a task, a second after the one before."""
        self.clock.now += 1
        body = {"model": model, "action": action, **fields}
        if form:
            return self.call("POST", "/task", urlencode(body), headers=HOST | FORM)
        return self.call("POST", "/task", body, headers=HOST | JSON)

    def index(self, name: str) -> Dataset:  # type: ignore[override]  # an index of this dialect
        """An index that is there, however it was made."""
        return datasets.create_dataset(
            self.ports, self.tenant_id, scope=SCOPE, name=name, dimension=2, metric=Metric.L2
        ).dataset

    def unfinished(self, name: str) -> None:
        """An index that is being built."""
        dataset = Dataset(self.tenant_id, "0" * 16, SCOPE, name, 2, Metric.L2, self.clock(), b"k" * 16)
        head = new_head_item(keys_of(dataset))
        self.ports.table.transact(creation(dataset, head, building="drv_" + "0" * 32), token=name)

    def point(self, alias: str, index: str) -> None:
        """Have an alias point at an index."""
        aliases.point_alias(self.ports, self.tenant_id, scope=SCOPE, alias=alias, dataset=index)

    def stat(self, name: str) -> tuple[bool, bool | None, Any]:
        """What a name stands for."""
        answer = self.call("GET", f"/stat/{name}")
        assert answer.status == 200
        assert list(answer.json) == ["exists", "is_alias", "alt_names"]
        return tuple(answer.json.values())

    def status(self, answer: Answer) -> dict[str, Any]:
        """The status of a task that was accepted."""
        assert answer.status == 202, answer.text
        path = answer.json["status_check"].removeprefix("http://localhost:8001")
        found = self.call("GET", path)
        assert found.status == 200
        status: dict[str, Any] = found.json
        return status

    def overtaken_by(self, act: Callable[[], object]) -> None:
        """Have somebody else be faster than the next request, just before it first writes anything."""
        ports = self.ports

        def act_first() -> None:
            self.use(ports)
            act()

        self.use(replace(ports, table=Overtaken(cast("MemoryTable", ports.table), act_first)))

    def newest(self) -> dict[str, Any]:
        """The status of the task that was asked for last, also of one that no answer named."""
        statuses: list[dict[str, Any]] = self.call("GET", "/task").json
        return max(statuses, key=lambda status: status["start_timestamp"])

    def stored(self, answer: Answer) -> OpenverseTask:
        """The task itself."""
        task = read_task(self.ports, self.tenant_id, answer.json["task_id"])
        assert task is not None
        return task


class Overtaken:
    """A table in front of whose first transaction somebody else is faster."""

    def __init__(self, table: MemoryTable, meanwhile: Callable[[], object]) -> None:
        self.table = table
        self.meanwhile: list[Callable[[], object]] = [meanwhile]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)

    def transact(self, writes: Sequence[Write], *, token: str) -> None:
        while self.meanwhile:
            self.meanwhile.pop()()
        self.table.transact(writes, token=token)


def absent() -> tuple[bool, None, None]:
    return (False, None, None)


def told(answer: Answer) -> tuple[int, str]:
    """Status and message of a task that failed at once, which says why beside it."""
    assert set(answer.json) == {"message", "detail"}, answer.text
    return answer.status, answer.json["message"]
