"""Named targets: the local stack, or a deployed one; from the environment or ~/.config/shoal/config.toml.

default = "prod"

[profiles.prod]
api_url = "https://abc.execute-api.eu-west-1.amazonaws.com"
api_key = "shl_…"
stack = "Shoal"            # operator tasks: the CloudFormation stack,
region = "eu-west-1"       # its region,
aws_profile = "work"       # and the AWS credentials to use
"""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.cli.failures import UsageError

LOCAL = "local"
_FIELDS = ("api_url", "api_key", "stack", "region", "aws_profile")


@dataclass(frozen=True, slots=True)
class Profile:
    """One target. The profile `local` has no fields of its own: the running local stack tells them."""

    name: str
    api_url: str | None = None
    api_key: str | None = None
    stack: str = "Shoal"
    region: str | None = None
    aws_profile: str | None = None


def config_path(environ: Mapping[str, str]) -> Path:
    """Where the profiles are kept."""
    base = environ.get("XDG_CONFIG_HOME")
    return (
        Path(base) if base else Path(environ.get("HOME", "~")).expanduser() / ".config"
    ) / "shoal/config.toml"


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration file as read."""

    default: str
    profiles: Mapping[str, Profile]


def read(path: Path) -> Config:
    """Read the file; a missing one is empty.

    Raises:
        UsageError: it is not what it should be; the message says where.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Config(LOCAL, {})
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    profiles = {}
    for name, fields in document.get("profiles", {}).items():
        if not isinstance(fields, Mapping):
            raise UsageError(f"{path}: profiles.{name} is not a table")
        unknown = sorted(set(fields) - set(_FIELDS))
        if unknown or not all(isinstance(value, str) for value in fields.values()):
            wrong = unknown[0] if unknown else "a value that is no text"
            raise UsageError(
                f"{path}: profile {name!r} holds {wrong}", hint=f"it may hold {', '.join(_FIELDS)}"
            )
        profiles[name] = Profile(name, **fields)
    return Config(str(document.get("default", LOCAL)), profiles)


def write(path: Path, config: Config) -> None:
    """Write the file, readable by its owner only, since it holds keys."""
    lines = [f"default = {json.dumps(config.default)}"]
    for name, profile in sorted(config.profiles.items()):
        lines += ["", f"[profiles.{json.dumps(name)}]"]
        fields = asdict(profile)
        lines += [f"{key} = {json.dumps(fields[key])}" for key in _FIELDS if fields[key] is not None]
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    draft.replace(path)


def choose(name: str | None, environ: Mapping[str, str]) -> Profile:
    """The profile to use: the one named, else the environment's address and key, else the default.

    `SHOAL_API_URL` and `SHOAL_API_KEY` also override those of a profile that SHOAL_PROFILE or the file chose,
    but not those of one named on the command line.

    Raises:
        UsageError: no profile has that name.
    """
    config = read(config_path(environ))
    url, key = environ.get("SHOAL_API_URL"), environ.get("SHOAL_API_KEY")
    chosen = name or environ.get("SHOAL_PROFILE") or ("environment" if url else config.default)
    if chosen == "environment" or (chosen == LOCAL and chosen not in config.profiles):
        base = Profile(chosen, stack=environ.get("SHOAL_STACK", "Shoal"))
    elif chosen in config.profiles:
        base = config.profiles[chosen]
    else:
        known = ", ".join([LOCAL, *sorted(config.profiles)])
        raise UsageError(f"no profile {chosen!r}", hint=f"known: {known}; `shoal profiles set` adds one")
    if name is not None:
        return base
    return Profile(
        base.name, url or base.api_url, key or base.api_key, base.stack, base.region, base.aws_profile
    )
