"""Whose project a request is about: the key's, and every id that comes along has to be that one."""

import pytest

from shoal.http.request import parse_event
from shoal.http.sanity.project import named_projects
from shoal.model.tenants import Scope
from shoal.services.content.projects import default_project
from tests.unit.http.api import Api, event
from tests.unit.http.sanity.client import Client, problem

OURS = "ab2cdefg"
HEADER = "x-sanity-project-id"


@pytest.fixture
def chosen(api: Api) -> Api:
    """The tenant has given its project an id."""
    assert api.call("PUT", "/v1/sanity/project", {"project_id": OURS}).json == {"project_id": OURS}
    return api


def status(client: Client, headers: dict[str, str] | None = None, project: str | None = None) -> int:
    query = None if project is None else {"projectId": project}
    answer = client.call("GET", "embeddings-index/status", headers=headers, query=query)
    if answer.status == 200:
        assert answer.json == {"enabled": True}
    else:
        assert problem(answer) == (401, "unauthorized")
        assert answer.json["message"].startswith("Session does not match project host")
    return answer.status


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("ab2cdefg.api.sanity.io", "ab2cdefg"),
        ("AB2CDEFG.API.example.com:443", "ab2cdefg"),
        ("ab2cdefg.api.example.com.", "ab2cdefg"),
        ("ab2cdefg.localhost:4566", "ab2cdefg"),
        ("ab2cdefg.localhost", "ab2cdefg"),
        ("api.sanity.io", None),
        ("x1y2z3.execute-api.eu-west-1.amazonaws.com", None),
        ("shoal.example.com", None),
        ("ab2cdefg.api", None),
        ("localhost:8080", None),
        ("127.0.0.1:8080", None),
        ("[::1]:8080", None),
        ("", None),
    ],
)
def test_what_a_host_names(host: str, named: str | None) -> None:
    request = parse_event(event("GET", "/vX/embeddings-index/status", headers={"Host": host}))
    assert named_projects(request) == (() if named is None else (named,))


def test_host_header_and_query_each_name_it(chosen: Api, client: Client) -> None:
    for headers, project in (
        (None, None),
        ({"host": f"{OURS}.api.sanity.io"}, None),
        ({HEADER: OURS}, None),
        (None, OURS),
        ({HEADER: OURS, "host": f"{OURS}.localhost:1"}, OURS),
        ({HEADER: "", "host": "127.0.0.1"}, ""),
        ({HEADER: OURS, "host": "other.api.example.com"}, None),  # a domain of one's own may look so
    ):
        assert status(client, headers, project) == 200, (headers, project)


def test_another_s_is_refused_wherever_it_stands(chosen: Api, client: Client) -> None:
    for headers, project in (
        ({"host": "other.api.sanity.io"}, None),
        ({HEADER: "other"}, None),
        (None, "other"),
        ({HEADER: "other"}, OURS),
        ({HEADER: OURS}, "other"),
    ):
        assert status(client, headers, project) == 401, (headers, project)


def test_every_call_looks(chosen: Api, client: Client) -> None:
    assert client.create().status == 200
    other = {"projectId": "other"}
    for answer in (
        client.call("POST", "embeddings-index/movies", {"indexName": "a"}, query=other),
        client.list_all(query=other),
        client.get(query=other),
        client.query({"query": "cowboys"}, query=other),
        client.call("GET", "embeddings-index/movies/embeddings-index-movies/failures", query=other),
        client.delete(query=other),
    ):
        assert problem(answer) == (401, "unauthorized")
    assert len(client.list_all().json) == 1


def test_one_that_has_chosen_none_has_one(api: Api, client: Client) -> None:
    own = default_project(api.tenant_id)
    assert api.call("GET", "/v1/sanity/project").json == {"project_id": own}
    assert status(client, project=own) == 200
    assert status(client, project=OURS) == 401
    assert client.create().json["index"]["projectId"] == own
    api.call("PUT", "/v1/sanity/project", {"project_id": OURS})
    assert client.list_all().json[0]["projectId"] == OURS


def test_two_tenants_may_choose_the_same_and_see_their_own(chosen: Api, client: Client) -> None:
    assert client.create().status == 200
    theirs = chosen.stranger()
    answer = chosen.call("PUT", "/v1/sanity/project", {"project_id": OURS}, key=theirs)
    assert answer.status == 200
    answer = client.list_all(key=theirs, query={"projectId": OURS})
    assert problem(answer) == (404, "dataset_not_found")


@pytest.mark.parametrize("project_id", ["", "-a", "a-", "A", "a.b", "a/b", "ü", "a" * 64, 7, None])
def test_an_id_that_no_host_can_begin_with(api: Api, project_id: object) -> None:
    answer = api.call("PUT", "/v1/sanity/project", {"project_id": project_id})
    assert answer.status == 400
    assert answer.message.startswith("project_id: ")


def test_who_may_choose_it(api: Api) -> None:
    writer = api.new_key(Scope.READ, Scope.WRITE)
    assert api.call("GET", "/v1/sanity/project", key=writer).status == 200
    answer = api.call("PUT", "/v1/sanity/project", {"project_id": OURS}, key=writer)
    assert (answer.status, answer.code) == (403, "forbidden")


@pytest.mark.parametrize("version", ["vX", "v1", "v2023-09-15", "v2021-10-21"])
def test_versions(api: Api, version: str) -> None:
    assert Client(api, version).call("GET", "embeddings-index/status").status == 200


@pytest.mark.parametrize("version", ["v2", "v0", "vx", "x", "2023-09-15", "v2023-13-01", "v2023-9-15", "vX1"])
def test_what_is_no_version(api: Api, version: str) -> None:
    answer = Client(api, version).call("GET", "embeddings-index/status")
    assert problem(answer) == (404, "version_not_found")
    assert "vX" in answer.json["message"]
