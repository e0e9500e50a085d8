"""What the functions behind the API do, by hand: lines of tasks, logs of datasets, workflows of reindexes."""

from collections.abc import Mapping
from typing import Any

from shoal.model.bindings import Family
from shoal.services.commit import drain
from shoal.services.imports.steps import run_step
from shoal.services.reindex.deploying import deploy_step
from shoal.services.reindex.embed import embed_with
from shoal.services.reindex.failing import handle_failure
from shoal.services.reindex.plan import plan_with
from shoal.services.tasks.worker import work
from shoal.storage.memory import MemoryQueue
from tests.unit.http.api import Api
from tests.workflow import steps
from tests.workflow.machine import Runner

BUDGET_SECONDS = 100.0
_ROUNDS = 100


class Pump:
    """Does what is due in a deployment in memory, of all its tenants. While a step waits, logs are applied."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._turns = 0

    def run(self) -> None:
        """Do all that is due, and what becomes due by that."""
        for _ in range(_ROUNDS):
            if not (self.tasks() or self.logs() or self.reindexes()):
                return
        raise AssertionError("there is always something due")

    def tasks(self) -> bool:
        """Have the lines done that were woken; whether there was any."""
        woken = {(message["tenant_id"], message["family"]) for message in taken(self._api.tasks)}
        for tenant_id, family in sorted(woken):
            work(
                self._api.ports,
                self._api.embedder,
                tenant_id,
                Family(family),
                owner=self._owner(),
                budget_seconds=BUDGET_SECONDS,
                pause=self._pause,
                threads=1,
            )
        return bool(woken)

    def logs(self) -> bool:
        """Have the logs applied that were written to; whether there was any."""
        wakeups = self._api.ports.wakeups
        assert isinstance(wakeups, MemoryQueue)
        woken = {(message["tenant_id"], message["dataset_id"]) for message in taken(wakeups)}
        for tenant_id, dataset_id in sorted(woken):
            drain(self._api.ports, tenant_id, dataset_id, owner=self._owner())
        return bool(woken)

    def reindexes(self) -> bool:
        """Run the workflows of reindexes that were started; whether there was any."""
        port = self._api.reindexes
        running = [name for name, status in port.statuses.items() if status == "RUNNING"]
        for name in running:
            runner = Runner(self._api.ports.objects, self._step)
            ended = runner.run(steps.reindex_definition(), port.started[name], {"Execution": {"Name": name}})
            port.end(name, ended.status)
        return bool(running)

    def _step(self, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        if function != "reindex":
            return steps.call(self._api.ports, function, payload)
        ports, embedder = self._api.ports, self._api.embedder
        match payload["step"]:
            case "fail":
                return handle_failure(ports, payload, seconds=BUDGET_SECONDS, pause=self._pause)
            case "deploy":
                return deploy_step(ports, payload["import_id"], seconds=BUDGET_SECONDS, pause=self._pause)
            case _:
                plan = plan_with(embedder.registry, seconds=BUDGET_SECONDS, pause=self._pause)
                return run_step(ports, payload, {"plan": plan, "embed": embed_with(embedder)})

    def _pause(self, seconds: float) -> None:
        self._api.clock.now += seconds
        self.logs()

    def _owner(self) -> str:
        self._turns += 1
        return f"pump-{self._turns}"


def taken(queue: MemoryQueue) -> list[Mapping[str, str]]:
    """What waits in a queue and is visible, taken out of it."""
    found = []
    while received := queue.receive():
        for each in received:
            queue.delete(each.receipt)
            found.append(each.message)
    return found
