"""A collection of furniture behind the API: its texts are embedded by the model that comes with it."""

from collections.abc import Iterable, Mapping
from typing import Any

from shoal.model.bindings import Family
from shoal.model.datasets import Dataset
from shoal.model.tasks import TaskKind, TaskStatus
from shoal.services.collections.blue import ensure_blue, set_blue
from shoal.services.collections.catalog import create_collection
from shoal.services.tasks.accept import ObjectsBody, TaskBody, UpsertBody, accept
from shoal.services.tasks.lookup import get_task
from tests.unit.http.api import Answer, Api
from tests.unit.http.studio.pump import Pump

SIMILARITY = "/api/v1/embeddings/similarity-search"
PAYLOAD = "/api/v1/embeddings/payload-search"
COUNT = "/api/v1/embeddings/payload-count"
INTERNAL = "/api/v1/internal/vectordb/collections"
FURNITURE: list[dict[str, Any]] = [
    {
        "object_id": "chair",
        "payload": {
            "title": "Ergonomic Office Chair",
            "description": "Adjustable height with lumbar support",
            "category": "furniture",
            "price": 299.99,
            "tags": ["office", "chair"],
            "attributes": {"color": "black"},
        },
        "item_info": {"source_name": "product_catalog"},
    },
    {
        "object_id": "desk",
        "payload": {
            "title": "Adjustable Standing Desk",
            "description": "Electric desk that moves between sitting and standing",
            "category": "furniture",
            "price": 549,
            "tags": ["office", "desk"],
            "attributes": {"color": "walnut"},
        },
    },
    {
        "object_id": "lamp",
        "payload": {
            "title": "Reading lamp",
            "description": "A warm light for late books",
            "category": "lighting",
            "price": 35.5,
        },
        "storage_meta": {"row": 7},
    },
]


def fill(api: Api, dataset: Dataset, objects: Iterable[Mapping[str, Any]]) -> None:
    """Have objects written by the line of tasks, and indexed."""
    given = list(objects)
    body: TaskBody = UpsertBody(given)
    kind = TaskKind.INTERNAL_UPSERTION
    if any("parts" in each for each in given):  # they bring their vectors
        body, kind = ObjectsBody("upsert", given), TaskKind.OBJECTS
    task = accept(
        api.ports,
        api.tenant_id,
        kind=kind,
        family=Family(dataset.scope.rpartition("/")[2]),
        model_id=dataset.name,
        asked_as=dataset.name,
        task_id=None,
        body=body,
    )
    Pump(api).run()
    done = get_task(api.ports, api.tenant_id, [kind], task.task_id)
    assert (done.status, done.failed) == (TaskStatus.DONE, 0), done.detail


def blue(api: Api) -> Dataset:
    """The active collection, made if need be."""
    return ensure_blue(api.ports, api.embedder.registry, api.tenant_id, Family.ITEMS)


def another(api: Api, model_id: str, *, family: Family = Family.ITEMS, active: bool = False) -> Dataset:
    """The collection of another model."""
    model = api.embedder.registry.find(model_id)
    made = create_collection(api.ports, api.tenant_id, family, model).dataset
    if active:
        set_blue(api.ports, api.tenant_id, family, model_id)
    return made


def search(api: Api, query: Any, path: str = SIMILARITY, /, **fields: Any) -> Answer:
    return api.call("POST", path, {"search_query": query, "limit": 10, **fields})


def found(answer: Answer) -> list[str]:
    """The ids of what a search has found."""
    assert answer.status == 200, answer.text
    return [each["object_id"] for each in answer.json["search_results"]]


def faults(answer: Answer) -> list[tuple[str, list[Any]]]:
    """What is wrong with a request, and where."""
    assert answer.status == 422, answer.text
    return [(each["type"], each["loc"]) for each in answer.json["detail"]]
