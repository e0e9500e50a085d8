"""Bare hnswlib: from an array in memory to an index in a file, on two threads."""

import hnswlib
import numpy as np

from tests.benchmarks.peers.common import Watch, answer, least, read_rows, read_task, recall, vectors_of

THREADS = 2


def main() -> None:
    """Index, save, and look for the ef that is enough."""
    task, watch = read_task(), Watch()
    with watch.on("parse"):
        vectors = vectors_of(read_rows(task))
    index = hnswlib.Index(space=task.metric, dim=task.dimension)
    with watch.on("index"):
        index.init_index(max_elements=len(vectors), M=16, ef_construction=200)
        index.set_num_threads(THREADS)
        index.add_items(vectors, np.arange(len(vectors)))
    with watch.on("write"):
        index.save_index(str(task.folder / "index.hnsw"))

    def measure(ef: int) -> float:
        index.set_ef(ef)
        return recall(task, index.knn_query(task.queries, k=task.truth.shape[1])[0].tolist())

    answer(watch, what="ef", **least([10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768], measure))


if __name__ == "__main__":
    main()
