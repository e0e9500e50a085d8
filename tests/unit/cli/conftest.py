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
from shoal.services.compaction.look_after import look_after
from shoal.services.datasets import resolve
from tests.unit.cli.studio_server import StudioServer
from tests.unit.cli.studio_shell import Shoal, shell
from tests.unit.http.api import Api, event
from tests.unit.http.deriving import run_derivation
from tests.unit.http.studio.pump import Pump
from tests.unit.services.exports import exporting
from tests.workflow.machine import run_workflow
from tests.workflow.steps import compaction_definition, import_definition, in_process

type Run = Callable[..., Result]


def transport_of(api: Api) -> httpx.MockTransport:
    """Requests become gateway events; what is written is indexed at once, and so is what is imported.

    Tasks and derivations are done when somebody looks at one.
    """

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.scheme == "memory":
            return stored(api, request)
        sent = request.read()
        if request.method == "GET" and "-tasks/" in request.url.path:
            Pump(api).run()
        if request.method == "GET" and "/v1/derivations/" in request.url.path:
            run_derivation(api, request.url.path.rpartition("/")[2])
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
        if found.status == 202 and "job_id" in found.json:
            api.index(found.json["job_id"])
        if found.status == 202 and request.url.path.endswith("/complete"):
            given = {"import_id": found.json["import_id"]}
            Pump(api).logs()
            run_workflow(import_definition(), api.ports, in_process(api.ports), given)
        if found.status == 202 and request.url.path.endswith("/exports"):
            exporting.run_export(api.ports, found.json["export_id"])
        if found.status == 202 and request.url.path.endswith("/compact"):
            compact(api, request.url.path.split("/")[3])
        return httpx.Response(found.status, headers=dict(found.headers), text=found.text)

    return httpx.MockTransport(answer)


def compact(api: Api, name: str) -> None:
    """What the builder does when it is asked to compact."""
    dataset = resolve(api.ports, api.tenant_id, scope="native", name=name)
    look_after(api.ports, api.tenant_id, dataset.dataset_id, owner="test", thorough=True)
    for given in api.compactions.started.values():
        run_workflow(compaction_definition(), api.ports, in_process(api.ports), given)
    api.compactions.started.clear()


def stored(api: Api, request: httpx.Request) -> httpx.Response:
    """What S3 does at the addresses of uploads, of rejected records and of exports."""
    assert "authorization" not in request.headers
    key = request.url.path.removeprefix("/")
    if request.method == "GET":
        data, wanted = api.ports.objects.get(key), request.headers.get("range")
        if wanted is None:
            return httpx.Response(200, content=data)
        return httpx.Response(206, content=data[int(wanted.removeprefix("bytes=").rstrip("-")) :])
    data, asked = request.read(), request.url.params
    if "upload_id" in asked:
        etag = api.uploads.put_part(asked["upload_id"], int(asked["part_number"]), data)
    else:
        assert request.headers["content-type"] == asked["content_type"]
        etag = api.ports.objects.put(key, data).etag
    return httpx.Response(200, headers={"etag": f'"{etag}"'})


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


@pytest.fixture
def server() -> StudioServer:
    """An API that plays models, collections and tasks."""
    return StudioServer()


@pytest.fixture
def shoal(server: StudioServer, monkeypatch: pytest.MonkeyPatch) -> Shoal:
    """Run `shoal` against it."""
    return shell(server, monkeypatch)


def lines(records: Sequence[Mapping[str, Any]]) -> str:
    """NDJSON."""
    import json

    return "".join(json.dumps(record) + "\n" for record in records)
