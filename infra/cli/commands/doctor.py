"""`shoal doctor`: whether this machine and this AWS account are ready, and what to change."""

import typer

from infra.cli import output
from infra.cli.failures import CliError
from infra.cli.options import AsJson, ProfileName, targets

_SIGNS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


def doctor(ctx: typer.Context, as_json: AsJson = False, profile: ProfileName = None) -> None:
    """Check credentials, CDK bootstrap, Lambda quotas, Bedrock and the stack. Changes nothing.

    Exit code 1 when a check fails; warnings are fine.
    """
    from infra.cli.aws_ports import aws_session
    from infra.cli.examination import examine, quick_client

    chosen = targets(ctx).profile(profile)
    findings = []
    for finding in examine(quick_client(lambda: aws_session(chosen)), stack=chosen.stack):
        findings.append(finding)
        if not as_json:
            output.line(f"{_SIGNS[finding.state]}  {finding.what}: {finding.found}")
            if finding.change:
                output.line(f"      → {finding.change}")
    failed = [finding.what for finding in findings if finding.state == "fail"]
    if as_json:
        output.print_json({"ok": not failed, "checks": findings})
    if failed:
        raise CliError(f"{len(failed)} of {len(findings)} checks failed: {', '.join(failed)}")
