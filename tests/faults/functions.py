"""The functions that nobody asks for an answer: indexer, builder, sweep, and time that passes between them."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from shoal.services.build import build_resident
from shoal.services.commit import drain
from shoal.services.imports.reconcile import reconcile_imports
from shoal.services.sweep import sweep
from shoal.storage.memory import MemoryQueue
from shoal.storage.ports import Ports
from tests.faults.run import Doing


def deliver(
    doing: Doing, queue: MemoryQueue, work: Callable[[Ports, str, str], object], *, order: int, most: int
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
        of = message.message
        told = doing.call(lambda process, of=of: work(process.ports, of["tenant_id"], of["dataset_id"]))  # type: ignore[misc]
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
            lambda ports, tenant, dataset: drain(ports, tenant, dataset, owner="indexer"),
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
        deliver(
            doing,
            doing.run.stores.builds,
            lambda ports, tenant, dataset: build_resident(ports, tenant, dataset, owner="builder"),
            order=self.order,
            most=self.most,
        )


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
