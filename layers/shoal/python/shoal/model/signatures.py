"""Signatures of webhooks: `t=<epoch milliseconds>,v1=<base64url HMAC-SHA256 of "<t>.<body>">`.

Source: npm `@sanity/webhook`, which signs so and takes the same apart.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from shoal.errors import Unauthenticated

TOLERANCE_SECONDS = 300.0
"""How far the moment of a signature may be from now: what is older may have been overheard, and be sent again."""
_HEADER = re.compile(r"t=([0-9]{1,16})[, ]+v1=([A-Za-z0-9_-]{43})=?")


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as sent: when it was made (epoch milliseconds), and its digest in base64url without padding."""

    sent_ms: int
    digest: str


def parse_signature(header: str) -> Signature | None:
    """The signature in a header; None where it is not shaped like one."""
    match = _HEADER.fullmatch(header.strip())
    return Signature(int(match[1]), match[2]) if match else None


def sign(secret: str, body: bytes, *, sent_ms: int) -> str:
    """The header that goes along with a body."""
    return f"t={sent_ms},v1={_digest(secret, body, sent_ms)}"


def check_signature(header: str | None, body: bytes, secrets: Iterable[str], *, now: float) -> int:
    """When a body was signed by one who knows one of the secrets: epoch milliseconds. `now` is in epoch seconds.

    Raises:
        Unauthenticated: `signature_missing`, `signature_malformed`, `signature_invalid`, or `signature_expired`.
    """
    if not header:
        raise Unauthenticated(
            "signature_missing",
            "the header sanity-webhook-signature is missing; give the webhook in Sanity the secret that "
            "POST /v1/webhooks/{id}/secret answers",
        )
    signature = parse_signature(header)
    if signature is None:
        raise Unauthenticated(
            "signature_malformed",
            "the header sanity-webhook-signature must be t=<milliseconds>,v1=<base64url>",
        )
    # Each is compared, and each in constant time: how long it takes tells nothing.
    equal = [
        hmac.compare_digest(_digest(secret, body, signature.sent_ms), signature.digest) for secret in secrets
    ]
    if not any(equal):
        raise Unauthenticated(
            "signature_invalid",
            "the signature is not of this body and this webhook's secret; was the secret changed here, or the "
            "body on its way?",
        )
    if abs(now - signature.sent_ms / 1000) > TOLERANCE_SECONDS:
        raise Unauthenticated(
            "signature_expired",
            f"the signature is of another time: it may be {TOLERANCE_SECONDS:.0f} seconds from now at most",
        )
    return signature.sent_ms


def _digest(secret: str, body: bytes, sent_ms: int) -> str:
    code = hmac.new(secret.encode(), b"%d.%b" % (sent_ms, body), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(code).rstrip(b"=").decode()
