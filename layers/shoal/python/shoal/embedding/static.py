"""A small embedding model that runs anywhere: the mean of static token vectors, with numpy and a tokenizer.

The model is the 256-dimensional one inside the PyPI package `wordllama` (MIT). Its first 128 dimensions, made unit
length again, are a model of their own. The package's code is never imported: only its two data files are read.
"""

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from tokenizers import Tokenizer

from shoal.errors import CorruptObject
from shoal.model.records import Vectors

DIMENSIONS = (256, 128)
WEIGHTS_FILE = "l2_supercat_256.safetensors"
TOKENIZER_FILE = "l2_supercat_tokenizer_config.json"
LAYER_FOLDER = "shoal_static_model"
LAYER_WEIGHTS, LAYER_TOKENIZER = "weights.safetensors", "tokenizer.json"
"""Folder of the embed layer, next to its Python packages."""
_TENSOR = "embedding.weight"
_TYPES: Mapping[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}
_MAX_HEADER_BYTES = 1024 * 1024
_BATCH = 1024
_LONG_TEXT = 64


class StaticModel:
    """Texts to unit vectors. A text without a single token (the empty one) becomes the zero vector."""

    def __init__(self, table: Vectors, tokenizer: Tokenizer) -> None:
        self._table = table
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, weights: Path, tokenizer: Path) -> "StaticModel":
        """Read the model from its two files.

        Raises:
            CorruptObject: a file is not what it should be.
        """
        table = read_table(weights.read_bytes())
        try:
            words = Tokenizer.from_file(str(tokenizer))
        except Exception as error:  # the tokenizers package raises nothing narrower
            raise CorruptObject(f"tokenizer {tokenizer.name} cannot be read") from error
        words.no_padding()
        words.no_truncation()
        if words.get_vocab_size() > len(table):
            raise CorruptObject(f"{words.get_vocab_size()} tokens for {len(table)} rows of weights")
        return cls(table, words)

    def embed(self, texts: Sequence[str], dimension: int = DIMENSIONS[0]) -> Vectors:
        """Embed texts.

        Args:
            texts: n strings.
            dimension: 256, or 128 for the first half.

        Returns:
            float32, shape (n, dimension), rows of length 1; zero rows for texts without tokens.
        """
        return self.embed_counted(texts, dimension)[0]

    def embed_counted(
        self, texts: Sequence[str], dimension: int = DIMENSIONS[0], *, max_tokens: int | None = None
    ) -> tuple[Vectors, list[int]]:
        """As `embed`, of the first `max_tokens` tokens of each text; and how many tokens each text has in all."""
        if dimension not in DIMENSIONS or dimension > self._table.shape[1]:
            raise ValueError(f"dimension must be one of {DIMENSIONS}")
        found = np.zeros((len(texts), dimension), dtype=np.float32)
        counts: list[int] = []
        for start in range(0, len(texts), _BATCH):
            ids = self._tokens(texts[start : start + _BATCH])
            sizes = [len(one) for one in ids]
            counts += sizes
            if max_tokens is not None and max(sizes) > max_tokens:
                ids = [one[:max_tokens] for one in ids]
            _sum_tokens(self._table[:, :dimension], ids, found[start : start + _BATCH])
        lengths = np.sqrt(np.vecdot(found, found))
        np.divide(found, lengths[:, None], out=found, where=lengths[:, None] > 0)
        return found, counts

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has."""
        counts: list[int] = []
        for start in range(0, len(texts), _BATCH):
            counts += [len(one) for one in self._tokens(texts[start : start + _BATCH])]
        return counts

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        return [one.ids for one in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


def find_static_model() -> tuple[Path, Path]:
    """The paths of weights and tokenizer: from the embed layer, else from an installed `wordllama`.

    Raises:
        FileNotFoundError: neither is there.
    """
    folders = [Path("/opt/python"), *(Path(entry) for entry in sys.path if entry)]
    for folder in folders:
        weights, tokenizer = folder / LAYER_FOLDER / LAYER_WEIGHTS, folder / LAYER_FOLDER / LAYER_TOKENIZER
        if weights.is_file() and tokenizer.is_file():
            return weights, tokenizer
    package = importlib.util.find_spec("wordllama")  # looks it up without running it
    for entry in (package.submodule_search_locations or []) if package else []:
        weights = Path(entry) / "weights" / WEIGHTS_FILE
        tokenizer = Path(entry) / "tokenizers" / TOKENIZER_FILE
        if weights.is_file() and tokenizer.is_file():
            return weights, tokenizer
    raise FileNotFoundError(f"no {LAYER_FOLDER} on the path and no installed wordllama")


def read_table(data: bytes) -> Vectors:
    """The token vectors of a safetensors file: float32, shape (tokens, dimension).

    Raises:
        CorruptObject: not a safetensors file with one matrix `embedding.weight` of F16 or F32.
    """
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > min(_MAX_HEADER_BYTES, len(data) - 8):
        raise CorruptObject("weights are cut short")
    try:
        header = orjson.loads(data[8 : 8 + size])
    except orjson.JSONDecodeError as error:
        raise CorruptObject("weights have a header that is not JSON") from error
    match header:
        case {
            "embedding.weight": {
                "dtype": str(name),
                "shape": [int(rows), int(width)],
                "data_offsets": [0, int(end)],
            }
        }:
            pass
        case _:
            raise CorruptObject(f"weights lack the matrix {_TENSOR}")
    kind = _TYPES.get(name)
    if kind is None or rows <= 0 or width <= 0:
        raise CorruptObject(f"weights of type {name} and shape {rows} x {width}")
    if not end == rows * width * kind.itemsize == len(data) - 8 - size:
        raise CorruptObject("weights have another size than their shape says")
    table: Vectors = np.frombuffer(data, dtype=kind, offset=8 + size).reshape(rows, width).astype(np.float32)
    if not np.isfinite(table).all():
        raise CorruptObject("weights are not finite")
    return table


def _sum_tokens(table: Vectors, ids: list[list[int]], out: NDArray[np.float32]) -> None:
    """Add up each text's token vectors; the mean has the same direction.

    Texts of one length are added column by column: ten times as fast as `np.add.reduceat` on 10-token texts.
    """
    by_length: dict[int, list[int]] = {}
    for place, tokens in enumerate(ids):
        by_length.setdefault(len(tokens), []).append(place)
    for length, places in by_length.items():
        if length > _LONG_TEXT:
            for place in places:
                table[ids[place]].sum(axis=0, out=out[place])
        elif length:
            columns = np.array([ids[place] for place in places]).T
            total = table[columns[0]]
            for column in columns[1:]:
                total += table[column]
            out[places] = total
