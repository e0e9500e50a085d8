"""What Shoal costs on AWS: while nobody asks, for a million queries, for a million rows. Pure arithmetic.

A round trip measured on the local stack stands in for the function's billed time. It holds the gateway's share
too, so it is rather too long; another processor makes it differ by more than that. Cold starts are left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from infra.cli import prices
from infra.cli.measured import Measured
from infra.cli.prices import MILLION, Price
from infra.settings import Settings

ALARMS = 18
"""Dead letters, the age of three queues, 5xx, throttles and errors of functions, and workflows that failed or
took too long; a test counts them."""
POLLED_QUEUES = 4
POLLERS_A_QUEUE = 5
"""Lambda keeps five long polls of 20 seconds open on each queue, messages or not. SQS bills them as requests."""
_POLLS_A_MONTH = POLLED_QUEUES * POLLERS_A_QUEUE * prices.MONTH_SECONDS / 20
_SWEEP_SECONDS = 0.025
_SWEPT_PARTITIONS = 6
"""Of the index: datasets, imports, lines of tasks, derivations, Openverse tasks, followers; empty when idle."""
_LOG_BYTES = 1_200
"""Log bytes of one invocation: our line, Lambda's report and the gateway's access log."""
_SAMPLED = 0.05
"""X-Ray keeps one trace a second and 5 % of the rest."""
_LINK_BYTES = 140
"""Bytes of a row's links in the resident graph (M = 16)."""
_RECORD_BYTES = 600
"""Bytes of a row's id, metadata and id-index entry, as in the demo."""
_BUILD_SECONDS_A_ROW = 0.0006
"""Building the graph of 256-d rows on two cores. Rebuilds come as a dataset doubles: each row is built twice."""


@dataclass(frozen=True, slots=True)
class Line:
    """One position of a bill. `free` is what it costs once the free tier that does not end is taken off."""

    what: str
    units: float
    unit: str
    list_price: float
    after_free: float


@dataclass(frozen=True, slots=True)
class Bill:
    """Positions and their sum."""

    title: str
    lines: tuple[Line, ...]

    @property
    def list_price(self) -> float:
        """The sum at list prices."""
        return math.fsum(line.list_price for line in self.lines)

    @property
    def after_free(self) -> float:
        """The sum in an account that has its free tier to itself."""
        return math.fsum(line.after_free for line in self.lines)


def _line(what: str, units: float, price: Price) -> Line:
    return Line(what, units, price.unit, price.of(units), price.beyond_free(units))


def _bill(title: str, lines: Sequence[Line]) -> Bill:
    return Bill(title, tuple(line for line in lines if line.units > 0))


def idle(settings: Settings) -> Bill:
    """A month in which nobody asks: every position that is not zero, storage left aside."""
    sweeps = prices.MONTH_MINUTES
    gb_seconds = sweeps * _SWEEP_SECONDS * settings.sweep_memory_mb / 1024
    return _bill(
        "a month without a request",
        [
            _line(
                f"long polls of the event sources on {POLLED_QUEUES} queues",
                _POLLS_A_MONTH,
                prices.SQS_REQUEST,
            ),
            _line("alarms", ALARMS, prices.ALARM_MONTH),
            _line("traces of the sweep, once a minute", sweeps, prices.XRAY_TRACE),
            _line("requests of the sweep", sweeps, prices.LAMBDA_REQUEST),
            _line("compute of the sweep", gb_seconds, prices.LAMBDA_ARM_GB_SECOND),
            _line("reads of the sweep", sweeps * _SWEPT_PARTITIONS * 0.5, prices.DYNAMODB_READ),
            _line("log of the sweep", sweeps * _LOG_BYTES / 1e9, prices.LOGS_GB),
        ],
    )


def queries(settings: Settings, measured: Measured, count: int = MILLION) -> Bill:
    """Queries on a warm function. Two consistent reads (name, HEAD) and one write (the day's count) each."""
    gb_seconds = count * measured.query_ms / 1000 * settings.query_memory_mb / 1024
    writes = 1 if settings.rate_limit_rps is None else 2
    return _bill(
        f"{count:,} queries",
        [
            _line("HTTP API", count, prices.GATEWAY_REQUEST),
            _line("Lambda requests", count, prices.LAMBDA_REQUEST),
            _line(
                f"Lambda compute, {measured.query_ms:.1f} ms each", gb_seconds, prices.LAMBDA_ARM_GB_SECOND
            ),
            _line("table reads: name, HEAD", count * 2, prices.DYNAMODB_READ),
            _line("table writes: the day's count", count * writes, prices.DYNAMODB_WRITE),
            _line("log", count * _LOG_BYTES / 1e9, prices.LOGS_GB),
            _line("traces", count * _SAMPLED, prices.XRAY_TRACE),
            _line("answers to the internet", count * measured.answer_bytes / 1e9, prices.TRANSFER_OUT_GB),
        ],
    )


def rows(settings: Settings, measured: Measured, count: int = MILLION) -> Bill:
    """Rows written, made queryable, and built into the resident graph."""
    requests = math.ceil(count / measured.rows_per_request)
    sent = measured.upload_bytes_sent / measured.upload_requests
    units = requests * math.ceil(sent / prices.GATEWAY_UNIT_BYTES)
    accept_seconds = measured.upload_seconds / measured.upload_requests * requests
    index_seconds = measured.index_seconds * count / measured.rows
    build_seconds = 2 * _BUILD_SECONDS_A_ROW * count * measured.dimension / 256
    gb_seconds = (
        accept_seconds * settings.api_memory_mb
        + index_seconds * settings.indexer_memory_mb
        + build_seconds * settings.builder_memory_mb
    ) / 1024
    return _bill(
        f"{count:,} rows of {measured.dimension} dimensions, {measured.rows_per_request:,.0f} a request",
        [
            _line("HTTP API", units, prices.GATEWAY_REQUEST),
            _line("Lambda requests: accept, index, build", requests * 2 + 10, prices.LAMBDA_REQUEST),
            _line("Lambda compute: accept, index, build", gb_seconds, prices.LAMBDA_ARM_GB_SECOND),
            _line("table writes: order, job, quota, HEAD", requests * 14, prices.DYNAMODB_WRITE),
            _line("table reads", requests * 12, prices.DYNAMODB_READ),
            _line("objects put: log, shard, manifest parts", requests * 8, prices.S3_PUT),
            _line("objects read", requests * 12, prices.S3_GET),
            _line("queue: send, receive, delete", requests * 3, prices.SQS_REQUEST),
            _line("log", requests * 2 * _LOG_BYTES / 1e9, prices.LOGS_GB),
        ],
    )


def keeping(measured: Measured, count: int = MILLION) -> Bill:
    """A month of storing rows: raw vectors, the graph with its own copy of them, ids and metadata."""
    each = measured.dimension * 4 * 2 + _LINK_BYTES + _RECORD_BYTES
    table_gb = 0.001
    return _bill(
        f"a month of keeping {count:,} rows",
        [
            _line("objects", count * each / 1e9, prices.S3_GB_MONTH),
            _line("table", table_gb, prices.DYNAMODB_GB_MONTH),
            _line("continuous backup of the table", table_gb, prices.DYNAMODB_PITR_GB_MONTH),
        ],
    )
