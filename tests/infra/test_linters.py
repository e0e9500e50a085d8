"""cfn-lint and cdk-nag have nothing to say that was not answered."""

import subprocess
import sys
from pathlib import Path

from infra.nag import REASONS
from tests.infra.conftest import Synthesized

IGNORED = {
    "W3005": "the CDK says twice that a function comes after its role",
}


def test_cfn_lint(synthesized: Synthesized, tmp_path: Path) -> None:
    # It checks what a state machine invokes as written, with its placeholders.
    template = tmp_path / "template.json"
    template.write_text(synthesized.path.read_text().replace("${Partition}", "aws"))
    ignored = [part for rule in IGNORED for part in ("--ignore-checks", rule)]
    command = [
        str(Path(sys.executable).with_name("cfn-lint")),
        "--non-zero-exit-code",
        "informational",
        *ignored,
    ]
    checked = subprocess.run(
        [*command, "--", str(template)], capture_output=True, text=True, check=False, timeout=120
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_cdk_nag_finds_nothing_without_a_reason(synthesized: Synthesized) -> None:
    (report,) = synthesized.report["pluginReports"]
    assert report["pluginName"] == "AwsSolutions"
    assert report["conclusion"] == "success"
    assert report["violations"] == []


def test_every_reason_answers_something(synthesized: Synthesized) -> None:
    (report,) = synthesized.report["pluginReports"]
    answered = {
        (item["acknowledgedAt"].removeprefix("Shoal/"), item["acknowledgedId"].partition("::")[2])
        for item in report["suppressedViolations"]
    }
    assert answered == {(path, rule) for path, reasons in REASONS.items() for rule in reasons}
