"""What a handler of a route is given."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from shoal.http.request import Request, read_body
from shoal.model.embedding_models import ModelRegistry
from shoal.model.tenants import Principal, RateLimit
from shoal.services.api_keys import KeyCache
from shoal.services.waiting import Pause
from shoal.settings import Settings
from shoal.storage.ports import Ports

if TYPE_CHECKING:  # numpy and hnswlib: only the query function pays for them
    from shoal.services.embedding import Embedder
    from shoal.services.search import Searcher

_BURST_SECONDS = 2
"""Without a burst of its own a rate allows two seconds' worth at once, as in the contract."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The deployment's defaults: rate of a key, quotas of tenants without their own. None: unlimited."""

    rate: RateLimit | None = None
    vector_quota: int | None = None
    query_quota: int | None = None


@dataclass(frozen=True, slots=True)
class VectorizeLimits:
    """Limits of the dialect of Vectorize that are only its original's capacity: a deployment may raise them."""

    max_dimensions: int = 1536
    max_ids: int = 20


@dataclass(frozen=True, slots=True)
class Deps:
    """What lives as long as the container. Only the query function has a searcher and an embedder."""

    ports: Ports
    searcher: "Searcher | None" = None
    limits: Limits = field(default_factory=Limits)
    keys: KeyCache = field(default_factory=KeyCache)
    docs_enabled: bool = True
    registry: ModelRegistry = field(default_factory=ModelRegistry)
    """The embedding models of the deployment."""
    pause: Pause = time.sleep
    """How a request that waits for a write lets time pass."""
    embedder: "Embedder | None" = None
    reindex_failed_share: float = 0.05
    """Of the objects of a reindex, where a request does not say how many may fail."""
    vectorize: VectorizeLimits = field(default_factory=VectorizeLimits)

    @classmethod
    def of(
        cls,
        settings: Settings,
        ports: Ports,
        searcher: "Searcher | None" = None,
        embedder: "Embedder | None" = None,
    ) -> Self:
        """As the settings say."""
        rate = None
        if settings.rate_limit_rps is not None:
            burst = settings.rate_limit_burst or _BURST_SECONDS * settings.rate_limit_rps
            rate = RateLimit(settings.rate_limit_rps, burst)
        limits = Limits(rate, settings.vector_quota, settings.query_quota)
        return cls(
            ports,
            searcher,
            limits,
            embedder=embedder,
            docs_enabled=settings.docs_enabled,
            registry=settings.embedding_registry(),
            reindex_failed_share=settings.reindex_failed_share,
            vectorize=VectorizeLimits(settings.vectorize_max_dimensions, settings.vectorize_max_ids),
        )


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

    @property
    def searcher(self) -> "Searcher":
        """What answers queries; only in the query function."""
        if self.deps.searcher is None:
            raise RuntimeError("this function has no searcher")
        return self.deps.searcher

    @property
    def embedder(self) -> "Embedder":
        """What makes vectors of text; only in the query function."""
        if self.deps.embedder is None:
            raise RuntimeError("this function has no embedder")
        return self.deps.embedder

    def body(self) -> bytes:
        """The request's body, unpacked; as `shoal.http.request.read_body`."""
        return read_body(self.request)
