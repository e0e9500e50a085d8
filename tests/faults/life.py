"""Datasets that come and go during a run."""

from dataclasses import dataclass

from shoal.errors import Conflict, NotFound
from shoal.model.datasets import NATIVE_SCOPE
from shoal.services import datasets
from tests.faults.run import Doing

MOST = 3
"""Datasets at once: more would only be less often met."""


@dataclass(frozen=True, slots=True)
class CreateDataset:
    """A new dataset, or the name of one that was deleted."""

    again: bool = False

    def do(self, doing: Doing) -> None:
        """Create it; whether it worked is seen afterwards."""
        run = doing.run
        if len(run.live) >= MOST:
            return
        gone = [known.dataset.name for known in run.known if known.ledger.deleted]
        free = [name for name in gone if name not in {known.dataset.name for known in run.live}]
        name = free[-1] if self.again and free else run.new_name()
        doing.call(
            lambda process: datasets.create_dataset(
                process.ports,
                doing.run.stores.tenant_id,
                scope=NATIVE_SCOPE,
                name=name,
                dimension=3,
                metric=run.metric,
            ),
            Conflict,
        )
        run.adopt(name)


@dataclass(frozen=True, slots=True)
class DeleteDataset:
    """A dataset goes, with whatever is under way in it; the last one stays."""

    dataset: int

    def do(self, doing: Doing) -> None:
        """Delete it."""
        run = doing.run
        if len(run.live) < 2:
            return
        known = run.pick(self.dataset)
        doing.call(
            lambda process: datasets.delete_dataset(
                process.ports, doing.run.stores.tenant_id, scope=NATIVE_SCOPE, name=known.dataset.name
            ),
            NotFound,
        )
        known.ledger.deleted = run.head(known)["state"] != "live"
