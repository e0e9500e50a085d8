"""What a URL that a user gave must look like before anything is done with it."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

from shoal.errors import InvalidInput

type Address = IPv4Address | IPv6Address

MAX_URL = 2048
"""Characters; more than any endpoint needs, and what proxies and servers take for certain."""
PORTS = {"https": 443, "http": 80}
"""The schemes, each with its port. Either port goes with either scheme; no other port does."""
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_HOST = 253
_VISIBLE = re.compile(r"[!-~]*")
_INNER_SPACE = re.compile(r"[\x00-\x20\x7f\\]")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes.

    `host` is in lower-case ASCII (IDNA) or an address without brackets: what is resolved, what TLS asks for, and
    what the Host header says are all this one. `path` has the query in it.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_secure(self) -> bool:
        """Whether it is asked over TLS."""
        return self.scheme == "https"

    @property
    def literal(self) -> Address | None:
        """The host where it is an address."""
        return _address(self.host)

    @property
    def authority(self) -> str:
        """The Host header: brackets around IPv6, and the port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(url: str, *, any_port: bool = False) -> Target:
    """Read a URL that a user gave.

    Args:
        url: http or https, a host, and no user name, password or fragment. The host may be international, all else
            is ASCII, percent-encoded where it must be.
        any_port: whether other ports than 443 and 80 may be asked.

    Raises:
        InvalidInput: `invalid_url`, with what is wrong in words that quote nothing of it.
    """
    if not 0 < len(url) <= MAX_URL:
        raise _invalid(f"has 1 to {MAX_URL} characters")
    if _INNER_SPACE.search(url):  # what parsers disagree about, and some leave out
        raise _invalid("has no white space, control characters or backslashes")
    try:
        parts = urlsplit(url)
        given_port = parts.port
    except ValueError:
        raise _invalid("is not a URL") from None
    if parts.scheme not in PORTS:
        raise _invalid("begins with https:// or http://")
    if "@" in parts.netloc:
        raise _invalid("has no user name or password in it")
    if "#" in url:
        raise _invalid("has no fragment")
    port = PORTS[parts.scheme] if given_port is None else given_port
    if port not in PORTS.values() and not (any_port and port):
        raise _invalid("has port 443 or 80")
    return Target(parts.scheme, _host(parts), port, _path(parts))


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if not host:
        raise _invalid("names a host")
    if "%" in host:
        raise _invalid("has no zone and nothing percent-encoded in its host")
    found = _address(host)
    if found is not None:
        return str(found)
    if "[" in parts.netloc:
        raise _invalid("has only an IPv6 address in brackets")
    if not host.isascii():
        host = _in_ascii(host)
    labels = host.split(".")
    if len(host) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise _invalid("has a host of labels of 1 to 63 letters, digits and hyphens")
    if _NUMBER.fullmatch(labels[-1]):
        # "127.1", "0x7f000001" and "2130706433" are addresses to some resolvers.
        raise _invalid("writes an IPv4 address as four decimal numbers")
    return host


def _in_ascii(host: str) -> str:
    """An international host name in IDNA.

    The standard library knows IDNA of 2003, which maps some letters (ß) to others, where browsers and registries
    keep them: such a name would be another domain's, so it has to be given in ASCII.
    """
    try:
        ascii_host = host.encode("idna").decode()
        back = ascii_host.encode().decode("idna")
    except UnicodeError:
        raise _invalid("has a host that IDNA does not know") from None
    if back != host.lower():
        raise _invalid("has a host that is only certain in its ASCII form (xn--…)")
    return ascii_host.lower()


def _path(parts: SplitResult) -> str:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _VISIBLE.fullmatch(path):
        raise _invalid("has its path and query percent-encoded")
    return path


def _address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _invalid(rule: str) -> InvalidInput:
    return InvalidInput("invalid_url", f"a URL {rule}")
