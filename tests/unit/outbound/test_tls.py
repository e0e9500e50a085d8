"""TLS: the certificate is for the name in the URL, whatever address it is at."""

import socket
import ssl
from ipaddress import ip_address
from pathlib import Path

import pytest

from shoal.errors import InvalidInput, StorageBusy
from shoal.outbound.client import Client
from shoal.storage.model_ports import Answer
from tests.unit.outbound.certificates import Authority, new_authority
from tests.unit.outbound.loopback import Loopback, answer, serving, silence


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs what servers show."""
    return new_authority(tmp_path_factory.mktemp("certificates"))


def post(tls: ssl.SSLContext | None, server: Loopback, host: str, *, seconds: float = 10.0) -> Answer:
    client = Client(
        resolve=lambda _host, _port: [ip_address("127.0.0.1")], allow_loopback=True, tls=tls, seconds=seconds
    )
    return client.post(client.target_of(f"https://{host}:{server.port}/v1"), b"{}", headers={})


@pytest.mark.parametrize(
    ("named", "host"),
    [
        ("api.example.com", "api.example.com"),
        ("*.example.com", "api.example.com"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_certificate_for_the_name(authority: Authority, named: str, host: str) -> None:
    asked_for: list[str | None] = []
    tls = authority.serving(named)
    tls.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    with serving(answer(b"1"), tls=tls) as server:
        assert post(authority.trusting(), server, host).body == b"1"
    # An address is no name to ask for.
    assert asked_for == [None if host == "127.0.0.1" else server.asked[0].headers["host"].rpartition(":")[0]]


@pytest.mark.parametrize("named", ["other.example.com", "example.com", "*.api.example.com", "127.0.0.1"])
def test_a_certificate_for_another_name(authority: Authority, named: str) -> None:
    with serving(answer(), tls=authority.serving(named)) as server:
        with pytest.raises(InvalidInput, match=r"api\.example\.com: its certificate is refused") as found:
            post(authority.trusting(), server, "api.example.com")
        assert found.value.code == "tls_failed"
        assert server.asked == []


def test_a_certificate_that_is_over(authority: Authority) -> None:
    tls = authority.serving("api.example.com", expired=True)
    with serving(answer(), tls=tls) as server, pytest.raises(InvalidInput, match="expired"):
        post(authority.trusting(), server, "api.example.com")


def test_an_authority_that_nobody_knows(authority: Authority, tmp_path: Path) -> None:
    with serving(answer(), tls=authority.serving("api.example.com")) as server:
        for trust in (new_authority(tmp_path).trusting(), None):
            with pytest.raises(InvalidInput) as found:
                post(trust, server, "api.example.com")
            assert found.value.code == "tls_failed"
        assert server.asked == []


def test_a_server_without_tls(authority: Authority) -> None:
    said = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    with serving(silence, greeting=said) as server, pytest.raises(InvalidInput, match="no TLS") as found:
        post(authority.trusting(), server, "api.example.com")
    assert found.value.code == "tls_failed"


def test_a_server_that_hangs_within_tls(authority: Authority) -> None:
    tls = authority.serving("api.example.com")
    with serving(silence, tls=tls) as server, pytest.raises(StorageBusy, match="does not answer"):
        post(authority.trusting(), server, "api.example.com", seconds=0.3)


def test_a_server_that_hangs_before_tls(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Loopback(listening.getsockname()[1])
        with pytest.raises(StorageBusy, match="does not answer"):
            post(authority.trusting(), server, "api.example.com", seconds=0.2)
