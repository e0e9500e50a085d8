"""The HTTP side over storage in memory, spoken to with gateway events; time stands still unless moved."""

import gzip
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from shoal.embedding.models import Models
from shoal.http.app import App
from shoal.http.context import Deps, Limits
from shoal.http.routes import service_router
from shoal.model.embedding_models import ModelRegistry
from shoal.model.ids import parse_job_id
from shoal.model.tenants import Scope
from shoal.services.api_keys import create_key
from shoal.services.commit import drain
from shoal.services.embedding import Embedder
from shoal.services.search import Searcher
from shoal.services.tenants import create_tenant
from shoal.storage.memory import (
    MemoryObjects,
    MemoryQueue,
    MemorySecrets,
    MemoryTable,
    MemoryUploads,
    MemoryWorkflows,
)
from shoal.storage.ports import Ports

EVERYTHING = frozenset({Scope.ADMIN})
START = 1_780_000_000.0
"""2026-05-28T20:26:40Z."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `json` is the parsed body, or None."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text) if self.text else None

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])

    @property
    def message(self) -> str:
        return str(self.json["error"]["message"])


class Clock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def event(
    method: str,
    path: str,
    *,
    body: bytes | str | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    request_id: str = "req-1",
    stage: str = "$default",
) -> dict[str, Any]:
    """An HTTP API event (payload format 2.0). The path is given decoded, as the gateway hands it over."""
    packed = isinstance(body, bytes)
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": dict(headers or {}),
        "requestContext": {
            "requestId": request_id,
            "stage": stage,
            "http": {"method": method, "path": path, "sourceIp": "127.0.0.1"},
        },
        "body": b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": packed,
    }


class Api:
    """One deployment with one tenant; `key` may do everything."""

    def __init__(self, limits: Limits | None = None, *, docs_enabled: bool = True) -> None:
        self.clock = Clock()
        self.pauses: list[float] = []
        self.meanwhile: Callable[[], None] = lambda: None
        queues = (MemoryQueue(self.clock), MemoryQueue(self.clock))
        objects = MemoryObjects(self.clock)
        self.uploads, self.imports = MemoryUploads(objects, self.clock), MemoryWorkflows()
        self.compactions, self.exports = MemoryWorkflows(), MemoryWorkflows()
        self.reindexes, self.tasks = MemoryWorkflows(), MemoryQueue(self.clock)
        self.derivations, self.ingestions = MemoryWorkflows(), MemoryWorkflows()
        self.ports = Ports(
            objects,
            MemoryTable(self.clock),
            *queues,
            self.clock,
            self.uploads,
            self.imports,
            self.compactions,
            self.exports,
            self.reindexes,
            self.tasks,
            derivations=self.derivations,
            ingestions=self.ingestions,
            secrets=MemorySecrets(),
        )
        self.use(self.ports, limits, docs_enabled=docs_enabled)
        self.tenant_id = create_tenant(self.ports, name="ours").tenant_id
        self.key = self.new_key()

    def use(self, ports: Ports, limits: Limits | None = None, *, docs_enabled: bool = True) -> None:
        """Start anew over other ports, as a new container would."""
        searcher = Searcher(ports, cache_bytes=10**8)
        models = Models(ModelRegistry(), inference=ports.inference, outbound=ports.outbound, pause=self.pause)
        self.embedder = Embedder(ports, models)
        deps = Deps(
            ports,
            searcher,
            limits or Limits(),
            docs_enabled=docs_enabled,
            pause=self.pause,
            embedder=self.embedder,
        )
        self.app = App(service_router(), deps)

    def pause(self, seconds: float) -> None:
        """What a request that waits does: time passes, and so does whatever happens `meanwhile`."""
        self.pauses.append(seconds)
        self.clock.now += seconds
        self.meanwhile()

    def new_key(
        self,
        *scopes: Scope,
        tenant_id: str | None = None,
        expires_at: float | None = None,
    ) -> str:
        _, key = create_key(
            self.ports,
            tenant_id=tenant_id or self.tenant_id,
            name="test",
            scopes=frozenset(scopes) or EVERYTHING,
            expires_at=expires_at,
        )
        return key

    def stranger(self) -> str:
        """A key of another tenant that may do everything there."""
        return self.new_key(tenant_id=create_tenant(self.ports, name="theirs").tenant_id)

    def send(self, gateway_event: Mapping[str, Any]) -> Answer:
        answer = self.app.handle(gateway_event)
        assert not answer["isBase64Encoded"]
        return Answer(answer["statusCode"], answer["headers"], answer["body"])

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call with our key ("": ours, None: none). Bodies that are not text or bytes are sent as JSON."""
        sent = dict(headers or {})
        if key is not None:
            sent["authorization"] = f"Bearer {key or self.key}"
        if body is not None and not isinstance(body, bytes | str):
            body = json.dumps(body)
        return self.send(event(method, path, body=body, query=query, headers=sent))

    def dataset(self, name: str = "products", dimension: int = 4, metric: str = "l2") -> str:
        answer = self.call("POST", "/v1/datasets", {"name": name, "dimension": dimension, "metric": metric})
        assert answer.status == 201, answer.text
        return name

    def upload(self, *lines: Any, name: str = "products", key: str = "") -> Answer:
        body = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        return self.call("POST", f"/v1/datasets/{name}/vectors", body, key=key)

    def index(self, job_id: str, tenant_id: str | None = None) -> None:
        """Do the indexer's work up to a job."""
        place = parse_job_id(job_id)
        assert place is not None
        drain(self.ports, tenant_id or self.tenant_id, place[0], owner="test")

    def indexed(self, *lines: Any, name: str = "products") -> str:
        """Upload and index; the job's id."""
        answer = self.upload(*lines, name=name)
        assert answer.status == 202, answer.text
        job_id = str(answer.json["job_id"])
        self.index(job_id)
        return job_id


def packed(text: bytes) -> bytes:
    """Gzipped."""
    return gzip.compress(text, mtime=0)
