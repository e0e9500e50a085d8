"""A workflow that goes on one function call at a time, when it is told to."""

import threading
from collections.abc import Mapping
from typing import Any

from shoal.storage.ports import ObjectStore
from tests.unit.services.world import Clock
from tests.workflow.definition import States
from tests.workflow.machine import Execution, Invoke, Runner


class Abandoned(SystemExit):
    """The run is over, and the workflow with it."""


class Stepwise:
    """One execution. Its states run in a thread of their own, but only while `advance` waits for them."""

    def __init__(
        self, definition: States, objects: ObjectStore, given: Mapping[str, Any], clock: Clock
    ) -> None:
        self.ended: Execution | None = None
        self.began_at = clock()
        self._failed: BaseException | None = None
        self._invoke_with: Invoke | None = None
        self._in_call = False
        self._go = threading.Semaphore(0)
        self._paused = threading.Semaphore(0)
        self._clock = clock
        self._runner = Runner(objects, self._invoke, wait=clock.pass_seconds)
        self._thread = threading.Thread(target=self._run, args=(definition, dict(given)), daemon=True)
        self._thread.start()
        self._paused.acquire()  # at its first call of a function

    def advance(self, invoke: Invoke) -> None:
        """Let it make one call of a function; nothing happens once it has ended, or while it is in a call."""
        if self.ended is not None or self._failed is not None or self._in_call:
            return
        self._in_call = True
        self._invoke_with = invoke
        self._go.release()
        self._paused.acquire()
        self._in_call = False
        if self._failed is not None:
            raise self._failed

    def abandon(self) -> None:
        """Leave it where it is."""
        self._invoke_with = None
        self._go.release()
        self._thread.join(10)

    def _invoke(self, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        self._paused.release()
        self._go.acquire()
        if self._invoke_with is None:
            raise Abandoned
        return self._invoke_with(function, payload)

    def _run(self, definition: States, given: Mapping[str, Any]) -> None:
        try:
            self.ended = self._runner.run(definition, given, {})
        except Abandoned:
            return
        except BaseException as error:  # noqa: BLE001 - raised again by `advance`
            self._failed = error
        self._paused.release()
