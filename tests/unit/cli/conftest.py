"""The command line against the real HTTP side over storage in memory: no socket, no AWS."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from infra.cli.client import ShoalClient
from infra.cli.main import app
from infra.cli.targets import Targets
from infra.cli.transport import Patience
from tests.unit.http.api import Api, event

type Run = Callable[..., Result]


def transport_of(api: Api) -> httpx.MockTransport:
    """Requests become gateway events; what is written is indexed at once."""

    def answer(request: httpx.Request) -> httpx.Response:
        sent = request.read()
        # The gateway hands over text as it is and anything else in base64.
        body = sent if "gzip" in request.headers.get("content-encoding", "") else sent.decode()
        found = api.send(
            event(
                request.method,
                request.url.path,
                body=body or None,
                query=dict(request.url.params),
                headers=dict(request.headers),
            )
        )
        if found.status == 202:
            api.index(found.json["job_id"])
        return httpx.Response(found.status, headers=dict(found.headers), text=found.text)

    return httpx.MockTransport(answer)


@pytest.fixture
def api() -> Api:
    """One deployment with one tenant."""
    return Api()


@pytest.fixture
def client(api: Api) -> ShoalClient:
    """A client of it."""
    return ShoalClient(
        "https://shoal.test", api.key, transport=transport_of(api), patience=Patience(sleep=lambda _: None)
    )


@pytest.fixture
def run(api: Api, tmp_path: Path) -> Run:
    """Run `shoal` with these arguments; stdout and stderr are apart."""

    def call(*arguments: str, stdin: str | None = None, **environ: str) -> Result:
        variables: Mapping[str, str] = {
            "HOME": str(tmp_path),
            "SHOAL_LOCAL_STATE": str(tmp_path / "state"),
            "SHOAL_API_URL": "https://shoal.test",
            "SHOAL_API_KEY": api.key,
            **environ,
        }
        targets = Targets(
            environ={name: value for name, value in variables.items() if value},
            transport=transport_of(api),
            open_ports=lambda _profile: api.ports,
        )
        return CliRunner().invoke(app, list(arguments), input=stdin, obj=targets, catch_exceptions=False)

    return call


def lines(records: Sequence[Mapping[str, Any]]) -> str:
    """NDJSON."""
    import json

    return "".join(json.dumps(record) + "\n" for record in records)
