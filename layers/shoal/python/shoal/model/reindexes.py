"""Reindexes: what is asked when a collection is embedded anew by another model, and what has become of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any, Self

from shoal.model.bindings import Aggregation
from shoal.model.datasets import Metric
from shoal.model.embedding_models import EmbeddingModel, Provider

MAX_REINDEXES = 2
"""Of one family, under way at once: each sends a second copy of what is written through the line."""
MAX_WAITING = 100
"""Reindexes of one family that wait for another to end."""


@dataclass(frozen=True, slots=True)
class ReindexSettings:
    """What was asked for, as the task keeps it, and what the attempt at hand has made of it.

    `source` and `dest` are the models of the two collections, by id and as it is (but for where it answers).
    `template` and `aggregation` are those of the destination where it has to be made (None until that is known).
    `import_id` names the attempt's import, `source_id` and `dest_id` its datasets, `items` are its pieces.
    `makes`: the destination is made by the reindex, and goes with it if that fails; `replaces` is the dataset that
    it takes the place of. `barrier` is the place of the line up to which tasks reach the destination before it is
    deployed, waited for until `barrier_until` (epoch seconds).
    """

    source: str
    source_asked_as: str
    dest: EmbeddingModel
    deploy_as_blue: bool = False
    wait_on_conflict: bool = False
    replace: bool = False
    max_failed_share: float = 0.0
    template: str | None = None
    aggregation: Aggregation | None = None
    makes: bool = False
    replaces: str | None = None
    import_id: str | None = None
    source_id: str | None = None
    dest_id: str | None = None
    items: int = 0
    barrier: int | None = None
    barrier_until: float = 0.0

    def anew(self) -> Self:
        """As another attempt begins with them. The destination of the last one is what it made of it: so it may
        be replaced.
        """
        return replace(
            self,
            makes=False,
            replaces=None,
            import_id=None,
            source_id=None,
            items=0,
            barrier=None,
            barrier_until=0.0,
        )

    def stored(self) -> dict[str, Any]:
        """As `Task.settings` holds them."""
        model = {name: _plain(value) for name, value in _values(self.dest) if name != "endpoint"}
        return {name: _plain(value) for name, value in _values(self)} | {"dest": model}

    @classmethod
    def parse(cls, stored: Mapping[str, Any]) -> Self:
        """Read `Task.settings`. The table knows one sort of number."""
        model = stored["dest"]
        aggregation = stored.get("aggregation")
        return cls(
            source=stored["source"],
            source_asked_as=stored["source_asked_as"],
            dest=EmbeddingModel(
                model_id=model["model_id"],
                provider=Provider(model["provider"]),
                dimension=int(model["dimension"]),
                metric=Metric(model["metric"]),
                max_tokens=int(model["max_tokens"]),
                batch_size=int(model["batch_size"]),
                concurrency=int(model["concurrency"]),
                price=float(model["price"]),
                texts_per_second=float(model["texts_per_second"]),
                normalised=bool(model["normalised"]),
                remote=model.get("remote"),
            ),
            deploy_as_blue=bool(stored["deploy_as_blue"]),
            wait_on_conflict=bool(stored["wait_on_conflict"]),
            replace=bool(stored["replace"]),
            max_failed_share=float(stored["max_failed_share"]),
            template=stored.get("template"),
            aggregation=None if aggregation is None else Aggregation(aggregation),
            makes=bool(stored.get("makes")),
            replaces=stored.get("replaces"),
            import_id=stored.get("import_id"),
            source_id=stored.get("source_id"),
            dest_id=stored.get("dest_id"),
            items=int(stored.get("items", 0)),
            barrier=_whole(stored.get("barrier")),
            barrier_until=float(stored.get("barrier_until", 0.0)),
        )


def _values(of: Any) -> list[tuple[str, Any]]:
    return [(field.name, getattr(of, field.name)) for field in fields(of)]


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


# --- what it takes -----------------------------------------------------------------------------------------

CHARACTERS_A_TOKEN = 4
_UNKNOWN_CHARACTERS = 1000
"""Of an object, where none was counted."""
_FIXED_MINUTES = 1.0
"""Of a workflow's steps around the embedding."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What is counted of a collection: its live rows, whether objects may have several, and how many documents of
    how many characters together were ever embedded.
    """

    rows: int
    many_parts: bool
    documents: int
    characters: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """About what a reindex takes: objects, tokens that the model reads, US dollars for them, and minutes."""

    documents: int
    tokens: int
    dollars: float
    minutes: float


def estimated(counted: Counted, dest: EmbeddingModel, *, concurrency: int) -> Estimate:
    """Estimate a reindex of a collection by `dest`, with so many functions at once.

    Where objects have several rows, how many there are is not known without reading them: neither more than rows,
    nor more than were ever embedded.
    """
    documents = counted.rows
    if counted.many_parts and counted.documents:
        documents = min(documents, counted.documents)
    each = counted.characters / counted.documents if counted.documents else _UNKNOWN_CHARACTERS
    tokens = math.ceil(documents * each / CHARACTERS_A_TOKEN)
    texts = max(documents, tokens / dest.max_tokens)
    seconds = texts / (dest.texts_per_second * max(concurrency, 1))
    return Estimate(
        documents=documents,
        tokens=tokens,
        dollars=round(tokens * dest.price / 1_000_000, 4),
        minutes=round(_FIXED_MINUTES + seconds / 60, 1) if documents else 0.0,
    )
