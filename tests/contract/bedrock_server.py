"""Bedrock's InvokeModel on a port of this machine: the fake in memory behind the wire that the SDK speaks."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from shoal.errors import ModelBusy, ModelDenied, ModelError, ModelFailed
from shoal.storage.memory import MemoryInference

CODES: dict[type[ModelError], tuple[int, str]] = {
    ModelBusy: (429, "ThrottlingException"),
    ModelDenied: (403, "AccessDeniedException"),
    ModelFailed: (400, "ValidationException"),
}


@contextmanager
def served(inference: MemoryInference) -> Iterator[str]:
    """The URL of a server that answers as Bedrock does, for as long as the context is open."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            signed = self.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 ")
            empty, model, model_id, operation = self.path.split("/")
            assert (empty, model, operation, signed) == ("", "model", "invoke", True)
            try:
                answer = inference.invoke(unquote(model_id), body)
            except ModelError as error:
                status, code = CODES[type(error)]
                self._answer(
                    status, json.dumps({"message": error.reason}).encode(), {"x-amzn-errortype": code}
                )
            else:
                self._answer(answer.status, answer.body, dict(answer.headers))

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
