"""The client against a server on this machine: what is sent, and every way of not answering."""

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address

import pytest

from shoal.errors import InvalidInput, StorageBusy, TooLarge
from shoal.outbound.client import Client, system_addresses
from shoal.outbound.urls import Address
from shoal.storage.model_ports import MAX_ANSWER_BYTES, Answer
from tests.unit.outbound.loopback import Conversation, Loopback, Script, answer, raw, serving, silence

HERE: list[Address] = [ip_address("127.0.0.1")]
JSON = {"content-type": "application/json"}


class Names:
    """A resolver that gives one answer after the other, and remembers what it was asked."""

    def __init__(self, *answers: Sequence[Address]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def post(client: Client, url: str, body: bytes = b"{}", headers: Mapping[str, str] = JSON) -> Answer:
    return client.post(client.target_of(url), body, headers=headers)


def local(names: Callable[[str, int], Sequence[Address]] | None = None, *, seconds: float = 10.0) -> Client:
    return Client(resolve=names or Names(HERE), allow_loopback=True, seconds=seconds)


def url_of(server: Loopback, path: str = "/") -> str:
    return f"http://api.example.com:{server.port}{path}"


def answered(script: Script, *, seconds: float = 10.0) -> Answer:
    with serving(script) as server:
        return post(local(seconds=seconds), url_of(server))


def test_what_is_sent() -> None:
    with serving(answer(b'{"ok":1}', headers=("Content-Type: application/json", "X-Other: 1"))) as server:
        found = post(local(), url_of(server, "/v1/embeddings?version=2"), b'{"a":"\xc3\xa4"}', {"X-Key": "k"})
        assert found == Answer(200, b'{"ok":1}', {"content-type": "application/json"})
        (asked,) = server.asked
    assert asked.line == "POST /v1/embeddings?version=2 HTTP/1.1"
    assert asked.body == b'{"a":"\xc3\xa4"}'
    assert asked.headers == {
        "host": f"api.example.com:{server.port}",
        "user-agent": "shoal",
        "accept-encoding": "identity",
        "connection": "close",
        "content-length": "10",
        "content-type": "application/json",
        "x-key": "k",
    }


@pytest.mark.parametrize("status", ["201 Created", "404 Not Found", "500 Internal Server Error", "529 Busy"])
def test_every_status_is_an_answer(status: str) -> None:
    assert answered(answer(b"why", status=status)).status == int(status[:3])


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
def test_a_redirect_is_an_answer_and_not_followed(status: str) -> None:
    with serving(answer()) as elsewhere:
        location = f"Location: http://127.0.0.1:{elsewhere.port}/"
        found = answered(answer(b"", status=status, headers=(location,)))
        assert (found.status, found.headers["location"]) == (int(status[:3]), location[10:])
        assert elsewhere.connections == 0


def test_nothing_is_decoded() -> None:
    packed = answer(b"\x1f\x8b...", headers=("Content-Encoding: gzip",))
    assert answered(packed) == Answer(200, b"\x1f\x8b...", {"content-encoding": "gzip"})


def test_headers_that_callers_see_are_few_and_short() -> None:
    found = answered(answer(headers=("Retry-After: 7", "Set-Cookie: a=b", "X-Request-Id: " + "i" * 5000)))
    assert found.headers == {"retry-after": "7", "x-request-id": "i" * 1024}


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "Accept-Encoding",
        "Expect",
        "a b",
        "",
        "a:",
    ],
)
def test_headers_that_are_the_clients_own(name: str) -> None:
    with pytest.raises(ValueError):
        post(local(), "http://api.example.com", headers={name: "1"})


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "ü", "\x00"])
def test_headers_do_not_smuggle(value: str) -> None:
    with pytest.raises(ValueError, match="printable") as found:
        post(local(), "http://api.example.com", headers={"X-Key": value})
    assert value not in str(found.value)


def test_a_header_given_twice() -> None:
    with pytest.raises(ValueError):
        post(local(), "http://api.example.com", headers={"X-Key": "1", "x-key": "2"})


# --- sizes -----------------------------------------------------------------------------------------------------


def test_the_largest_answer() -> None:
    assert len(answered(answer(b"x" * MAX_ANSWER_BYTES)).body) == MAX_ANSWER_BYTES


def chunked(size: int, chunk: int = 8192) -> bytes:
    pieces = [b"x" * min(chunk, size - start) for start in range(0, size, chunk)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


def test_the_largest_answer_in_chunks() -> None:
    assert len(answered(raw(chunked(MAX_ANSWER_BYTES))).body) == MAX_ANSWER_BYTES


ONE_MORE = MAX_ANSWER_BYTES + 1


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % ONE_MORE,  # not even read
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * ONE_MORE,
        chunked(ONE_MORE),
        chunked(200_000, chunk=1),  # much around little
        b"HTTP/1.1 100 Continue\r\n\r\n" * 60_000,
    ],
    ids=["announced", "until the end", "in chunks", "in tiny chunks", "never beginning"],
)
def test_one_byte_more_is_refused(said: bytes) -> None:
    with pytest.raises(TooLarge) as found:
        answered(raw(said))
    assert found.value.code == "answer_too_large"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n",
    ],
)
def test_what_is_no_whole_answer_is_none(said: bytes) -> None:
    with pytest.raises(StorageBusy, match=r"api\.example\.com"):
        answered(raw(said))


def test_an_answer_before_all_was_read_counts() -> None:
    """Servers refuse large bodies by their headers, and hang up."""
    said = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
    with serving(silence, greeting=said) as server:
        found = post(local(), url_of(server), b"x" * 4_000_000)
    assert found.status == 413


# --- time ------------------------------------------------------------------------------------------------------


class Jumping:
    """A clock that is told when time passes."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_server_that_hangs() -> None:
    with (
        serving(silence) as server,
        pytest.raises(StorageBusy, match=r"api\.example\.com does not answer within"),
    ):
        post(local(seconds=0.1), url_of(server))


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"], ids=["head", "body"]
)
def test_a_server_that_drips_is_given_up_when_all_the_time_is_over(head: bytes) -> None:
    """Each byte comes well within any time-out of a single read: only a limit for all of it ends this."""
    clock = Jumping()

    def drip(talk: Conversation) -> None:
        talk.say(head)
        for _ in range(5000):
            clock.now += 0.1
            if talk.over.is_set():
                return
            talk.say(b"H")

    client = Client(resolve=Names(HERE), allow_loopback=True, clock=clock)
    with serving(drip) as server, pytest.raises(StorageBusy, match="does not answer within 10 s"):
        post(client, url_of(server))
    assert clock.now >= 10


def test_a_server_that_does_not_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Loopback(listening.getsockname()[1])
        with pytest.raises(StorageBusy, match="does not answer within"):
            post(local(seconds=0.2), url_of(server), b"x" * 20_000_000)


def test_a_name_server_that_hangs() -> None:
    over = threading.Event()

    def never(_host: str, _port: int) -> Sequence[Address]:
        over.wait(20)
        return HERE

    with pytest.raises(StorageBusy, match="does not answer within"):
        post(local(never, seconds=0.05), "http://api.example.com")
    over.set()


# --- names and addresses ---------------------------------------------------------------------------------------


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(StorageBusy, match=r"no connection to api\.example\.com: ConnectionRefusedError"):
        post(local(), f"http://api.example.com:{port}")


def test_no_such_name() -> None:
    def unknown(_host: str, _port: int) -> Sequence[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(StorageBusy, match=r"api\.example\.com has no address"):
        post(local(unknown), "http://api.example.com")


def test_the_address_that_was_checked_is_the_one_that_is_asked() -> None:
    """A name server of an attacker's answers with a public address first and with an inner one the next time."""
    with serving(answer(b"1")) as checked, serving(answer(b"2")) as _inner:
        names = Names(HERE, [ip_address("127.0.0.2")])
        assert post(local(names), url_of(checked)).body == b"1"
        assert names.asked == [("api.example.com", checked.port)]
        assert checked.connections == 1


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["8.8.8.8", "127.0.0.1"],
        ["::ffff:7f00:1"],
        [],
    ],
)
def test_inner_addresses_are_not_asked(addresses: list[str]) -> None:
    with serving(answer()) as server:
        client = Client(resolve=Names([ip_address(text) for text in addresses]))
        target = local().target_of(url_of(server))
        with pytest.raises(InvalidInput) as found:
            client.post(target, b"{}", headers=JSON)
        assert found.value.code == "address_not_allowed"
        assert server.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:127.0.0.1]", "10.1.2.3"])
def test_an_address_in_a_url_is_not_looked_up_but_checked(host: str) -> None:
    names = Names([ip_address("8.8.8.8")])
    with pytest.raises(InvalidInput) as found:
        post(Client(resolve=names), f"http://{host}/")
    assert found.value.code == "address_not_allowed"
    assert names.asked == []


def test_the_next_address_where_one_does_not_answer() -> None:
    with serving(answer(b"1")) as server:
        # Nobody listens on the first; and IPv4 goes before IPv6, which functions have not.
        addresses = [ip_address("::1"), ip_address("127.0.0.3"), ip_address("127.0.0.1")]
        assert post(local(Names(addresses)), url_of(server)).body == b"1"


def test_the_system_resolves_this_machine() -> None:
    assert set(system_addresses("localhost", 80)) <= {ip_address("127.0.0.1"), ip_address("::1")}
    with serving(answer(b"1")) as server:
        client = Client(allow_loopback=True)
        assert post(client, f"http://localhost:{server.port}").body == b"1"
        with pytest.raises(InvalidInput):
            post(Client(), "http://localhost")


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answer(b"proxy")) as proxy, serving(answer(b"1")) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        assert post(local(), url_of(server)).body == b"1"
        assert proxy.connections == 0
    assert os.environ["HTTP_PROXY"]
