"""Runs a state machine in this process: order, maps, retries and catches are those of its definition.

What it knows of Amazon States Language is what ours use; `definition.check` refuses the rest. It never sleeps, and
does the same thing every time.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from shoal.errors import StorageError
from shoal.storage.ports import ObjectStore, Ports
from tests.workflow.choices import chosen
from tests.workflow.data import at, filled, placed, sent
from tests.workflow.definition import States
from tests.workflow.faults import MAP_FAILED, READER_FAILED, Retries, StateFailed, failure_of, matches

type Invoke = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Calls the function of that name with a payload. What it raises fails the task, `SimulatedCrash` as a death."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One attempt at a state: `item` is its place in the map, `error` what it failed with."""

    state: str
    item: int | None
    attempt: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """How it ended. `visits` are all attempts at tasks and maps, those of a map's items before its own."""

    status: str
    output: Any
    error: str | None
    cause: str | None
    visits: tuple[Visit, ...]

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return self.status == "SUCCEEDED"


@dataclass(slots=True)
class Runner:
    """What a run needs beside its definition.

    `pool` runs the items of maps, all at once; they and `invoke` must then be able to go to its processes. `wait`
    is told the seconds before each retry, and those that a state waits.
    """

    objects: ObjectStore
    invoke: Invoke
    pool: Executor | None = None
    wait: Callable[[float], None] | None = None
    visits: list[Visit] = field(default_factory=list)

    def run(self, machine: States, given: Mapping[str, Any], context: Mapping[str, Any]) -> Execution:
        """Run a machine from its first state to its last."""
        try:
            output = self.through(machine, sent(given), context)
        except StateFailed as failed:
            return Execution("FAILED", None, failed.error, failed.cause, tuple(self.visits))
        return Execution("SUCCEEDED", output, None, None, tuple(self.visits))

    def through(self, machine: States, given: Any, context: Mapping[str, Any]) -> Any:
        """The output of the last state.

        Raises:
            StateFailed: nothing caught it.
        """
        name: str | None = machine["StartAt"]
        while name is not None:
            name, given = self._state(name, machine["States"][name], given, context)
        return given

    def _state(
        self, name: str, state: Mapping[str, Any], given: Any, context: Mapping[str, Any]
    ) -> tuple[str | None, Any]:
        """The next state's name and input."""
        if state["Type"] == "Fail":
            error, cause = (
                str(state.get(what) or at(state.get(f"{what}Path", "$"), given, context))
                for what in ("Error", "Cause")
            )
            raise StateFailed(error, cause)
        seen = at(state.get("InputPath", "$"), given, context)
        if state["Type"] == "Choice":
            return chosen(state, seen), at(state.get("OutputPath", "$"), seen, context)
        if state["Type"] == "Wait":
            if self.wait is not None:
                told = at(state["SecondsPath"], seen, context) if "SecondsPath" in state else state["Seconds"]
                self.wait(float(told))
            return state.get("Next"), at(state.get("OutputPath", "$"), seen, context)
        try:
            result = self._attempts(name, state, seen, context)
        except StateFailed as failed:
            for catcher in state.get("Catch", ()):
                if matches(catcher["ErrorEquals"], failed.error):
                    told = {"Error": failed.error, "Cause": failed.cause}
                    return catcher["Next"], placed(catcher.get("ResultPath", "$"), told, given)
            raise
        whole, path = placed(state.get("ResultPath", "$"), result, given), state.get("OutputPath", "$")
        output = {} if path is None else at(path, whole, context)
        return state.get("Next"), sent(output)

    def _attempts(self, name: str, state: Mapping[str, Any], given: Any, context: Mapping[str, Any]) -> Any:
        """The state's result, after as many attempts as it is allowed."""
        if state["Type"] in ("Pass", "Succeed"):
            return state.get(
                "Result", filled(state["Parameters"], given, context) if "Parameters" in state else given
            )
        work = self._map if state["Type"] == "Map" else self._task
        retries = Retries(state.get("Retry", ()))
        place = context["Map"]["Item"]["Index"] if "Map" in context else None
        attempt = 0
        while True:
            attempt += 1
            try:
                result = work(state, given, context)
            except StateFailed as failed:
                self.visits.append(Visit(name, place, attempt, failed.error))
                seconds = retries.seconds_before_next(failed.error)
                if seconds is None:
                    raise
                if self.wait is not None:
                    self.wait(seconds)
            else:
                self.visits.append(Visit(name, place, attempt))
                return (
                    filled(state["ResultSelector"], result, context) if "ResultSelector" in state else result
                )

    def _task(self, state: Mapping[str, Any], given: Any, context: Mapping[str, Any]) -> Any:
        asked = sent(filled(state["Parameters"], given, context))
        try:
            payload = sent(dict(self.invoke(asked["FunctionName"], asked.get("Payload", {}))))
        except BaseException as raised:
            if isinstance(raised, KeyboardInterrupt | SystemExit):
                raise
            raise failure_of(raised) from raised
        return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": payload}

    def _map(self, state: Mapping[str, Any], given: Any, context: Mapping[str, Any]) -> list[Any]:
        key = str(filled(state["ItemReader"]["Parameters"], given, context)["Key"])
        try:
            lines = self.objects.get(key).splitlines()
        except StorageError as error:
            raise StateFailed(READER_FAILED, str(error)) from error
        contexts = [
            {**context, "Map": {"Item": {"Index": place, "Value": json.loads(line)}}}
            for place, line in enumerate(lines)
        ]
        selector = state.get("ItemSelector")
        inputs = [
            sent(filled(selector, given, each) if selector is not None else each["Map"]["Item"]["Value"])
            for each in contexts
        ]
        ended = self._items(state["ItemProcessor"], inputs, contexts)
        failed = next((execution for execution in ended if not execution.succeeded), None)
        if failed is not None:
            raise StateFailed(MAP_FAILED, f"{failed.error}: {failed.cause}")
        return sent([execution.output for execution in ended])  # type: ignore[no-any-return] # a list goes in

    def _items(
        self, processor: States, inputs: Sequence[Any], contexts: Sequence[Mapping[str, Any]]
    ) -> list[Execution]:
        """The executions of all items in order; without a pool, those before the first that fails."""
        if self.pool is not None:
            futures = [
                self.pool.submit(_item, self.objects, self.invoke, processor, given, context)
                for given, context in zip(inputs, contexts, strict=True)
            ]
            ended = [future.result() for future in futures]
            self.visits += [visit for execution in ended for visit in execution.visits]
            return ended
        ended = []
        for given, context in zip(inputs, contexts, strict=True):
            item = Runner(self.objects, self.invoke, wait=self.wait)
            ended.append(item.run(processor, given, context))
            self.visits += item.visits
            if not ended[-1].succeeded:
                break
        return ended


def _item(
    objects: ObjectStore, invoke: Invoke, processor: States, given: Any, context: Mapping[str, Any]
) -> Execution:
    """One item of a map, in a process of the pool."""
    return Runner(objects, invoke).run(processor, given, context)


def run_workflow(
    definition: States,
    ports: Ports,
    invoke: Invoke,
    given: Mapping[str, Any],
    *,
    map_pool: Executor | None = None,
    wait: Callable[[float], None] | None = None,
) -> Execution:
    """Run a state machine to its end.

    Args:
        definition: of `definition.read_definition`.
        ports: whose objects hold the items of maps.
        invoke: calls functions, as `steps.in_process` does.
        given: the execution's input.
        map_pool: runs the items of maps at once; without it they run one after the other, up to one that fails.
        wait: told the seconds before each retry; nobody sleeps.
    """
    return Runner(ports.objects, invoke, map_pool, wait).run(definition, given, {})
