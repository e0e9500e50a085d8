"""The functions that nobody asks for an answer: indexer, builder, sweep, and time that passes between them."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shoal.model.limits import ONE_SHARD_BYTES
from shoal.services.build import build_resident
from shoal.services.commit import drain
from shoal.services.compaction.look_after import look_after
from shoal.services.imports.reconcile import reconcile_imports
from shoal.services.janitor.run import run_janitor
from shoal.services.sweep import sweep
from shoal.services.wake import THOROUGH
from shoal.storage.memory import MemoryQueue
from shoal.storage.ports import Ports
from tests.faults.run import Doing, Run
from tests.faults.workflows import CELL_WORLD_BYTES


def deliver(
    doing: Doing,
    queue: MemoryQueue,
    work: Callable[[Ports, Mapping[str, str]], object],
    *,
    order: int,
    most: int,
) -> None:
    """Hand some of the messages that are due to a function, in an order of their own; those it dies over come
    again.
    """
    received = queue.receive()
    random.Random(order).shuffle(received)
    for number, message in enumerate(received):
        if number >= most:
            queue.release(message.receipt)
            continue
        about = message.message
        told = doing.call(lambda process, about=about: work(process.ports, about))  # type: ignore[misc]
        if told.done:
            queue.delete(message.receipt)


@dataclass(frozen=True, slots=True)
class DeliverWakeups:
    """The indexer gets messages."""

    order: int = 0
    most: int = 3

    def do(self, doing: Doing) -> None:
        """Deliver them."""
        deliver(
            doing,
            doing.run.stores.wakeups,
            lambda ports, about: drain(ports, about["tenant_id"], about["dataset_id"], owner="indexer"),
            order=self.order,
            most=self.most,
        )


@dataclass(frozen=True, slots=True)
class DeliverBuilds:
    """The builder gets messages."""

    order: int = 0
    most: int = 2

    def do(self, doing: Doing) -> None:
        """Deliver them."""
        limit = one_shard_bytes(doing.run)

        def work(ports: Ports, about: Mapping[str, str]) -> None:
            tenant_id, dataset_id, thorough = about["tenant_id"], about["dataset_id"], THOROUGH in about
            look_after(
                ports, tenant_id, dataset_id, owner="builder", thorough=thorough, one_shard_bytes=limit
            )

        deliver(doing, doing.run.stores.builds, work, order=self.order, most=self.most)


def one_shard_bytes(run: Run) -> int:
    """Up to how many bytes of vectors a dataset stays one shard in this world."""
    return CELL_WORLD_BYTES if run.in_cells else ONE_SHARD_BYTES


@dataclass(frozen=True, slots=True)
class Compact:
    """Somebody asks for a compaction, however little is to be gained: the builder builds, or starts one."""

    dataset: int

    def do(self, doing: Doing) -> None:
        """Ask the builder."""
        dataset, limit = doing.run.pick(self.dataset).dataset, one_shard_bytes(doing.run)
        doing.call(
            lambda process: look_after(
                process.ports,
                dataset.tenant_id,
                dataset.dataset_id,
                owner="builder",
                thorough=True,
                one_shard_bytes=limit,
            )
        )


@dataclass(frozen=True, slots=True)
class Clean:
    """The janitor's schedule, perhaps after days. What it leaves is read again, from storage alone."""

    after_seconds: float = 0.0

    def do(self, doing: Doing) -> None:
        """Let it clean."""
        doing.run.stores.clock.pass_seconds(self.after_seconds)
        doing.call(lambda process: run_janitor(process.ports))
        for known in doing.run.known:
            known.checked = -1
        doing.run.stores.searcher = doing.run.stores.new_searcher()


@dataclass(frozen=True, slots=True)
class Commit:
    """An indexer that comes without a message."""

    dataset: int

    def do(self, doing: Doing) -> None:
        """Drain the log."""
        dataset = doing.run.pick(self.dataset).dataset
        doing.call(
            lambda process: drain(process.ports, dataset.tenant_id, dataset.dataset_id, owner="indexer")
        )


@dataclass(frozen=True, slots=True)
class Build:
    """A builder that builds, however little there is."""

    dataset: int

    def do(self, doing: Doing) -> None:
        """Build."""
        dataset = doing.run.pick(self.dataset).dataset
        doing.call(
            lambda process: build_resident(
                process.ports, dataset.tenant_id, dataset.dataset_id, owner="builder", even_if_small=True
            )
        )


@dataclass(frozen=True, slots=True)
class Sweep:
    """The sweep's schedule."""

    def do(self, doing: Doing) -> None:
        """Sweep."""

        def both(ports: Ports) -> None:
            reconcile_imports(ports)
            sweep(ports)

        doing.call(lambda process: both(process.ports))


@dataclass(frozen=True, slots=True)
class Pass:
    """Nothing happens for a while."""

    seconds: float

    def do(self, doing: Doing) -> None:
        """Let the clock run."""
        doing.run.stores.clock.pass_seconds(self.seconds)
