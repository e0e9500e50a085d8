"""Two processes at work at once: a given order says at each call to storage whose call is next."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from shoal.storage.memory.faults import Call, Fault, Schedule

PATIENCE_SECONDS = 60


class Turns:
    """Lets one of two processes run at a time, until its next call. When the order is used up they alternate."""

    def __init__(self, order: Sequence[int]) -> None:
        self._order = deque(order)
        self._running = self._order.popleft() if self._order else 0
        self._done: set[int] = set()
        self._changed = threading.Condition()

    def taking(self, me: int, luck: Schedule) -> Schedule:
        """The luck of a process that waits for its turn before each call."""

        def at_call(call: Call) -> Fault | None:
            self.wait(me)
            return luck(call)

        return at_call

    def wait(self, me: int) -> None:
        """Hand on, and wait until it is our turn again."""
        with self._changed:
            if self._running == me:
                self._hand_on()
            assert self._changed.wait_for(lambda: self._running == me, PATIENCE_SECONDS), "nobody hands on"

    def finish(self, me: int) -> None:
        """Leave the rest to the other."""
        with self._changed:
            self._done.add(me)
            if self._running == me:
                self._hand_on()

    def _hand_on(self) -> None:
        following = self._order.popleft() if self._order else 1 - self._running
        self._running = following if following not in self._done else 1 - following
        self._changed.notify_all()


def both(turns: Turns, first: Callable[[], object], second: Callable[[], object]) -> None:
    """Run both to their end; raises what either raised."""
    errors: list[BaseException] = []

    def run(me: int, work: Callable[[], object]) -> None:
        try:
            turns.wait(me)
            work()
        except BaseException as error:  # noqa: BLE001 - raised again where the run can see it
            errors.append(error)
        finally:
            turns.finish(me)

    threads = [threading.Thread(target=run, args=(me, work)) for me, work in enumerate((first, second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error
