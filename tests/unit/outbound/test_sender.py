"""Keys: which parameters may be one, and where they go."""

from ipaddress import ip_address

import pytest

from shoal.errors import InvalidInput, ObjectMissing, StorageBusy, StorageError
from shoal.outbound.client import Client
from shoal.outbound.sender import Sender
from tests.unit.outbound.loopback import answer, serving

KEYS = {
    "/shoal/keys/a": "sk-planted\n",
    "/shoal/keys/deep/b": "sk-b",
    "/other/c": "sk-c",
    "/shoal/keysx": "sk-d",
}


def read_key(name: str) -> str:
    if name not in KEYS:
        raise ObjectMissing(name)
    return KEYS[name]


def sender(prefix: str | None = "/shoal/keys", *, allow_loopback: bool = True) -> Sender:
    client = Client(resolve=lambda _host, _port: [ip_address("127.0.0.1")], allow_loopback=allow_loopback)
    return Sender(client, read_key=read_key, prefix=prefix)


@pytest.mark.parametrize("prefix", ["/shoal/keys", "/shoal/keys/", "/shoal"])
def test_a_key_goes_along_as_bearer(prefix: str) -> None:
    with serving(answer()) as server:
        url = f"http://localhost:{server.port}/v1"
        sender(prefix).post(url, b"{}", headers={}, key_parameter="/shoal/keys/a")
        sender(prefix).post(url, b"{}", headers={}, key_parameter="/shoal/keys/deep/b")
        sender(prefix).post(url, b"{}", headers={"Authorization": "Basic eA=="})
        sent = [asked.headers.get("authorization") for asked in server.asked]
    assert sent == ["Bearer sk-planted", "Bearer sk-b", "Basic eA=="]


@pytest.mark.parametrize(
    ("prefix", "parameter"),
    [
        (None, "/shoal/keys/a"),
        ("/shoal/keys", "/other/c"),
        ("/shoal/keys", "/shoal/keysx"),
        ("/shoal/keys", "/shoal/keys"),
        ("/shoal/keys", "/shoal/keys/"),
        ("/shoal/keys", "/shoal/keys//a"),
        ("/shoal/keys", "shoal/keys/a"),
        ("/shoal/keys", "/shoal/keys/a:1"),
        ("/shoal/keys", "/shoal/keys/a\n"),
        ("/shoal/keys", "arn:aws:ssm:eu-central-1:123456789012:parameter/shoal/keys/a"),
        ("/shoal/keys", ""),
    ],
)
def test_parameters_that_are_no_keys(prefix: str | None, parameter: str) -> None:
    with pytest.raises(InvalidInput) as found:
        sender(prefix).post("https://example.com", b"", headers={}, key_parameter=parameter)
    assert found.value.code == "key_not_allowed"


def test_a_key_that_is_not_there() -> None:
    with pytest.raises(InvalidInput) as found:
        sender().post("https://example.com", b"", headers={}, key_parameter="/shoal/keys/none")
    assert found.value.code == "key_not_found"


@pytest.mark.parametrize("value", ["", " ", "two words", "line\r\nX-Other: 1", "ü", "x" * 9000])
def test_a_value_that_is_no_key_is_not_told(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KEYS, "/shoal/keys/a", value)
    with pytest.raises(InvalidInput) as found:
        sender().post("https://example.com", b"", headers={}, key_parameter="/shoal/keys/a")
    assert found.value.code == "key_not_allowed"
    assert len(value) < 3 or value not in found.value.message


@pytest.mark.parametrize(
    ("error", "kind"), [(StorageBusy("x"), StorageBusy), (StorageError("x"), InvalidInput)]
)
def test_a_store_that_does_not_answer_or_refuses(error: Exception, kind: type[Exception]) -> None:
    def failing(_name: str) -> str:
        raise error

    with pytest.raises(kind):
        Sender(Client(), read_key=failing, prefix="/shoal").post(
            "https://example.com", b"", headers={}, key_parameter="/shoal/a"
        )


def test_a_key_does_not_go_in_the_clear() -> None:
    with pytest.raises(InvalidInput, match="https") as found:
        sender().post("http://example.com", b"", headers={}, key_parameter="/shoal/keys/a")
    assert found.value.code == "invalid_url"
    with pytest.raises(InvalidInput):
        sender(allow_loopback=False).post("http://localhost", b"", headers={}, key_parameter="/shoal/keys/a")


def test_one_authorization_only() -> None:
    with pytest.raises(ValueError):
        sender().post(
            "https://example.com", b"", headers={"AUTHORIZATION": "x"}, key_parameter="/shoal/keys/a"
        )


def test_a_bad_url_is_told_before_any_key_is_read() -> None:
    with pytest.raises(InvalidInput) as found:
        sender().post("ftp://example.com", b"", headers={}, key_parameter="/shoal/keys/none")
    assert found.value.code == "invalid_url"
