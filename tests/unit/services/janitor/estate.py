"""A tenant with everything that keeps objects alive, and what must be true of it whatever the janitor does."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, cast

from shoal.errors import ObjectMissing
from shoal.model.datasets import Dataset
from shoal.model.limits import GARBAGE_SECONDS, MANIFEST_KEPT_SECONDS
from shoal.services.clone import clone_dataset
from shoal.services.datasets import delete_dataset
from shoal.services.janitor.run import Report, run_janitor
from shoal.services.parts import PartReader
from shoal.services.restore import restore
from shoal.services.roots import read_root
from shoal.services.snapshot import Snapshot
from shoal.services.snapshots import create_snapshot, delete_snapshot, list_snapshots
from shoal.services.tenants import create_tenant
from shoal.storage.keys import TenantKeys
from shoal.storage.ports import Ports
from tests.unit.services.imports.small import begun, finished, validated
from tests.unit.services.world import Record, World, record

DAY = 86_400.0
LONG = GARBAGE_SECONDS + 2 * DAY

type State = dict[str, Record]


class Between:
    """A port of a process between whose calls something else happens, at call number `place`."""

    def __init__(self, inner: object, calls: "Calls") -> None:
        self._inner = inner
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._inner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._calls.count()
            return attribute(*args, **kwargs)

        return call


@dataclass
class Calls:
    """Counts calls, and does something at one of them."""

    place: int
    act: Callable[[], None]
    made: int = 0
    _lock: Lock = field(default_factory=Lock)

    def count(self) -> None:
        with self._lock:
            self.made += 1
            due = self.made == self.place
        if due:
            self.act()

    def ports(self, ports: Ports) -> Ports:
        """The ports of the process whose calls are counted."""
        return replace(
            ports,
            objects=cast("Any", Between(ports.objects, self)),
            table=cast("Any", Between(ports.table, self)),
        )


@dataclass
class Held:
    """A version that a reader has opened."""

    dataset: Dataset
    manifest: str
    sha256: str
    since: float


class Estate:
    """One tenant, its datasets with what is in them, its snapshots, and the versions that readers hold."""

    def __init__(self) -> None:
        self.world = World()
        self.world.tenant_id = create_tenant(self.world.ports, name="ours").tenant_id
        self.datasets: dict[str, Dataset] = {}
        self.states: dict[str, State] = {}
        self.snapshots: dict[tuple[str, str], State] = {}
        self.held: list[Held] = []
        self.made = 0

    def tick(self) -> None:
        """Time passes between one request and the next."""
        self.made += 1
        self.world.clock.pass_seconds(0.01)

    # --- what users do

    def create(self, name: str) -> None:
        self.datasets[name], self.states[name] = self.world.create(name), {}

    def upsert(self, name: str, *ids: str, ports: Ports | None = None, drain: bool = True) -> None:
        self.tick()
        records = {each: record(self.made, len(each), 0, 1, made=self.made) for each in ids}
        self.world.upsert(self.datasets[name], records, ports=ports)
        self.states[name] = self.states[name] | records
        if drain:
            self.drain(name, ports=ports)

    def delete_ids(self, name: str, *ids: str, drain: bool = True) -> None:
        self.tick()
        self.world.delete(self.datasets[name], ids)
        self.states[name] = {key: value for key, value in self.states[name].items() if key not in ids}
        if drain:
            self.drain(name)

    def drain(self, name: str, *, ports: Ports | None = None) -> None:
        self.world.drain(self.datasets[name], ports=ports)
        self.hold(name)

    def build(self, name: str, *, ports: Ports | None = None) -> None:
        self.world.build(self.datasets[name], ports=ports)
        self.hold(name)

    def import_(self, name: str, *ids: str, in_cells: bool = False, ports: Ports | None = None) -> None:
        self.tick()
        records = {each: record(self.made, len(each), 0, 1, made=self.made) for each in ids}
        dataset = self.datasets[name]
        job = begun(self.world, dataset)
        validated(self.world, job, list(records.items()))
        finished(self.world, dataset, job, ports=ports, in_cells=in_cells)
        self.states[name] = self.states[name] | records
        self.hold(name)

    def snapshot(self, name: str, snapshot: str) -> None:
        create_snapshot(self.world.ports, self.datasets[name], snapshot)
        self.snapshots[name, snapshot] = dict(self.states[name])

    def forget(self, name: str, snapshot: str) -> None:
        delete_snapshot(self.world.ports, self.datasets[name], snapshot)
        del self.snapshots[name, snapshot]

    def restore(self, name: str, snapshot: str, *, ports: Ports | None = None, drain: bool = True) -> None:
        self.tick()
        restore(ports or self.world.ports, self.datasets[name], snapshot, vector_quota=None)
        self.states[name] = dict(self.snapshots[name, snapshot])
        if drain:
            self.drain(name, ports=ports)

    def clone(
        self, name: str, other: str, snapshot: str | None = None, *, ports: Ports | None = None
    ) -> None:
        mine = ports or self.world.ports
        view = clone_dataset(mine, self.datasets[name], name=other, snapshot=snapshot, vector_quota=None)
        self.datasets[other] = view.dataset
        self.states[other] = dict(self.states[name] if snapshot is None else self.snapshots[name, snapshot])
        self.hold(other)

    def delete(self, name: str) -> None:
        dataset = self.datasets.pop(name)
        delete_dataset(self.world.ports, dataset.tenant_id, scope=dataset.scope, name=name)
        del self.states[name]
        self.snapshots = {key: value for key, value in self.snapshots.items() if key[0] != name}

    def hold(self, name: str) -> None:
        """A reader opens the current version."""
        head = self.world.head(self.datasets[name])
        if head.manifest is not None and head.manifest_sha256 is not None:
            since = self.world.clock.now
            self.held.append(Held(self.datasets[name], head.manifest, head.manifest_sha256, since))

    def wait(self, seconds: float) -> None:
        """Time passes; readers let go of what is not current any more."""
        for name in self.datasets:
            self.hold(name)
        self.world.clock.pass_seconds(seconds)
        now = self.world.clock.now
        self.held = [held for held in self.held if now - held.since < MANIFEST_KEPT_SECONDS]

    # --- the janitor, and what must be true

    def clean(self, *, ports: Ports | None = None) -> Report:
        report = run_janitor(ports or self.world.ports)
        assert not report.stopped, report.stopped
        assert report.finished
        return report

    def check(self) -> None:
        """All records are there, in every dataset and snapshot, and every version that a reader may hold is."""
        for name, state in self.states.items():
            dataset = self.datasets[name]
            self.drain(name)
            assert self.world.stored(dataset, [*state, "nobody"]) == state, name
            assert self.world.head(dataset).row_count == len(state)
            self.read_whole(dataset, *self.head_of(name))
            for named in list_snapshots(self.world.ports, dataset):
                assert (name, named.name) in self.snapshots
                self.read_whole(dataset, named.manifest, named.manifest_sha256)
        for held in self.held:
            self.read_whole(held.dataset, held.manifest, held.sha256)

    def head_of(self, name: str) -> tuple[str | None, str | None]:
        head = self.world.head(self.datasets[name])
        return head.manifest, head.manifest_sha256

    def read_whole(self, dataset: Dataset, key: str | None, sha256: str | None) -> None:
        """Read everything that a version needs, with a cold cache."""
        if key is None or sha256 is None:
            return
        try:
            manifest = read_root(self.world.ports, key, sha256)
            snapshot = Snapshot(dataset, manifest, PartReader(self.world.objects, cache_bytes=1))
            snapshot.dead()
            snapshot.entries_newest_first()
            for shard in snapshot.all_shards():
                snapshot.rows_of(shard)
                for file in shard.files:
                    self.world.objects.get(TenantKeys(dataset.tenant_id).shard_file(shard.shard_id, file))
        except ObjectMissing as missing:
            raise AssertionError(f"{key} can't be read: {missing}") from missing

    def objects(self) -> list[str]:
        """All objects of the tenant that there are."""
        return [found.key for found in self.world.objects.list(f"t/{self.world.tenant_id}/")]
