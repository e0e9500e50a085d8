"""The client against the real HTTP side."""

import httpx
import numpy as np
import pytest

from infra.cli.client import ShoalClient
from infra.cli.failures import ApiError, Denied, JobFailed, NotIndexedInTime, UsageError
from infra.cli.results import Record
from tests.unit.http.api import Api


def rows(count: int) -> list[Record]:
    return [Record(f"id/{n} %é", [float(n), 1.0, 0.1], {"n": n}) for n in range(count)]


def test_a_dataset_lives_and_ends(client: ShoalClient) -> None:
    made = client.create_dataset("songs", dimension=3, metric="cosine")
    assert (made.name, made.dimension, made.metric, made.status, made.row_count) == (
        "songs",
        3,
        "cosine",
        "empty",
        0,
    )
    assert client.list_datasets() == (made,)
    assert client.ensure_dataset("songs", dimension=3, metric="cosine") == made
    with pytest.raises(ApiError) as caught:
        client.create_dataset("songs", dimension=3)
    assert caught.value.code == "dataset_exists"
    client.delete_dataset("songs")
    with pytest.raises(ApiError) as caught:
        client.get_dataset("songs")
    assert caught.value.code == "dataset_not_found"
    assert caught.value.hint is not None


def test_records_go_in_and_come_out(client: ShoalClient) -> None:
    client.create_dataset("songs", dimension=3)
    counted: list[int] = []
    report = client.upsert("songs", rows(5), progress=counted.append)
    assert (report.accepted, report.rejected, report.requests, counted) == (5, (), 1, [5])
    assert report.bytes_unpacked > report.bytes_sent > 0
    client.wait_indexed(report.job_ids)
    found = client.query("songs", np.array([3, 1, 0.1], dtype=np.float32), top_k=2, where={"n": 3})
    assert [(match.id, match.score, match.metadata) for match in found.matches] == [
        ("id/3 %é", 0.0, {"n": 3})
    ]
    assert found.round_trip_ms > 0
    assert client.get_dataset("songs").row_count == 5
    one = client.get("songs", "id/3 %é")
    assert one.values == [3.0, 1.0, pytest.approx(0.1)]
    assert client.get("songs", "id/3 %é", include_values=False).values is None
    fetched = client.fetch("songs", ["id/1 %é", "no", "id/2 %é", "no"])
    assert [record.id for record in fetched.records] == ["id/1 %é", "id/2 %é"]
    assert fetched.missing_ids == ("no",)
    client.wait_indexed([client.delete("songs", "id/3 %é")])
    with pytest.raises(ApiError):
        client.get("songs", "id/3 %é")


def test_rejected_records_are_told_by_their_place(client: ShoalClient) -> None:
    client.create_dataset("songs", dimension=3)
    records = [*rows(2), Record("short", [1.0], {}), *rows(1), Record("", [1.0, 2.0, 3.0], {})]
    report = client.upsert("songs", iter(records))
    assert report.accepted == 3
    assert [each.position for each in report.rejected] == [2, 4]
    assert "dimension" in report.rejected[0].reason


def test_keys_and_usage(client: ShoalClient, api: Api) -> None:
    made = client.create_key("ci", scopes=["read"], expires_at="2030-01-01T00:00:00Z")
    assert made.key is not None
    assert made.scopes == ("read",)
    assert {key.name for key in client.list_keys()} == {"test", "ci"}
    client.revoke_key(made.id)
    assert {key.name: key.revoked_at is not None for key in client.list_keys()} == {"test": False, "ci": True}
    assert client.usage().vectors_used == 0
    api.key = "nobody"
    assert client.usage().vector_quota is None


def test_a_wrong_key_is_denied(api: Api, client: ShoalClient) -> None:
    transport = client._http._http._transport
    stranger = ShoalClient("https://shoal.test", "shl_wrong", transport=transport)
    with pytest.raises(Denied) as caught:
        stranger.list_datasets()
    assert caught.value.exit_code == 5


def test_fetch_asks_again_for_what_did_not_fit() -> None:
    asked: list[list[str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        import json

        ids = json.loads(request.content)["ids"]
        asked.append(ids)
        vectors = [{"id": name, "metadata": {}} for name in ids[:2]]
        return httpx.Response(200, json={"vectors": vectors, "missing_ids": [], "unprocessed_ids": ids[2:]})

    client = ShoalClient("https://shoal.test", "k", transport=httpx.MockTransport(answer))
    found = client.fetch("d", ["a", "b", "c", "d", "e"])
    assert [record.id for record in found.records] == ["a", "b", "c", "d", "e"]
    assert asked == [["a", "b", "c", "d", "e"], ["c", "d", "e"], ["e"]]


@pytest.mark.parametrize(("status", "error"), [("failed", JobFailed), ("pending", NotIndexedInTime)])
def test_waiting_ends_when_it_cannot_succeed(status: str, error: type[Exception]) -> None:
    body = {"job_id": "job_1", "status": status, "dataset": "d", "error_message": "bad shard"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    client = ShoalClient("https://shoal.test", "k", transport=transport)
    with pytest.raises(error, match="job_1"):
        client.wait_indexed(["job_1"], timeout_seconds=0.05)


@pytest.mark.parametrize(
    "name", ["..", ".", "a/../..", "50%", "%2F", "what?", "a#b", " ", "\n", "x" * 256, "🐟/é"]
)
def test_no_id_reaches_anything_but_its_record(client: ShoalClient, name: str) -> None:
    """Clients fold `..` in a path and gateways decode `%` twice: an id is never part of one."""
    client.create_dataset("songs", dimension=3)
    client.upsert("songs", [Record(name, [1.0, 2.0, 3.0], {}), *rows(1)])
    assert client.get("songs", name).id == name
    client.delete("songs", name)
    with pytest.raises(ApiError) as caught:
        client.get("songs", name)
    assert caught.value.code == "not_found"
    assert client.get_dataset("songs").row_count == 1


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../keys", "a?b"])
def test_what_cannot_be_a_name_is_not_sent(client: ShoalClient, name: str) -> None:
    for call in (client.get_dataset, client.delete_dataset, client.revoke_key, client.job):
        with pytest.raises(UsageError):
            call(name)
