"""URLs: what is refused before a name is looked up, and what is left of the rest."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shoal.errors import InvalidInput
from shoal.outbound.urls import MAX_URL, PORTS, Target, parse_url


@pytest.mark.parametrize(
    ("url", "target", "authority"),
    [
        ("https://api.example.com", Target("https", "api.example.com", 443, "/"), "api.example.com"),
        (
            "https://API.Example.COM/v1/embeddings?a=%20b&c",
            Target("https", "api.example.com", 443, "/v1/embeddings?a=%20b&c"),
            "api.example.com",
        ),
        ("HTTP://example.com:80/", Target("http", "example.com", 80, "/"), "example.com"),
        ("http://example.com:443/", Target("http", "example.com", 443, "/"), "example.com:443"),
        ("https://example.com:80/", Target("https", "example.com", 80, "/"), "example.com:80"),
        ("https://example.com:/", Target("https", "example.com", 443, "/"), "example.com"),
        ("https://93.184.216.34/x", Target("https", "93.184.216.34", 443, "/x"), "93.184.216.34"),
        ("https://[2606:4700::6810]:80", Target("https", "2606:4700::6810", 80, "/"), "[2606:4700::6810]:80"),
        ("https://bücher.example", Target("https", "xn--bcher-kva.example", 443, "/"), None),
        ("https://BÜCHER.example", Target("https", "xn--bcher-kva.example", 443, "/"), None),
        ("https://xn--bcher-kva.example", Target("https", "xn--bcher-kva.example", 443, "/"), None),
        ("http://my_service/a", Target("http", "my_service", 80, "/a"), "my_service"),
    ],
)
def test_what_a_url_says(url: str, target: Target, authority: str | None) -> None:
    found = parse_url(url)
    assert found == target
    assert found.authority == (authority or target.host)
    assert found.is_secure is (target.scheme == "https")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "gopher://example.com",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https:example.com",
        "https://user@example.com",
        "https://user:pass@example.com",
        "https://@example.com",
        "https://example.com@127.0.0.1",
        "https://127.0.0.1\\@example.com",
        "https://example.com#fragment",
        "https://example.com/#@127.0.0.1",
        "https://example.com:22",
        "https://example.com:8443",
        "https://example.com:0",
        "https://example.com:-1",
        "https://example.com:65536",
        "https://example.com:443x",
        " https://example.com",
        "https://example.com ",
        "https://exa mple.com",
        "https://example.com/a b",
        "https://example.com/\r\nHost: other",
        "https://exam\tple.com",
        "https://example.com/\x00",
        "https://example.com/ü",
        "https://example..com",
        "https://.example.com",
        "https://example.com.",
        "https://-example.com",
        "https://example-.com",
        "https://exa*mple.com",
        "https://%65xample.com",
        "https://" + "a" * 64 + ".com",
        "https://" + "a." * 127 + "com",
        "https://127.1",
        "https://2130706433",
        "https://0x7f000001",
        "https://0x7f.0.0.1",
        "https://017700000001",
        "https://0300.0250.0.1",
        "https://1.2.3.4.5",
        "https://256.1.1.1",
        "https://[::1",
        "https://::1",
        "https://[fe80::1%25eth0]",
        "https://[fe80::1%eth0]",
        "https://[v1.fe80]",
        "https://[example.com]",
        "https://faß.de",
        "https://①②⑦.0.0.1",  # 127.0.0.1 once it is folded
        "https://example。com",
        "https://exam\u200dple.com",
        "https://\ud800.com",
        "https://a/" + "x" * MAX_URL,
    ],
)
def test_what_no_url_may_be(url: str) -> None:
    with pytest.raises(InvalidInput) as found:
        parse_url(url)
    assert found.value.code == "invalid_url"
    assert len(url) < 12 or url.strip() not in found.value.message


def test_any_port_where_it_is_allowed_but_none_that_is_not_one() -> None:
    assert parse_url("http://localhost:11434/v1", any_port=True).authority == "localhost:11434"
    with pytest.raises(InvalidInput):
        parse_url("http://localhost:0", any_port=True)


TEXTS = st.text("ab1f.:/@#?[]%-_ü\\ \n", max_size=24) | st.text(max_size=60)


@given(TEXTS.map(lambda text: "https://" + text) | TEXTS)
@example("https://a@b")
@example("https://[::ffff:7f00:1]/")
def test_whatever_passes_is_safe_to_put_in_a_request(url: str) -> None:
    try:
        target = parse_url(url)
    except InvalidInput:
        return
    assert target.scheme in PORTS
    assert target.port in PORTS.values()
    assert target.host
    assert target.host == target.host.lower()
    for text in (target.host, target.path, target.authority):
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set(" \\@#\r\n")
    assert target.path.startswith("/")
    # Reading what it says again says the same: no second parser finds another host in it.
    again = parse_url(f"{target.scheme}://{target.authority}{target.path}")
    assert again == target
