"""What a function is told by its environment. Only `shoal.runtime` reads it; everybody else is handed values."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, Json, ValidationError

from shoal.errors import ShoalError
from shoal.model.bedrock_models import granted
from shoal.model.datasets import Metric
from shoal.model.embedding_models import (
    DEFAULT_MODEL,
    STATIC_MODELS,
    EmbeddingModel,
    Endpoint,
    ModelRegistry,
    Provider,
)

_PREFIX = "SHOAL_"


class SettingsError(ShoalError):
    """A variable of the environment is missing or wrong; the message names it."""


class HttpModel(BaseModel):
    """An embedding model behind an endpoint of the operator's, as settings describe it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^http:[a-z0-9_.-]{1,100}$")
    url: str = Field(pattern=r"^https?://", max_length=2048)
    model: str = Field(min_length=1, max_length=256)
    dimension: int = Field(ge=1, le=4096)
    metric: Metric = Metric.COSINE
    max_tokens: int = Field(default=512, ge=1)
    batch_size: int = Field(default=64, ge=1, le=2048)
    concurrency: int = Field(default=4, ge=1, le=32)
    price: float = Field(default=0.0, ge=0)
    texts_per_second: float = Field(default=100.0, gt=0)
    key_parameter: str | None = Field(default=None, pattern=r"^/[A-Za-z0-9_./-]{1,500}$")
    """The SSM parameter (SecureString) that holds the endpoint's key."""

    def described(self) -> EmbeddingModel:
        """As the registry lists it."""
        return EmbeddingModel(
            model_id=self.id,
            provider=Provider.HTTP,
            dimension=self.dimension,
            metric=self.metric,
            max_tokens=self.max_tokens,
            batch_size=self.batch_size,
            concurrency=self.concurrency,
            price=self.price,
            texts_per_second=self.texts_per_second,
            normalised=False,
            endpoint=Endpoint(self.url, self.model, self.key_parameter),
        )


class Settings(BaseModel):
    """The environment, checked once at cold start. A function gets only what it needs, the rest stays None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str = Field(min_length=1)
    """Name of the DynamoDB table."""
    bucket: str | None = None
    """Name of the S3 bucket."""
    wakeups_queue_url: str | None = None
    builds_queue_url: str | None = None
    upload_role_arn: str | None = None
    """The role whose sessions sign the addresses of uploads."""
    import_state_machine_arn: str | None = None
    compaction_state_machine_arn: str | None = None
    export_state_machine_arn: str | None = None
    reindex_state_machine_arn: str | None = None
    derivation_state_machine_arn: str | None = None
    ingestion_state_machine_arn: str | None = None
    tasks_queue_url: str | None = None
    outbound_function_arn: str | None = None
    """The function through which requests to users' addresses go."""
    ingest_buckets: Json[tuple[str, ...]] | None = None
    """Buckets of the operator's from which records may be pulled; None: nobody asks for any here."""
    secrets_prefix: str | None = None
    """Below which SSM parameters keep the deployment's own keys."""
    default_embedding_model: str = DEFAULT_MODEL
    """The model of collections for which none was named."""
    bedrock_models: Json[tuple[str, ...]] = ()
    """Ids of the models of Amazon Bedrock that the deployment may invoke (`model.bedrock_models`)."""
    http_embedding_models: Json[tuple[HttpModel, ...]] = ()
    embedding_prices: Json[dict[str, float]] = Field(default_factory=dict)
    """US dollars for a million tokens, by model, in place of those that are known."""
    embedding_tokens_per_day: int | None = Field(default=None, ge=0)
    """Tokens that models read for one tenant on one UTC day; None: unlimited."""
    model_tokens_per_minute: Json[dict[str, Annotated[int, Field(ge=1)]]] = Field(default_factory=dict)
    """Tokens that a model may read in a minute, by model, for all tenants; others have no limit."""
    reindex_failed_share: float = Field(default=0.05, ge=0, le=1)
    """Share of the objects of a reindex that may fail without failing it."""
    vectorize_max_dimensions: int = Field(default=1536, ge=32, le=4096)
    """Of an index that is made through the dialect of Vectorize."""
    vectorize_max_ids: int = Field(default=20, ge=20, le=1000)
    """Ids of one `get_by_ids` of that dialect."""
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    docs_enabled: bool = True
    """Whether /docs and /openapi.json are served."""
    rate_limit_rps: int | None = Field(default=None, ge=1)
    """Requests per second of one API key; None: unlimited, and no write a request."""
    rate_limit_burst: int | None = Field(default=None, ge=1)
    """Requests that may come at once; None: twice the rate, as in the contract."""
    vector_quota: int | None = Field(default=None, ge=0)
    """Rows of a tenant without a quota of its own; None: unlimited."""
    query_quota: int | None = Field(default=None, ge=0)
    """Queries a UTC day of a tenant without a quota of its own; None: unlimited."""
    cache_bytes: int = Field(default=1_500_000_000, ge=1_000_000)
    """Memory for shards in a query function: half of its 3,008 MB, the rest is numpy, code and answers."""
    disk_cache_bytes: int = Field(default=400_000_000, ge=0)
    """Disk for what memory had no room for, in a query function: most of the 512 MB of /tmp that Lambda gives for
    nothing; 0 switches it off."""

    def embedding_registry(self) -> ModelRegistry:
        """The embedding models of the deployment.

        Raises:
            SettingsError: names a model of Bedrock that is not known, an id that two have, or a default, a price
                or a rate of one that is not there.
        """
        try:
            models = [
                *STATIC_MODELS,
                *granted(self.bedrock_models),
                *(model.described() for model in self.http_embedding_models),
            ]
            registry = ModelRegistry(
                models, default=self.default_embedding_model, prices=self.embedding_prices
            )
        except ValueError as error:
            raise SettingsError(f"embedding models: {error}") from None
        others = sorted(name for name in self.model_tokens_per_minute if registry.get(name) is None)
        if others:
            raise SettingsError(f"embedding models: a rate of tokens for {others[0]}, which is not there")
        return registry

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, needs: tuple[str, ...] = ()) -> Self:
        """Read `SHOAL_*`; an empty variable counts as absent. `needs` names fields that must be there.

        Raises:
            SettingsError: names every variable that is missing or wrong (never its value).
        """
        given = {}
        for field in cls.model_fields:
            value = environ.get(_variable(field), "")
            if value:
                given[field] = value
        missing = [_variable(field) for field in ("table", *needs) if field not in given]
        if missing:
            raise SettingsError(f"not set: {', '.join(missing)}")
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            wrong = [f"{_variable(str(fault['loc'][0]))} ({fault['msg']})" for fault in error.errors()]
            raise SettingsError(f"not valid: {', '.join(wrong)}") from None


def _variable(field: str) -> str:
    return _PREFIX + field.upper()
