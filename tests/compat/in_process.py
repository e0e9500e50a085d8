"""The API in this process behind a port of 127.0.0.1; what is due is done between two requests."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from infra.local.gateway import Request, decode_path, to_answer, to_event
from shoal.http.app import App


@contextmanager
def served(app: App, *, meanwhile: Callable[[], None]) -> Iterator[str]:
    """Serve the routes of an app; the address, without a slash at its end. `meanwhile` comes before a request."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def answer(self) -> None:
            meanwhile()
            path, _, query = self.path.partition("?")
            headers = tuple((name.lower(), value) for name, value in self.headers.items())
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            request = Request(self.command, path, query, headers, body)
            event = to_event(
                request,
                path=decode_path(path),
                api_id="local",
                account_id="000000000000",
                route_key="$default",
                path_parameters=None,
            )
            answer = to_answer(app.handle(event))
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - names of the standard library

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
