"""One account of Vectorize, spoken to with gateway events."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shoal.http.app import App
from shoal.http.context import VectorizeLimits
from shoal.http.routes import service_router
from shoal.model.ids import parse_job_id
from shoal.services.commit import drain
from tests.unit.http.api import Answer, Api

NDJSON = {"content-type": "application/x-ndjson"}


class Vectorize(Api):
    """An account with one key that may do everything."""

    def limited(self, limits: VectorizeLimits) -> None:
        """Go on with limits that a deployment has set."""
        self.app = App(service_router(), replace(self.app._deps, vectorize=limits))

    @property
    def account(self) -> str:
        return self.tenant_id.removeprefix("ten_")

    def path(self, rest: str = "", account: str | None = None) -> str:
        return f"/client/v4/accounts/{account or self.account}/vectorize/v2/indexes{rest}"

    def v(self, method: str, rest: str = "", body: Any = None, **more: Any) -> Answer:
        """Call; `rest` is what comes after `indexes`."""
        answer = self.call(method, self.path(rest), body, **more)
        assert set(answer.json) == {"result", "success", "errors", "messages"}
        assert answer.json["success"] is (answer.status == 200)
        return answer

    def make(self, name: str = "docs", dimensions: int = 32, metric: str = "cosine", **more: Any) -> str:
        config = {"dimensions": dimensions, "metric": metric}
        answer = self.v("POST", "", {"name": name, "config": config, **more})
        assert answer.status == 200, answer.text
        return name

    def put(
        self,
        *lines: Any,
        name: str = "docs",
        how: str = "upsert",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] = NDJSON,
    ) -> Answer:
        """Insert or upsert; lines that are text are sent as they are."""
        body = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        return self.v("POST", f"/{name}/{how}", body, query=query, headers=headers)

    def apply(self, answer: Answer) -> str:
        """Do the indexer's work up to a mutation; its id."""
        assert answer.status == 200, answer.text
        mutation = str(answer.json["result"]["mutationId"])
        place = parse_job_id("job_" + mutation.replace("-", ""))
        assert place is not None
        drain(self.ports, self.tenant_id, place[0], owner="test")
        return mutation

    def stored(self, *lines: Any, name: str = "docs") -> str:
        """Upsert and index; the mutation's id."""
        return self.apply(self.put(*lines, name=name))

    def ids(self, name: str = "docs") -> list[str]:
        """All ids, sorted."""
        return sorted(one["id"] for one in self.v("GET", f"/{name}/list").json["result"]["vectors"])


def fault(answer: Answer) -> tuple[int, int, str]:
    """Status, code and message of the one error."""
    (error,) = answer.json["errors"]
    return answer.status, error["code"], error["message"]


def vector(*values: float, dimensions: int = 32) -> list[float]:
    """A vector that begins so, and is zero from there on."""
    return [*values, *[0.0] * (dimensions - len(values))]


def record(vector_id: str, *values: float, **more: Any) -> dict[str, Any]:
    return {"id": vector_id, "values": vector(*(values or (1.0,))), **more}
