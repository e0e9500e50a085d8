"""The port to the outside, on its inner side: adds the key that a request goes with, and sends it."""

import re
from collections.abc import Callable, Mapping

from shoal.errors import InvalidInput, ObjectMissing, StorageBusy, StorageError
from shoal.outbound.client import Client
from shoal.outbound.urls import Target
from shoal.storage.model_ports import Answer, Outbound

_NAME = re.compile(r"(/[A-Za-z0-9_.-]{1,200}){1,15}")
"""An SSM parameter, and not a version, a label or an ARN of one."""
_TOKEN = re.compile(r"[!-~]{1,8192}")


class Sender(Outbound):
    """Sends what others ask for, with keys that they cannot read."""

    def __init__(self, client: Client, *, read_key: Callable[[str], str], prefix: str | None) -> None:
        """Say where keys come from.

        Args:
            client: what sends.
            read_key: the value of an SSM parameter, as `AwsParameters.get`.
            prefix: keys are below it, in the hierarchy of names ("/shoal/keys" has "/shoal/keys/a"); None: no
                request has a key.
        """
        self._client = client
        self._read_key = read_key
        self._prefix = prefix.rstrip("/") if prefix else None

    def post(
        self, url: str, body: bytes, *, headers: Mapping[str, str], key_parameter: str | None = None
    ) -> Answer:
        """POST a body; see the port.

        Raises:
            InvalidInput: besides those of the port `key_not_allowed`, `key_not_found`: nothing was sent.
        """
        target = self._client.target_of(url)
        if key_parameter is not None:
            if "authorization" in {name.lower() for name in headers}:
                raise ValueError("a request has one authorization")
            if not target.is_secure and not self._stays_here(target):
                raise InvalidInput("invalid_url", "a URL begins with https:// where a key goes along")
            headers = {**headers, "Authorization": f"Bearer {self._key(key_parameter)}"}
        return self._client.post(target, body, headers=headers)

    def _stays_here(self, target: Target) -> bool:
        return self._client.allow_loopback and target.host in ("localhost", "127.0.0.1", "::1")

    def _key(self, parameter: str) -> str:
        """The key in a parameter.

        Raises:
            InvalidInput: `key_not_allowed`, `key_not_found`; the messages tell the name and never the value.
            StorageBusy: the store of parameters is.
        """
        if not _is_below(self._prefix, parameter):
            where = f"{self._prefix}/…" if self._prefix else "nowhere: none is configured"
            raise InvalidInput("key_not_allowed", f"keys are SSM parameters below {where}")
        try:
            key = self._read_key(parameter).strip()
        except StorageBusy:
            raise
        except ObjectMissing:
            raise InvalidInput("key_not_found", f"there is no SSM parameter {parameter}") from None
        except StorageError as error:
            raise InvalidInput(
                "key_not_allowed",
                f"the SSM parameter {parameter} may not be read: look at its encryption key",
            ) from error
        if not _TOKEN.fullmatch(key):
            raise InvalidInput(
                "key_not_allowed", f"the SSM parameter {parameter} holds no key of visible ASCII"
            )
        return key


def _is_below(prefix: str | None, parameter: str) -> bool:
    if not prefix or not _NAME.fullmatch(parameter):
        return False
    return parameter.startswith(f"{prefix}/")
