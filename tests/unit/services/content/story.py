"""Documents and content indexes to which anything may happen, in any order: what is left is what the latest say.

The dice are those of a seed. Webhooks come in any order, twice and late; documents are mutated and imported; there
are indexes made and deleted; whoever works on any of it may die at any call, and others go on between two of them.
"""

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from shoal.errors import ShoalError
from shoal.model.content_documents import Deletion, Document, encoded_change, timestamp_of, version_of
from shoal.model.imports import ErrorMode, ImportFormat
from shoal.model.mutations import parse_mutations
from shoal.services.content.documents import put_versions
from shoal.services.content.mutate import Transaction, mutate
from shoal.services.imports.items import keys_of_import
from shoal.services.imports.lifecycle import complete_import, create_import
from shoal.services.imports.reconcile import reconcile_imports
from shoal.services.parts import PartReader
from shoal.storage.memory.faults import Call, Fault, Faults, SimulatedCrash
from shoal.storage.ports import Ports
from tests.unit.services.content.content_world import ContentWorld

type Change = Document | Deletion

SENT = [f"w{number}" for number in range(8)]
MUTATED = [f"m{number}" for number in range(4)]
INDEXES = {
    "all": ("", ""),
    "recent": ("year >= 2000", "{title}"),
    "movies": ('_type == "movie" && defined(title)', '{"name": title, "kind": _type}'),
    "few": ('title match "one*" || _id in ["w1", "m1"]', "{...}"),
}
FAULTS = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE)
RARE, OFTEN = 0.01, 0.05


@dataclass
class Story:
    """One run. `faults` is how likely a call is the last of its process, or is not answered."""

    seed: int
    faults: float = RARE
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.world = ContentWorld()
        self.sent: list[Change] = []
        self.acting = False
        self.ms = int(self.world.clock() * 1000)

    # --- documents

    def body(self, name: str) -> dict[str, Any]:
        """What a document may be."""
        body: dict[str, Any] = {"_id": name, "_type": self.dice.choice(["movie", "book"])}
        if self.dice.random() < 0.9:
            body["title"] = " ".join(self.dice.choices(["one", "two", "red", "blue"], k=2))
        if self.dice.random() < 0.1:
            body["title"] = "this one cannot"
        if self.dice.random() < 0.8:
            body["year"] = self.dice.randint(1990, 2010)
        return body

    def change(self, name: str) -> Change:
        """A later version of a document."""
        self.ms += self.dice.choice([0, 1, 1000])
        if self.dice.random() < 0.25:
            return Deletion(name, self.ms)
        body = {
            **self.body(name),
            "_rev": f"r{self.dice.getrandbits(40)}",
            "_updatedAt": timestamp_of(self.ms),
        }
        return Document(name, body, self.ms)

    def happens(self) -> None:
        """Documents change; webhooks tell of it, some of them."""
        changes = [self.change(name) for name in self.dice.sample(SENT, self.dice.randint(1, 3))]
        self.sent += changes
        for change in self.dice.sample(changes, self.dice.randint(0, len(changes))):
            self.deliver(change)

    def late(self) -> None:
        """A webhook comes that is late, or one that has come before; or a draft."""
        if self.sent:
            self.deliver(self.dice.choice(self.sent))
        draft = f"drafts.{self.dice.choice(SENT)}"
        self.deliver(Document(draft, {**self.body(draft)}, self.ms))

    def deliver(self, change: Change) -> None:
        with suppress(ShoalError, SimulatedCrash):
            put_versions(self.process(), self.world.documents, [change], vector_quota=None)

    def mutates(self) -> None:
        """A client writes."""
        name = self.dice.choice(MUTATED)
        mutation = self.dice.choice(
            [
                {"createOrReplace": self.body(name)},
                {"delete": {"id": name}},
                {"createIfNotExists": self.body(name)},
            ]
        )
        self.world.clock.pass_seconds(1)
        ports = self.process()
        with suppress(ShoalError, SimulatedCrash):
            mutate(
                ports,
                PartReader(ports.objects, cache_bytes=1 << 20),
                self.world.documents,
                Transaction(parse_mutations([mutation])),
                vector_quota=None,
                pause=lambda _: self.world.drain(self.world.documents),
            )

    def imports(self) -> None:
        """An export is imported: versions that webhooks tell of too."""
        changes = [self.change(name) for name in self.dice.sample(SENT, 4)]
        documents = [change for change in changes if isinstance(change, Document)]
        self.sent += changes
        lines = b"".join(orjson.dumps(document.body) + b"\n" for document in documents) or b"\n"
        with suppress(ShoalError, SimulatedCrash):
            job, _ = create_import(
                self.world.ports,
                self.world.documents,
                file_format=ImportFormat.DOCUMENTS,
                error_mode=ErrorMode.CONTINUE,
                max_bad_records=None,
                multipart=False,
                vector_quota=None,
            )
            self.world.objects.put(keys_of_import(job).upload, lines)
            complete_import(self.world.ports, self.world.documents, job.import_id, parts=None)
            self.world.execute(job.import_id, invoke=self.invoke)

    # --- indexes

    def creates(self) -> None:
        name = self.dice.choice(list(INDEXES))
        with suppress(ShoalError, SimulatedCrash):
            self.world.create_index(name, *INDEXES[name], ports=self.process())

    def deletes(self) -> None:
        with suppress(ShoalError, SimulatedCrash):
            self.world.delete_index(self.dice.choice(list(INDEXES)), ports=self.process())

    def builds(self) -> None:
        """A workflow that was started runs."""
        under_way = self.world.under_way()
        if under_way:
            self.world.execute(self.dice.choice(under_way), invoke=self.invoke)

    def follows(self) -> None:
        with suppress(ShoalError, SimulatedCrash):
            self.world.follow(ports=self.process(interrupted=True), budget=self.dice.choice([-1.0, 60.0]))

    def meets(self) -> None:
        """While somebody is at work, documents change, and another one follows them."""
        if self.acting:
            return
        self.acting = True
        try:
            self.happens()
            self.world.drain(self.world.documents)
            self.world.follow()
        except ShoalError:
            pass
        finally:
            self.acting = False

    def applies(self) -> None:
        """Some log is applied."""
        datasets = [self.world.documents, *(index.dataset for index in self.world.indexes())]
        with suppress(ShoalError):
            self.world.drain(self.dice.choice(datasets))

    def waits(self) -> None:
        self.world.clock.pass_seconds(self.dice.choice([1, 10, 100]))

    def tidies(self) -> None:
        with suppress(ShoalError, SimulatedCrash):
            reconcile_imports(self.process())

    # --- whatever happens

    def act(self) -> None:
        if self.acting:
            return
        self.acting = True
        try:
            self._one_of(
                (5, self.happens),
                (3, self.late),
                (3, self.mutates),
                (3, self.applies),
                (3, self.follows),
                (1, self.waits),
                (1, self.tidies),
                (0.5, self.deletes),
            )
        finally:
            self.acting = False

    def _one_of(self, *chances: tuple[float, Callable[[], None]]) -> None:
        (chosen,) = self.dice.choices([act for _, act in chances], [weight for weight, _ in chances])
        self.told.append(chosen.__name__)
        chosen()

    def process(self, *, interrupted: bool = False) -> Ports:
        """The ports of a process that may die, or be interrupted by whatever else happens."""

        def at_call(_: Call) -> Fault | None:
            if interrupted and self.dice.random() < 0.05:
                self.dice.choice([self.act, self.meets])()
            return self.dice.choice(FAULTS) if self.dice.random() < self.faults else None

        return self.world.process(Faults(at_call))

    def invoke(self, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        self.told.append(str(payload["step"]))
        if self.dice.random() < 0.5:
            self.act()
        return self.world.step(self.process(interrupted=True), function, payload)

    # --- the whole of it

    def tell(self) -> None:
        """Let it all happen, and see that it ends well."""
        for _ in range(self.dice.randint(10, 25)):
            if self.dice.random() < 0.6:
                self.act()
            else:
                self._one_of((3, self.creates), (3, self.builds), (1, self.imports))
        self.ends()
        self.check()

    def ends(self) -> None:
        """Each webhook has come once, at least; all that waits is done."""
        self.faults = 0.0
        for change in self.dice.sample(self.sent, len(self.sent)):
            self.deliver(change)
        for _ in range(2):
            self.world.settle_down()

    def check(self) -> None:
        latest: dict[str, Change] = {}
        for change in self.sent:
            known = latest.get(change.document_id)
            if known is None or _version(change) > _version(known):
                latest[change.document_id] = change
        there = self.world.latest()
        for name in SENT:
            said = latest.get(name)
            assert there.get(name) == (said if isinstance(said, Document) else None), f"{name}: {self}"
        for index in self.world.indexes():
            if index.status != "active":  # its workflow died of one fault too many, and it says what to do
                assert index.error is not None, str(self)
                assert "create it again" in index.error, f"{index.error}: {self}"
                self.world.delete_index(index.name)
                index = self.world.made(index.name, *INDEXES[index.name])
            self.world.check(index, f"{index.name}: {self}")

    def __str__(self) -> str:
        return f"seed {self.seed}: {' '.join(self.told)}"


def _version(change: Change) -> str:
    return version_of(encoded_change(change, now=0.0).metadata)
