"""Peers at work: each in a process of its own, in their environment, bounded in time."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.local.paths import ROOT
from tests.benchmarks.environment import FOLDER

PATIENCE_SECONDS = 1800.0
_SAID = 400


@dataclass(frozen=True, slots=True)
class Peer:
    """What a peer is called here, its module under `tests/benchmarks/peers`, and its arguments.

    One `at_home` runs in our own environment.
    """

    title: str
    module: str
    arguments: tuple[str, ...] = ()
    at_home: bool = False


PEERS = (
    Peer("bare `hnswlib` from an array, compiled for any processor", "bare_hnswlib", at_home=True),
    Peer("bare `hnswlib` from an array, compiled for this one", "bare_hnswlib"),
    Peer("LanceDB IVF_FLAT", "lance", ("IVF_FLAT",)),
    Peer("LanceDB IVF_PQ", "lance", ("IVF_PQ",)),
    Peer("LanceDB IVF_HNSW_SQ", "lance", ("IVF_HNSW_SQ",)),
    Peer("Chroma", "chroma"),
)


@dataclass(frozen=True, slots=True)
class Task:
    """A file to index and what to ask: as `tests.benchmarks.peers.common.Task`, whose module is not for us.

    `more` is for peers that are asked something else too, as JSON.
    """

    ndjson: Path
    metric: str
    queries: NDArray[np.float32]
    truth: NDArray[np.int64]
    more: Mapping[str, Any] = field(default_factory=dict)


class PeerFailed(Exception):
    """A peer took too long, or ended with an error."""


def run_peer(python: Path, peer: Peer, task: Task, *, seconds: float = PATIENCE_SECONDS) -> Mapping[str, Any]:
    """What the peer says it measured.

    Raises:
        PeerFailed: with its last words.
    """
    with tempfile.TemporaryDirectory(prefix="peer-", dir=FOLDER) as name:
        folder = Path(name)
        (folder / "index").mkdir()
        np.save(folder / "queries.npy", task.queries)
        np.save(folder / "truth.npy", task.truth)
        given = {
            "ndjson": str(task.ndjson),
            "metric": task.metric,
            "folder": str(folder / "index"),
            "queries": str(folder / "queries.npy"),
            "truth": str(folder / "truth.npy"),
            "more": dict(task.more),
        }
        (folder / "task.json").write_text(json.dumps(given))
        command: list[str | Path] = [
            sys.executable if peer.at_home else python,
            "-m",
            f"tests.benchmarks.peers.{peer.module}",
            folder / "task.json",
            *peer.arguments,
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=ROOT)
        except subprocess.TimeoutExpired as slow:
            raise PeerFailed(f"not done after {seconds:.0f} s") from slow
    if done.returncode != 0:
        raise PeerFailed(done.stderr.strip()[-_SAID:])
    answer: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
