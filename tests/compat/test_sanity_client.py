"""`@sanity/client` from npm, pinned: documents and indexes of them, with nothing changed but where it asks."""

import re
import time
from collections.abc import Iterator

import pytest

from tests.compat.reader import PATIENCE_SECONDS
from tests.compat.sanity_client import ClientError, SanityClient, sanity_client
from tests.compat.sanity_place import PROJECT, Place, place

__all__ = ["place"]
DATASET, INDEX = "my-movies", "embeddings-index-movies"
SPEC = {"indexName": INDEX, "filter": "_type == 'movie'", "projection": "{title, director}"}
TEXT = "sci-fi adventure with cowboys and aliens"


@pytest.fixture(params=["X", "2023-09-15", "1"])
def client(place: Place, request: pytest.FixtureRequest) -> Iterator[SanityClient]:
    """The client, at a version of the API."""
    version = str(request.param)
    with sanity_client(place.url, place.key, project_id=PROJECT, dataset=DATASET, version=version) as opened:
        yield opened


def movie(name: str, title: str, **fields: str) -> dict[str, str]:
    return {"_id": name, "_type": "movie", "title": title, **fields}


def until_found(client: SanityClient, wanted: list[str], text: str = TEXT) -> None:
    """Wait until a query finds these, in this order."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while (found := client.found(DATASET, INDEX, text)) != wanted:
        assert time.monotonic() < give_up_at, found
        time.sleep(0.1)


def test_documents_and_an_index_of_them(client: SanityClient) -> None:
    made = client.do("create", {"_type": "movie", "title": "Cowboys & Aliens", "director": "Jon Favreau"})
    assert made["_id"]
    assert made["_rev"]
    assert made["title"] == "Cowboys & Aliens"
    ship = client.do("createOrReplace", movie("titanic", "Titanic: a love story on a ship"))
    assert ship["_id"] == "titanic"
    kept = client.do("createIfNotExists", movie("titanic", "another title"))
    assert kept["title"] == "Titanic: a love story on a ship"
    client.do("create", {"_id": "drafts.titanic", "_type": "movie", "title": TEXT})
    client.do("create", {"_id": "novel", "_type": "book", "title": TEXT})

    answer = client.request("POST", f"/embeddings-index/{DATASET}", SPEC)
    assert (answer["status"], answer["index"]["indexName"]) == ("ok", INDEX)
    assert answer["index"]["projectId"] == PROJECT
    built = client.active(DATASET, INDEX)
    counts = [built[f"{what}DocumentCount"] for what in ("start", "remaining", "failed")]
    assert counts == [2, 0, 0], "neither the draft, nor the novel"
    assert [each["indexName"] for each in client.request("GET", f"/embeddings-index/{DATASET}")] == [INDEX]
    assert client.found(DATASET, INDEX, TEXT) == [made["_id"], "titanic"]
    assert client.found(DATASET, INDEX, TEXT, maxResults=1, filter={"type": "movie,book"}) == [made["_id"]]
    assert client.found(DATASET, INDEX, TEXT, filter={"type": ["book"]}) == []
    assert client.found(DATASET, INDEX, TEXT, filter={}) == [made["_id"], "titanic"]

    # What is written from now on is followed.
    patched = client.do("patch", {"id": "titanic", "set": {"title": TEXT}, "ifRevisionId": ship["_rev"]})
    assert patched["title"] == TEXT
    until_found(client, ["titanic", made["_id"]])
    client.do("delete", "titanic")
    until_found(client, [made["_id"]])
    done = client.do(
        "transaction", [{"createOrReplace": movie("alien", "Alien")}, {"delete": {"id": made["_id"]}}]
    )
    assert done["transactionId"]
    until_found(client, ["alien"])

    gone = client.request("DELETE", f"/embeddings-index/{DATASET}/{INDEX}")
    assert gone["indexName"] == INDEX
    assert client.request("GET", f"/embeddings-index/{DATASET}") == []


def test_what_goes_wrong_reads_well(place: Place) -> None:
    with sanity_client(place.url, place.key, project_id=PROJECT, dataset=DATASET, version="X") as client:

        def refused(method: str, path: str, body: object = None) -> ClientError:
            with pytest.raises(ClientError) as found:
                client.request(method, path, body)
            return found.value

        unknown = refused("GET", "/embeddings-index/nothing")
        assert unknown.status == 404
        assert unknown.message.startswith("Not Found - there is no dataset nothing")
        eaten = refused("POST", f"/embeddings-index/{DATASET}", SPEC | {"filter": "_type==movie"})
        assert eaten.status == 400
        assert re.match(r"Bad Request - filter, character 8: .*quotes", eaten.message)
        client.request("POST", f"/embeddings-index/{DATASET}", SPEC)
        taken = refused("POST", f"/embeddings-index/{DATASET}", SPEC)
        assert (taken.status, taken.body["code"]) == (409, "index_exists")
        path = f"/embeddings-index/query/{DATASET}/{INDEX}"
        for most in (0, 1001):
            assert refused("POST", path, {"query": TEXT, "maxResults": most}).status == 400
        assert refused("POST", path, {"query": "x" * 100_000}).status == 400
        client.request("DELETE", f"/embeddings-index/{DATASET}/{INDEX}")

    with (
        sanity_client(place.url, place.key, project_id="another", dataset=DATASET, version="X") as client,
        pytest.raises(ClientError, match="Unauthorized - Session does not match project host"),
    ):
        client.request("GET", f"/embeddings-index/{DATASET}")
    with (
        sanity_client(place.url, "nonsense", project_id=PROJECT, dataset=DATASET, version="X") as client,
        pytest.raises(ClientError, match="Unauthorized - a valid API key is required"),
    ):
        client.request("GET", f"/embeddings-index/{DATASET}")
