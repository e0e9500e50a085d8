"""The workflows of imports and compactions: each goes on one call of a function at a time, when a run says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shoal.errors import ImportRejected, ImportStopped, NotFound, RunStopped, StorageBusy, TryAgain
from shoal.services.compaction.finish import commit_with as compaction_commit_with
from shoal.services.compaction.plan import plan_with
from shoal.services.imports.finish import commit_with, handle_failure
from shoal.services.imports.settle import settle_with
from shoal.services.imports.steps import run_step
from shoal.storage.memory.faults import SimulatedCrash
from shoal.storage.ports import Ports
from tests.faults.run import Doing, Run
from tests.faults.stepwise import Stepwise
from tests.workflow.machine import Invoke
from tests.workflow.steps import call_compaction, compaction_definition, import_definition, steps_of

DEFINITIONS: Final = {"imports": import_definition(), "compactions": compaction_definition()}
CELL_WORLD_BYTES: Final = 3 * 4 * 6
"""Bytes of vectors up to which a dataset stays one shard, in worlds of cells: six rows."""
_PIECE_BYTES: Final = 500
_EXPECTED: Final = (RunStopped, ImportStopped, ImportRejected, StorageBusy, TryAgain, NotFound)


@dataclass(frozen=True, slots=True)
class Advance:
    """A workflow makes some calls of functions, each a process of its own."""

    number: int
    calls: int = 1

    def do(self, doing: Doing) -> None:
        """Let it go on."""
        running = workflows_at_work(doing.run)
        for _ in range(self.calls if running else 0):
            advance(doing, running[self.number % len(running)])


def workflows_at_work(run: Run) -> list[str]:
    """The executions that have not ended. Those that were started since are made; what takes too long ends."""
    running = []
    for kind, definition in DEFINITIONS.items():
        port = run.stores.workflows[kind]
        for name, given in port.started.items():
            if name not in run.workflows:
                run.workflows[name] = Stepwise(definition, run.stores.objects, given, run.stores.clock)
            late = run.stores.clock() > run.workflows[name].began_at + definition["TimeoutSeconds"]
            if port.status(name) == "RUNNING" and late:
                port.end(name, "TIMED_OUT")
            if port.status(name) == "RUNNING":
                running.append(name)
    return running


def advance(doing: Doing, name: str) -> None:
    """One call of a function by a workflow."""
    run = doing.run
    port = run.stores.workflows["imports" if name.startswith("imp_") else "compactions"]
    if port.status(name) != "RUNNING":
        return
    run.workflows[name].advance(calling(doing))
    ended = run.workflows[name].ended
    if ended is not None and port.status(name) == "RUNNING":
        port.end(name, ended.status)


def calling(doing: Doing) -> Invoke:
    """Calls functions, each in a new process; what none may raise is remembered."""

    def invoke(function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        ports = doing.start().ports
        try:
            if function == "compaction":
                return _call_compaction(ports, payload, in_cells=doing.run.in_cells)
            return _call_import(ports, function, payload, in_cells=doing.run.in_cells)
        except (SimulatedCrash, *_EXPECTED):
            raise
        except Exception as error:
            doing.run.unexpected.append(error)
            raise

    return invoke


def _call_import(
    ports: Ports, function: str, payload: Mapping[str, Any], *, in_cells: bool
) -> Mapping[str, Any]:
    if payload["step"] == "fail":
        return handle_failure(ports, payload)
    others = {"settle": settle_with(0)} if in_cells else {}
    return run_step(ports, payload, {**steps_of(function), **others, "commit": commit_with(0.0)})


def _call_compaction(ports: Ports, payload: Mapping[str, Any], *, in_cells: bool) -> Mapping[str, Any]:
    plan = {"plan": plan_with(CELL_WORLD_BYTES, _PIECE_BYTES)} if in_cells else {}
    return call_compaction(ports, payload, {**plan, "commit": compaction_commit_with(15.0)})
