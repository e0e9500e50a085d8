"""The demo's data: operations read from botocore's folders, and the keyword search beside them."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from infra.cli.demo.keywords import KeywordIndex, terms
from infra.cli.demo.operations import (
    boto3_line,
    content_digest,
    load_operations,
    strip_html,
    words_of,
)
from infra.cli.demo.questions import QUESTIONS


def service(operations: dict[str, Any], **about: str) -> bytes:
    shapes = {
        "In": {
            "type": "structure",
            "required": ["Image", "Token"],
            "members": {"Image": {"shape": "S"}, "Token": {"shape": "S", "idempotencyToken": True}},
        }
    }
    return gzip.compress(json.dumps({"metadata": about, "operations": operations, "shapes": shapes}).encode())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two services, one of them in two versions."""
    files = {
        "rek/2016-01-01": service({"Old": {}}, serviceId="Rek"),
        "rek/2018-01-01": service(
            {
                "DetectFaces": {
                    "input": {"shape": "In"},
                    "documentation": "<p>Detects &amp; finds.</p> <note><p>Aside.</p></note> <p>Two. Three.</p>",
                },
                "GetIPSet": {},
            },
            serviceId="Rek",
            serviceFullName="Amazon Rek",
        ),
        "sqs/2012-11-05": service({"SendMessage": {}}, serviceId="SQS"),
    }
    for name, body in files.items():
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "service-2.json.gz").write_bytes(body)
    (tmp_path / "no-service").mkdir()
    return tmp_path


def test_the_latest_version_of_each_service(data: Path) -> None:
    found = {each.id: each for each in load_operations(data)}
    assert list(found) == ["rek.detect_faces", "rek.get_ip_set", "sqs.send_message"]
    faces = found["rek.detect_faces"]
    assert faces.embedded_text == "amazon rek: detect faces. detects & finds. two."
    assert faces.call == 'boto3.client("rek").detect_faces(Image=...)'
    assert faces.metadata["summary"] == "Detects & finds."
    assert found["sqs.send_message"].service == "SQS"


def test_the_digest_follows_the_content(data: Path) -> None:
    operations = list(load_operations(data))
    digest = content_digest(operations, model="m")
    assert digest == content_digest(list(load_operations(data)), model="m")
    assert digest != content_digest(operations, model="other")
    assert digest != content_digest(operations[:-1], model="m")


@pytest.mark.slow
def test_the_installed_botocore() -> None:
    operations = list(load_operations())
    ids = {each.id for each in operations}
    assert len(ids) == len(operations) > 19_000
    assert {question.expected for question in QUESTIONS} <= ids
    assert max(len(each.embedded_text) for each in operations) < 700
    marked_up = [each.id for each in operations if "<p>" in each.description]
    assert len(marked_up) <= 2  # a service that escapes its own markup a second time


@pytest.mark.parametrize(
    ("name", "words"),
    [("DetectFaces", "Detect Faces"), ("GetIPSet", "Get IP Set"), ("PutDNSSECKey", "Put DNSSEC Key")],
)
def test_names_as_words(name: str, words: str) -> None:
    assert words_of(name) == words


def test_markup_goes() -> None:
    assert strip_html("<p>A&nbsp;<code>b</code>\n c</p><ul><li>gone</li></ul>") == "A b c"


def test_a_call_without_arguments() -> None:
    assert boto3_line("s3", "list_buckets", []) == 'boto3.client("s3").list_buckets()'


def test_keywords_need_more_than_half_of_the_words() -> None:
    index = KeywordIndex([("a", "Deletes container images."), ("b", "images of birds"), ("c", "nothing")])
    assert [hit.id for hit in index.search("delete the image")] == ["a"]
    assert {hit.id for hit in index.search("images")} == {"a", "b"}
    assert index.search("throw away container birds fish") == []
    assert index.search("the of a") == []


def test_rare_words_and_short_documents_count_more() -> None:
    index = KeywordIndex(
        [("rare", "zebra"), ("long", "zebra " + "and lots of other text " * 20), ("none", "horse")]
    )
    assert [hit.id for hit in index.search("zebras")] == ["rare", "long"]


@pytest.mark.parametrize(
    ("left", "right"),
    [("images", "image"), ("scanned", "scanning"), ("deletes", "deleted"), ("queues", "queue")],
)
def test_forms_of_a_word_are_one(left: str, right: str) -> None:
    assert terms(left) == terms(right)
