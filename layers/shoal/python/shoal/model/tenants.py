"""Tenants and their API keys: how a key looks, what it may do, and how fast."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

from shoal.errors import InvalidInput

_KEY = re.compile(r"shl_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
MAX_LABEL_CHARACTERS = 100
"""Length of the name of a tenant or a key; it is only shown."""
_MICROSECONDS = 1_000_000


class Scope(StrEnum):
    """What a key may do. `read` and `write` do not imply each other (a writer need not be able to read);
    `admin` implies both and alone reaches the tenant's keys.
    """

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


DEFAULT_SCOPES = frozenset({Scope.READ, Scope.WRITE})


@dataclass(frozen=True, slots=True)
class Tenant:
    """Owner of everything. A quota that is None is the deployment's default."""

    tenant_id: str
    name: str
    created_at: float
    vector_quota: int | None = None
    query_quota: int | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret. Times are epoch seconds."""

    key_id: str
    tenant_id: str
    name: str
    scopes: frozenset[Scope]
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None

    def valid_at(self, now: float) -> bool:
        """Whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking. The quotas are the tenant's own; None leaves them to the deployment's default."""

    tenant_id: str
    key_id: str
    scopes: frozenset[Scope]
    vector_quota: int | None = None
    query_quota: int | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the key reaches calls that need `scope`."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


@dataclass(frozen=True, slots=True)
class Usage:
    """What a tenant has used of its quotas; None means unlimited. `queries_reset_at` is a UTC date."""

    vectors_used: int
    vector_quota: int | None
    queries_today: int
    daily_query_quota: int | None
    queries_reset_at: str


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A key as a caller sent it: well formed, not yet known to be anybody's."""

    key_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Requests per second of one key, and how many may come at once."""

    rps: int
    burst: int

    def __post_init__(self) -> None:
        if self.rps < 1 or self.burst < 1:
            raise ValueError("rate and burst are at least 1")

    @property
    def interval(self) -> int:
        """Microseconds between requests at the steady rate."""
        return max(1, _MICROSECONDS // self.rps)

    @property
    def tolerance(self) -> int:
        """Microseconds that the arrival time may run ahead of the clock before a request is refused."""
        return self.interval * (self.burst - 1)

    def retry_after(self, arrival: int, now: int) -> int:
        """Whole seconds (at least 1) until a request conforms, where the stored arrival time is `arrival`."""
        return max(1, -(-(arrival - self.tolerance - now) // _MICROSECONDS))


def microseconds(seconds: float) -> int:
    """Epoch seconds as whole microseconds."""
    return int(seconds * _MICROSECONDS)


def new_key_id() -> str:
    """16 hex digits; not a secret."""
    return secrets.token_hex(8)


def new_secret() -> str:
    """256 random bits as 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def new_salt() -> bytes:
    """16 random bytes."""
    return secrets.token_bytes(16)


def format_key(key_id: str, secret: str) -> str:
    """The key as it is handed out, once."""
    return f"shl_{key_id}_{secret}"


def parse_key(text: str) -> PresentedKey | None:
    """The parts of a key; None where it is not one, and then nothing needs to be looked up."""
    match = _KEY.fullmatch(text)
    return PresentedKey(match[1], match[2]) if match else None


def digest(salt: bytes, secret: str) -> bytes:
    """What is stored of a secret. SHA-256 is enough for 256 random bits: there is nothing to guess."""
    return hashlib.sha256(salt + secret.encode()).digest()


def matches(stored: bytes, salt: bytes, secret: str) -> bool:
    """Whether the secret is the stored one, in constant time."""
    return hmac.compare_digest(stored, digest(salt, secret))


def check_label(value: object, what: str) -> str:
    """A name that is only shown.

    Raises:
        InvalidInput: code `invalid_request`.
    """
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= MAX_LABEL_CHARACTERS:
        raise InvalidInput("invalid_request", f"{what} must be 1-{MAX_LABEL_CHARACTERS} characters")
    return value.strip()
