"""Paths of the API, built of names that cannot lead elsewhere."""

import re

from infra.cli.failures import UsageError

_OPENVERSE = "openverse/"
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_MODEL = re.compile(r"(?=.{1,128}\Z)(?:(?!\.+(?:/|\Z))[A-Za-z0-9_.:-]+(?:/|\Z))+(?<!/)")
"""Names of other services' models may have slashes in them; no part of one is only dots."""


def dataset_path(name: str) -> str:
    """The path of a dataset."""
    return f"/v1/datasets/{segment(name, 'dataset name')}"


def read_of(dataset: str, below: str, named: str) -> tuple[str, dict[str, str]]:
    """Where a read is sent to, and what says in its body which dataset is meant.

    An index of the Openverse dialect, `openverse/NAME`, has no path of its own: its reads are `named` calls.
    """
    if dataset.startswith(_OPENVERSE):
        return f"/v1/{named}", {"dataset": dataset}
    return f"{dataset_path(dataset)}/{below}", {}


def record_path(dataset: str) -> str:
    """The path of one record, whose id goes into the query: in a path, clients and gateways would change it."""
    return f"{dataset_path(dataset)}/vectors/_"


def segment(text: str, what: str) -> str:
    """A name or an id of ours as part of a path.

    Raises:
        UsageError: it is not one: anything else could lead elsewhere.
    """
    if not _PLAIN.fullmatch(text):
        raise UsageError(f"{text!r} is not a {what}")
    return text


def model_path(text: str) -> str:
    """The name of an embedding model as the end of a path.

    Raises:
        UsageError: it is none: anything else could lead elsewhere.
    """
    if not _MODEL.fullmatch(text):
        raise UsageError(f"{text!r} is no name of a model", hint="1-128 of A-Z, a-z, 0-9, _ . : / and -")
    return text
