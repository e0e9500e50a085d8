"""Readers: what they are told must be one version, whole; by bad luck they may be told nothing."""

from dataclasses import dataclass

import numpy as np

from shoal.errors import NotFound
from shoal.model.datasets import NATIVE_SCOPE
from shoal.model.queries import QueryRequest
from shoal.services.search import Searcher
from tests.faults.answers import check_answer, chosen, selected
from tests.faults.oracle import State
from tests.faults.run import Doing, Known
from tests.faults.stores import Process


def state_of(doing: Doing, known: Known, version: int) -> State:
    """What a version must hold."""
    stores = doing.run.stores
    known.ledger.read(stores.jobs(known.dataset))
    return known.ledger.at(stores.versions_of(known.dataset)[version])


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a container that has just started."""

    dataset: int
    vector: tuple[float, ...]
    top_k: int
    selection: int = 0

    def do(self, doing: Doing) -> None:
        """Ask, and compare."""
        known = doing.run.pick(self.dataset)
        selection, wanted = selected(self.selection)
        request = QueryRequest(
            np.array(self.vector, dtype=np.float32),
            self.top_k,
            filter=selection.filter,
            namespace=selection.namespace,
            nprobe=1024,
        )

        def ask(process: Process) -> None:
            searcher = Searcher(process.ports, cache_bytes=1 << 20)
            answer = searcher.query(
                doing.run.stores.tenant_id, scope=NATIVE_SCOPE, name=known.dataset.name, request=request
            )
            rows = chosen(state_of(doing, known, answer.version), wanted)
            check_answer(f"{self}", known.dataset.metric, request, answer, rows)

        doing.call(ask, NotFound)
