"""Bugs, each as a change of a few lines that breaks a promise: the state machine must find every one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Plant:
    """A bug. `changes`: of each file of the package the text that is there once, and what stands there instead."""

    bug: str
    changes: Mapping[str, tuple[str, str]]

    def apply(self, package: Path) -> None:
        """Plant it in a copy of the package.

        Raises:
            ValueError: a text is not there, or more than once: the plant has to be brought up to date.
        """
        for name, (there, instead) in self.changes.items():
            path = package / name
            text = path.read_text()
            if text.count(there) != 1:
                raise ValueError(f"{self.bug}: found {text.count(there)} times in {name}: {there!r}")
            path.write_text(text.replace(there, instead))


_PUT: Final = """    if (entry.reserved and entry.quota is not None) or entry.requires:
        _put_job_and_more(ports, keys, item, entry)
    else:
        _put_job(ports, keys, item)
    return sequence
"""
"""The end of a write: its answer leaves whatever becomes of the job, where that is planted."""

_MET: Final = """    alive = _in_inputs(located.shard, located.shard_ids, inputs)
    alive &= located.sequence == entries.table["sequence"]
"""

PLANTS: Final = (
    Plant(
        "skip the version condition of the swap",
        {
            "services/heads.py": (
                "AllOf((nothing_committed_since, still_live, lease_not_taken_over, same_build))",
                "AllOf((still_live, same_build))",
            )
        },
    ),
    Plant(
        "drop a tombstone while an import is open that may need it",
        {"services/publish.py": ("bound = base.manifest.tombstone_horizon", "bound = None")},
    ),
    Plant(
        "ignore an open import's sequence",
        {
            "services/publish_import.py": (
                "loses = located.found & (located.sequence > np.uint64(opened))",
                "loses = located.found & (located.sequence > np.uint64(2**63))",
            )
        },
    ),
    Plant(
        "forget rows that died during a compaction",
        {
            "services/compaction/publish.py": (
                _MET,
                "    alive = np.ones(len(entries.table), dtype=np.bool_)\n",
            )
        },
    ),
    Plant(
        "forget rows that died during a build",
        {"services/build.py": ("in_product = _carried_over(product, dead_now)", "in_product = BitMap()")},
    ),
    Plant(
        "acknowledge before the job is put",
        {
            "services/append.py": (
                _PUT,
                "    try:\n"
                + "".join(f"    {line}\n" for line in _PUT.splitlines()[:-1])
                + "    finally:\n        return sequence\n",
            )
        },
    ),
)
"""The version and the fence are one condition here: whoever commits has taken a new fence, so that either alone
refuses what the other does."""
