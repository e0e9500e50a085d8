"""Keys' shape, and the arithmetic of rates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.model.tenants import (
    Principal,
    RateLimit,
    Scope,
    digest,
    format_key,
    matches,
    new_key_id,
    new_salt,
    new_secret,
    parse_key,
)


def test_a_new_key_is_read_back() -> None:
    key_id, secret = new_key_id(), new_secret()
    parts = parse_key(format_key(key_id, secret))
    assert parts is not None
    assert (parts.key_id, parts.secret) == (key_id, secret)
    assert len(format_key(key_id, secret)) == 64


@given(st.text(max_size=80))
def test_other_texts_are_no_keys(text: str) -> None:
    assert parse_key(text) is None


@pytest.mark.parametrize(
    "change", [str.upper, lambda key: key + "\n", lambda key: " " + key, lambda key: key[:-1]]
)
def test_nearly_keys_are_no_keys(change: object) -> None:
    assert callable(change)
    assert parse_key(change("shl_" + "a" * 16 + "_" + "a" * 43)) is None


def test_a_digest_needs_its_salt_and_secret() -> None:
    salt, secret = new_salt(), new_secret()
    stored = digest(salt, secret)
    assert matches(stored, salt, secret)
    assert not matches(stored, new_salt(), secret)
    assert not matches(stored, salt, new_secret())


@pytest.mark.parametrize(
    ("has", "may"),
    [
        ({Scope.READ}, {Scope.READ}),
        ({Scope.WRITE}, {Scope.WRITE}),
        ({Scope.READ, Scope.WRITE}, {Scope.READ, Scope.WRITE}),
        ({Scope.ADMIN}, set(Scope)),
    ],
)
def test_what_scopes_imply(has: set[Scope], may: set[Scope]) -> None:
    principal = Principal("t", "k", frozenset(has))
    assert {scope for scope in Scope if principal.may(scope)} == may


def test_rates_are_positive() -> None:
    for rps, burst in ((0, 1), (1, 0)):
        with pytest.raises(ValueError):
            RateLimit(rps, burst)


@given(st.integers(1, 1000), st.integers(1, 1000), st.integers(0, 10**7))
def test_retry_after_is_enough_and_not_a_second_more(rps: int, burst: int, ahead: int) -> None:
    limit = RateLimit(rps, burst)
    now = 10**15
    wait = limit.retry_after(now + ahead, now) * 1_000_000
    assert now + ahead <= now + wait + limit.tolerance
    assert wait == 1_000_000 or now + ahead > now + wait - 1_000_000 + limit.tolerance
