"""Secrets in the Parameter Store of Systems Manager: read one by one, and kept for a minute."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from shoal.storage.aws_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

KEPT_SECONDS = 60.0
"""A key that was changed or taken away is used for this long; the store takes 40 reads a second of an account."""


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
