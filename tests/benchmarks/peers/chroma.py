"""Chroma: a persistent collection from the file, with its own defaults but for the metric."""

import chromadb  # type: ignore[import-not-found] # only in the peers' environment
from chromadb.config import Settings  # type: ignore[import-not-found] # as above

from tests.benchmarks.peers.common import Watch, answer, read_rows, read_task, recall, vectors_of


def main() -> None:
    """Parse, add, and measure the recall of a plain query."""
    task, watch = read_task(), Watch()
    with watch.on("parse"):
        rows = read_rows(task)
        names, vectors = rows["id"].to_pylist(), vectors_of(rows)
    client = chromadb.PersistentClient(str(task.folder), settings=Settings(anonymized_telemetry=False))
    collection = client.create_collection(
        "vectors", embedding_function=None, configuration={"hnsw": {"space": task.metric}}
    )
    with watch.on("index"):
        step = client.get_max_batch_size()
        for start in range(0, len(names), step):
            collection.add(ids=names[start : start + step], embeddings=vectors[start : start + step])
    places = {name: place for place, name in enumerate(names)}
    found = collection.query(query_embeddings=task.queries, n_results=task.truth.shape[1], include=[])
    reached = recall(task, [[places[name] for name in ids] for ids in found["ids"]])
    answer(watch, what="ef", at=collection.configuration["hnsw"]["ef_search"], recall=reached)


if __name__ == "__main__":
    main()
