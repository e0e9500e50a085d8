"""The curl lines of Sanity's page about the Embeddings Index HTTP API, with only host and token changed."""

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.compat.reader import PATIENCE_SECONDS, TIME, Answer, Reader, assert_as_documented
from tests.compat.sanity_client import PAGE
from tests.compat.sanity_place import PROJECT, Place, place

__all__ = ["place"]
HOST = f"https://{PROJECT}.api.sanity.io"
TOKEN = "<bearer-token>"
EATEN, QUOTED = "_type=='movie'", r"_type=='\''movie'\''"
"""A shell takes the quotes away inside of others; written like this they get through."""
BY_FORM = {
    "createdAt": TIME,
    "updatedAt": TIME,
    "webhookId": re.compile(r"[A-Za-z0-9]{16}"),
    "projectId": re.compile(PROJECT),
}


@pytest.fixture
def page(place: Place, folder: Path) -> Reader:
    """A reader of the page, whose project is the page's own."""
    for file in PAGE.glob("*.sh"):
        shutil.copy(file, folder)
    return Reader(folder, place.url, place.key, HOST, {TOKEN: place.key})


def documented(name: str) -> Any:
    return json.loads((PAGE / f"{name}.200.json").read_text())


def ask(place: Place, method: str, path: str, body: Any = None) -> Any:
    """What we ask beside the page."""
    headers = {"authorization": f"Bearer {place.key}"}
    url = f"{place.url}/vX/{path}"
    answer = httpx.request(method, url, json=body, headers=headers, trust_env=False, timeout=40.0)
    assert answer.status_code == 200, answer.text
    return answer.json()


def write(place: Place, *documents: dict[str, Any]) -> None:
    """Have documents in the page's dataset, where all of them can be counted."""
    mutations = [{"createOrReplace": document} for document in documents]
    ask(place, "POST", "data/mutate/my-movies", {"mutations": mutations})
    published = [document for document in documents if not document["_id"].startswith("drafts.")]
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    count = -1
    while count != len(published):
        assert time.monotonic() < give_up_at, count
        made = ask(place, "POST", "embeddings-index/my-movies", {"indexName": "all"})
        count = made["index"]["startDocumentCount"]
        ask(place, "DELETE", "embeddings-index/my-movies/all")


def until_active(page: Reader) -> Answer:
    """The answer to the page's `get` once the index is active; the states before it come in their order."""
    states: list[str] = []
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = page.run("get")
        assert answer.status == 200
        states += [] if states[-1:] == [answer.json["status"]] else [answer.json["status"]]
        if states[-1] == "active":
            assert states == [state for state in ("pending", "indexing", "active") if state in states]
            return answer
        assert time.monotonic() < give_up_at, answer.json
        time.sleep(0.1)


def test_the_page_from_its_first_block_to_its_last(page: Reader, place: Place) -> None:
    movies = [{"_id": f"movie-{n}", "_type": "movie", "title": f"movie number {n}"} for n in range(19)]
    write(place, *movies, {"_id": "drafts.movie-1", "_type": "movie"}, {"_id": "b", "_type": "book"})

    refused = page.run("create")
    assert refused.status == 400, "the shell has eaten the quotes"
    assert refused.json["statusCode"] == 400
    assert refused.json["error"] == "Bad Request"
    assert "movie" in refused.json["message"]
    assert "shell" in refused.json["message"]

    page.learned[EATEN] = QUOTED
    created = page.run("create")
    assert created.status == 200
    assert_as_documented(created.json, documented("create"), more=frozenset(), by_form=BY_FORM)
    assert page.run("create").status == 409

    active = until_active(page)
    assert_as_documented(active.json, documented("get"), more=frozenset(), by_form=BY_FORM)
    listed = page.run("list")
    assert listed.status == 200
    assert_as_documented(listed.json, documented("list"), more=frozenset(), by_form=BY_FORM)

    found = page.run("query")
    assert (found.status, found.json) == (200, []), (
        "all of them are movies, and the block asks for other types"
    )

    deleted = page.run("delete")
    assert deleted.status == 200
    assert_as_documented(deleted.json, documented("delete"), more=frozenset(), by_form=BY_FORM)
    assert page.run("get").status == 404
    assert (page.run("list").status, page.run("list").json) == (200, [])
    assert page.run("query").status == 404
    assert page.run("delete").status == 404


def test_the_query_where_it_finds_something(page: Reader, place: Place) -> None:
    best = "85803a29-fe3f-44ba-9c0f-9a40239fd735"
    write(
        place,
        {"_id": best, "_type": "synopsis", "text": "A sci-fi adventure with cowboys and aliens"},
        {"_id": "s2", "_type": "summary", "text": "A love story on a ship that sinks"},
        {"_id": "m1", "_type": "movie", "text": "sci-fi adventure with cowboys and aliens"},
    )
    page.learned[EATEN] = ""  # all documents
    assert page.run("create").status == 200
    until_active(page)
    answer = page.run("query")
    assert answer.status == 200
    first, second = answer.json
    expected = documented("query")[0]
    assert first["value"] == expected["value"]
    assert first.keys() == expected.keys()
    assert second["value"] == {"documentId": "s2", "type": "summary"}
    assert 0 <= second["score"] < first["score"] <= 1
