"""What the function that sends requests is told by its environment: no name of anything that holds data."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shoal.settings import SettingsError

_VARIABLES = {
    "parameter_prefix": "SHOAL_PARAMETER_PREFIX",
    "allow_loopback": "SHOAL_OUTBOUND_ALLOW_LOOPBACK",
    "log_level": "SHOAL_LOG_LEVEL",
}


class OutboundSettings(BaseModel):
    """The environment, checked once at cold start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameter_prefix: str | None = Field(default=None, pattern=r"^(/[A-Za-z0-9_.-]+)+/?$", max_length=500)
    """SSM parameters below it may go along as keys; None: no request has a key."""
    allow_loopback: bool = False
    """Whether this machine may be asked, on any port: for a stack on one machine, and nowhere else."""
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the variables; an empty one counts as absent.

        Raises:
            SettingsError: names every variable that is wrong (never its value).
        """
        given = {field: value for field, name in _VARIABLES.items() if (value := environ.get(name, ""))}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            wrong = [f"{_VARIABLES[str(fault['loc'][0])]} ({fault['msg']})" for fault in error.errors()]
            raise SettingsError(f"not valid: {', '.join(wrong)}") from None
