"""The official Python client of Cloudflare, pointed at the local stack by its base URL and nothing else."""

import json
import time
from collections.abc import Callable
from typing import Any

import cloudflare
import pytest
from cloudflare import Cloudflare

from infra.local.info import StackInfo
from shoal.services.tenants import create_tenant
from shoal.storage.ports import Ports

pytestmark = [
    pytest.mark.e2e,
    # The client's own, about how it sends the bytes that its types ask for.
    pytest.mark.filterwarnings("ignore:Passing raw bytes as `body`:DeprecationWarning"),
]
DIMENSIONS = 32
PATIENCE_SECONDS = 60.0


def vector(*values: float) -> list[float]:
    return [*values, *[0.0] * (DIMENSIONS - len(values))]


def lines(*records: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(record).encode() for record in records)


class Account:
    """An account as the client sees it; names are of its own."""

    def __init__(self, client: Cloudflare, account_id: str, name: str) -> None:
        self.client = client
        self.account_id = account_id
        self.name = name

    @property
    def indexes(self) -> Any:
        return self.client.vectorize.indexes

    def call(self, method: str, *args: Any, **more: Any) -> Any:
        """A call about our index."""
        place: Any = self.indexes
        for part in method.split("."):
            place = getattr(place, part)
        return place(self.name, *args, account_id=self.account_id, **more)

    def wait_for(self, mutation: str) -> Any:
        """Poll `info` as clients do."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            info = self.call("info")
            if info.processed_up_to_mutation == mutation:
                return info
            assert time.monotonic() < until, "the mutation was not processed in time"
            time.sleep(0.1)

    def stored(self, *records: dict[str, Any]) -> Any:
        return self.wait_for(self.call("upsert", body=lines(*records)).mutation_id)


@pytest.fixture
def account(
    local_stack: StackInfo, ports: Ports, new_key: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Account:
    tenant_id = create_tenant(ports, name="from Vectorize").tenant_id
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", f"{local_stack.api_url}/client/v4")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = Cloudflare(api_token=new_key(tenant_id=tenant_id), max_retries=0)
    return Account(client, tenant_id.removeprefix("ten_"), "docs")


def test_every_call_of_the_client(account: Account) -> None:
    made = account.indexes.create(
        account_id=account.account_id,
        name=account.name,
        config={"dimensions": DIMENSIONS, "metric": "cosine"},
        description="All of them",
    )
    assert (made.name, made.description) == ("docs", "All of them")
    assert (made.config.dimensions, made.config.metric) == (DIMENSIONS, "cosine")
    assert made.created_on == made.modified_on
    assert [index.name for index in account.indexes.list(account_id=account.account_id)] == ["docs"]
    assert account.call("get").name == "docs"
    assert account.call("info").vector_count == 0

    indexed = account.call("metadata_index.create", property_name="kind", index_type="string")
    account.wait_for(indexed.mutation_id)
    (shown,) = account.call("metadata_index.list").metadata_indexes
    assert (shown.property_name, shown.index_type) == ("kind", "String")

    info = account.stored(
        {"id": "a", "values": vector(1.0), "metadata": {"kind": "x", "n": 1}, "namespace": "one"},
        {"id": "b", "values": vector(0.0, 1.0), "metadata": {"kind": "y"}},
        {"id": "c", "values": vector(0.9, 0.1)},
    )
    assert (info.vector_count, info.dimensions) == (3, DIMENSIONS)
    assert info.processed_up_to_datetime.tzinfo is not None

    kept = account.call("insert", body=lines({"id": "a", "values": vector(0.0, 1.0)}))
    account.wait_for(kept.mutation_id)
    (first,) = account.call("get_by_ids", ids=["a"])
    assert first["values"] == vector(1.0)
    assert (first["metadata"], first["namespace"]) == ({"kind": "x", "n": 1}, "one")

    found = account.call("query", vector=vector(1.0), top_k=2, return_values=True, return_metadata="all")
    assert found.count == 2
    assert [match.id for match in found.matches] == ["a", "c"]
    assert found.matches[0].score == pytest.approx(1.0)
    assert found.matches[0].values == vector(1.0)
    assert found.matches[0].metadata == {"kind": "x", "n": 1}
    filtered = account.call(
        "query", vector=vector(1.0), filter={"kind": {"$ne": "x"}}, return_metadata="indexed"
    )
    assert [match.id for match in filtered.matches] == ["c", "b"]
    assert filtered.matches[1].metadata == {"kind": "y"}
    named = account.call("query", vector=vector(1.0), extra_body={"namespace": "one"})
    assert [match.id for match in named.matches] == ["a"]

    page = account.call("list_vectors", count=2)
    assert (page.count, page.total_count, page.is_truncated) == (2, 3, True)
    rest = account.call("list_vectors", count=2, cursor=page.next_cursor)
    assert sorted(one.id for one in [*page.vectors, *rest.vectors]) == ["a", "b", "c"]
    assert (rest.is_truncated, rest.next_cursor) == (False, None)

    gone = account.call("delete_by_ids", ids=["a", "nobody"])
    assert account.wait_for(gone.mutation_id).vector_count == 2
    dropped = account.call("metadata_index.delete", property_name="kind")
    account.wait_for(dropped.mutation_id)
    assert account.call("metadata_index.list").metadata_indexes == []

    account.call("delete")
    with pytest.raises(cloudflare.APIStatusError) as deleted:
        account.call("get")
    assert deleted.value.status_code == 410
    assert [error.code for error in deleted.value.errors] == [3005]
    assert list(account.indexes.list(account_id=account.account_id)) == []


def test_errors_as_the_client_shows_them(account: Account, new_key: Callable[..., str]) -> None:
    with pytest.raises(cloudflare.NotFoundError) as missing:
        account.call("info")
    assert [(error.code, error.message) for error in missing.value.errors] == [
        (3000, 'vectorize.index.not_found - Index name "docs"')
    ]
    config = {"dimensions": DIMENSIONS, "metric": "cosine"}
    account.indexes.create(account_id=account.account_id, name=account.name, config=config)
    refusals: list[tuple[Callable[[], Any], int]] = [
        (lambda: account.indexes.create(account_id=account.account_id, name="docs", config=config), 3002),
        (lambda: account.indexes.create(account_id=account.account_id, name="D", config=config), 3001),
        (lambda: account.call("query", vector=[1.0]), 40006),
        (lambda: account.call("query", vector=vector(1.0), top_k=51, return_values=True), 40025),
        (lambda: account.call("get_by_ids", ids=["x"] * 21), 40007),
        (lambda: account.call("get_by_ids", ids=["x" * 65]), 40008),
        (lambda: account.call("upsert", body=b"{"), 40023),
        (lambda: account.call("upsert", body=lines({"id": "x", "values": [1.0]})), 40012),
        (lambda: account.call("metadata_index.delete", property_name="none"), 40005),
    ]
    for wanted, code in refusals:
        with pytest.raises(cloudflare.BadRequestError) as refused:
            wanted()
        assert [error.code for error in refused.value.errors] == [code]
    discarded = account.call(
        "upsert",
        body=b"nonsense\n" + lines({"id": "x", "values": vector(1.0)}),
        unparsable_behavior="discard",
    )
    assert account.wait_for(discarded.mutation_id).vector_count == 1

    stranger = Cloudflare(api_token=new_key(), max_retries=0)
    with pytest.raises(cloudflare.NotFoundError) as other:
        stranger.vectorize.indexes.get("docs", account_id=account.account_id)
    assert [error.code for error in other.value.errors] == [7003]
    nobody = Cloudflare(api_token="shl_nobody", max_retries=0)
    with pytest.raises(cloudflare.AuthenticationError) as unknown:
        nobody.vectorize.indexes.list(account_id=account.account_id)
    assert [error.code for error in unknown.value.errors] == [10000]


def test_the_legacy_headers(account: Account) -> None:
    legacy = Cloudflare(api_email="user@example.com", api_key=account.client.api_token, max_retries=0)
    assert list(legacy.vectorize.indexes.list(account_id=account.account_id)) == []


@pytest.mark.parametrize("headers", [None, {"Content-Type": "application/x-ndjson"}])
def test_the_shapes_in_which_the_client_sends_bytes(account: Account, headers: dict[str, str] | None) -> None:
    config = {"preset": "@cf/baai/bge-small-en-v1.5"}
    account.indexes.create(account_id=account.account_id, name=account.name, config=config)
    body = lines(*({"id": f"v{number}", "values": [1.0] * 384} for number in range(200)))
    answer = account.call("upsert", body=body, extra_headers=headers)
    assert account.wait_for(answer.mutation_id).vector_count == 200
