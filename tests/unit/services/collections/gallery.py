"""A collection in memory whose objects lie wherever rows can lie, and what a search of them must find."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shoal.index import exact
from shoal.model.bindings import Family, Field, part_id
from shoal.model.datasets import Dataset, Metric
from shoal.model.embedding_models import EmbeddingModel, Provider
from shoal.model.records import Vectors
from shoal.services.collections.blue import set_blue
from shoal.services.collections.catalog import create_collection
from shoal.services.collections.nearest import distance_of
from shoal.services.collections.opening import OpenCollection, open_collection
from shoal.services.collections.pages import FoundPage
from tests.unit.services.cell_world import Layout, add_cells
from tests.unit.services.world import Record, World

type Values = tuple[float, ...]
type Page = Callable[[int, int], FoundPage]


def model(model_id: str = "tiny", dimension: int = 3, metric: Metric = Metric.L2) -> EmbeddingModel:
    """A model that nobody asks: vectors are given."""
    return EmbeddingModel(model_id, Provider.STATIC, dimension, metric, 512, 16, 1, 0.0, 1000.0)


@dataclass(frozen=True)
class Thing:
    """An object: a vector for each part, its payload, and other fields of its records."""

    object_id: str
    parts: tuple[Values, ...]
    payload: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def records(self) -> dict[str, Record]:
        """As the worker writes them."""
        found: dict[str, Record] = {}
        for number, values in enumerate(self.parts):
            metadata = {Field.PAYLOAD: self.payload, **self.more, Field.PART: number}
            if number == 0:
                metadata[Field.PARTS] = len(self.parts)
            found[part_id(self.object_id, number)] = (values, metadata)
        return found


def records_of(things: Iterable[Thing]) -> dict[str, Record]:
    return {name: record for thing in things for name, record in thing.records().items()}


@dataclass
class Gallery:
    """A world with one collection of items, which is the active one."""

    metric: Metric = Metric.L2
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.dataset = self.create("tiny")
        set_blue(self.world.ports, self.world.tenant_id, Family.ITEMS, "tiny")

    def create(self, model_id: str, *, dimension: int = 3) -> Dataset:
        made = create_collection(
            self.world.ports, self.world.tenant_id, Family.ITEMS, model(model_id, dimension, self.metric)
        )
        return made.dataset

    def hang(self, things: Iterable[Thing], dataset: Dataset | None = None) -> None:
        """Write objects, and index them as a delta."""
        there = dataset or self.dataset
        self.world.upsert(there, records_of(things))
        self.world.drain(there)

    def hang_in_cells(self, things: Sequence[Thing], cells: int, *, indexed: bool = True) -> None:
        """Put objects into cells, as an import does; all cells are probed."""
        records = list(records_of(things).items())
        split = np.array_split(np.arange(len(records)), min(cells, len(records)))
        blocks = [dict(records[place] for place in some.tolist()) for some in split]
        add_cells(
            self.world, self.dataset, blocks, Layout(probes=cells, filtered_probes=cells, indexed=indexed)
        )

    def spread(self, things: Sequence[Thing], cells: int, resident: int) -> None:
        """Some objects in cells, some in the resident shard, the others in a delta."""
        share = len(things) // 3 if cells else 0
        if share:
            self.hang_in_cells(things[:share], cells, indexed=cells % 2 == 0)
        if resident:
            self.hang(things[share : share + resident])
            self.world.build(self.dataset)
        rest = things[share + resident :] if resident else things[share:]
        if rest:
            self.hang(rest)

    def open(self, model_id: str = "tiny") -> OpenCollection:
        return open_collection(self.world.searcher, self.world.tenant_id, Family.ITEMS, model_id)

    def distances(self, things: Iterable[Thing], vector: Values) -> dict[str, list[float]]:
        """How far each part is, by brute force."""
        return {thing.object_id: distances(thing.parts, vector, self.metric) for thing in things}


def distances(parts: Sequence[Values], vector: Values, metric: Metric) -> list[float]:
    scores = exact.scores(np.array(parts, dtype=np.float32), as_vector(vector), metric)
    return [distance_of(metric, score) for score in scores.tolist()]


def as_vector(values: Values) -> Vectors:
    return np.array(values, dtype=np.float32)


def all_pages(page: Page, limit: int) -> list[tuple[str, float | None]]:
    """The objects of all pages, each with its distance, following what the pages say."""
    found: list[tuple[str, float | None]] = []
    offset: int | None = 0
    while offset is not None:
        one = page(offset, limit)
        assert len(one.objects) <= limit
        assert one.objects or not offset, "a page that follows has something on it"
        assert one.next_offset is None or one.next_offset == offset + limit
        found += [(each.place.object_id, each.place.distance) for each in one.objects]
        offset = one.next_offset
    return found
