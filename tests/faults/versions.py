"""Versions that are given names, gone back to, and begun anew from."""

from dataclasses import dataclass

from shoal.errors import Conflict, LimitReached, NotFound
from shoal.services.clone import clone_dataset
from shoal.services.restore import restore
from shoal.services.snapshots import create_snapshot, delete_snapshot
from shoal.services.write import Accepted
from tests.faults.life import MOST
from tests.faults.oracle import Attempt, State
from tests.faults.run import QUOTA, Doing
from tests.faults.stores import Process


@dataclass(frozen=True, slots=True)
class NameVersion:
    """The version of now gets one of three names, or loses it."""

    dataset: int
    name: int
    forget: bool = False

    def do(self, doing: Doing) -> None:
        """Name it, or forget the name."""
        dataset, name = doing.run.pick(self.dataset).dataset, f"version-{self.name}"
        if self.forget:
            doing.call(lambda process: delete_snapshot(process.ports, dataset, name), NotFound, Conflict)
        else:
            doing.call(lambda process: create_snapshot(process.ports, dataset, name), NotFound, Conflict)


@dataclass(frozen=True, slots=True)
class Restore:
    """A dataset goes back to a version that has a name: one of its own, or of a relative of it."""

    dataset: int
    name: int
    source: int

    def do(self, doing: Doing) -> None:
        """Ask for it: what it comes to is what the log says that it goes back to."""
        run = doing.run
        known, source = run.pick(self.dataset), run.pick(self.source)
        if source.dataset.hash_key != known.dataset.hash_key:
            source = known
        process = doing.start()
        attempt = Attempt(f"{self}", _as_the_log_says, process.log_keys)
        known.ledger.attempts.append(attempt)

        def send(process: Process) -> Accepted:
            return restore(
                process.ports,
                known.dataset,
                f"version-{self.name}",
                source=source.dataset,
                vector_quota=QUOTA,
            )

        told = doing.call(send, NotFound, Conflict, LimitReached, process=process)
        if told.answer is not None:
            attempt.told = told.answer.sequence
        elif told.refused:
            attempt.told = "refused"


def _as_the_log_says(_state: State, _place: int) -> dict[str, int]:
    """The ledger knows the version by the key that stands at the place."""
    return {}


@dataclass(frozen=True, slots=True)
class Clone:
    """A new dataset that begins as another one is, or was when a version was named."""

    dataset: int
    name: int | None

    def do(self, doing: Doing) -> None:
        """Clone it; whether it worked is seen afterwards."""
        run = doing.run
        if len(run.live) >= MOST:
            return
        source, name = run.pick(self.dataset).dataset, run.new_name()
        snapshot = None if self.name is None else f"version-{self.name}"
        doing.call(
            lambda process: clone_dataset(
                process.ports, source, name=name, snapshot=snapshot, vector_quota=QUOTA
            ),
            Conflict,
            NotFound,
            LimitReached,
        )
        run.adopt_clone(name, source)
