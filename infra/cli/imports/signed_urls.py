"""Addresses that S3 signed: a file, or a part of one, goes there; rejected records come from there.

No key of ours is sent along: the signature in the address is all that S3 needs, and all it may see.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx

from infra.cli.failures import CliError, Unreachable
from infra.cli.transport import Patience

PIECE_BYTES = 1024 * 1024
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_TIMEOUT = httpx.Timeout(60.0, connect=10.0, read=300.0)
"""S3 answers a PUT only when it has stored all of it, which takes a while at 5 GiB."""
_XML = re.compile(r"<(Code|Message)>([^<]*)</\1>")

type Count = Callable[[int], None]
"""Gets bytes as they are sent, and a negative number where an attempt failed and they go again."""


class UploadStopped(CliError):
    """Another part of the same upload failed, or the user has had enough."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes ``[start, stop)`` of a file."""

    path: Path
    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many bytes it is."""
        return self.stop - self.start

    def pieces(self, count: Count, stop: threading.Event) -> Iterator[bytes]:
        """The bytes, a megabyte at a time.

        Raises:
            CliError: the file has become shorter.
            UploadStopped: `stop` was set.
        """
        left = self.size
        with self.path.open("rb") as file:
            file.seek(self.start)
            while left:
                if stop.is_set():
                    raise UploadStopped("the upload was stopped")
                piece = file.read(min(PIECE_BYTES, left))
                if not piece:
                    raise CliError(f"{self.path} became shorter during the upload")
                yield piece
                left -= len(piece)
                count(len(piece))


class SignedUrls:
    """Speaks to such addresses; closed by `close`, or used with `with`."""

    def __init__(
        self, *, patience: Patience, transport: httpx.BaseTransport | None = None, trust_env: bool = True
    ) -> None:
        self._patience = patience
        self._http = httpx.Client(timeout=_TIMEOUT, transport=transport, trust_env=trust_env)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def put(
        self, url: str, source: Slice, *, content_type: str | None, count: Count, stop: threading.Event
    ) -> str:
        """Put bytes there, again and again where the network fails; the ETag. Safe to call from many threads.

        Raises:
            CliError: refused, or the file changed.
            Unreachable: no answer.
        """
        headers = {"Content-Length": str(source.size)}
        if content_type is not None:
            headers["Content-Type"] = content_type
        attempt = 0
        while True:
            attempt += 1
            sent = _Sent(count)
            try:
                answer = self._http.put(url, content=source.pieces(sent.add, stop), headers=headers)
            except httpx.TransportError as error:
                failure, again = _no_answer(error), True
            else:
                if answer.is_success:
                    return str(answer.headers.get("etag", ""))
                failure, again = _refusal(answer), answer.status_code in _AGAIN
            sent.take_back()
            pause = self._patience.wait_before(attempt, None) if again else None
            if pause is None or stop.is_set():
                raise failure
            self._patience.sleep(pause)

    def fetch(
        self, address: Callable[[bool], str], draft: Path, size: int, *, count: Count, stop: threading.Event
    ) -> None:
        """Get an object of `size` bytes into `draft`, from where that ends on, again where the network fails.

        `address` says where it is, given True where the address that it gave before was refused: it may have
        expired. Safe to call from many threads.

        Raises:
            CliError: refused, or the object is not of that size.
            UploadStopped: `stop` was set.
            Unreachable: no answer.
        """
        attempt, renew = 0, False
        while True:
            attempt += 1
            try:
                failure, again, refused = self._append(address(renew), draft, size, count, stop)
            except httpx.TransportError as error:
                failure, again, refused = _no_answer(error), True, False
            if failure is None:
                return
            # An address that was made just now and is refused stays so.
            again, renew = (again and not (refused and renew)), refused
            pause = self._patience.wait_before(attempt, None) if again else None
            if pause is None or stop.is_set():
                raise failure
            self._patience.sleep(pause)

    def _append(
        self, url: str, draft: Path, size: int, count: Count, stop: threading.Event
    ) -> tuple[CliError | None, bool, bool]:
        """One attempt: what went wrong, whether to try again, and whether the address was refused."""
        have = draft.stat().st_size if draft.exists() else 0
        if have == size:
            return None, False, False
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with self._http.stream("GET", url, headers=headers) as answer:
            if not answer.is_success:
                answer.read()
                refused = answer.status_code == 403
                return _refusal(answer), refused or answer.status_code in _AGAIN, refused
            if have and answer.status_code != 206:  # all of it comes
                count(-have)
                have = 0
            with draft.open("ab" if have else "wb") as file:
                for piece in answer.iter_bytes(PIECE_BYTES):
                    if stop.is_set():
                        raise UploadStopped("the download was stopped")
                    have += file.write(piece)
                    count(len(piece))
        if have != size:
            return CliError(f"{draft.stem} has {have:,} bytes, not {size:,}"), have < size, False
        return None, False, False

    def first_lines(self, url: str, count: int) -> list[str]:
        """The first lines of an object, without reading the rest.

        Raises:
            CliError: refused.
            Unreachable: no answer.
        """
        lines: list[str] = []
        with self._reading(url) as answer:
            for line in answer.iter_lines():
                lines.append(line)
                if len(lines) == count:
                    break
        return lines

    def download(self, url: str, path: Path) -> int:
        """The whole object as a file, which appears when it is complete; its bytes.

        Raises:
            CliError: refused, or it cannot be written.
            Unreachable: no answer.
        """
        draft = path.with_name(f"{path.name}.part")
        size = 0
        try:
            with self._reading(url) as answer, draft.open("wb") as file:
                for piece in answer.iter_bytes():
                    size += file.write(piece)
            draft.replace(path)
        except OSError as error:
            raise CliError(f"cannot write {path}: {error.strerror}") from error
        finally:
            draft.unlink(missing_ok=True)
        return size

    @contextmanager
    def _reading(self, url: str) -> Iterator[httpx.Response]:
        try:
            with self._http.stream("GET", url) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refusal(answer)
                yield answer
        except httpx.TransportError as error:
            raise _no_answer(error) from error


@dataclass(slots=True)
class _Sent:
    """What one attempt has counted so far."""

    count: Count
    size: int = 0

    def add(self, size: int) -> None:
        self.size += size
        self.count(size)

    def take_back(self) -> None:
        self.count(-self.size)


def _no_answer(error: httpx.TransportError) -> CliError:
    # The address itself is not shown: who has it may write there.
    return Unreachable(
        f"no answer from the storage: {error or type(error).__name__}",
        hint="check the network, then try again",
    )


def _refusal(answer: httpx.Response) -> CliError:
    """What S3 says in XML, as one line."""
    told = dict(_XML.findall(answer.text))
    code = told.get("Code", f"HTTP {answer.status_code}")
    message = f"the storage refused: {code}: {told.get('Message', '')}".rstrip(": ")
    expired = "expired" in message.lower()
    return CliError(message, hint="its address holds for an hour: import again" if expired else None)
