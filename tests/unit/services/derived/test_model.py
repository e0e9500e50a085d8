"""Whatever happens to a source and to what is derived of it, each is what a dictionary says that it is."""

from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shoal.model.datasets import Dataset
from shoal.model.derivations import Condition
from shoal.model.terms import TermMatcher
from shoal.services.following import follow
from tests.unit.services.cell_world import add_cells
from tests.unit.services.derived.deriving import DeriveWorld, no_models, seen
from tests.unit.services.world import Record, record

IDS = [f"id{number}" for number in range(40)]
WORDS = ("sea", "ship", "water", "dog", "running", "Running Dog")
TERMS = ("water", "running dog")
CONDITIONS: Mapping[str, Condition] = {
    "kept": Condition(filter={"kind": {"$in": [0, 1]}}),
    "clean": Condition(terms=TERMS, term_fields=("title", "tags[].name")),
    "both": Condition(filter={"kind": {"$gt": 0}}, terms=TERMS, term_fields=("title",)),
    "all": Condition(),
}

ids = st.lists(st.sampled_from(IDS), min_size=1, max_size=6, unique=True)
kinds = st.integers(0, 3)
texts = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
names = st.sampled_from(sorted(CONDITIONS))


def holds(metadata: Mapping[str, Any], fields: tuple[str, ...]) -> bool:
    """Whether a record holds a term, told plainly."""
    found = [metadata["title"]] if "title" in fields else []
    found += [tag["name"] for tag in metadata["tags"]] if "tags[].name" in fields else []
    return bool(TermMatcher(TERMS).found(found))


def left(name: str, records: Mapping[str, Record]) -> dict[str, Record]:
    """What a condition leaves."""
    kept: dict[str, tuple[int, ...]] = {"kept": (0, 1), "both": (1, 2, 3)}
    fields = CONDITIONS[name].term_fields
    return {
        each: found
        for each, found in records.items()
        if found[1]["kind"] in kept.get(name, (0, 1, 2, 3)) and not holds(found[1], fields)
    }


class Derivations(RuleBasedStateMachine):
    """A source, what is derived of it, and what is written to either."""

    @initialize(first=st.lists(st.tuples(kinds, texts), min_size=8, max_size=8))
    def begin(self, first: list[tuple[int, str]]) -> None:
        self.world = DeriveWorld()
        self.source = self.world.create()
        self.made: dict[str, Dataset] = {}
        self.follows: set[str] = set()
        self.contents: dict[str, dict[str, Record]] = {}
        there = {f"cell{n}": self.new(n, kind, title) for n, (kind, title) in enumerate(first)}
        blocks = [dict(list(there.items())[start : start + 4]) for start in (0, 4)]
        add_cells(self.world, self.source, blocks)
        self.contents["source"] = dict(there)

    def new(self, number: int, kind: int, title: str) -> Record:
        tags = [{"name": word} for word in title.split()[:1]]
        return record(number, kind, len(title), 1, kind=kind, title=title, tags=tags)

    def dataset(self, where: str) -> Dataset | None:
        return self.source if where == "source" else self.made.get(where)

    def writable(self, where: str) -> Dataset | None:
        return None if where in self.follows else self.dataset(where)

    @rule(where=st.sampled_from(["source", *CONDITIONS]), some=ids, kind=kinds, title=texts)
    def upsert(self, where: str, some: list[str], kind: int, title: str) -> None:
        dataset = self.writable(where)
        if dataset is not None:
            written = {name: self.new(n, kind, title) for n, name in enumerate(some)}
            self.world.upsert(dataset, written)
            self.contents[where] |= written

    @rule(where=st.sampled_from(["source", *CONDITIONS]), some=ids, data=st.data())
    def delete(self, where: str, some: list[str], data: st.DataObject) -> None:
        dataset = self.writable(where)
        if dataset is not None:
            also = data.draw(st.sampled_from(["cell0", "cell3", "cell7"]))
            self.world.delete(dataset, [*some, also])
            for name in (*some, also):
                self.contents[where].pop(name, None)

    @rule(where=st.sampled_from(["source", *CONDITIONS]), kind=kinds)
    def delete_where(self, where: str, kind: int) -> None:
        dataset = self.writable(where)
        if dataset is not None:
            self.world.delete_where(dataset, filter={"kind": kind})
            self.contents[where] = {
                name: found for name, found in self.contents[where].items() if found[1]["kind"] != kind
            }

    @rule(where=st.sampled_from(["source", *CONDITIONS]), some=ids)
    def patch(self, where: str, some: list[str]) -> None:
        dataset = self.writable(where)
        if dataset is not None:
            self.world.patch(dataset, *((name, {"kind": 1}) for name in some))
            for name in some:
                if name in self.contents[where]:
                    values, metadata = self.contents[where][name]
                    self.contents[where][name] = (values, {**metadata, "kind": 1})

    @rule(where=st.sampled_from(["source", *CONDITIONS]))
    def drain(self, where: str) -> None:
        dataset = self.dataset(where)
        if dataset is not None:
            self.world.drain(dataset)

    @rule(name=names, follows=st.booleans())
    def derive(self, name: str, follows: bool) -> None:
        if name in self.made:
            self.world.rebuild(self.made[name])
        else:
            self.made[name] = self.world.derive(self.source, name, CONDITIONS[name], follow=follows)
            self.follows |= {name} if follows else set()
        self.contents[name] = left(name, self.contents["source"])

    @rule()
    def keep_up(self) -> None:
        self.world.drain(self.source)
        follow(
            self.world.ports,
            no_models(),
            self.world.reader,
            self.world.tenant_id,
            self.source.dataset_id,
            owner="test",
            budget_seconds=60,
        )
        for name in self.follows:
            self.contents[name] = left(name, self.contents["source"])

    @rule(where=st.sampled_from(["source", *CONDITIONS]))
    def build(self, where: str) -> None:
        dataset = self.dataset(where)
        if dataset is not None:
            self.world.build(dataset)

    @rule(where=st.sampled_from(["source", *CONDITIONS]))
    def compact(self, where: str) -> None:
        dataset = self.dataset(where)
        if dataset is not None:
            self.world.drain(dataset)
            self.world.decide(dataset)
            self.world.run_compactions()

    @invariant()
    def each_is_what_it_should_be(self) -> None:
        for where, expected in getattr(self, "contents", {}).items():
            dataset = self.dataset(where)
            assert dataset is not None
            if where in self.follows:
                self.world.drain(dataset)
            head = self.world.head(dataset)
            counter = self.world.table.get(self.world.keys(dataset).sequence)
            if counter is not None and counter["next"] <= head.watermark:
                found = seen(self.world, dataset, [*IDS, *(f"cell{n}" for n in range(8))])
                assert found == expected, where


Derivations.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestDerivations = Derivations.TestCase
