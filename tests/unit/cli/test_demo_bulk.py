"""The demo's planted lines: where they stand, and what is said of them."""

from infra.cli.demo.bulk import PLANTED, with_planted
from infra.cli.demo.corpus import DIMENSION
from shoal.model import ndjson


def test_each_planted_line_stands_where_it_is_expected() -> None:
    rows = 19_796
    lines = list(with_planted(b"x%d\n" % n for n in range(rows)))
    assert len(lines) == rows + len(PLANTED)
    for each in PLANTED:
        assert lines[each.line - 1] == each.text.encode() + b"\n"
    assert [line for line in lines if line.startswith(b"x")] == [b"x%d\n" % n for n in range(rows)]


def test_each_planted_line_is_rejected_for_its_reason() -> None:
    body = "\n".join(each.text for each in PLANTED).encode()
    found = ndjson.parse(body, dimension=DIMENSION, refuse_zero=True)
    assert len(found) == 0
    assert [error.reason for error in found.errors] == [each.reason for each in PLANTED]
