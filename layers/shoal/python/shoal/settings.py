"""What a function is told by its environment. Only `shoal.runtime` reads it; everybody else is handed values."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shoal.errors import ShoalError

_PREFIX = "SHOAL_"


class SettingsError(ShoalError):
    """A variable of the environment is missing or wrong; the message names it."""


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
