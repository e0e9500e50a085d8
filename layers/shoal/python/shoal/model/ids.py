"""Identifiers: how they look, and how a job's id names its place in a log."""

import re
import secrets
from hashlib import sha256

_JOB = re.compile(r"job_([0-9a-f]{16})([0-9a-f]{16})")
_LOG_NAME = re.compile(r"([0-9a-f]{12})[0-9a-f]{16}([0-9a-f]{32})")


def new_tenant_id() -> str:
    """`ten_` and 32 hex digits."""
    return f"ten_{secrets.token_hex(16)}"


def new_dataset_id() -> str:
    """16 hex digits: 64 random bits, of which half a job id is made."""
    return secrets.token_hex(8)


def new_token() -> str:
    """A name that nobody else has, for shards, parts and log objects."""
    return secrets.token_hex(16)


def new_log_name(now: float, sha256: str) -> str:
    """A name that nobody else has for what a write puts into the log: 12 hex digits of milliseconds, so that names
    sort by age, 16 random ones, and the first 32 of its SHA-256 (hex), which verify it where no job does.
    """
    return f"{int(now * 1000):012x}{secrets.token_hex(8)}{sha256[:32]}"


def parse_log_name(name: str) -> tuple[float, str] | None:
    """When the object of a write was named (epoch seconds), and the first 32 hex digits of its SHA-256.

    None for a name of before they told that.
    """
    match = _LOG_NAME.fullmatch(name)
    return (int(match[1], 16) / 1000, match[2]) if match else None


def job_id(dataset_id: str, sequence: int) -> str:
    """The id of the job at one place of one log; nothing needs to be stored to find it again."""
    return f"job_{dataset_id}{sequence:016x}"


def new_import_id(now: float) -> str:
    """`imp_` and 32 hex digits, the first 12 of which are milliseconds: ids sort by age."""
    return f"imp_{int(now * 1000):012x}{secrets.token_hex(10)}"


def new_compaction_id(now: float) -> str:
    """`cmp_` and 32 hex digits, the first 12 of which are milliseconds: ids sort by age."""
    return f"cmp_{int(now * 1000):012x}{secrets.token_hex(10)}"


def new_export_id(now: float) -> str:
    """`exp_` and 32 hex digits, the first 12 of which are milliseconds: ids sort by age."""
    return f"exp_{int(now * 1000):012x}{secrets.token_hex(10)}"


def new_derivation_id(now: float) -> str:
    """`drv_` and 32 hex digits, the first 12 of which are milliseconds: ids sort by age."""
    return f"drv_{int(now * 1000):012x}{secrets.token_hex(10)}"


def parse_job_id(text: str) -> tuple[str, int] | None:
    """(dataset id, sequence) of a job id, or None where it is not one."""
    match = _JOB.fullmatch(text)
    return (match[1], int(match[2], 16)) if match else None


def transaction_token(*parts: str | int) -> str:
    """A token of 36 characters for a DynamoDB transaction: the same whenever all its parts are."""
    return sha256("\n".join(str(part) for part in parts).encode()).hexdigest()[:36]
