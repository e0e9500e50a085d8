"""What the harness works out beside the clock."""

import pytest

from tests.benchmarks.harness import Table, Times, in_turns, ms


def test_percentiles_are_measured_values() -> None:
    times = Times(tuple(float(second) for second in (4, 1, 3, 2)))
    assert times.median == 2.5
    assert [times.percentile(percent) for percent in (0, 25, 50, 75, 99, 100)] == [1, 1, 2, 3, 4, 4]


def test_everybody_is_called_once_a_round_and_takes_turns_to_be_first() -> None:
    called: list[tuple[str, int]] = []
    calls = {name: lambda number, name=name: called.append((name, number)) for name in ("ours", "bare")}
    times = in_turns(calls, rounds=2, warm_up=1)
    assert called == [("ours", 0), ("bare", 0), ("bare", 1), ("ours", 1), ("ours", 2), ("bare", 2)]
    assert {name: len(found.seconds) for name, found in times.items()} == {"ours": 2, "bare": 2}


def test_a_table_is_markdown() -> None:
    table = Table("Speed", ("what", "median"), notes=["Two cores."])
    table.add("ours", ms(0.00151))
    assert (
        table.markdown() == "### Speed\n\n| what | median |\n| --- | ---: |\n| ours | 1.51 ms |\n\nTwo cores."
    )
    with pytest.raises(ValueError, match="1 cells under 2 heads"):
        table.add("ours")


def test_milliseconds_keep_three_digits() -> None:
    assert [ms(seconds) for seconds in (0.0012345, 0.012345, 1.2345)] == ["1.23 ms", "12.3 ms", "1,234 ms"]
