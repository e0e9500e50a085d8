"""Imports that are cancelled, or lose their dataset, before or after any step of their workflow."""

import gzip
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from shoal.errors import Conflict, ImportStopped
from shoal.model.datasets import Dataset
from shoal.model.imports import Import, ImportStatus
from shoal.services.datasets import delete_dataset
from shoal.services.imports.lifecycle import cancel_import, get_import
from shoal.services.imports.lookup import find_import
from shoal.services.imports.reconcile import reconcile_imports
from tests.unit.services.imports.test_bad_input import GOOD, a_world, check_untouched, run, started
from tests.unit.services.imports.test_whole import LAYOUTS, execute
from tests.unit.services.world import World, used


class Interrupted:
    """An `invoke` that lets somebody act right before, or right after, the `number`-th call of a step."""

    def __init__(self, world: World, invoke: Any, number: int, act: Callable[[], object], when: str) -> None:
        self._world, self._invoke, self._number, self._act = world, invoke, number, act
        self._when = when
        self.steps: list[str] = []
        self.acted_at: str | None = None
        self.done_later: list[str] = []

    def __call__(self, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do the step."""
        step = str(payload["step"])
        mine = len(self.steps) == self._number
        self.steps.append(step)
        if mine and self._when == "before":
            self._do(step)
        answer: Mapping[str, Any] = self._invoke(self._world.ports, function, payload)
        if self.acted_at and step != "fail":
            self.done_later.append(step)
        if mine and self._when == "after":
            self._do(step)
        return answer

    def _do(self, step: str) -> None:
        self.acted_at = step
        self._act()


@LAYOUTS
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cancellation_at_every_stage_leaves_nothing(invoke: Any, when: str) -> None:
    reached: set[str] = set()
    for number in range(100):
        world, dataset = a_world()
        job = started(world, dataset, gzip.compress(GOOD))
        refused: list[Conflict] = []

        def cancel(world: World = world, dataset: Dataset = dataset, job: Import = job) -> None:
            try:
                cancel_import(world.ports, dataset, job.import_id)
            except Conflict as conflict:
                refused.append(conflict)  # noqa: B023 - called within this round only

        interrupted = Interrupted(world, invoke, number, cancel, when)
        execution = execute(world, job, interrupted)
        if interrupted.acted_at is None:
            break
        assert execution.succeeded, execution
        reached.add(interrupted.acted_at)
        ended = get_import(world.ports, dataset, job.import_id)
        if interrupted.acted_at == "commit" and when == "after":
            assert [conflict.code for conflict in refused] == ["import_not_cancellable"]
            assert ended.status is ImportStatus.COMPLETED
            assert world.head(dataset).row_count == 21
            continue
        assert (ended.status, ended.error_message) == (ImportStatus.FAILED, "cancelled")
        assert interrupted.done_later == [], interrupted.acted_at
        assert world.imports.status(job.import_id) == "ABORTED"
        check_untouched(world, dataset)
        again = started(world, dataset, GOOD)
        assert run(world, again).succeeded
        assert world.head(dataset).row_count == 21
    assert {"inspect", "unpack", "plan", "validate", "settle", "commit"} < reached


@LAYOUTS
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_deletion_of_the_dataset_at_every_stage_leaves_nothing(invoke: Any, when: str) -> None:
    for number in range(100):
        world, dataset = a_world()
        job = started(world, dataset, GOOD)

        def delete(world: World = world, dataset: Dataset = dataset) -> None:
            delete_dataset(world.ports, world.tenant_id, scope=dataset.scope, name=dataset.name)

        interrupted = Interrupted(world, invoke, number, delete, when)
        with suppress(ImportStopped):
            execution = execute(world, job, interrupted)
            assert execution.succeeded, (interrupted.acted_at, execution)
        if interrupted.acted_at is None:
            assert number > 5
            return
        assert interrupted.done_later == [], interrupted.acted_at
        world.clock.pass_seconds(1000)
        reconcile_imports(world.ports)
        ended = find_import(world.ports, job.import_id)
        assert ended is not None
        if interrupted.acted_at == "commit" and when == "after":
            assert ended.status is ImportStatus.COMPLETED
        else:
            assert (ended.status, ended.error_message) == (
                ImportStatus.FAILED,
                "the dataset has been deleted",
            ), interrupted.acted_at
        assert used(world) == 0, interrupted.acted_at
        fresh = world.create()
        assert (world.head(fresh).row_count, world.head(fresh).open_imports) == (0, 0)
        assert world.stored(fresh, ["there", "n0"]) == {}
