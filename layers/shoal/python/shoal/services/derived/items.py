"""Runs that derive a dataset, and what is remembered of it, as items of the table."""

from collections.abc import Sequence
from typing import Any

import orjson

from shoal.model.derivations import (
    Condition,
    Derivation,
    DerivationStatus,
    Lineage,
    filter_of,
    most_frequent,
    progress_at,
)
from shoal.model.manifests import PartRef
from shoal.services.pipeline.items import find_run
from shoal.storage.keys import DERIVATIONS, DatasetKeys, WorkKeys
from shoal.storage.ports import Item, Key, Ports

KEPT_SECONDS = 30 * 86_400
"""How long a run can be looked up."""


def keys_of_derivation(run: Derivation) -> WorkKeys:
    """The run's keys."""
    return WorkKeys(run.tenant_id, run.dataset_id, run.run_id)


def dataset_keys_of(run: Derivation) -> DatasetKeys:
    """The keys of the dataset that the run makes."""
    return DatasetKeys(run.tenant_id, run.dataset_id)


def source_keys_of(run: Derivation) -> DatasetKeys:
    """The keys of the dataset that it is made of."""
    return DatasetKeys(run.tenant_id, run.source_id)


def derivation_item(run: Derivation) -> dict[str, Any]:
    """A new run as stored: listed until it has ended, and gone by itself some time later."""
    key = keys_of_derivation(run).item
    return {
        "pk": key.pk,
        "sk": key.sk,
        "gsi1pk": DERIVATIONS,
        "gsi1sk": run.run_id,
        "run_id": run.run_id,
        "tenant_id": run.tenant_id,
        "dataset_id": run.dataset_id,
        "name": run.name,
        "scope": run.scope,
        "source_id": run.source_id,
        "source_name": run.source_name,
        "source_scope": run.source_scope,
        "created_at": run.created_at,
        "follow": run.follow,
        "first": run.first,
        "vector_quota": run.vector_quota,
        "status": run.status.value,
        "stage": run.stage,
        "expires_at": int(run.created_at) + KEPT_SECONDS,
    }


def parse_derivation(item: Item) -> Derivation:
    """A run as stored."""
    status, stage = DerivationStatus(item["status"]), str(item["stage"])
    looked_at, to_look_at = int(item.get("looked_at", 0)), int(item.get("to_look_at", 0))
    completed = status is DerivationStatus.COMPLETED
    return Derivation(
        run_id=item["run_id"],
        tenant_id=item["tenant_id"],
        dataset_id=item["dataset_id"],
        name=item["name"],
        scope=item["scope"],
        source_id=item["source_id"],
        source_name=item["source_name"],
        source_scope=item["source_scope"],
        created_at=float(item["created_at"]),
        follow=bool(item["follow"]),
        first=bool(item["first"]),
        vector_quota=_whole(item.get("vector_quota")),
        status=status,
        stage=stage,
        progress=100.0 if completed else progress_at(stage, done=looked_at, total=to_look_at),
        rows_total=int(item.get("rows_total", 0)),
        rows_removed=int(item.get("rows_removed", 0)),
        removed_by_term=_told(item.get("removed_by_term", ())),
        strategy=item.get("strategy"),
        source_version=_whole(item.get("source_version")),
        entered=bool(item.get("entered")),
        completed_at=_moment(item.get("completed_at")),
        error_message=item.get("error_message"),
    )


def find_derivation(ports: Ports, run_id: str) -> Derivation | None:
    """The run of that id, whoever owns it; None where there is none."""
    item = find_run(ports, run_id)
    return parse_derivation(item) if item else None


def lineage_item(key: Key, lineage: Lineage) -> dict[str, Any]:
    """What is remembered of a derived dataset, as stored. Terms are in it once: what they removed names them by
    number, because an item has an end.
    """
    condition = lineage.condition
    return {
        "pk": key.pk,
        "sk": key.sk,
        "source_id": lineage.source_id,
        "source_name": lineage.source_name,
        "source_scope": lineage.source_scope,
        "filter": filter_of(condition),
        "terms": None if condition.terms is None else "\n".join(condition.terms),
        "term_fields": list(condition.term_fields),
        "list_name": condition.list_name,
        "follow": lineage.follow,
        "last_run": lineage.last_run,
        "vector_quota": lineage.vector_quota,
        **({"running": lineage.running} if lineage.running else {}),
    }


def parse_lineage(item: Item) -> Lineage:
    """What is remembered of a derived dataset."""
    terms = item.get("terms")
    given = item.get("filter")
    condition = Condition(
        filter=None if given is None else orjson.loads(bytes(given)),
        terms=None if terms is None else tuple(terms.split("\n")) if terms else (),
        term_fields=tuple(item.get("term_fields", ())),
        list_name=item.get("list_name"),
    )
    masks = item.get("masks")
    return Lineage(
        source_id=item["source_id"],
        source_name=item["source_name"],
        source_scope=item["source_scope"],
        condition=condition,
        follow=bool(item["follow"]),
        source_version=_whole(item.get("source_version")),
        built_at=_moment(item.get("built_at")),
        rows_removed=int(item.get("rows_removed", 0)),
        removed_by_term=_named(condition.terms or (), item.get("removed_by_term", ())),
        strategy=item.get("strategy"),
        last_run=item.get("last_run"),
        running=item.get("running"),
        masks=None if masks is None else PartRef.model_validate_json(masks),
        vector_quota=_whole(item.get("vector_quota")),
        error_message=item.get("error_message"),
    )


def _told(pairs: Sequence[Sequence[Any]]) -> tuple[tuple[str, int], ...]:
    return tuple((str(term), int(count)) for term, count in pairs)


def _named(terms: Sequence[str], pairs: Sequence[Sequence[Any]]) -> tuple[tuple[str, int], ...]:
    return most_frequent({terms[int(number)]: int(count) for number, count in pairs})


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _moment(value: Any) -> float | None:
    return None if value is None else float(value)
