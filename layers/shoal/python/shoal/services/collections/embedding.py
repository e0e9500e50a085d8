"""Objects to records: text by the collection's template, parts by the model's longest input, a vector for each.

What is wrong with one object is its own failure; what is wrong with the model is raised.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from shoal.embedding.answers import NO_DIRECTION, NO_TOKENS
from shoal.errors import InvalidInput
from shoal.model.bindings import Aggregation, Binding, Field, part_id
from shoal.model.datasets import Dataset
from shoal.model.embedding_models import EmbeddingModel, Provider
from shoal.model.records import Vectors
from shoal.model.splitting import split
from shoal.model.tasks import FailedObject, FailureStage
from shoal.model.templates import text_of
from shoal.services.collections.objects import Describe, SourceObject, metadata_of
from shoal.services.embedding import Embedder

__all__ = ["EmbeddedObjects", "SourceObject", "embed_objects", "joined"]

NO_TEXT = "no text: the payload has nothing in it that could be embedded"
_NOTHING_IN_IT = frozenset({NO_TOKENS, NO_DIRECTION})
_SURELY_LONG = 8
"""Characters for each token that a model takes, from which on a text is split before it is embedded."""


@dataclass(frozen=True, slots=True)
class EmbeddedObjects:
    """Records of objects, in the order of the objects.

    `ids`, `metadata`: n strings, and n compact JSON objects. `vectors`: float32, shape (n, dimension). `parts`
    says of each object that did not fail how many records it has. `truncated` counts objects of whose text only a
    beginning was read (`cut`: their ids), `tokens` what the model read, `characters` those of the texts.
    """

    ids: list[str]
    vectors: Vectors
    metadata: list[bytes]
    parts: dict[str, int]
    failed: list[FailedObject] = field(default_factory=list)
    truncated: int = 0
    tokens: int = 0
    characters: int = 0
    cut: tuple[str, ...] = ()


@dataclass(slots=True)
class _Texts:
    """An object on its way: the texts of its parts, then the rows of their vectors."""

    source: SourceObject
    texts: list[str]
    truncated: bool = False
    rows: list[int] = field(default_factory=list)
    problem: str | None = None


def embed_objects(
    embedder: Embedder,
    dataset: Dataset,
    objects: Sequence[SourceObject],
    *,
    describe: Describe = metadata_of,
) -> EmbeddedObjects:
    """Make records of objects, as a collection's binding says.

    Args:
        embedder: the models.
        dataset: a dataset with a binding.
        objects: objects of distinct ids.
        describe: makes the metadata of their records.

    Raises:
        LimitReached: code `token_cap_reached`.
        ModelBusy, ModelDenied, ModelFailed: as the model raised it.
        NotFound: code `model_not_found`.
        ValueError: the dataset has no binding, or an id comes twice.
    """
    binding = dataset.binding
    if binding is None:
        raise ValueError(f"dataset {dataset.name} has no embedding model")
    if len({source.object_id for source in objects}) != len(objects):
        raise ValueError("an object comes twice")
    return _Embedding(embedder, dataset, binding, describe).of(objects)


def joined(dataset: Dataset, found: Sequence[EmbeddedObjects]) -> EmbeddedObjects:
    """The records of objects of a dataset that were made in several turns, none of them twice."""
    if len(found) == 1:
        return found[0]
    none: Vectors = np.zeros((0, dataset.dimension), dtype=np.float32)
    return EmbeddedObjects(
        ids=[name for one in found for name in one.ids],
        vectors=np.concatenate([none, *(one.vectors for one in found)]),
        metadata=[each for one in found for each in one.metadata],
        parts={name: count for one in found for name, count in one.parts.items()},
        failed=[failure for one in found for failure in one.failed],
        truncated=sum(one.truncated for one in found),
        tokens=sum(one.tokens for one in found),
        characters=sum(one.characters for one in found),
        cut=tuple(name for one in found for name in one.cut),
    )


class _Embedding:
    """One call of `embed_objects`."""

    def __init__(self, embedder: Embedder, dataset: Dataset, binding: Binding, describe: Describe) -> None:
        self._embedder = embedder
        self._dataset = dataset
        self._binding = binding
        self._describe = describe
        self._model: EmbeddingModel = embedder.registry.find(binding.model_id)
        self._failed: list[FailedObject] = []
        self._tokens = 0
        self._vectors: list[Vectors] = []

    def of(self, objects: Sequence[SourceObject]) -> EmbeddedObjects:
        """The records."""
        prepared = self._prepared(objects)
        self._embed(prepared)
        if self._counts_for_nothing:
            self._embed([one for one in prepared if self._split_again(one)])
        return self._records(prepared)

    @property
    def _counts_for_nothing(self) -> bool:
        """Whether to embed first, and to split what turns out to be too long: the static model takes as long for
        counting tokens as for embedding, and nothing is paid for what it reads.
        """
        return self._model.provider is Provider.STATIC

    def _prepared(self, objects: Sequence[SourceObject]) -> list[_Texts]:
        """The texts of the objects that have one, in parts as far as that is known."""
        prepared: list[_Texts] = []
        template = self._binding.template
        for source in objects:
            try:
                text = text_of(source.payload, template)
            except InvalidInput as error:
                self._fail(source, error.message, FailureStage.SPLITTING)
                continue
            if not text or text.isspace():
                self._fail(source, NO_TEXT, FailureStage.SPLITTING)
                continue
            prepared.append(_Texts(source, [text]))
        longest = self._model.max_tokens
        if self._counts_for_nothing:
            for one in prepared:
                if len(one.texts[0]) > longest * _SURELY_LONG:
                    self._split(one)
            return prepared
        # A token is a byte at least.
        maybe_long = [one for one in prepared if len(one.texts[0].encode(errors="replace")) > longest]
        counts = self._count([one.texts[0] for one in maybe_long]) if maybe_long else []
        for one, tokens in zip(maybe_long, counts, strict=True):
            if tokens > longest:
                self._split(one)
        return prepared

    def _split(self, one: _Texts) -> None:
        found = split(one.texts[0], max_tokens=self._model.max_tokens, count=self._count)
        one.texts = [part for part in found.parts if not part.isspace()]
        one.truncated = found.truncated

    def _split_again(self, one: _Texts) -> bool:
        """Split a text of which the model read the beginning only; whether there was one."""
        if not one.truncated or len(one.texts) > 1:
            return False
        one.rows, one.problem = [], None
        self._split(one)
        return True

    def _count(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(self._model.model_id, texts)

    def _embed(self, prepared: Sequence[_Texts]) -> None:
        """Give each text its vector."""
        texts = [text for one in prepared for text in one.texts]
        if not texts:
            return
        owners = [one for one in prepared for _ in one.texts]
        embedded = self._embedder.documents(self._dataset.tenant_id, self._model.model_id, texts)
        self._tokens += embedded.tokens
        first = sum(map(len, self._vectors))
        self._vectors.append(embedded.vectors)
        for row, one in enumerate(owners, start=first):
            one.rows.append(row)
        for place, problem in sorted(embedded.failed.items()):
            one = owners[place]
            one.rows.remove(first + place)
            if one.problem is None or one.problem in _NOTHING_IN_IT:
                one.problem = problem
        for place in embedded.truncated - embedded.failed.keys():
            owners[place].truncated = True

    def _kept(self) -> Vectors:
        """The vectors of all texts so far: float32, shape (n, dimension)."""
        match self._vectors:
            case []:
                return np.zeros((0, self._dataset.dimension), dtype=np.float32)
            case [only]:
                return only
            case several:
                return np.concatenate(several)

    def _records(self, prepared: Sequence[_Texts]) -> EmbeddedObjects:
        ids: list[str] = []
        metadata: list[bytes] = []
        rows: list[int] = []
        parts: dict[str, int] = {}
        cut: list[str] = []
        characters = 0
        kept, middles = self._kept(), list[Vectors]()
        for one in prepared:
            source = one.source
            # A part without a word in it is left out; any other that failed takes its object along.
            if one.problem is not None and (not one.rows or one.problem not in _NOTHING_IN_IT):
                self._fail(source, one.problem, FailureStage.INFERENCE)
                continue
            found, more = one.rows, None
            if len(found) > 1 and self._binding.aggregation is Aggregation.AVERAGE:
                middle = self._middle(kept[found])
                if middle is None:
                    self._fail(source, NO_DIRECTION, FailureStage.INFERENCE)
                    continue
                found, more = [len(kept) + len(middles)], {Field.AVERAGE: True}
                middles.append(middle)
            try:
                encoded = [
                    self._describe(source, part=part, parts=len(found), more=more)
                    for part in range(len(found))
                ]
            except InvalidInput as error:
                self._fail(source, error.message, FailureStage.UPSERT)
                continue
            name = source.object_id
            ids += [part_id(name, part) for part in range(len(found))] if len(found) > 1 else [name]
            metadata += encoded
            rows += found
            parts[name] = len(found)
            cut += [name] if one.truncated else []
            characters += sum(map(len, one.texts))
        if middles:
            kept = np.concatenate([kept, np.stack(middles)])
        vectors: Vectors = kept[np.array(rows, dtype=np.intp)].astype(np.float32, copy=False)
        return EmbeddedObjects(
            ids=ids,
            vectors=vectors,
            metadata=metadata,
            parts=parts,
            failed=self._failed,
            truncated=len(cut),
            tokens=self._tokens,
            characters=characters,
            cut=tuple(cut),
        )

    def _middle(self, found: Vectors) -> Vectors | None:
        """The mean of some vectors; of length 1 where the model's are. None where it has no direction then."""
        middle = np.mean(found, axis=0, dtype=np.float64)
        length = float(np.linalg.norm(middle))
        if self._model.normalised:
            if length < 1e-6:
                return None
            middle /= length
        elif not length:
            return None
        mean: Vectors = middle.astype(np.float32)
        return mean

    def _fail(self, source: SourceObject, detail: str, stage: FailureStage) -> None:
        info = source.more.get(Field.INFO)
        self._failed.append(FailedObject(source.object_id, detail, stage, source.payload, info))
