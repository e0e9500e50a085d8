"""Queries over cells: milliseconds from memory, and bytes from storage, against the number of probes."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoal.index import id_index, kmeans
from shoal.index.cell_records import encode_cell_records
from shoal.index.cell_set import CELL, encode_cell_set
from shoal.index.cell_sizes import cell_count, rows_wanted
from shoal.index.centroids import centroids_of
from shoal.index.checksums import digest128, sha256_hex
from shoal.index.column_file import Blobs
from shoal.index.geometry import geometry_of
from shoal.index.id_index import hash_ids
from shoal.index.probing import signpost
from shoal.index.shard import CELL_RECORDS_FILE, VECTORS_FILE
from shoal.model.datasets import Dataset, Metric
from shoal.model.ids import new_token
from shoal.model.manifests import CellRecall, CellSetRef, FileRef, ShardRef
from shoal.model.records import Vectors
from shoal.services.heads import keys_of
from shoal.services.outbox import Outbox
from shoal.services.search import QueryAnswer, QueryRequest, Searcher
from shoal.services.snapshot import empty_manifest
from shoal.storage.keys import TenantKeys
from shoal.storage.ports import Assign
from tests.benchmarks.corpus import metadata_of
from tests.benchmarks.deployment import SETTINGS, Deployment
from tests.benchmarks.environment import peers_python
from tests.benchmarks.harness import Call, Say, Table, in_turns, ms
from tests.benchmarks.import_data import Data, both
from tests.benchmarks.pictures import draw
from tests.benchmarks.truth import nearest, recall

ROWS = 400_000
TOP_K = 10
_PROBES = (1, 4, 16, 32, 64, 128)
_QUERIES, _WARM_UP, _COLD = 100, 10, 10
PICTURE = "recall_against_probes"
_SHARD_BYTES = 128 * 1000 * 1000


def run(say: Say, *, rows: int = ROWS) -> list[Table]:
    """Both sets of vectors under l2 and cosine; draws recall against probes beside RESULTS.md."""
    python = peers_python(say)
    tables = []
    curves: dict[str, list[tuple[float, float]]] = {}
    for data in both(python, rows):
        for metric in (Metric.L2, Metric.COSINE):
            say(f"{data.name}, {metric.value}: storing cells")
            deployment = Deployment()
            dataset = deployment.create("vectors", data.dimension, metric)
            cells = _store(deployment, dataset, data)
            say("asking")
            table, curve = _ask(deployment, dataset, data, cells)
            tables.append(table)
            curves[f"{data.name}, {metric.value}"] = curve
    title = "Recall@10 of held-out vectors against cells probed"
    draw(python, PICTURE, curves, title=title, x="probes", y="recall@10", x_scale="log", line=0.95)
    return tables


def _ask(
    deployment: Deployment, dataset: Dataset, data: Data, cells: int
) -> tuple[Table, list[tuple[float, float]]]:
    """A row for each number of probes, and recall against it."""
    truth = nearest(data.vectors, data.queries, metric=dataset.metric.value, k=TOP_K)
    searcher = Searcher(deployment.ports, cache_bytes=SETTINGS.cache_bytes)
    probes = [count for count in _PROBES if count <= cells]
    calls: dict[str, Call] = {"numpy": _numpy(data, dataset.metric)}
    found: dict[int, list[QueryAnswer]] = {}
    for count in probes:  # everything is in memory after this
        asked = [_request(data, number, count) for number in range(_QUERIES + _WARM_UP)]
        found[count] = [_answer(searcher, dataset, one) for one in asked]
        calls[str(count)] = lambda number, asked=asked: _answer(  # type: ignore[misc] # bound now
            searcher, dataset, asked[number]
        )
    times = in_turns(calls, rounds=_QUERIES, warm_up=_WARM_UP)
    title = f"{data.name} × {data.dimension}, {dataset.metric.value}, {cells} cells"
    head = (
        "probes",
        "recall@10",
        "hot median",
        "hot p99",
        "cold bytes",
        "of all",
        "GETs",
        "cold, from memory",
    )
    table = Table(title, head)
    curve = []
    for count in probes:
        cold = [_cold(deployment, dataset, _request(data, number, count)) for number in range(_COLD)]
        size = float(np.median([one[0] for one in cold]))
        answers = [[match.id for match in answer.matches] for answer in found[count]]
        found_share = recall(answers, truth[: len(answers)], data.ids)
        curve.append((float(count), found_share))
        table.add(
            str(count),
            f"{found_share:.3f}",
            ms(times[str(count)].median),
            ms(times[str(count)].percentile(99)),
            f"{size / 1e6:.2f} MB",
            f"{100 * size / data.vectors.nbytes:.1f} %",
            f"{np.median([one[1] for one in cold]):.0f}",
            ms(float(np.median([one[2] for one in cold]))),
        )
    bare = times["numpy"]
    table.add("all, bare numpy", "1.000", ms(bare.median), ms(bare.percentile(99)), "", "", "", "")
    table.notes.append(
        "Cold: a container that has the manifest and the cell set already, over storage in memory; bytes and GETs "
        "are of vectors and records. Bare numpy: one matrix product over all rows and `argpartition`."
    )
    return table, curve


def _request(data: Data, number: int, probes: int) -> QueryRequest:
    return QueryRequest(data.queries[number % len(data.queries)], TOP_K, nprobe=probes, explain=True)


def _answer(searcher: Searcher, dataset: Dataset, request: QueryRequest) -> QueryAnswer:
    return searcher.query(dataset.tenant_id, scope=dataset.scope, name=dataset.name, request=request)


def _cold(deployment: Deployment, dataset: Dataset, request: QueryRequest) -> tuple[int, int, float]:
    """Bytes, GETs and seconds of a query whose cells were never read."""
    searcher = Searcher(deployment.ports, cache_bytes=SETTINGS.cache_bytes)
    snapshot = searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
    assert snapshot is not None
    snapshot.cells()
    began = time.perf_counter()
    answer = _answer(searcher, dataset, request)
    seconds = time.perf_counter() - began
    assert answer.explanation is not None
    return answer.explanation.storage_bytes, answer.explanation.storage_requests, seconds


def _numpy(data: Data, metric: Metric) -> Call:
    """Brute force as one writes it in numpy, with the lengths worked out beforehand."""
    stored = data.vectors
    if metric is Metric.COSINE:
        stored = stored / np.linalg.norm(stored, axis=1, keepdims=True)
    squares = np.einsum("ij,ij->i", stored, stored) if metric is Metric.L2 else np.zeros(1, dtype=np.float32)

    def ask(number: int) -> NDArray[np.int64]:
        cost = squares - 2 * (stored @ data.queries[number % len(data.queries)])
        best = np.argpartition(cost, TOP_K)[:TOP_K]
        return best[np.argsort(cost[best])]

    return ask


def _store(deployment: Deployment, dataset: Dataset, data: Data) -> int:
    """Cut the rows into cells as an import does, store them, and make them current; how many cells there are."""
    geometry = geometry_of(data.vectors, dataset.metric)
    wanted = cell_count(len(data.vectors), data.dimension)
    rng = np.random.default_rng(1)
    sample_rows = min(len(data.vectors), rows_wanted(wanted, geometry.width))
    sample = data.vectors[np.sort(rng.choice(len(data.vectors), sample_rows, replace=False))]
    centroids = centroids_of(geometry, kmeans.train(geometry, sample, wanted, seed=1))
    owners = centroids.of_rows(data.vectors)
    cells = [rows for rows in _by_owner(owners, len(centroids)) if len(rows)]
    outbox = Outbox(deployment.ports, dataset)
    shards, table, entries = [], [], []
    for number, some in enumerate(_shards(cells, data.dimension * 4)):
        shard, lines = _shard(deployment, dataset, data, some, number)
        shards.append(shard)
        table += lines
        names = [data.ids[row] for rows in some for row in rows.tolist()]
        sequences = np.ones(len(names), dtype=np.uint64)
        hashes = hash_ids(names, dataset.hash_key)
        entries.append(id_index.entries(hashes, sequences, shard.shard_id, np.arange(len(names))))
    signposts = np.stack([signpost(geometry, geometry.placed(data.vectors[rows])) for rows in cells])
    part = outbox.part("cells", encode_cell_set(shards, np.array(table, dtype=CELL), geometry, signposts))
    measured = CellRecall(
        target=0.95,
        measured=1.0,
        probes=16,
        filtered_measured=1.0,
        filtered_probes=64,
        samples=1,
        sampled_at=0.0,
    )
    manifest = empty_manifest(dataset).model_copy(
        update={
            "version": 1,
            "row_count": len(data.ids),
            "cell_sets": (
                CellSetRef(**dict(part), cells=len(cells), rows=len(data.ids), sequence=1, recall=measured),
            ),
            "runs": (outbox.run(id_index.combine(entries, drop_tombstones_up_to=None)),),
        }
    )
    key, sha256 = outbox.send(manifest)
    deployment.ports.table.update(
        keys_of(dataset).head,
        [Assign("version", 1), Assign("manifest", key), Assign("manifest_sha256", sha256)],
    )
    return len(cells)


def _by_owner(owners: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    ends = np.cumsum(np.bincount(owners, minlength=count))
    return np.split(np.argsort(owners, kind="stable"), ends[:-1])


def _shards(cells: Sequence[NDArray[np.int64]], row_bytes: int) -> list[list[NDArray[np.int64]]]:
    """Neighbouring cells together, up to the size of a shard."""
    shards: list[list[NDArray[np.int64]]] = [[]]
    size = 0
    for rows in cells:
        if shards[-1] and size + len(rows) * row_bytes > _SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(rows)
        size += len(rows) * row_bytes
    return shards


def _shard(
    deployment: Deployment, dataset: Dataset, data: Data, cells: Sequence[NDArray[np.int64]], number: int
) -> tuple[ShardRef, list[tuple[object, ...]]]:
    """Store a shard of cells; its description, and its lines of the table."""
    vectors: list[Vectors] = []
    blocks: list[bytes] = []
    lines: list[tuple[object, ...]] = []
    first = records_start = 0
    for rows in cells:
        vectors.append(data.vectors[rows])
        names = [data.ids[row].encode() for row in rows.tolist()]
        metadata = metadata_of(rows.tolist())
        block = encode_cell_records(np.ones(len(rows), dtype=np.uint64), Blobs.of(names), Blobs.of(metadata))
        digests = digest128(vectors[-1].tobytes()), digest128(block)
        lines.append((number, first, len(rows), records_start, len(block), *digests))
        blocks.append(block)
        first += len(rows)
        records_start += len(block)
    shard_id = new_token()
    files = {VECTORS_FILE: np.concatenate(vectors).tobytes(), CELL_RECORDS_FILE: b"".join(blocks)}
    for name, content in files.items():
        deployment.ports.objects.put(TenantKeys(dataset.tenant_id).shard_file(shard_id, name), content)
    refs = {name: FileRef(size=len(content), sha256=sha256_hex(content)) for name, content in files.items()}
    return ShardRef(shard_id=shard_id, rows=first, min_sequence=1, max_sequence=1, files=refs), lines
