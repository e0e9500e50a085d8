"""Readers of a dataset through an alias, who notice where an answer is none, or is of two datasets."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from shoal.model.datasets import Dataset
from shoal.model.selection import Selection
from shoal.services import datasets
from shoal.services.fetch import fetch
from shoal.services.listing import ListRequest, count_records, list_records
from shoal.services.search import QueryRequest, Searcher
from shoal.storage.memory.faults import Faults
from shoal.storage.ports import Ports
from tests.unit.services.alias_world import TornTable
from tests.unit.services.world import World, record

ROWS = 3


@dataclass(frozen=True, slots=True)
class Where:
    """What is read."""

    scope: str
    name: str


type Read = Callable[[Searcher, Ports, str, Where], list[bytes]]
"""Reads through an alias of a tenant; the metadata of all that it is told."""


def made(world: World, name: str) -> Dataset:
    """A dataset of three records, each of which says whose it is."""
    dataset = world.create(name)
    world.upsert(dataset, {f"{n}": record(n, 0, 0, 1, of=name) for n in range(ROWS)})
    world.drain(dataset)
    return dataset


def by_query(searcher: Searcher, _: Ports, tenant_id: str, at: Where) -> list[bytes]:
    """The nearest records."""
    request = QueryRequest(np.zeros(4, dtype=np.float32), 10)
    answer = searcher.query(tenant_id, scope=at.scope, name=at.name, request=request)
    return [match.metadata for match in answer.matches]


def by_ids(searcher: Searcher, _: Ports, tenant_id: str, at: Where) -> list[bytes]:
    """Records by their ids."""
    ids = [f"{number}" for number in range(2 * ROWS)]
    found = fetch(searcher, tenant_id, scope=at.scope, name=at.name, ids=ids, include_values=True)
    return [each.metadata for each in found.records]


def by_list(searcher: Searcher, ports: Ports, tenant_id: str, at: Where) -> list[bytes]:
    """A list of all of them."""
    request = ListRequest(Selection(), b"", 10)
    page = list_records(ports, searcher, tenant_id, scope=at.scope, name=at.name, request=request)
    return [each.metadata for each in page.records]


def by_count(searcher: Searcher, _: Ports, tenant_id: str, at: Where) -> list[bytes]:
    """How many there are."""
    count, __ = count_records(searcher, tenant_id, scope=at.scope, name=at.name, selection=Selection())
    return [b"one"] * count


def by_view(_: Searcher, ports: Ports, tenant_id: str, at: Where) -> list[bytes]:
    """The dataset, and how many records it says that it has."""
    view = datasets.get_dataset(ports, tenant_id, scope=at.scope, name=at.name)
    return [view.dataset.name.encode()] * view.head.row_count


READS: tuple[Read, ...] = (by_query, by_ids, by_list, by_count, by_view)


def torn(world: World, faults: Faults | None = None, *, last_first: bool = False) -> Ports:
    """The ports of a process that reads items of one batch at different moments."""
    table = TornTable(world.table, faults or Faults())
    table.last_first = last_first
    return replace(world.ports, table=table)


@dataclass
class Watched:
    """What readers have seen so far: answers to each read, and what was wrong."""

    answers: dict[Read, int]
    failed: list[str] = field(default_factory=list)


@contextmanager
def readers(world: World, reads: Sequence[Read], at: Where) -> Iterator[Watched]:
    """Two threads that read all the while; every answer has to be of one dataset, whole."""
    watched = Watched(dict.fromkeys(reads, 0))
    over = threading.Event()

    def reader(number: int) -> None:
        ports = torn(world, last_first=bool(number % 2))
        searcher = Searcher(ports, cache_bytes=1 << 26)
        while not over.is_set() or min(watched.answers.values()) == 0:
            for read in reads[number % 2 :: 2]:
                try:
                    told = read(searcher, ports, world.tenant_id, at)
                except Exception as error:  # noqa: BLE001 - whatever it is, a reader has noticed
                    watched.failed.append(f"{read.__name__}: {error!r}")
                    return
                if len(told) != ROWS or len(set(told)) != 1:
                    watched.failed.append(f"{read.__name__}: {told}")
                    return
                watched.answers[read] += 1
            if watched.failed:
                return
            time.sleep(0.005)  # the others want their turn

    threads = [threading.Thread(target=reader, args=(number,)) for number in range(2)]
    pace = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        for thread in threads:
            thread.start()
        yield watched
    finally:
        over.set()
        for thread in threads:
            thread.join(timeout=60)
        sys.setswitchinterval(pace)
