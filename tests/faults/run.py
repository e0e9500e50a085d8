"""One run: a world, what was done to it step by step, and what must be true of it after each."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from shoal.errors import RequestError, ShoalError, StorageBusy, TryAgain
from shoal.model import manifests
from shoal.model.datasets import NATIVE_SCOPE, Dataset, Metric
from shoal.services import datasets
from shoal.services.tenants import create_tenant
from shoal.storage.memory.faults import Faults, Schedule, SimulatedCrash
from tests.faults.deterministic import deterministic
from tests.faults.luck import Luck
from tests.faults.oracle import Ledger, State
from tests.faults.stepwise import Stepwise
from tests.faults.stores import Process, Stores

QUOTA = 1_000_000


@dataclass(slots=True)
class Known:
    """A dataset that the run knows of. `checked` is the version of it that was read last."""

    dataset: Dataset
    ledger: Ledger
    checked: int = -1


@dataclass(slots=True)
class Told[Answer]:
    """What became of a call: `answer` where it ended well; `refused` where it says that nothing was done."""

    answer: Answer | None = None
    done: bool = False
    refused: bool = False


@dataclass(slots=True)
class Doing:
    """One operation at work: it starts its processes here. `turns` makes them wait for their turn."""

    run: "Run"
    luck: Luck
    turns: Callable[[Schedule], Schedule] | None = None
    started: list[Process] = field(default_factory=list)

    def start(self) -> Process:
        """A new process with the operation's luck."""
        schedule = self.luck.of_process(len(self.started))
        if self.turns is not None:
            schedule = self.turns(schedule)
        process = self.run.stores.process(Faults(schedule, late_seconds=90, stale_writes=3))
        self.started.append(process)
        return process

    def call[Answer](
        self, work: Callable[[Process], Answer], *refusals: type[RequestError], process: Process | None = None
    ) -> Told[Answer]:
        """Let a process do something; what it raises that none may is remembered, and ends the run.

        Args:
            work: what to do.
            refusals: errors by which it may say that nothing was done.
            process: which; a new one unless given.
        """
        process = process or self.start()
        try:
            return Told(work(process), done=True)
        except SimulatedCrash:
            return Told()
        except TryAgain as error:
            # One of a kind of its own says that even that is not known: the place could not be closed.
            return Told(refused=type(error) is TryAgain)
        except StorageBusy:
            return Told()
        except refusals:
            return Told(refused=True)
        except Exception as error:  # noqa: BLE001 - any other one is a finding
            self.run.unexpected.append(error)
            return Told()


class Run:
    """A world under faults.

    Args:
        seed: of names, of jitter, and of the first dataset's metric.
        in_cells: whether imports become cells, however small.
    """

    def __init__(self, seed: int, *, in_cells: bool | None = None) -> None:
        self.stores = Stores()
        self._exit = ExitStack()
        self._exit.enter_context(deterministic(self.stores.clock, seed))
        self.in_cells = bool(seed // 3 % 2) if in_cells is None else in_cells
        self.metric = list(Metric)[seed % 3]
        self.known: list[Known] = []
        self.imports: list[str] = []
        self.events: list[tuple[float, str]] = []
        self.workflows: dict[str, Stepwise] = {}
        self.unexpected: list[Exception] = []
        self.injected: Counter[str] = Counter()
        self.steps = 0
        self.answers: Counter[str] = Counter()
        self.made = 0
        self.stores.tenant_id = create_tenant(self.stores.ports, name="tenant").tenant_id
        self.adopt(self.new_name(), create=True)

    def close(self) -> None:
        """Let go of everything."""
        for workflow in self.workflows.values():
            workflow.abandon()
        self._exit.close()

    # --- datasets

    @property
    def live(self) -> list[Known]:
        """The datasets that have not been deleted."""
        return [known for known in self.known if not known.ledger.deleted]

    def pick(self, number: int) -> Known:
        """One of the live datasets; there is always one."""
        return self.live[number % len(self.live)]

    def new_name(self) -> str:
        """A name for a dataset."""
        self.made += 1
        return f"set-{self.made}"

    def adopt(self, name: str, *, create: bool = False) -> Known | None:
        """Know the dataset of that name, if it is there by now."""
        ports, tenant_id = self.stores.ports, self.stores.tenant_id
        try:
            if create:
                datasets.create_dataset(
                    ports, tenant_id, scope=NATIVE_SCOPE, name=name, dimension=3, metric=self.metric
                )
            found = datasets.resolve(ports, tenant_id, scope=NATIVE_SCOPE, name=name)
        except ShoalError:
            return None
        if any(known.dataset.dataset_id == found.dataset_id for known in self.known):
            return None
        known = Known(found, Ledger(found, rows_of=lambda key: self.state_of(key).rows))
        self.known.append(known)
        return known

    def adopt_clone(self, name: str, source: Dataset) -> None:
        """Know a clone, if it is there by now: it begins as what it was made of."""
        clone = self.adopt(name)
        if clone is None:
            return
        head = self.head(clone)
        (origin,) = (known for known in self.known if known.dataset.dataset_id == source.dataset_id)
        watermark = int(head["watermark"])
        origin.ledger.read(self.stores.jobs(origin.dataset))
        clone.ledger.base = origin.ledger.at(watermark)
        clone.ledger.first = watermark + 1

    def state_of(self, manifest: str) -> State:
        """What the version whose root has that key must hold."""
        root = manifests.decode(self.stores.objects.get(manifest))
        (known,) = (known for known in self.known if known.dataset.dataset_id == root.dataset_id)
        return known.ledger.at(root.watermark)

    def count(self, doing: Doing) -> None:
        """Add up what was injected."""
        for process in doing.started:
            self.injected.update(str(fault) for _, fault in process.faults.log)

    def head(self, known: Known) -> dict[str, Any]:
        """HEAD as stored."""
        dataset = known.dataset
        page = self.stores.table.query(f"D#{dataset.tenant_id}#{dataset.dataset_id}", prefix="HEAD")
        return dict(page.items[0])
