"""The OpenAPI document and the page that shows it."""

import re
from pathlib import Path

import orjson
import pytest

from shoal.http import openapi
from shoal.http.native.routes import ROUTES
from tests.unit.http.api import Api

COMMITTED = Path(__file__).parents[3] / openapi.COMMITTED


def test_the_committed_copy_is_current() -> None:
    assert COMMITTED.read_bytes() == openapi.dump(), "run: make openapi"


def test_the_document_is_served_and_complete(api: Api) -> None:
    answer = api.call("GET", "/openapi.json", key=None)
    assert answer.status == 200
    assert answer.json == orjson.loads(COMMITTED.read_bytes())
    assert answer.json["openapi"] == "3.1.0"
    operations = {(method.upper(), path) for path, item in answer.json["paths"].items() for method in item}
    assert operations == {
        (route.method, route.template.replace("+}", "}")) for route in ROUTES if route.listed
    }
    ids = [part["operationId"] for item in answer.json["paths"].values() for part in item.values()]
    assert len(ids) == len(set(ids))


def test_every_reference_in_the_document_exists() -> None:
    text = COMMITTED.read_text()
    wanted = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert wanted <= set(orjson.loads(text)["components"]["schemas"])


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/docs", "text/html"), ("/docs/app.js", "text/javascript"), ("/docs/style.css", "text/css")],
)
def test_the_page_is_plain_files_under_a_strict_policy(api: Api, path: str, kind: str) -> None:
    answer = api.call("GET", path, key=None)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert not re.search(r"https?://", answer.text)
    if kind == "text/html":
        assert not re.search(r"<script>|<style|\sstyle=|\son\w+=", answer.text)
    if kind == "text/javascript":
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(", answer.text
        )


def test_both_can_be_switched_off() -> None:
    api = Api(docs_enabled=False)
    for path in ("/docs", "/docs/app.js", "/docs/style.css", "/openapi.json"):
        answer = api.call("GET", path, key=None)
        assert (answer.status, answer.json) == (404, {"detail": "Not Found"})
