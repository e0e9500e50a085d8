"""Signatures of webhooks: as Sanity's own package makes them, of this body, by this secret, and of now."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import Unauthenticated
from shoal.model.signatures import TOLERANCE_SECONDS, check_signature, parse_signature, sign

NOW = 1_780_000_000.0
SENT = int(NOW * 1000)
SECRET, BODY = "a secret", b'{"_id":"movie-1","_type":"movie"}'


def check(header: str | None, *secrets: str, body: bytes = BODY, now: float = NOW) -> int:
    return check_signature(header, body, secrets or (SECRET,), now=now)


def refused(header: str | None, *secrets: str, body: bytes = BODY, now: float = NOW) -> str:
    with pytest.raises(Unauthenticated) as found:
        check(header, *secrets, body=body, now=now)
    return found.value.code


def test_they_are_those_of_sanitys_own_package() -> None:
    # Source: the tests of npm @sanity/webhook.
    header = "t=1633519811129,v1=tLa470fx7qkLLEcMOcEUFuBbRSkGujyskxrNXcoh0N0"
    body = b'{"_id":"resume"}'
    assert sign("test", body, sent_ms=1_633_519_811_129) == header
    assert check(header, "test", body=body, now=1_633_519_811.0) == 1_633_519_811_129


@given(secret=st.text(min_size=1, max_size=64), body=st.binary(max_size=200), ms=st.integers(0, 10**14))
def test_what_is_signed_is_taken(secret: str, body: bytes, ms: int) -> None:
    assert check_signature(sign(secret, body, sent_ms=ms), body, [secret], now=ms / 1000) == ms


@given(body=st.binary(max_size=50), other=st.binary(max_size=50))
def test_a_signature_is_of_one_body(body: bytes, other: bytes) -> None:
    header = sign(SECRET, body, sent_ms=SENT)
    if body != other:
        assert refused(header, body=other) == "signature_invalid"


def test_any_of_the_secrets_will_do() -> None:
    header = sign("old", BODY, sent_ms=SENT)
    assert check(header, "new", "old") == SENT
    assert refused(header, "new") == "signature_invalid"
    assert refused(header, "new", "newer") == "signature_invalid"


def test_without_any_secret_nothing_is_taken() -> None:
    with pytest.raises(Unauthenticated, match="not of this body"):
        check_signature(sign("", BODY, sent_ms=SENT), BODY, (), now=NOW)


def test_the_moment_is_signed_along() -> None:
    digest = sign(SECRET, BODY, sent_ms=SENT).partition("v1=")[2]
    assert refused(f"t={SENT + 1},v1={digest}") == "signature_invalid"


@pytest.mark.parametrize("seconds", [TOLERANCE_SECONDS, -TOLERANCE_SECONDS, 0])
def test_within_five_minutes_it_holds(seconds: float) -> None:
    assert check(sign(SECRET, BODY, sent_ms=SENT), now=NOW + seconds) == SENT


@pytest.mark.parametrize("seconds", [TOLERANCE_SECONDS + 0.002, -TOLERANCE_SECONDS - 0.002, 1e9])
def test_beyond_five_minutes_it_does_not(seconds: float) -> None:
    assert refused(sign(SECRET, BODY, sent_ms=SENT), now=NOW + seconds) == "signature_expired"


@pytest.mark.parametrize("header", [None, ""])
def test_it_must_be_there(header: str | None) -> None:
    assert refused(header) == "signature_missing"


@pytest.mark.parametrize(
    "header",
    [
        "nonsense",
        f"t={SENT}",
        f"t={SENT},v1=",
        f"t={SENT},v1=short",
        f"t=,v1={'a' * 43}",
        f"t=-1,v1={'a' * 43}",
        f"t={'9' * 17},v1={'a' * 43}",
        f"t=１,v1={'a' * 43}",
        f"t={SENT},v1={'ä' * 43}",
        f"t={SENT},v1={'a' * 44}",
        f"t={SENT},v2={'a' * 43}",
        f"t={SENT},v1={'a' * 43},v1={'b' * 43}",
    ],
)
def test_what_is_not_shaped_like_one(header: str) -> None:
    assert parse_signature(header) is None
    assert refused(header) == "signature_malformed"


def test_a_space_and_padding_are_fine() -> None:
    time, _, digest = sign(SECRET, BODY, sent_ms=SENT).partition(",")
    assert check(f" {time}, {digest}= ") == SENT
