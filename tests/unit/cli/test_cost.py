"""Prices: arithmetic that a reader can follow."""

import json
from pathlib import Path

import pytest

from infra.cli import cost_model, measured, prices
from infra.cli.measured import Measured
from infra.settings import Settings
from tests.unit.cli.conftest import Run

FIGURES = Measured(
    rows=1000,
    dimension=256,
    upload_requests=2,
    upload_bytes_sent=2_000_000,
    upload_bytes_unpacked=4_000_000,
    upload_seconds=1.0,
    index_seconds=2.0,
    query_ms=10.0,
    answer_bytes=1000,
    where="a test",
)


def line(bill: cost_model.Bill, start: str) -> cost_model.Line:
    return next(each for each in bill.lines if each.what.startswith(start))


def test_free_tiers_are_taken_off_once() -> None:
    price = prices.Price(2.0, "thing", "page", free=10)
    assert (price.of(15), price.beyond_free(15), price.beyond_free(5)) == (30.0, 10.0, 0.0)


def test_a_million_queries() -> None:
    bill = cost_model.queries(Settings(), FIGURES)
    assert line(bill, "HTTP API").list_price == pytest.approx(1.00)
    compute = line(bill, "Lambda compute")
    assert compute.units == pytest.approx(1e6 * 0.010 * 3008 / 1024)
    assert compute.list_price == pytest.approx(compute.units * 0.0000133334)
    assert line(bill, "table reads").list_price == pytest.approx(0.25)
    assert line(bill, "table writes").list_price == pytest.approx(0.625)
    assert bill.list_price == pytest.approx(sum(each.list_price for each in bill.lines))
    assert bill.after_free < bill.list_price


def test_a_rate_limit_costs_a_write_a_query() -> None:
    limited = cost_model.queries(Settings(rate_limit_rps=50), FIGURES)
    assert line(limited, "table writes").units == 2e6


def test_large_requests_count_by_half_megabytes() -> None:
    bill = cost_model.rows(Settings(), FIGURES, 10_000)
    assert line(bill, "HTTP API").units == 20 * 2  # 20 requests of 1,000,000 bytes: two units of 512 KB each


def test_rows_scale() -> None:
    one, ten = (cost_model.rows(Settings(), FIGURES, n).list_price for n in (1_000_000, 10_000_000))
    assert ten == pytest.approx(10 * one, rel=0.001)


def test_an_idle_month_names_every_position() -> None:
    bill = cost_model.idle(Settings())
    assert line(bill, "long polls").units == pytest.approx(4 * 5 * 730 * 3600 / 20)
    assert line(bill, "alarms").after_free == pytest.approx(0.80)
    assert 0 < bill.after_free < 1.5 < bill.list_price < 3.2


def test_figures_are_kept(tmp_path: Path) -> None:
    assert measured.read(tmp_path) is measured.ASSUMED
    measured.write(tmp_path, FIGURES)
    assert measured.read(tmp_path) == FIGURES
    (tmp_path / measured.FILE).write_text("{}")
    assert measured.read(tmp_path) is measured.ASSUMED


def test_flags_replace_what_was_measured(run: Run, tmp_path: Path) -> None:
    measured.write(tmp_path / "state", FIGURES)
    told = json.loads(
        run("cost", "--json", "--query-ms", "40", "--dimension", "512", "--index-rows-s", "100").stdout
    )
    assert told["measured"]["query_ms"] == 40
    assert told["measured"]["index_seconds"] == 10
    assert told["measured"]["upload_requests"] == 4
    assert [bill["title"][:7] for bill in told["bills"]] == ["a month", "1,000,0", "1,000,0", "a month"]
    assert "list prices" not in run("cost").stderr
