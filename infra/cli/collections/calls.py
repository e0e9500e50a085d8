"""The API's calls about collections: which there are, which is blue, and searching it."""

import time
from collections.abc import Mapping
from typing import Any

from infra.cli.collections.results import CollectionInfo, Family, Found
from infra.cli.failures import ApiError
from infra.cli.transport import Transport

API = "/api/v1"
_COLLECTIONS = f"{API}/internal/vectordb/collections"


def of_family(family: Family, call: str) -> str:
    """The path of a call about the collections of a family."""
    twin = "/categories" if family is Family.CATEGORIES else ""
    return f"{_COLLECTIONS}{twin}/{call}"


class CollectionCalls:
    """Collections of one API; made by `ShoalClient.collections`."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self, family: Family = Family.ITEMS) -> tuple[CollectionInfo, ...]:
        """The collections of a family."""
        body = self._http.send("GET", of_family(family, "list")).json()
        return tuple(CollectionInfo.of(each, family) for each in body["collections"])

    def create(
        self,
        model_id: str,
        *,
        family: Family = Family.ITEMS,
        template: str | None = None,
        aggregation: str | None = None,
    ) -> CollectionInfo:
        """Create the collection of a model; 409 where it is there."""
        body = {"embedding_model_id": model_id, "template": template, "metric_aggregation_type": aggregation}
        return self._told(
            "create", family, {name: value for name, value in body.items() if value is not None}
        )

    def get(self, model_id: str, *, family: Family = Family.ITEMS) -> CollectionInfo:
        """One collection; 404 where there is none."""
        path, asked = of_family(family, "get-info"), {"embedding_model_id": model_id}
        return CollectionInfo.of(self._http.send("GET", path, params=asked).json(), family)

    def delete(self, model_id: str, *, family: Family = Family.ITEMS) -> None:
        """Delete a collection with all its objects; 409 where it is blue."""
        self._http.send("POST", of_family(family, "delete"), json={"embedding_model_id": model_id})

    def blue(self, family: Family = Family.ITEMS) -> CollectionInfo | None:
        """The collection that answers searches; None where there is none yet."""
        try:
            return CollectionInfo.of(
                self._http.send("GET", of_family(family, "get-blue-info")).json(), family
            )
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def set_blue(self, model_id: str, *, family: Family = Family.ITEMS) -> CollectionInfo:
        """Let another collection answer searches from now on; 404 where there is none of that model."""
        return self._told("set-blue", family, {"embedding_model_id": model_id})

    def search(
        self,
        text: str | None,
        *,
        limit: int = 10,
        offset: int = 0,
        where: Mapping[str, Any] | None = None,
        max_distance: float | None = None,
        family: Family = Family.ITEMS,
    ) -> Found:
        """The objects of the blue collection that are nearest to a text; without one, all that `where` means."""
        body: dict[str, Any] = {"search_query": text, "limit": limit}
        if offset:
            body["offset"] = offset
        if where is not None:
            body["filter"] = where if "query" in where else {"query": where}
        if max_distance is not None:
            body["max_distance"] = max_distance
        twin = "/categories" if family is Family.CATEGORIES else ""
        kind = "payload-search" if text is None else "similarity-search"
        began = time.perf_counter()
        answer = self._http.send("POST", f"{API}/embeddings{twin}/{kind}", json=body).json()
        return Found.of(answer, (time.perf_counter() - began) * 1000)

    def count(self, *, where: Mapping[str, Any] | None = None) -> int:
        """How many objects of the blue collection match."""
        body: dict[str, Any] = {"search_query": None}
        if where is not None:
            body["filter"] = where if "query" in where else {"query": where}
        return int(
            self._http.send("POST", f"{API}/embeddings/payload-count", json=body).json()["total_count"]
        )

    def _told(self, call: str, family: Family, body: Mapping[str, Any]) -> CollectionInfo:
        return CollectionInfo.of(self._http.send("POST", of_family(family, call), json=body).json(), family)
