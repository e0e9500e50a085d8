"""The typed Python client of a Shoal API.

with ShoalClient("https://…", "shl_…") as shoal:
    shoal.create_dataset("songs", dimension=256, metric="cosine")
    report = shoal.upsert("songs", records)
    shoal.wait_indexed(report.job_ids)
    shoal.query("songs", vector, top_k=5).matches
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import httpx

from infra.cli.aliases import AliasCalls
from infra.cli.batches import pack
from infra.cli.collections.calls import CollectionCalls
from infra.cli.collections.models import ModelCalls
from infra.cli.collections.tasks import TaskCalls
from infra.cli.compactions import CompactionCalls
from infra.cli.derivations import DerivationCalls
from infra.cli.documents.calls import DocumentImportCalls
from infra.cli.exports.calls import ExportCalls
from infra.cli.failures import ApiError, CliError
from infra.cli.imports.calls import ImportCalls
from infra.cli.imports.signed_urls import SignedUrls
from infra.cli.listing import ListingCalls
from infra.cli.paths import dataset_path, read_of, record_path, segment
from infra.cli.results import (
    DatasetInfo,
    Fetched,
    JobInfo,
    KeyInfo,
    QueryResult,
    Record,
    Rejected,
    UpsertReport,
    Usage,
    Values,
)
from infra.cli.snapshots import SnapshotCalls
from infra.cli.term_lists import TermListCalls
from infra.cli.transport import Patience, Transport, is_loopback
from infra.cli.waiting import wait_for_jobs
from infra.cli.writing import WriteCalls

_FETCH_IDS = 1000  # the API's limit of ids in one fetch


class ShoalClient:
    """One API with one key. Every call retries what may pass, and raises `ApiError` or `Unreachable`."""

    def __init__(
        self,
        api_url: str,
        api_key: str,
        *,
        patience: Patience | None = None,
        timeout_seconds: float = 35.0,
        transport: httpx.BaseTransport | None = None,
        user_agent: str = "shoal-client",
    ) -> None:
        """The default time-out is a little longer than the gateway's own 30 s, so that its answer arrives."""
        self.api_url = api_url.rstrip("/")
        self._patience = patience or Patience()
        self._transport = transport
        self._http = Transport(
            self.api_url,
            api_key,
            patience=self._patience,
            timeout_seconds=timeout_seconds,
            transport=transport,
            user_agent=user_agent,
        )
        self.imports = ImportCalls(self._http)
        self.documents = DocumentImportCalls(self._http)
        self.exports = ExportCalls(self._http)
        self.listing = ListingCalls(self._http)
        self.compactions = CompactionCalls(self._http)
        self.snapshots = SnapshotCalls(self._http)
        self.derivations = DerivationCalls(self._http)
        self.aliases = AliasCalls(self._http)
        self.term_lists = TermListCalls(self._http)
        self.models = ModelCalls(self._http)
        self.collections = CollectionCalls(self._http)
        self.tasks = TaskCalls(self._http)
        self.writes = WriteCalls(self._http, wait=self.wait_indexed, job=self.job)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def signed_urls(self) -> SignedUrls:
        """What speaks to the addresses of uploads and of rejected records; to be closed."""
        near = is_loopback(self.api_url)
        return SignedUrls(patience=self._patience, transport=self._transport, trust_env=not near)

    def health(self) -> Mapping[str, Any]:
        """What `/healthz` answers."""
        return dict(self._http.send("GET", "/healthz").json())

    # --- datasets ------------------------------------------------------------------------------------------

    def create_dataset(
        self,
        name: str,
        *,
        dimension: int | None = None,
        metric: str | None = None,
        embedding_model: str | None = None,
    ) -> DatasetInfo:
        """Create a dataset; 409 `dataset_exists` where the name is taken.

        With an `embedding_model` it can be queried by text, and has the model's dimension and metric; without one
        it needs a dimension, and its metric is `l2` where none is named.
        """
        told = {"dimension": dimension, "metric": metric, "embedding_model": embedding_model}
        body = {"name": name} | {field: value for field, value in told.items() if value is not None}
        return DatasetInfo.of(self._http.send("POST", "/v1/datasets", json=body).json())

    def ensure_dataset(self, name: str, *, dimension: int, metric: str = "l2") -> DatasetInfo:
        """The dataset of that name, created where it is missing; its geometry may differ when it was there."""
        try:
            return self.create_dataset(name, dimension=dimension, metric=metric)
        except ApiError as error:
            if error.code != "dataset_exists":
                raise
            return self.get_dataset(name)

    def list_datasets(self) -> tuple[DatasetInfo, ...]:
        """All datasets of the tenant."""
        body = self._http.send("GET", "/v1/datasets").json()
        return tuple(DatasetInfo.of(each) for each in body["datasets"])

    def get_dataset(self, name: str) -> DatasetInfo:
        """One dataset; 404 `dataset_not_found`."""
        return DatasetInfo.of(self._http.send("GET", dataset_path(name)).json())

    def delete_dataset(self, name: str, *, force: bool = False) -> None:
        """Delete a dataset; the name is free again at once. With `force` the aliases that point at it go, too."""
        self._http.send("DELETE", dataset_path(name), params={"force": "true"} if force else None)

    # --- records -------------------------------------------------------------------------------------------

    def upsert(
        self,
        dataset: str,
        records: Iterable[Record],
        *,
        progress: Callable[[int], None] | None = None,
        **more: str,
    ) -> UpsertReport:
        """Send records in as few requests as the limits allow, in order, one after the other.

        `progress` gets the number of rows of each request that was answered. `more` goes into the query string:
        `namespace` (of records that name none), `if_absent="true"`, `if_newer_than="path"`. When a request fails
        for good, the requests before it stay written.
        """
        accepted, rows, unpacked, sent, seconds = 0, 0, 0, 0, 0.0
        rejected: list[Rejected] = []
        jobs: list[str] = []
        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        for batch in pack(records):
            began = time.perf_counter()
            answer = self._http.send(
                "POST", f"{dataset_path(dataset)}/vectors", content=batch.body, headers=headers, params=more
            ).json()
            seconds += time.perf_counter() - began
            accepted += answer["accepted"]
            rejected += [Rejected(rows + each["line"] - 1, each["reason"]) for each in answer["errors"]]
            jobs.append(answer["job_id"])
            rows += batch.rows
            unpacked += batch.unpacked
            sent += len(batch.body)
            if progress is not None:
                progress(batch.rows)
        return UpsertReport(accepted, tuple(rejected), tuple(jobs), unpacked, sent, seconds)

    def query(
        self,
        dataset: str,
        vector: Values | str,
        *,
        top_k: int = 10,
        where: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> QueryResult:
        """The nearest records to a vector, or to a text where the dataset has an embedding model.

        `where` filters by metadata. `more` is sent along, such as `namespace`.
        """
        asked = {"text": vector} if isinstance(vector, str) else {"vector": [float(x) for x in vector]}
        body: dict[str, Any] = {**asked, "top_k": top_k, **more}
        if where is not None:
            body["filter"] = where
        began = time.perf_counter()
        path, named = read_of(dataset, "query", "query")
        answer = self._http.send("POST", path, json=body | named).json()
        return QueryResult.of(answer, (time.perf_counter() - began) * 1000)

    def get(
        self, dataset: str, record_id: str, *, include_values: bool = True, include_document: bool = False
    ) -> Record:
        """One record; 404 `not_found`."""
        asked = {"include_values": include_values, "include_document": include_document}
        params = {"id": record_id} | {name: str(value).lower() for name, value in asked.items()}
        return Record.of(self._http.send("GET", record_path(dataset), params=params).json())

    def fetch(self, dataset: str, ids: Sequence[str], *, include_values: bool = False) -> Fetched:
        """Records by id, any number of them: asks again for what did not fit into an answer."""
        records: list[Record] = []
        missing: list[str] = []
        left = list(dict.fromkeys(ids))
        while left:
            asked, left = left[:_FETCH_IDS], left[_FETCH_IDS:]
            path, named = read_of(dataset, "vectors/fetch", "fetch")
            body = {"ids": asked, "include_values": include_values, **named}
            answer = self._http.send("POST", path, json=body).json()
            found = [Record.of(each) for each in answer["vectors"]]
            over = answer.get("unprocessed_ids") or []
            if not found and len(over) == len(asked):
                raise CliError(f"fetch of {len(asked)} ids made no progress")
            here = {record.id for record in found}
            records += found
            missing += [name for name in asked if name not in here and name not in set(over)]
            left = [*over, *left]
        return Fetched(tuple(records), tuple(missing))

    def delete(self, dataset: str, record_id: str) -> str:
        """Delete one record, there or not; the job's id."""
        return str(self._http.send("DELETE", record_path(dataset), params={"id": record_id}).json()["job_id"])

    # --- jobs, usage, keys ---------------------------------------------------------------------------------

    def job(self, job_id: str) -> JobInfo:
        """One job; 404 `job_not_found`."""
        return JobInfo.of(self._http.send("GET", f"/v1/jobs/{segment(job_id, 'job id')}").json())

    def wait_indexed(
        self,
        job_ids: Sequence[str],
        *,
        timeout_seconds: float = 120.0,
        progress: Callable[[int], None] | None = None,
    ) -> float:
        """Wait until all jobs are indexed; the seconds it took. `progress` gets how many are done.

        Raises:
            JobFailed: one of them failed for good.
            NotIndexedInTime: still pending after `timeout_seconds`.
        """
        return wait_for_jobs(self.job, job_ids, timeout_seconds=timeout_seconds, progress=progress)

    def usage(self) -> Usage:
        """What the tenant uses, and its quotas."""
        return Usage.of(self._http.send("GET", "/v1/usage").json())

    def list_keys(self) -> tuple[KeyInfo, ...]:
        """The tenant's keys; needs the scope `admin`."""
        return tuple(KeyInfo.of(each) for each in self._http.send("GET", "/v1/keys").json()["keys"])

    def create_key(self, name: str, *, scopes: Sequence[str], expires_at: str | None = None) -> KeyInfo:
        """Make a key, whose secret is in this one answer; needs `admin`. Not repeated where it may have worked."""
        body: dict[str, Any] = {"name": name, "scopes": list(scopes)}
        if expires_at is not None:
            body["expires_at"] = expires_at
        return KeyInfo.of(self._http.send("POST", "/v1/keys", json=body, repeatable=False).json())

    def revoke_key(self, key_id: str) -> None:
        """Revoke a key; it stops working within 60 seconds. Needs `admin`."""
        self._http.send("DELETE", f"/v1/keys/{segment(key_id, 'key id')}")
