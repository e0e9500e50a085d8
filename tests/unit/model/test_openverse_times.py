"""Moments as catalogues write them."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.model.openverse_times import parse_moment

NOON = datetime(2023, 11, 6, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        "2023-11-06T12:00:00Z",
        "2023-11-06T12:00:00",
        "2023-11-06 12:00:00",
        "2023-11-06 12:00",
        " 2023-11-06 12:00:00.000+00 ",
        "2023-11-06 12:00:00 UTC",
        "2023-11-06 12:00:00 +00:00",
        "2023-11-06 14:00:00+02",
        "2023-11-06 07:30:00-0430",
        "20231106T120000Z",
        1699272000,
        1699272000.0,
    ],
)
def test_noon(text: Any) -> None:
    assert parse_moment(text) == NOON


def test_dates_and_what_no_clock_shows() -> None:
    assert parse_moment("2023-11-06") == NOON - 12 * 3600
    assert parse_moment("20231106") == NOON - 12 * 3600
    assert parse_moment("epoch") == 0.0
    assert parse_moment("-infinity") == -math.inf
    assert parse_moment("infinity") == math.inf


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "",
        " ",
        "yesterday",
        "2023-13-01",
        "2023-11-06 25:00",
        "6.11.2023",
        [],
        {},
        math.nan,
        math.inf,
    ],
)
def test_what_is_no_moment(value: Any) -> None:
    assert parse_moment(value) is None


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)),  # noqa: DTZ001 - the zone is added
    st.integers(-12, 14),
    st.sampled_from("T "),
)
def test_whatever_python_prints_is_read_back(moment: datetime, hours: int, between: str) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert parse_moment(aware.isoformat(between)) == aware.timestamp()
