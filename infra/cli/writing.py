"""The API's calls that delete and patch: any number of ids, in as few requests as the limits allow."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import batched
from typing import Any

from infra.cli.batches import MAX_UNPACKED_BYTES, compress
from infra.cli.failures import JobFailed
from infra.cli.listing import Chosen
from infra.cli.paths import dataset_path
from infra.cli.results import JobInfo, Json, Rejected
from infra.cli.transport import Transport

_IDS_A_REQUEST = 10_000  # the API's limit of ids in one delete, and of records in one patch
_ANSWERED_WITHIN = 20
"""Seconds that the API is asked to wait; what takes longer is asked for again."""


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What writes did, in records, as the API describes it."""

    upserted: int = 0
    skipped: int = 0
    patched: int = 0
    deleted: int = 0
    missing: int = 0
    reason: str | None = None

    @classmethod
    def of(cls, body: Json) -> "WriteOutcome":
        """Read the API's object."""
        return cls(**{each.name: body[each.name] for each in fields(cls) if each.name in body})

    def __add__(self, other: "WriteOutcome") -> "WriteOutcome":
        counts = ("upserted", "skipped", "patched", "deleted", "missing")
        added = {name: getattr(self, name) + getattr(other, name) for name in counts}
        return replace(self, **added, reason=self.reason or other.reason)


@dataclass(frozen=True, slots=True)
class WriteReport:
    """Writes that were accepted, one job a request; `outcome` is None where it was not waited for."""

    job_ids: tuple[str, ...] = ()
    accepted: int = 0
    rejected: tuple[Rejected, ...] = ()
    outcome: WriteOutcome | None = None


class WriteCalls:
    """Deletes and patches of one API; made by `ShoalClient.writes`.

    `wait_seconds` waits for what a write did, 0 does not. A call that waits raises as `ShoalClient.wait_indexed`.
    """

    def __init__(self, http: Transport, *, wait: Callable[..., float], job: Callable[[str], JobInfo]) -> None:
        self._http = http
        self._wait = wait
        self._job = job

    def delete(self, dataset: str, ids: Iterable[str], *, wait_seconds: float = 0.0) -> WriteReport:
        """Delete records by id, there or not."""
        report = WriteReport()
        for some in batched(dict.fromkeys(ids), _IDS_A_REQUEST):
            answer = self._delete(dataset, {"ids": list(some)}, wait_seconds)
            report = _joined(report, answer, accepted=len(some))
        return report

    def delete_where(self, dataset: str, chosen: Chosen, *, wait_seconds: float = 60.0) -> WriteReport:
        """Delete all records that are chosen; to choose all of them is refused."""
        return _joined(WriteReport(), self._delete(dataset, chosen.body(), wait_seconds))

    def delete_all(self, dataset: str, *, wait_seconds: float = 60.0) -> WriteReport:
        """Delete all records; the dataset stays."""
        return _joined(WriteReport(), self._delete(dataset, {"all": True}, wait_seconds))

    def patch(
        self, dataset: str, changes: Iterable[tuple[str, Mapping[str, Any]]], *, wait_seconds: float = 0.0
    ) -> WriteReport:
        """Merge into the metadata of records, in order (RFC 7396: null removes); missing ones are fine."""
        report = WriteReport()
        rows = 0
        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        for lines in _bodies(changes):
            answer = self._settled(
                self._http.send(
                    "POST",
                    f"{dataset_path(dataset)}/vectors/patch",
                    content=compress(lines, 3),
                    headers=headers,
                    params=_asked(wait_seconds),
                ).json(),
                wait_seconds,
            )
            rejected = [Rejected(rows + each["line"] - 1, each["reason"]) for each in answer["errors"]]
            report = _joined(report, answer, accepted=answer["accepted"], rejected=rejected)
            rows += len(lines)
        return report

    def _delete(self, dataset: str, body: Mapping[str, Any], wait_seconds: float) -> Json:
        path = f"{dataset_path(dataset)}/vectors/delete"
        sent = {**body, "wait": wait_seconds > 0}
        answer = self._http.send("POST", path, json=sent, params=_asked(wait_seconds)).json()
        return self._settled(answer, wait_seconds)

    def _settled(self, answer: Json, wait_seconds: float) -> Json:
        """The answer, with what the write did where that is wanted: asked for until it is known."""
        if wait_seconds <= 0 or answer.get("status") == "indexed":
            return answer
        job_id = answer["job_id"]
        if answer.get("status") == "failed":
            raise JobFailed(f"{job_id} failed: {answer.get('error_message') or 'no reason given'}")
        self._wait([job_id], timeout_seconds=max(1.0, wait_seconds - _ANSWERED_WITHIN))
        return {**answer, "result": self._job(job_id).result}


def _asked(wait_seconds: float) -> dict[str, str]:
    if wait_seconds <= 0:
        return {}
    return {"wait": "indexed", "timeout": str(max(1, min(_ANSWERED_WITHIN, int(wait_seconds))))}


def _bodies(changes: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[Sequence[bytes]]:
    """Lines, as many as one request takes; one of 40 KB compresses well below what Lambda takes."""
    import orjson

    lines: list[bytes] = []
    size = 0
    for record_id, metadata in changes:
        line = orjson.dumps({"id": record_id, "metadata": metadata}, option=orjson.OPT_APPEND_NEWLINE)
        if lines and (len(lines) == _IDS_A_REQUEST or size + len(line) > MAX_UNPACKED_BYTES // 2):
            yield lines
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines:
        yield lines


def _joined(
    report: WriteReport, answer: Json, *, accepted: int = 0, rejected: Sequence[Rejected] = ()
) -> WriteReport:
    found = answer.get("result")
    outcome = report.outcome
    if found is not None:
        outcome = WriteOutcome.of(found) + (outcome or WriteOutcome())
    return WriteReport(
        job_ids=(*report.job_ids, answer["job_id"]),
        accepted=report.accepted + accepted,
        rejected=(*report.rejected, *rejected),
        outcome=outcome,
    )
