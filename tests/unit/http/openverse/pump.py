"""What the functions behind the API do, by hand: logs of datasets, workflows of derivations and of tasks."""

from collections.abc import Mapping
from typing import Any

from functions.ingestion.handler import FAIL, answer
from shoal.services.commit import drain
from shoal.services.derived.plan import plan_with
from shoal.services.derived.settle import settle_with
from shoal.services.openverse.ending import handle_failure
from shoal.services.openverse.work import step
from shoal.services.parts import PartReader
from shoal.storage.memory import MemoryQueue, MemoryWorkflows
from tests.unit.http.api import Api
from tests.unit.http.studio.pump import taken
from tests.unit.services.openverse import world
from tests.workflow import steps
from tests.workflow.definition import States
from tests.workflow.machine import Invoke, Runner

BUDGET_SECONDS = 100.0
_ROUNDS = 100


class Pump:
    """Does what is due in a deployment in memory, of all its tenants. While a workflow waits, so do the others."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def run(self) -> None:
        """Do all that is due, and what becomes due by that."""
        for _ in range(_ROUNDS):
            if not (self._logs() or self._derivations() or self._tasks()):
                return
        raise AssertionError("there is always something due")

    def _logs(self) -> bool:
        wakeups = self._api.ports.wakeups
        assert isinstance(wakeups, MemoryQueue)
        woken = {(message["tenant_id"], message["dataset_id"]) for message in taken(wakeups)}
        for tenant_id, dataset_id in sorted(woken):
            drain(self._api.ports, tenant_id, dataset_id, owner="pump")
        return bool(woken)

    def _derivations(self) -> bool:
        return self._run(self._api.derivations, steps.derivation_definition(), self._derive)

    def _tasks(self) -> bool:
        return self._run(self._api.ingestions, world.definition(), self._work)

    def _run(self, port: MemoryWorkflows, definition: States, invoke: Invoke) -> bool:
        """Run the executions that were started; whether there was any."""
        running = [name for name, status in port.statuses.items() if status == "RUNNING"]
        for name in running:
            runner = Runner(self._api.ports.objects, invoke, wait=self._wait)
            ended = runner.run(definition, port.started[name], {"Execution": {"Name": name}})
            port.end(name, ended.status)
        return bool(running)

    def _derive(self, _: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        at_once = {
            "plan": plan_with(seconds=0.0, pause=self._wait),
            "settle": settle_with(seconds=0.0, pause=self._wait),
        }
        return steps.call_derivation(self._api.ports, payload, at_once)

    def _work(self, _: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        ports = self._api.ports
        if payload["step"] == FAIL:
            return handle_failure(ports, payload)
        done = step(
            ports,
            lambda: PartReader(ports.objects, cache_bytes=1 << 24),
            tenant_id=str(payload["tenant_id"]),
            task_id=str(payload["task_id"]),
            budget_seconds=BUDGET_SECONDS,
        )
        return answer(done)

    def _wait(self, seconds: float) -> None:
        self._api.clock.now += seconds
        while self._logs() or self._derivations():
            pass
