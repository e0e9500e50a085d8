"""Files of an export on their way here: broken off, damaged, refused, and gone on with."""

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from infra.cli.client import ShoalClient
from infra.cli.exports.display import Bars, Lines
from infra.cli.exports.downloading import Addresses
from infra.cli.exports.manifest import check_files, plain_name, read_manifest
from infra.cli.exports.results import ExportInfo
from infra.cli.failures import UsageError
from infra.cli.imports import following
from infra.cli.main import app
from infra.cli.targets import Targets
from infra.cli.transport import Patience

API, STORE = "https://shoal.test", "https://bucket.test"
EXPORT_ID = "exp_" + "1" * 32
DATASET = {"name": "songs", "dimension": 2, "metric": "l2", "status": "indexed", "row_count": 6}
FILES = {"part-0.parquet": b"0123456789" * 5, "part-1.parquet": b"abcdefghij" * 9}
type Shoal = Callable[..., Result]


@dataclass
class ExportServer:
    """An export whose looks find `states`, the last one again and again; `answers` are for the GETs to come."""

    states: list[dict[str, Any]] = field(default_factory=lambda: [{"status": "completed"}])
    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    answers: dict[str, list[httpx.Response | Exception]] = field(default_factory=dict)
    gets: list[tuple[str, str | None]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    on_get: Callable[[], None] = lambda: None
    signed: int = 0
    _lock: Any = field(default_factory=threading.Lock)

    def answer(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            return self._store(request) if request.url.host == "bucket.test" else self._api(request)

    def _api(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(f"{request.method} {request.url.path.removeprefix('/v1/datasets/songs')}")
        if request.method == "POST":
            return httpx.Response(202, json=self.body({"status": "running"}))
        if request.url.path == "/v1/datasets/songs":
            return httpx.Response(200, json=DATASET)
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if state["status"] == "gone":
            return httpx.Response(404, json={"error": {"code": "export_not_found", "message": "gone"}})
        return httpx.Response(200, json=self.body(state))

    def body(self, state: dict[str, Any]) -> dict[str, Any]:
        self.signed += 1
        named = [
            {
                "name": name,
                "rows": 3,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "url": f"{STORE}/{name}?sig={self.signed}",
                "expires_at": "2026-05-28T20:26:40Z",
            }
            for name, data in FILES.items()
        ]
        over = state["status"] == "completed"
        return {
            "export_id": EXPORT_ID,
            "dataset": "songs",
            "version": 7,
            "progress": {"done": 0, "total": 2},
            "row_count": 6,
            "bytes": 140,
            "created_at": "2026-05-28T20:26:40Z",
            "completed_at": None,
            "error_message": None,
            "manifest": {"url": f"{STORE}/manifest.json?sig=1", "expires_at": ""} if over else None,
            "files": named if over else [],
            **state,
        }

    def _store(self, request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        name, wanted = request.url.path.removeprefix("/"), request.headers.get("range")
        self.gets.append((name, wanted))
        self.on_get()
        planned = self.answers.get(name)
        if planned:
            found = planned.pop(0)
            if isinstance(found, Exception):
                raise found
            return found
        data = manifest() if name == "manifest.json" else self.files[name]
        if wanted is None:
            return httpx.Response(200, content=data)
        return httpx.Response(206, content=data[int(wanted.removeprefix("bytes=").rstrip("-")) :])


def manifest(**more: Any) -> bytes:
    files = [
        {
            "number": place,
            "name": name,
            "rows": 3,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        for place, (name, data) in enumerate(FILES.items())
    ]
    told = {
        "format": 1,
        "dataset": "songs",
        "dimension": 2,
        "metric": "l2",
        "target_recall": 0.95,
        "version": 7,
        "watermark": 9,
        "row_count": 6,
        "exported_at": 1.5,
        "files": files,
    }
    return json.dumps(told | more).encode()


@pytest.fixture
def server() -> ExportServer:
    return ExportServer()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def shoal(server: ExportServer, monkeypatch: pytest.MonkeyPatch) -> Shoal:
    monkeypatch.setattr(following, "_FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("infra.cli.client.Patience", lambda: Patience(sleep=lambda _: None))

    def call(*arguments: str | Path) -> Result:
        targets = Targets(
            environ={"SHOAL_API_URL": API, "SHOAL_API_KEY": "shl_k"},
            transport=httpx.MockTransport(server.answer),
        )
        return CliRunner().invoke(app, [str(each) for each in arguments], obj=targets, catch_exceptions=False)

    return call


def complete(folder: Path) -> bool:
    there = {path.name: path.read_bytes() for path in folder.iterdir()}
    return there == FILES | {"manifest.json": manifest()}


def test_followed_and_downloaded(shoal: Shoal, server: ExportServer, folder: Path) -> None:
    server.states = [
        {"status": "running", "progress": {"done": 0, "total": 0}},
        {"status": "running"},
        {"status": "running", "progress": {"done": 1, "total": 2}},
        {"status": "completed"},
    ]
    done = shoal("export", "songs", folder)
    assert done.exit_code == 0, done.output
    assert complete(folder)
    assert done.stderr.splitlines() == [
        f"export {EXPORT_ID}: songs, version 7",
        "planning",
        "writing: 0 of 2 files",
        "writing: 1 of 2 files",
        done.stderr.splitlines()[4],
    ]
    assert done.stderr.splitlines()[4].startswith("downloaded 140 bytes of 140 bytes (100 %)")
    assert server.gets[-1] == ("manifest.json", None)  # it says that all else is there


def test_the_network_may_fail_in_the_middle(shoal: Shoal, server: ExportServer, folder: Path) -> None:
    server.answers["part-1.parquet"] = [
        httpx.Response(200, content=FILES["part-1.parquet"][:30]),
        httpx.ReadError("reset by peer"),
        httpx.Response(503, text="<Code>SlowDown</Code>"),
    ]
    assert shoal("export", "songs", folder).exit_code == 0
    assert complete(folder)
    ranges = [wanted for name, wanted in server.gets if name == "part-1.parquet"]
    assert ranges == [None, "bytes=30-", "bytes=30-", "bytes=30-"]


def test_a_server_that_knows_no_ranges(shoal: Shoal, server: ExportServer, folder: Path) -> None:
    whole = FILES["part-0.parquet"]
    server.answers["part-0.parquet"] = [
        httpx.Response(200, content=whole[:30]),
        httpx.Response(200, content=whole),
    ]
    assert shoal("export", "songs", folder).exit_code == 0
    assert complete(folder)


def test_an_address_that_expired_is_asked_for_again(shoal: Shoal, server: ExportServer, folder: Path) -> None:
    refusal = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    server.answers["part-0.parquet"] = [httpx.Response(403, text=refusal)]
    assert shoal("export", "songs", folder).exit_code == 0
    assert complete(folder)
    server.answers["part-0.parquet"] = [httpx.Response(403, text=refusal) for _ in range(9)]
    again = shoal("export", "songs", folder.with_name("other"))
    assert again.exit_code == 1
    assert "the storage refused: AccessDenied" in again.stderr
    assert len(server.answers["part-0.parquet"]) == 7
    assert "sig=" not in again.output


def test_what_arrives_damaged_is_fetched_once_more(shoal: Shoal, server: ExportServer, folder: Path) -> None:
    wrong = FILES["part-0.parquet"][:-1] + b"?"
    server.answers["part-0.parquet"] = [httpx.Response(200, content=wrong)]
    assert shoal("export", "songs", folder).exit_code == 0
    assert complete(folder)
    server.files["part-0.parquet"] = wrong
    again = shoal("export", "songs", folder.with_name("other"))
    assert again.exit_code == 1
    assert "part-0.parquet arrived damaged, twice" in again.stderr
    assert not (folder.with_name("other") / "manifest.json").exists()
    assert not (folder.with_name("other") / "part-0.parquet").exists()


def test_the_same_command_goes_on_after_an_interruption(
    shoal: Shoal, server: ExportServer, folder: Path
) -> None:
    def interrupt() -> None:
        if len(server.gets) == 3:
            raise KeyboardInterrupt

    server.on_get = interrupt  # at the manifest: the files are there
    stopped = shoal("export", "songs", folder)
    assert stopped.exit_code == 130
    assert "the same command goes on" in stopped.stderr
    assert not (folder / "manifest.json").exists()
    (folder / "part-1.parquet").rename(folder / "part-1.parquet.part")
    with (folder / "part-1.parquet.part").open("r+b") as file:
        file.truncate(40)
    server.on_get, before = lambda: None, len(server.gets)
    done = shoal("export", "songs", folder)
    assert done.exit_code == 0, done.output
    assert f"going on with {EXPORT_ID}" in done.stderr
    assert "1 file was there already" in done.stdout
    assert server.gets[before:] == [("part-1.parquet", "bytes=40-"), ("manifest.json", None)]
    assert server.calls.count("POST /exports") == 1
    assert complete(folder)


@pytest.mark.parametrize("what", ["gone", "failed"])
def test_an_export_that_is_no_more_is_begun_anew(
    shoal: Shoal, server: ExportServer, folder: Path, what: str
) -> None:
    folder.mkdir()
    note = {"dataset": "songs", "snapshot": None, "export_id": EXPORT_ID}
    (folder / ".shoal-export.json").write_text(json.dumps(note))
    server.states = [{"status": what}, {"status": "completed"}]
    assert shoal("export", "songs", folder).exit_code == 0
    assert server.calls.count("POST /exports") == 1
    assert complete(folder)


def test_a_note_of_another_dataset_counts_for_nothing(
    shoal: Shoal, server: ExportServer, folder: Path
) -> None:
    folder.mkdir()
    for note in ('{"dataset": "other", "snapshot": null, "export_id": "exp_2"}', "nonsense", "[]"):
        (folder / ".shoal-export.json").write_text(note)
        assert shoal("export", "songs", folder).exit_code == 0
        (folder / "manifest.json").unlink()
    assert server.calls.count("POST /exports") == 3


def test_a_folder_with_an_export_is_left_alone(shoal: Shoal, server: ExportServer, folder: Path) -> None:
    assert shoal("export", "songs", folder).exit_code == 0
    again = shoal("export", "songs", folder)
    assert (again.exit_code, "holds an export already" in again.stderr) == (2, True)
    assert server.calls.count("POST /exports") == 1
    (folder / "part-0.parquet").write_bytes(b"spoilt")
    mended = shoal("export", "songs", folder, "--export", EXPORT_ID)
    assert mended.exit_code == 0
    assert complete(folder)


def test_a_failed_export_fails_the_command(shoal: Shoal, server: ExportServer, folder: Path) -> None:
    server.states = [{"status": "failed", "error_message": "internal error (X); start a new export"}]
    done = shoal("export", "songs", folder)
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"export {EXPORT_ID} failed: internal error (X); start a new export" in done.stderr


def test_a_manifest_that_names_other_files(shoal: Shoal, server: ExportServer, folder: Path) -> None:
    server.answers["manifest.json"] = [httpx.Response(200, content=manifest(files=[]))]
    done = shoal("export", "songs", folder)
    assert done.exit_code == 1
    assert "names other files" in done.stderr
    assert not (folder / "manifest.json").exists()


def test_a_disk_that_is_full(shoal: Shoal, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("infra.cli.exports.downloading.shutil.disk_usage", lambda _: Usage)
    done = shoal("export", "songs", folder)
    assert (done.exit_code, "has room for 1,000" in done.stderr) == (2, True)


def test_addresses_are_renewed_in_time(server: ExportServer) -> None:
    now = [0.0]
    client = ShoalClient(API, "shl_k", transport=httpx.MockTransport(server.answer))
    job = ExportInfo.of(server.body({"status": "completed"}))
    addresses = Addresses(client, job, clock=lambda: now[0])
    assert addresses.of("part-0.parquet", renew=False).endswith("sig=1")
    now[0] = 1801.0
    assert addresses.of("part-0.parquet", renew=False).endswith("sig=2")
    assert addresses.of("part-1.parquet", renew=False).endswith("sig=2")
    assert addresses.of("part-1.parquet", renew=True).endswith("sig=3")
    client.close()


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "", "/etc/passwd", "..", "a\nb", "a\\b"])
def test_names_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(UsageError):
        plain_name(name)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{}", "not the manifest"),
        (b"nonsense", "not the manifest"),
        (manifest(format=2), "newer release"),
        (manifest(more=1), "not the manifest"),
        (manifest(files=[{"number": 0, "name": "../x", "rows": 1, "size": 1, "sha256": ""}]), "not the name"),
    ],
)
def test_manifests_that_are_none(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(UsageError, match=words):
        read_manifest(tmp_path)


@pytest.mark.parametrize("spoilt", ["missing", "short", "other"])
def test_files_are_compared_before_anything_is_imported(
    shoal: Shoal, server: ExportServer, folder: Path, spoilt: str
) -> None:
    shoal("export", "songs", folder)
    path = folder / "part-1.parquet"
    if spoilt == "missing":
        path.unlink()
    else:
        path.write_bytes(FILES[path.name][:-1] + (b"" if spoilt == "short" else b"?"))
    with pytest.raises(UsageError, match="is missing" if spoilt == "missing" else "is not the file"):
        check_files(folder, read_manifest(folder))
    before = len(server.calls)
    done = shoal("import", "songs", folder)
    assert (done.exit_code, "--export EXPORT" in done.stderr) == (2, True)
    assert len(server.calls) == before


def test_lines_and_bars() -> None:
    from rich.console import Console
    from rich.progress import Progress

    said: list[str] = []
    now = [0.0]
    lines = Lines(say=said.append, clock=lambda: now[0])
    running = ExportInfo.of(ExportServer().body({"status": "running"}))
    lines.state(running)
    lines.begin(100)
    for size in (10, -10, 50):
        now[0] += 1.0
        lines.downloaded(size)
    lines.downloaded(50)
    assert said[0] == "writing: 0 of 2 files"
    assert said[1].startswith("downloaded 50 bytes of 100 bytes (50 %)")
    assert said[2].startswith("downloaded 100 bytes of 100 bytes (100 %)")
    out = Console(file=None, quiet=True)
    files, bytes_ = Progress(console=out), Progress(console=out)
    bars = Bars(files, bytes_)
    bars.state(running)
    bars.state(ExportInfo.of(ExportServer().body({"status": "completed"})))
    bars.begin(100)
    bars.downloaded(40)
    assert (files.tasks[0].total, bytes_.tasks[0].completed) == (2, 40)
    files.stop()
    bytes_.stop()
