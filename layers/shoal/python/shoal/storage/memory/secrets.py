"""Secrets in memory."""

import secrets
import threading

from shoal.storage.ports import Secrets


class MemorySecrets(Secrets):
    """The port's fake: keys for as long as it lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, bytes] = {}

    def key(self, name: str) -> bytes:
        """The key of that name; as the port says."""
        with self._lock:
            return self._keys.setdefault(name, secrets.token_bytes(32))
