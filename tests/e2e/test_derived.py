"""Derived datasets on the local stack: a filtered twin that follows its source, made with the command line."""

import secrets
from typing import Any

import httpx
import pytest

from tests.e2e.steps import Shoal, code, ndjson, new_dataset, told, until

pytestmark = pytest.mark.e2e
SECONDS = 60.0


def ids(api: httpx.Client, name: str) -> set[str]:
    """What a query of everything finds, which a list must agree with once nothing moves."""
    answer = api.post("/v1/query", json={"dataset": name, "vector": [1, 1], "top_k": 100})
    assert answer.status_code == 200, answer.text
    return {match["id"] for match in answer.json()["matches"]}


def write(api: httpx.Client, name: str, *records: dict[str, Any]) -> None:
    path = f"/v1/datasets/{name}/vectors"
    answer = api.post(path, params={"wait": "indexed"}, content=ndjson(*records))
    assert answer.status_code == 200, answer.text


def test_a_filtered_twin_that_follows(shoal: Shoal, api: httpx.Client) -> None:
    source, mirror = new_dataset(api), f"mirror-{secrets.token_hex(4)}"
    write(
        api,
        source,
        {"id": "a", "values": [1, 0], "metadata": {"price": 10, "title": "a walk"}},
        {"id": "b", "values": [0, 1], "metadata": {"price": 90, "title": "a walk"}},
        {"id": "c", "values": [1, 1], "metadata": {"price": 10, "title": "a rude walk"}},
    )
    words = f"e2e-{secrets.token_hex(4)}"
    told(shoal("terms", "put", words, "-", "--json", stdin="rude\n"))
    run = told(
        shoal(
            *("derive", source, mirror, "--filter", '{"price": {"$lt": 50}}'),
            *("--terms", words, "--field", "title", "--follow", "--watch", "--json"),
        )
    )
    assert (run["status"], run["rows_total"], run["rows_removed"]) == ("completed", 3, 2)
    assert run["removed_by_term"] == [["rude", 1]]
    assert ids(api, mirror) == {"a"}
    refused = api.post(f"/v1/datasets/{mirror}/vectors", content=ndjson({"id": "x", "values": [0, 0]}))
    assert code(refused) == (409, "dataset_follows")

    write(
        api,
        source,
        {"id": "d", "values": [2, 2], "metadata": {"price": 20, "title": "another walk"}},
        {"id": "a", "values": [1, 0], "metadata": {"price": 99, "title": "a walk"}},
    )
    until(lambda: ids(api, mirror) == {"d"} or None, seconds=SECONDS)
    shown = told(shoal("derivation", "show", mirror, "--json"))
    assert shown["derived_from"]["source"] == source
    assert [each["dataset"] for each in told(shoal("derivation", "show", source, "--json"))["derived"]] == [
        mirror
    ]

    own = f"own-{secrets.token_hex(4)}"
    told(shoal("derive", source, own, "--watch", "--json"))
    write(api, own, {"id": "mine", "values": [3, 3]})
    assert ids(api, own) == {"a", "b", "c", "d", "mine"}
    told(shoal("derivation", "rebuild", own, "--watch", "--json"))
    assert ids(api, own) == {"a", "b", "c", "d"}
    for name in (source, mirror, own):
        assert shoal("datasets", "delete", name, "--yes").returncode == 0
    left = {each["name"] for each in api.get("/v1/datasets").json()["datasets"]}
    assert not left & {source, mirror, own}


def test_one_that_is_cancelled_and_one_that_cannot_be(shoal: Shoal, api: httpx.Client) -> None:
    source, name = new_dataset(api), f"never-{secrets.token_hex(4)}"
    begun = api.post(f"/v1/datasets/{source}/derive", json={"name": name}).json()
    over = api.delete(f"/v1/derivations/{begun['derivation_id']}").json()
    assert over["status"] in {"cancelled", "completed"}
    if over["status"] == "cancelled":
        assert api.get(f"/v1/datasets/{name}").status_code == 404
        api.post(f"/v1/datasets/{source}/derive", json={"name": name}).raise_for_status()
    until(lambda: api.get(f"/v1/datasets/{name}").status_code == 200 or None, seconds=SECONDS)
    failed = shoal("derive", source, name)
    assert failed.returncode == 4
    assert "dataset_exists" in failed.stderr
