"""Runs `shoal` against an API that plays its part."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from infra.cli.imports import following
from infra.cli.main import app
from infra.cli.targets import Targets
from tests.unit.cli.studio_server import API, StudioServer

type Shoal = Callable[..., Result]


def shell(server: StudioServer, monkeypatch: pytest.MonkeyPatch) -> Shoal:
    """Runs `shoal` with these arguments; nothing sleeps."""
    monkeypatch.setattr(following, "_FIRST_PAUSE_SECONDS", 0.0)

    def call(
        *arguments: str | Path, stdin: str | None = None, transport: httpx.BaseTransport | None = None
    ) -> Result:
        targets = Targets(
            environ={"SHOAL_API_URL": API, "SHOAL_API_KEY": "shl_k"},
            transport=transport or server.transport(),
        )
        return CliRunner().invoke(
            app, [str(each) for each in arguments], obj=targets, input=stdin, catch_exceptions=False
        )

    return call
