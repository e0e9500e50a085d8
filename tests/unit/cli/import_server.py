"""An API and its storage that play the course of one import, for tests of the command line."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

API = "https://shoal.test"
STORE = "https://bucket.test"
IMPORT_ID = "imp_" + "1" * 32
RUNNING: dict[str, Any] = {
    "import_id": IMPORT_ID,
    "dataset": "songs",
    "format": "ndjson",
    "status": "awaiting_upload",
    "error_mode": "continue",
    "max_bad_records": None,
    "records_processed": 0,
    "records_accepted": 0,
    "records_rejected": 0,
    "percent_complete": 0,
    "rejected_records_url": None,
    "error_message": None,
    "created_at": "2026-05-28T20:26:40Z",
    "completed_at": None,
    "progress": None,
    "reasons": [],
}
VALIDATING = {
    "status": "validating",
    "percent_complete": 25,
    "progress": {"stage": "validating", "done": 0, "total": 2},
}
COMPLETED = {
    "status": "completed",
    "percent_complete": 100,
    "records_processed": 3,
    "records_accepted": 3,
    "completed_at": "2026-05-28T20:26:50Z",
}
SOME_REJECTED = COMPLETED | {
    "records_accepted": 1,
    "records_rejected": 2,
    "rejected_records_url": f"{STORE}/rejects?sig=1",
    "reasons": [{"reason": "invalid json", "count": 2}],
}
FAILED = {
    "status": "failed",
    "percent_complete": 25,
    "error_message": "too many bad records: 2, at most 1",
    "completed_at": "2026-05-28T20:26:50Z",
}
RECALL = {"target": 0.95, "measured": 0.962, "probes": 16, "ef": None, "sampled_at": "2026-05-28T20:26:50Z"}


@dataclass
class ImportServer:
    """`states` are what each look finds, the last one again and again. `answers` are for the PUTs to come,
    `refusals` for the imports that are to be created."""

    states: list[dict[str, Any]] = field(default_factory=lambda: [VALIDATING, COMPLETED])
    answers: list[httpx.Response | Exception] = field(default_factory=list)
    refusals: list[httpx.Response] = field(default_factory=list)
    part_bytes: int | None = None
    max_bytes: int = 5 * 1024**3
    complete_status: int = 202
    rejects: bytes = b""
    recall: Mapping[str, Any] | None = None
    stored: dict[str, bytes] = field(default_factory=dict)
    puts: list[httpx.Request] = field(default_factory=list)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    on_look: Callable[[], None] = lambda: None
    _lock: Any = field(default_factory=threading.Lock)

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    @property
    def said(self) -> list[str]:
        """What was called, without bodies."""
        return [call for call, _ in self.calls]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "bucket.test":
            return self._store(request)
        assert request.headers["authorization"].startswith("Bearer ")
        path = request.url.path.removeprefix("/v1/datasets/songs")
        body = request.read()
        self.calls.append(
            (f"{request.method} {path.replace(IMPORT_ID, '{id}')}", json.loads(body) if body else None)
        )
        if path == "":
            return httpx.Response(200, json=self._dataset())
        if path == "/compact":
            return httpx.Response(202, json={"dataset": "songs", "status": "requested"})
        if path == "/imports" and request.method == "POST":
            if self.refusals:
                return self.refusals.pop(0)
            return httpx.Response(201, json=RUNNING | {"upload": self._upload()})
        if path == "/imports":
            return httpx.Response(200, json={"imports": [RUNNING | self.states[-1], RUNNING]})
        if path.endswith("/complete") and self.complete_status != 202:
            return httpx.Response(
                self.complete_status, json={"error": {"code": "import_not_pending", "message": "started"}}
            )
        if path.endswith("/cancel"):
            return httpx.Response(202, json=RUNNING | FAILED | {"error_message": "cancelled"})
        if request.method == "GET":
            self.on_look()
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return httpx.Response(202 if request.method == "POST" else 200, json=RUNNING | state)

    def _dataset(self) -> dict[str, Any]:
        return {
            "name": "songs",
            "dimension": 2,
            "metric": "l2",
            "status": "indexed",
            "row_count": 3,
            "created_at": "2026-05-28T20:26:40Z",
            "last_indexed_at": "2026-05-28T20:26:50Z",
            "error_message": None,
            "recall": self.recall,
        }

    def _upload(self) -> dict[str, Any]:
        common: dict[str, Any] = {
            "method": "PUT",
            "content_type": "application/octet-stream",
            "max_bytes": self.max_bytes,
            "expires_at": "2026-05-28T21:26:40Z",
        }
        if self.part_bytes is None:
            return common | {"url": f"{STORE}/upload?sig=1"}
        parts = [{"part_number": n, "url": f"{STORE}/part-{n}?sig=1"} for n in range(1, 101)]
        return common | {"part_bytes": self.part_bytes, "parts": parts}

    def _store(self, request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        if request.method == "GET":
            return httpx.Response(200, content=self.rejects)
        data = request.read()
        with self._lock:
            self.puts.append(request)
            planned = self.answers.pop(0) if self.answers else None
            if isinstance(planned, Exception):
                raise planned
            if planned is not None:
                return planned
            assert int(request.headers["content-length"]) == len(data)
            assert "transfer-encoding" not in request.headers
            self.stored[request.url.path] = data
        return httpx.Response(200, headers={"etag": f'"{request.url.path}"'})
