"""One import of a file, from the moment its upload is complete to the first query that finds it."""

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shoal.model.datasets import Dataset, Metric
from shoal.model.imports import ErrorMode, Import, ImportFormat, ImportStatus
from shoal.services.imports.items import keys_of_import
from shoal.services.imports.lifecycle import complete_import, create_import, get_import
from shoal.services.search import QueryAnswer, QueryRequest, Searcher
from tests.benchmarks.deployment import SETTINGS, Deployment
from tests.benchmarks.environment import FOLDER
from tests.benchmarks.import_data import Data
from tests.benchmarks.shared_stores import Call, Place, SharedStores, shared_stores
from tests.benchmarks.workers import attach, do_step, warm_workers
from tests.workflow.machine import Invoke, run_workflow
from tests.workflow.steps import import_definition


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import took: wall-clock seconds up to its end, and up to the first answer; and each step's call."""

    job: Import
    dataset: Dataset
    seconds: float
    queryable_seconds: float
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """A deployment whose functions run in processes of their own."""

    stores: SharedStores
    deployment: Deployment
    pool: Executor | None
    invoke: Invoke

    def load(
        self, data: Data, path: Path, *, metric: str, file_format: ImportFormat = ImportFormat.NDJSON
    ) -> Imported:
        """Import a file into a new dataset. The upload, which is the network's work, is not timed.

        Raises:
            AssertionError: not all rows are there, or the first query does not find what it must.
        """
        ports = self.deployment.ports
        name = f"d{time.time_ns():x}"
        dataset = self.deployment.create(name, data.dimension, Metric(metric))
        job, _ = create_import(
            ports,
            dataset,
            file_format=file_format,
            error_mode=ErrorMode.CONTINUE,
            max_bad_records=None,
            multipart=False,
            vector_quota=None,
        )
        self.stores.objects.put_file(keys_of_import(job).upload, path)
        noted = len(self.stores.calls())
        wanted = len(data.ids) // 2

        began = time.perf_counter()
        complete_import(ports, dataset, job.import_id, parts=None)
        given = {"import_id": job.import_id}
        execution = run_workflow(import_definition(), ports, self.invoke, given, map_pool=self.pool)
        ended = time.perf_counter()
        assert execution.succeeded, (execution.error, execution.cause, execution.visits[-3:])
        answer = ask(self.searcher(), dataset, data.vectors[wanted], top_k=10)
        queryable = time.perf_counter()

        assert data.ids[wanted] in [match.id for match in answer.matches]
        job = get_import(ports, dataset, job.import_id)
        assert (job.status, job.records_accepted) == (ImportStatus.COMPLETED, len(data.ids)), job
        calls = tuple(self.stores.calls()[noted:])
        return Imported(job, dataset, ended - began, queryable - began, calls)

    def searcher(self) -> Searcher:
        """A query function's memory, with nothing in it."""
        return Searcher(self.deployment.ports, cache_bytes=SETTINGS.cache_bytes)

    def answers(self, dataset: Dataset, queries: NDArray[np.float32], *, top_k: int = 10) -> list[list[str]]:
        """The ids that answer each query, at what the dataset's calibration chose."""
        searcher = self.searcher()
        return [
            [match.id for match in ask(searcher, dataset, query, top_k=top_k).matches] for query in queries
        ]


def ask(
    searcher: Searcher,
    dataset: Dataset,
    query: NDArray[np.float32],
    *,
    top_k: int,
    nprobe: int | None = None,
) -> QueryAnswer:
    """Query a dataset."""
    request = QueryRequest(query, top_k, nprobe=nprobe)
    return searcher.query(dataset.tenant_id, scope=dataset.scope, name=dataset.name, request=request)


@contextmanager
def warm_site() -> Iterator[Site]:
    """Two warm processes for the items of maps, of one thread each; what runs alone does so in this process."""
    with _folder() as folder, shared_stores(folder) as stores, warm_workers(stores.place) as pool:
        attach(stores.place)
        yield Site(stores, Deployment(ports=stores.ports), pool, do_step)


@contextmanager
def cold_site(invoke: Callable[[Place], Invoke], pool: Executor | None = None) -> Iterator[Site]:
    """Whatever `invoke` makes of the place of the stores."""
    with _folder() as folder, shared_stores(folder) as stores:
        yield Site(stores, Deployment(ports=stores.ports), pool, invoke(stores.place))


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder beside the data, on the same file system, that goes with the block."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="stores-", dir=FOLDER) as folder:
        yield Path(folder)
