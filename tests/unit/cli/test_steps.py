"""What the demo says, and its judgement."""

import io
import time

from infra.cli.demo.steps import Steps


def test_a_silent_step_gives_signs_of_life() -> None:
    stream = io.StringIO()
    steps = Steps(stream, sign_of_life_seconds=0.05)
    with steps:
        steps.begin("thinking")
        time.sleep(0.7)
    assert stream.getvalue().count("… thinking") >= 1


def test_a_moving_bar_needs_none() -> None:
    stream = io.StringIO()
    with Steps(stream, sign_of_life_seconds=0.05) as steps, steps.moving():
        steps.begin("uploading")
        time.sleep(0.6)
    assert "…" not in stream.getvalue()


def test_checks_are_kept_and_failures_stand_out() -> None:
    stream = io.StringIO()
    with Steps(stream) as steps:
        steps.check("count", True, "5 rows")
        steps.check("answer", False, "not there")
    assert [check.held for check in steps.checks] == [True, False]
    assert "✗ FAILED: answer: not there" in stream.getvalue()
