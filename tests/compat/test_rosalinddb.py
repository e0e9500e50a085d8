"""The code blocks of RosalindDB's page about datasets, run with curl against the local stack."""

import json

import pytest

from tests.compat.reader import Reader, assert_as_documented, documented

pytestmark = pytest.mark.e2e
STATES = ("empty", "validating", "indexing", "indexed")


def test_the_page_from_its_first_block_to_its_last(reader: Reader) -> None:
    created = reader.run("create_dataset")
    assert created.status == 201
    more = frozenset({"metric", "last_indexed_at", "error_message", "recall", "embedding_model", "aliases"})
    assert_as_documented(created.json, documented("create_dataset.201"), more=more)
    assert (created.json["metric"], created.json["last_indexed_at"], created.json["error_message"]) == (
        "l2",
        None,
        None,
    )

    uploaded = reader.run("upload_vectors")
    assert uploaded.status == 202
    assert_as_documented(uploaded.json, documented("upload_vectors.202"), more=frozenset())

    seen = reader.wait("get_dataset", "indexed")
    assert seen == sorted(seen, key=STATES.index), "the states come in the page's order"

    listed = reader.run("list_datasets")
    assert listed.status == 200
    listed.json["datasets"] = [each for each in listed.json["datasets"] if each["name"] == "products"]
    assert_as_documented(listed.json, documented("list_datasets.200"), more=more)

    answered = reader.run("query")
    assert answered.status == 200
    assert answered.json.keys() == {"matches", "latency_ms", "mode"}
    assert answered.json["mode"] in {"hot", "cold"}
    first, second = answered.json["matches"]
    assert first == {"id": "doc-1", "score": 0.0, "metadata": {"title": "Atlas of birds"}}
    assert second["id"] == "doc-2"
    assert second["score"] == pytest.approx(0.64, rel=1e-6)

    deleted = reader.run("delete_dataset")
    assert (deleted.status, deleted.json) == (204, None)
    gone = reader.run("get_dataset")
    assert (gone.status, gone.json["error"]["code"]) == (404, "dataset_not_found")
    assert reader.run("query").status == 404


def test_what_the_page_says_of_an_upload(reader: Reader) -> None:
    """Bad lines are told one by one; sending an id again overwrites it; `accepted` counts lines before that."""
    reader.run("create_dataset")
    try:
        reader.run("upload_vectors")
        lines = [
            {"id": "doc-1", "values": [9.0, 9.0, 9.0, 9.0], "metadata": {"title": "first"}},
            {"id": "doc-4", "values": [0.1, 0.2, 0.3]},
            {"id": "doc-1", "values": [0.1, 0.2, 0.3, 0.4], "metadata": {"title": "Atlas, second edition"}},
        ]
        (reader.folder / "vectors.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
        again = reader.run("upload_vectors")
        assert again.status == 202
        assert (again.json["accepted"], again.json["rejected"]) == (2, 1)
        assert again.json["errors"] == [{"line": 2, "reason": "dimension mismatch: got 3 expected 4"}]
        reader.wait("get_dataset", "indexed")
        assert reader.run("get_dataset").json["row_count"] == 3
        best = reader.run("query").json["matches"][0]
        assert best == {"id": "doc-1", "score": 0.0, "metadata": {"title": "Atlas, second edition"}}
    finally:
        reader.run("delete_dataset")
