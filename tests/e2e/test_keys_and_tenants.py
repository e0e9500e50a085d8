"""Keys over HTTP: none, wrong ones, and those of somebody else, for whom nothing of ours exists."""

import base64
import time
from collections.abc import Callable

import httpx
import pytest

from infra.local.info import StackInfo
from shoal.model.tenants import Scope
from tests.e2e.conftest import ClientOf, Revoked
from tests.e2e.steps import code, ndjson, new_dataset, show, store, until, upload

pytestmark = pytest.mark.e2e
NewKey = Callable[..., str]
UNAUTHORIZED = (401, "unauthorized")
FORBIDDEN = (403, "forbidden")
CACHE_SECONDS = 60.0
LINE = ndjson({"id": "a", "values": [1]})

# Method, path and body of every call that needs a key; {name}, {job} and {key} stand for things of the owner.
CALLS: tuple[tuple[str, str, object], ...] = (
    ("GET", "/v1/datasets", None),
    ("POST", "/v1/datasets", {"name": "{name}", "dimension": 1}),
    ("GET", "/v1/datasets/{name}", None),
    ("DELETE", "/v1/datasets/{name}", None),
    ("POST", "/v1/datasets/{name}/vectors", LINE),
    ("POST", "/v1/query", {"dataset": "{name}", "vector": [1]}),
    ("POST", "/v1/datasets/{name}/query", {"vector": [1]}),
    ("POST", "/v1/datasets/{name}/vectors/fetch", {"ids": ["a"]}),
    ("GET", "/v1/datasets/{name}/vectors/a", None),
    ("DELETE", "/v1/datasets/{name}/vectors/a", None),
    ("GET", "/v1/jobs/{job}", None),
    ("GET", "/v1/query/status/{job}", None),
    ("GET", "/v1/keys", None),
    ("POST", "/v1/keys", {"name": "another"}),
    ("DELETE", "/v1/keys/{key}", None),
    ("GET", "/v1/usage", None),
    ("GET", "/auth/keys", None),
    ("GET", "/auth/usage", None),
)
NAMED = [call for call in CALLS if "{" in call[1] or call[1] == "/v1/query"]


def send(client: httpx.Client, method: str, path: str, body: object, **names: str) -> httpx.Response:
    """Make a call with the owner's names filled in."""
    for word, name in names.items():
        path = path.replace(f"{{{word}}}", name)
    if isinstance(body, bytes):
        return client.request(method, path, content=body)
    if isinstance(body, dict):
        filled = {
            field: names.get("name", value) if value == "{name}" else value for field, value in body.items()
        }
        return client.request(method, path, json=filled)
    return client.request(method, path)


@pytest.fixture(scope="module")
def owned() -> dict[str, str]:
    return {}


@pytest.fixture
def things(api: httpx.Client, local_stack: StackInfo, owned: dict[str, str]) -> dict[str, str]:
    """A dataset, a job and a key of the stack's own tenant."""
    if not owned:
        name = new_dataset(api, 1)
        job = store(api, name, {"id": "a", "values": [1]})
        key = (local_stack.api_key or "").split("_")[1]
        owned.update(name=name, job=job["job_id"], key=key)
    return owned


@pytest.mark.parametrize(
    ("method", "path", "body"), CALLS, ids=lambda part: part if isinstance(part, str) else ""
)
def test_no_call_without_a_key(local_stack: StackInfo, method: str, path: str, body: object) -> None:
    with httpx.Client(base_url=local_stack.api_url, trust_env=False) as nobody:
        answer = send(nobody, method, path, body, name="x", job="x", key="x")
    assert code(answer) == UNAUTHORIZED
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("change", ["secret", "id", "more", "less", "upper", "scheme", "text"])
def test_a_key_that_is_none(local_stack: StackInfo, change: str) -> None:
    key = local_stack.api_key or ""
    wrong = {
        "secret": f"Bearer {key[:-4]}AAAA",
        "id": f"Bearer shl_{'0' * 16}{key[20:]}",
        "more": f"Bearer {key}x",
        "less": f"Bearer {key[:-1]}",
        "upper": f"Bearer {key.upper()}",
        "scheme": f"Token {key}",
        "text": "Bearer é",
    }[change]
    headers = [(b"authorization", wrong.encode())]
    answer = httpx.get(f"{local_stack.api_url}/v1/datasets", headers=headers, trust_env=False)
    assert code(answer) == UNAUTHORIZED


def test_three_ways_to_send_a_key(local_stack: StackInfo) -> None:
    key = local_stack.api_key or ""
    basic = base64.b64encode(f"anybody:{key}".encode()).decode()
    for headers in (
        {"authorization": f"bearer {key}"},
        {"authorization": f"Basic {basic}"},
        {"x-auth-key": key},
    ):
        answer = httpx.get(f"{local_stack.api_url}/v1/datasets", headers=headers, trust_env=False)
        assert answer.status_code == 200
    assert httpx.get(f"{local_stack.api_url}/v1/datasets?key={key}", trust_env=False).status_code == 401


def test_a_key_that_expires(new_key: NewKey, client_of: ClientOf) -> None:
    client = client_of(new_key(expires_at=time.time() + 1.5))
    assert client.get("/v1/datasets").status_code == 200
    until(lambda: client.get("/v1/datasets").status_code == 401 or None, seconds=3)


def test_a_key_that_is_revoked_before_anybody_believed_it(api: httpx.Client, client_of: ClientOf) -> None:
    made = api.post("/v1/keys", json={"name": "short", "scopes": ["read"]})
    assert made.status_code == 201
    key = made.json()
    listed = next(each for each in api.get("/v1/keys").json()["keys"] if each["id"] == key["id"])
    assert key["key"].split("_")[1] == key["id"]
    assert listed == {name: value for name, value in key.items() if name != "key"}
    assert [api.delete(f"/v1/keys/{key['id']}").status_code for _ in range(2)] == [204, 204]
    assert code(client_of(key["key"]).get("/v1/datasets")) == UNAUTHORIZED
    revoked = next(each for each in api.get("/v1/keys").json()["keys"] if each["id"] == key["id"])
    assert revoked["revoked_at"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x" * 101},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["root"]},
        {"name": "x", "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "expires_at": "2099-02-30T00:00:00Z"},
        {"name": "x", "expires_at": "tomorrow"},
    ],
)
def test_keys_that_cannot_be(api: httpx.Client, body: dict[str, object]) -> None:
    assert code(api.post("/v1/keys", json=body)) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("scope", "allowed"), [(Scope.READ, {"GET", "query", "fetch"}), (Scope.WRITE, {"POST", "DELETE"})]
)
def test_a_scope_is_all_that_a_key_reaches(
    new_key: NewKey, client_of: ClientOf, scope: Scope, allowed: set[str]
) -> None:
    client = client_of(new_key(scope))
    for method, path, body in CALLS:
        kind = path.rsplit("/", 1)[-1] if path.endswith(("query", "fetch")) else method
        wanted = kind in allowed and "/keys" not in path
        answer = send(client, method, path, body, name="other", job="job_0", key="0" * 16)
        assert (answer.status_code != 403) == wanted, f"{method} {path}: {answer.text}"
        assert wanted or code(answer) == FORBIDDEN


@pytest.mark.parametrize(
    ("method", "path", "body"), NAMED, ids=lambda part: part if isinstance(part, str) else ""
)
def test_another_tenants_things_do_not_exist(
    stranger: httpx.Client, things: dict[str, str], method: str, path: str, body: object
) -> None:
    answer = send(stranger, method, path, body, **things)
    if "/query/status/" in path:
        assert (answer.status_code, answer.json()) == (200, {"ready": False})
        return
    missing = {"/v1/jobs/{job}": "job_not_found", "/v1/keys/{key}": "not_found"}
    assert code(answer) == (404, missing.get(path, "dataset_not_found"))


@pytest.fixture(scope="module")
def strangers() -> list[str]:
    return []


@pytest.fixture
def stranger(new_key: NewKey, client_of: ClientOf, strangers: list[str]) -> httpx.Client:
    """Somebody of another tenant, who may do everything there."""
    if not strangers:
        strangers.append(new_key())
    return client_of(strangers[0])


def test_lists_and_usage_hold_what_is_ones_own(
    api: httpx.Client, stranger: httpx.Client, things: dict[str, str]
) -> None:
    assert stranger.get("/v1/datasets").json() == {"datasets": []}
    assert len(stranger.get("/v1/keys").json()["keys"]) == 1
    assert stranger.get("/v1/usage").json()["vectors_used"] == 0
    assert stranger.post("/v1/datasets", json={"name": things["name"], "dimension": 3}).status_code == 201
    assert upload(stranger, things["name"], {"id": "a", "values": [1, 2, 3]})["accepted"] == 1
    assert (show(api, things["name"])["dimension"], show(api, things["name"])["row_count"]) == (1, 1)
    assert stranger.delete(f"/v1/datasets/{things['name']}").status_code == 204
    assert show(api, things["name"])["row_count"] == 1


def test_a_key_in_use_is_refused_within_a_minute_of_its_end(client_of: ClientOf, revoked: Revoked) -> None:
    client = client_of(revoked.key)
    query = {"dataset": "none", "vector": [1]}

    def refused() -> bool | None:
        # Each function has a cache of its own.
        statuses = {client.get("/v1/datasets").status_code, client.post("/v1/query", json=query).status_code}
        return statuses == {401} or None

    until(refused, seconds=max(1.0, revoked.at + CACHE_SECONDS + 1 - time.monotonic()), pause=0.2)
