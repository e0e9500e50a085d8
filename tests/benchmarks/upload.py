"""An upload: the accepting handler against bare parsing of the same bytes."""

import base64
import zlib

import numpy as np
import orjson
from numpy.typing import NDArray

from tests.benchmarks.corpus import Corpus, ndjson, packed
from tests.benchmarks.deployment import Deployment, answer_of
from tests.benchmarks.harness import Say, Table, in_turns, ms, rate

ROWS = 1000
DIMENSION = 768
_ROUNDS = 40
_WARM_UP = 5


def run(say: Say, *, rows: int = ROWS) -> list[Table]:
    """One body, accepted again and again into one log."""
    deployment = Deployment()
    dataset = deployment.create("vectors", DIMENSION)
    say("making the body")
    body = ndjson(Corpus(DIMENSION).draw(rows))
    gzipped = packed(body)
    headers = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
    sent = deployment.event(f"/v1/datasets/{dataset.name}/vectors", gzipped, headers)
    encoded = base64.b64encode(gzipped)
    app = deployment.api_app()
    assert answer_of(app, sent, 202)["accepted"] == rows

    say("timing")
    times = in_turns(
        {
            "handler": lambda _: app.handle(sent),
            "parse": lambda _: _parsed(body),
            "unpack": lambda _: zlib.decompress(base64.b64decode(encoded), wbits=31),
        },
        rounds=_ROUNDS,
        warm_up=_WARM_UP,
    )
    handler, parse, unpack = times["handler"], times["parse"], times["unpack"]
    title = (
        f"{rows:,} × {DIMENSION} in one body ({len(body) / 1e6:.1f} MB, {len(gzipped) / 1e6:.1f} MB gzipped)"
    )
    table = Table(title, ("what", "median", "p99", "rows"))
    for name, found in (
        ("handler of `api`: base64, gzip, checks, log object, job", handler),
        ("bare orjson of the unpacked lines into a float32 array", parse),
        ("bare base64 and gzip", unpack),
    ):
        table.add(name, ms(found.median), ms(found.percentile(99)), rate(rows, found.median))
    both = parse.median + unpack.median
    table.notes.append(
        f"The handler takes {handler.median / parse.median:.2f} × the bare parsing, "
        f"{handler.median / both:.2f} × parsing and unpacking."
    )
    return [table]


def _parsed(body: bytes) -> NDArray[np.float32]:
    return np.array([orjson.loads(line)["values"] for line in body.splitlines()], dtype=np.float32)
