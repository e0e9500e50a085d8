"""An API that plays models, collections and the course of tasks, for tests of the command line."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

API = "https://shoal.test"
_MOMENT = "2026-05-28T20:26:40.000000Z"
_BASE = "/api/v1"
MODELS = [
    {
        "embedding_model_id": "static-256",
        "provider": "static",
        "dimension": 256,
        "metric": "cosine",
        "max_tokens": 512,
        "price": 0.0,
        "default": True,
    },
    {
        "embedding_model_id": "bedrock:amazon.titan-embed-text-v2:0",
        "provider": "bedrock",
        "dimension": 1024,
        "metric": "cosine",
        "max_tokens": 8192,
        "price": 0.02,
        "default": False,
    },
]


def collection(model_id: str = "static-256", *, state: str = "green", rows: int = 3) -> dict[str, Any]:
    """A CollectionStateInfo."""
    return {
        "collection_id": f"col_{model_id}",
        "embedding_model": {
            "id": model_id,
            "name": model_id,
            "dimensions": 256,
            "metric_type": "cosine",
            "metric_aggregation_type": "min",
            "hnsw": {"m": 16, "ef_construction": 64},
        },
        "created_at": _MOMENT,
        "index_created": True,
        "work_state": state,
        "applied_optimizations": [],
        "family": "items",
        "row_count": rows,
    }


def task(task_id: str, status: str = "pending", **more: Any) -> dict[str, Any]:
    """What all tasks show."""
    common = {"id": task_id, "task_id": task_id, "created_at": _MOMENT, "updated_at": _MOMENT}
    return common | {"status": status, "failed_items": []} | more


def reindex(status: str, *, task_id: str = "move", **more: Any) -> dict[str, Any]:
    """A reindex from static-256 to static-128."""
    ends = {
        name: {"embedding_model_id": model}
        for name, model in (("source", "static-256"), ("dest", "static-128"))
    }
    known = {"progress": 0.0, "count": 0, "children": [], "deploy_as_blue": False, "wait_on_conflict": False}
    return task(task_id, status, **ends, **known | more)


@dataclass
class StudioServer:
    """`states` are what looks at tasks of an id find one after the other, the last again and again.

    `answers` are given, in order, before all else: to calls whose path they name.
    """

    states: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    answers: list[tuple[str, httpx.Response]] = field(default_factory=list)
    collections: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {"items": [], "categories": []}
    )
    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    hits: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    on_look: Callable[[], None] = lambda: None

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    @property
    def said(self) -> list[str]:
        """What was called, without bodies."""
        return [call for call, _ in self.calls]

    def body(self, call: str) -> Any:
        """The body of the last such call."""
        return next(body for made, body in reversed(self.calls) if made == call)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"].startswith("Bearer ")
        sent = request.read()
        if request.headers.get("content-encoding") == "gzip":
            assert request.headers["content-type"] == "application/json"
            sent = gzip.decompress(sent)
        path = request.url.path.removeprefix(_BASE)
        body, asked = json.loads(sent) if sent else None, dict(request.url.params)
        self.calls.append((f"{request.method} {path}", body if body is not None else asked))
        if self.answers and path.endswith(self.answers[0][0]):
            return self.answers.pop(0)[1]
        if path.startswith("/v1/"):
            return self._models(request.method, path, body)
        if "/vectordb/" in path:
            return self._collections(path.split("/collections/")[1], body, asked)
        if path.endswith("-search"):
            return httpx.Response(200, json={"search_results": self.hits})
        return self._tasks(path, body, asked)

    def _models(self, method: str, path: str, body: Any) -> httpx.Response:
        if path == "/v1/models":
            return httpx.Response(200, json={"models": MODELS})
        name = path.removeprefix("/v1/model-aliases").removeprefix("/")
        if method == "PUT":
            self.aliases[name] = body["embedding_model_id"]
        if method == "DELETE" and self.aliases.pop(name, None) is None:
            return httpx.Response(
                404, json={"error": {"code": "alias_not_found", "message": f"no alias {name}"}}
            )
        return httpx.Response(200, json={"aliases": self.aliases})

    def _collections(self, call: str, body: Any, asked: dict[str, str]) -> httpx.Response:
        family = "categories" if call.startswith("categories/") else "items"
        found = self.collections[family]
        call = call.removeprefix("categories/")
        if call == "list":
            return httpx.Response(200, json={"collections": found})
        if call == "get-blue-info":
            blue = [each for each in found if each["work_state"] == "blue"]
            if not blue:
                return httpx.Response(404, json={"detail": "Blue collection not found"})
            return httpx.Response(200, json=blue[0])
        model_id = (body or asked)["embedding_model_id"]
        if call == "create":
            return httpx.Response(200, json=collection(model_id))
        known = [each for each in found if each["embedding_model"]["id"] == model_id]
        if not known:
            return httpx.Response(404, json={"detail": f"Collection with id={model_id} does not exist"})
        if call == "delete":
            return httpx.Response(200, json=None)
        return httpx.Response(200, json=known[0] | ({"work_state": "blue"} if call == "set-blue" else {}))

    def _tasks(self, path: str, body: Any, asked: dict[str, str]) -> httpx.Response:
        kind, _, call = path.removeprefix("/").replace("categories/", "").rpartition("/")
        if call == "run":
            if body.get("dry_run"):
                told = {"documents": 19_796, "tokens": 1_200_345, "dollars": 0.024, "minutes": 1.5}
                return httpx.Response(200, json={"dry_run": True} | told)
            made = body.get("task_id") or f"t{sum('/run' in each for each in self.said)}"
            first = reindex("pending", task_id=made) if kind.endswith("reindex-tasks") else task(made)
            known = self.states.setdefault(made, [first, first | {"status": "done"}])
            return httpx.Response(200, json=known[0])
        if call == "list":
            start = int(asked["offset"])
            return httpx.Response(200, json=self.lists.get(kind, [])[start : start + int(asked["limit"])])
        self.on_look()
        known = self.states.get(asked["task_id"], [])
        if not known or (kind not in known[0].get("kinds", [kind])):
            return httpx.Response(404, json={"detail": f"Task with ID `{asked['task_id']}` not found"})
        if call == "cancel":
            return httpx.Response(200, json=known[-1] | {"status": "canceled"})
        if call == "restart":
            return httpx.Response(200, json=known[-1] | {"status": "pending"})
        return httpx.Response(200, json=known.pop(0) if len(known) > 1 else known[0])
