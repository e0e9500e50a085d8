"""What a handler of a route is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shoal.http.request import Request, read_body
from shoal.model.tenants import Principal, RateLimit
from shoal.services.api_keys import KeyCache
from shoal.storage.ports import Ports

if TYPE_CHECKING:  # numpy and hnswlib: only the query function pays for them
    from shoal.services.search import Searcher


@dataclass(frozen=True, slots=True)
class Limits:
    """The deployment's defaults: rate of a key, quotas of tenants without their own. None: unlimited."""

    rate: RateLimit | None = None
    vector_quota: int | None = None
    query_quota: int | None = None


@dataclass(frozen=True, slots=True)
class Deps:
    """What lives as long as the container."""

    ports: Ports
    searcher: "Callable[[], Searcher]"
    limits: Limits = field(default_factory=Limits)
    keys: KeyCache = field(default_factory=KeyCache)
    docs_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Context:
    """One request, matched and authenticated. The principal's quotas are the effective ones."""

    request: Request
    parameters: Mapping[str, str]
    caller: Principal | None
    deps: Deps

    @property
    def ports(self) -> Ports:
        """The storage."""
        return self.deps.ports

    @property
    def principal(self) -> Principal:
        """Who asks; only on routes with a scope."""
        if self.caller is None:
            raise RuntimeError("route without a scope has no principal")
        return self.caller

    def body(self) -> bytes:
        """The request's body, unpacked; as `shoal.http.request.read_body`."""
        return read_body(self.request)
