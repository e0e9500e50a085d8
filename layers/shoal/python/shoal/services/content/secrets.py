"""Secrets of webhooks, made whenever they are needed out of a key of the deployment's own and a number.

No secret is stored anywhere. The table holds a random number for each, which is worth nothing without the key; the
key is a parameter that AWS keeps encrypted (`storage.aws_parameters.AwsSecrets`) and that nobody is shown. So
whoever reads the table, or a copy of it, can sign nothing.
"""

import base64
import hashlib
import hmac
import secrets

from shoal.storage.ports import Ports

_KEY = "webhooks"


def new_nonce() -> str:
    """What makes a secret another one than all before: 32 random hex digits."""
    return secrets.token_hex(16)


def secret_of(ports: Ports, webhook_id: str, nonce: str) -> str:
    """The secret that goes with a nonce: 43 characters of base64url.

    Raises:
        StorageBusy: throttled or unavailable.
    """
    about = f"webhook secret\n{webhook_id}\n{nonce}".encode()
    made = hmac.new(ports.secrets.key(_KEY), about, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()
