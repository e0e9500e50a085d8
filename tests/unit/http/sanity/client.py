"""A client of the dialect of Sanity over storage in memory, and Sanity itself where it sends webhooks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoal.model.signatures import sign
from tests.unit.http.api import Answer, Api, event

DATASET = "movies"
INDEX = "embeddings-index-movies"
SPEC = {"indexName": INDEX, "filter": "_type == 'movie'", "projection": "{title, director}"}


@dataclass(frozen=True, slots=True)
class Client:
    """Calls below one version of the API."""

    api: Api
    version: str = "vX"

    def call(self, method: str, path: str, body: Any = None, **how: Any) -> Answer:
        """A call below the version."""
        return self.api.call(method, f"/{self.version}/{path}", body, **how)

    def create(self, dataset: str = DATASET, **fields: Any) -> Answer:
        """Make an index."""
        return self.call("POST", f"embeddings-index/{dataset}", SPEC | fields)

    def list_all(self, dataset: str = DATASET, **how: Any) -> Answer:
        """List the indexes of a dataset."""
        return self.call("GET", f"embeddings-index/{dataset}", **how)

    def get(self, name: str = INDEX, dataset: str = DATASET, **how: Any) -> Answer:
        """Show an index."""
        return self.call("GET", f"embeddings-index/{dataset}/{name}", **how)

    def delete(self, name: str = INDEX, dataset: str = DATASET, **how: Any) -> Answer:
        """Delete an index."""
        return self.call("DELETE", f"embeddings-index/{dataset}/{name}", **how)

    def query(self, body: Any, name: str = INDEX, dataset: str = DATASET, **how: Any) -> Answer:
        """Ask an index."""
        return self.call("POST", f"embeddings-index/query/{dataset}/{name}", body, **how)

    def found(self, text: str, **fields: Any) -> list[str]:
        """The ids of the documents that a query finds, best first."""
        answer = self.query({"query": text, **fields})
        assert answer.status == 200, answer.text
        return [each["value"]["documentId"] for each in answer.json]

    def webhook(self, dataset: str = DATASET) -> "Webhook":
        """The webhook of a dataset that has an index, with a new secret."""
        webhook_id = self.list_all(dataset).json[0]["webhookId"]
        answer = self.api.call("POST", f"/v1/webhooks/{webhook_id}/secret")
        assert answer.status == 200, answer.text
        return Webhook(self.api, webhook_id, answer.json["secret"])


@dataclass(frozen=True, slots=True)
class Webhook:
    """Sends what Sanity would: a signed body, and headers beside it."""

    api: Api
    webhook_id: str
    secret: str

    def send(
        self,
        body: Any,
        *,
        operation: str | None = None,
        age: float = 0.0,
        signature: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Tell of a document; `age` seconds ago, or with another signature (None: without one)."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json", **(headers or {})}
        if operation is not None:
            sent["sanity-operation"] = operation
        if signature == "":
            signature = sign(self.secret, data, sent_ms=int((self.api.clock() - age) * 1000))
        if signature is not None:
            sent["sanity-webhook-signature"] = signature
        path = f"/webhooks/sanity/{self.webhook_id}"
        return self.api.send(event("POST", path, body=data.decode(), headers=sent))


def problem(answer: Answer) -> tuple[int, str]:
    """Status and code of an error, whose shape is checked."""
    assert answer.json.keys() - {"details"} == {"statusCode", "error", "message", "code"}, answer.text
    assert answer.json["statusCode"] == answer.status
    assert answer.json["error"], answer.text
    assert answer.json["message"], answer.text
    return answer.status, str(answer.json["code"])
