"""A dataset of documents in a World: written, applied, and read back."""

from collections.abc import Iterable
from typing import Any

from shoal.model.content_documents import Deletion, Document
from shoal.model.datasets import Dataset
from shoal.model.mutations import parse_mutations
from shoal.services.content.documents import ensure_documents, put_versions
from shoal.services.content.mutate import Mutated, Transaction, mutate
from shoal.services.content.reading import read_documents, scan
from shoal.services.snapshot import Snapshot, open_snapshot
from tests.unit.services.world import World

NAME = "production"


def documents_of(world: World) -> Dataset:
    """The dataset, which is there."""
    return ensure_documents(world.ports, world.tenant_id, NAME)


def document(name: str, ms: int, **fields: Any) -> Document:
    """A version of a document."""
    return Document(name, {"_id": name, "_type": "movie", **fields}, ms)


def put(world: World, dataset: Dataset, *changes: Document | Deletion) -> None:
    """Write versions, and apply them."""
    put_versions(world.ports, dataset, changes, vector_quota=None)
    world.drain(dataset)


def snapshot_of(world: World, dataset: Dataset) -> Snapshot | None:
    """The current version."""
    return open_snapshot(world.searcher.reader, dataset, world.head(dataset))


def stored(world: World, dataset: Dataset, ids: Iterable[str]) -> dict[str, Any]:
    """Bodies of the documents that are there, by id; None for a deletion that is remembered."""
    found = read_documents(snapshot_of(world, dataset), list(ids))
    return {
        name: dict(each.body) if isinstance(each, Document) else None for name, each in sorted(found.items())
    }


def scanned(world: World, dataset: Dataset) -> dict[str, Any]:
    """Bodies of all published documents, by id."""
    return {each.document_id: dict(each.body) for each in scan(snapshot_of(world, dataset))}


def do(world: World, dataset: Dataset, *mutations: Any, applied: bool = True, **options: Any) -> Mutated:
    """Do a transaction. What waits for the log finds it applied, as if an indexer were at work."""
    done = mutate(
        world.ports,
        world.searcher.reader,
        dataset,
        Transaction(parse_mutations(list(mutations)), **options),
        vector_quota=None,
        pause=lambda _: world.drain(dataset),
    )
    if applied:
        world.drain(dataset)
    return done
