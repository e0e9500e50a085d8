"""Secrets in the Parameter Store of Systems Manager: those that an operator put there, read one by one and kept
for a minute, and those of the deployment's own, made there once.
"""

import base64
import secrets
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from shoal.errors import CorruptObject, ObjectMissing, PreconditionFailed
from shoal.storage.aws_errors import translated
from shoal.storage.ports import Secrets

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

KEPT_SECONDS = 60.0
"""A key that was changed or taken away is used for this long; the store takes 40 reads a second of an account."""
_KEY_BYTES = 32


class AwsParameters:
    """The values of parameters; several threads may read."""

    def __init__(self, client: "SSMClient", *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, str]] = {}

    def get(self, name: str) -> str:
        """The value of a parameter, decrypted; at most a minute old.

        Raises:
            ObjectMissing: there is no such parameter.
            StorageBusy: throttled or unavailable.
            StorageError: it may not be read.
        """
        with self._lock:  # one read, where many requests begin at once
            read_at, value = self._kept.get(name, (float("-inf"), ""))
            now = self._clock()
            if now - read_at >= KEPT_SECONDS:
                with translated("get parameter", name):
                    found = self._client.get_parameter(Name=name, WithDecryption=True)
                value = found["Parameter"]["Value"]
                self._kept[name] = (now, value)
            return value


class AwsSecrets(Secrets):
    """Keys as SecureStrings below a prefix: encrypted with the account's key for parameters, which costs nothing.

    None of them ever changes, so each is read once and kept.
    """

    def __init__(self, client: "SSMClient", prefix: str) -> None:
        self._client = client
        self._prefix = prefix.rstrip("/")
        self._lock = threading.Lock()
        self._kept: dict[str, bytes] = {}

    def key(self, name: str) -> bytes:
        """The key of that name; as the port says."""
        with self._lock:
            found = self._kept.get(name)
            if found is None:
                found = self._kept[name] = self._read_or_make(f"{self._prefix}/{name}")
            return found

    def _read_or_make(self, name: str) -> bytes:
        try:
            return self._read(name)
        except ObjectMissing:
            made = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
        try:
            with translated("put parameter", name):
                self._client.put_parameter(Name=name, Value=made, Type="SecureString", Overwrite=False)
        except PreconditionFailed:
            pass  # another one was faster, and theirs is the key
        return self._read(name)

    def _read(self, name: str) -> bytes:
        with translated("get parameter", name):
            found = self._client.get_parameter(Name=name, WithDecryption=True)
        key = base64.b64decode(found["Parameter"]["Value"])
        if len(key) != _KEY_BYTES:
            raise CorruptObject(f"the parameter {name} holds no key")
        return key
