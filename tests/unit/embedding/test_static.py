"""The static model: what its package computes, from its data files alone."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save
from tokenizers import Tokenizer

from shoal.embedding.static import (
    LAYER_FOLDER,
    LAYER_TOKENIZER,
    LAYER_WEIGHTS,
    StaticModel,
    find_static_model,
    read_table,
)
from shoal.errors import CorruptObject
from shoal.model.records import Vectors

TEXTS = [
    "detect faces in a photo",
    "send a text message to a phone",
    "a",
    "é漢字🙂 and so on",
    "CreateBucket " * 200,
    "  spaces  ",
    "\x00\n\t",
]


@pytest.fixture(scope="module")
def model() -> StaticModel:
    return StaticModel.load(*find_static_model())


def test_it_computes_what_its_package_does(model: StaticModel) -> None:
    """In a process of its own: the package sets up logging and loads much when imported; nothing is downloaded."""
    script = """
import sys, numpy, orjson
from tokenizers import Tokenizer
from wordllama.inference import WordLlamaInference
from shoal.embedding.static import find_static_model, read_table
weights, tokenizer = find_static_model()
package = WordLlamaInference(read_table(weights.read_bytes()), Tokenizer.from_file(str(tokenizer)))
sys.stdout.buffer.write(package.embed(orjson.loads(sys.stdin.buffer.read()), norm=True).tobytes())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], input=orjson.dumps(TEXTS), capture_output=True, check=True, timeout=60
    )
    expected = np.frombuffer(done.stdout, dtype=np.float32).reshape(len(TEXTS), 256)
    assert np.allclose(model.embed(TEXTS), expected, atol=1e-6)


def test_rows_have_length_one_and_the_half_is_the_half(model: StaticModel) -> None:
    whole, half = model.embed(TEXTS), model.embed(TEXTS, 128)
    assert whole.dtype == half.dtype == np.float32
    assert (whole.shape, half.shape) == ((len(TEXTS), 256), (len(TEXTS), 128))
    for found in (whole, half):
        assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    cut = whole[:, :128] / np.linalg.norm(whole[:, :128], axis=1, keepdims=True)
    assert np.allclose(half, cut, atol=1e-6)


def test_meaning_is_near_meaning(model: StaticModel) -> None:
    ask, *texts = model.embed(
        ["find faces in a picture", "Detects faces within an image", "Deletes a bucket", "Sends an SMS"]
    )
    assert int(np.argmax(np.array(texts) @ ask)) == 0


def test_texts_without_tokens_are_zero_rows(model: StaticModel) -> None:
    found = model.embed(["", "hello", ""])
    assert not found[0].any()
    assert not found[2].any()
    assert np.array_equal(found[1], model.embed(["hello"])[0])
    assert model.embed([]).shape == (0, 256)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=90), max_size=20))
def test_a_text_does_not_depend_on_those_beside_it(model: StaticModel, texts: list[str]) -> None:
    found = model.embed(texts)
    for text, row in zip(texts, found, strict=True):
        assert np.allclose(row, model.embed([text])[0], atol=1e-6)


@pytest.mark.parametrize("dimension", [0, 64, 257, -1])
def test_other_dimensions_are_refused(model: StaticModel, dimension: int) -> None:
    with pytest.raises(ValueError, match="dimension"):
        model.embed(["a"], dimension)


def test_the_layer_comes_before_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / LAYER_FOLDER
    folder.mkdir()
    for name in (LAYER_WEIGHTS, LAYER_TOKENIZER):
        (folder / name).write_bytes(b"")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_static_model() == (folder / LAYER_WEIGHTS, folder / LAYER_TOKENIZER)


def test_the_package_is_found_without_being_imported() -> None:
    find_static_model()
    assert "wordllama" not in sys.modules


def test_without_either_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(FileNotFoundError, match="wordllama"):
        find_static_model()


TABLE: Vectors = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_tables_are_read_as_the_format_says(kind: type[np.floating]) -> None:
    found = read_table(save({"embedding.weight": TABLE.astype(kind)}))
    assert found.dtype == np.float32
    assert np.array_equal(found, TABLE)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 20,
        save({"embedding.weight": TABLE})[:-1],
        save({"embedding.weight": TABLE}) + b"\0",
        save({"embedding.weight": TABLE.astype(np.float64)}),
        save({"embedding.weight": TABLE.reshape(-1)}),
        save({"other": TABLE}),
        save({"embedding.weight": np.full((2, 2), np.nan, dtype=np.float32)}),
        (5).to_bytes(8, "little") + b"[1,2]",
        (2).to_bytes(8, "little") + b"{]",
    ],
)
def test_other_files_are_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptObject):
        read_table(data)


@given(st.data())
def test_damaged_weights_are_corrupt_and_nothing_worse(data: st.DataObject) -> None:
    packed = bytearray(save({"embedding.weight": TABLE}))
    for _ in range(3):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_table(bytes(packed))
    except CorruptObject:
        return


def test_a_tokenizer_that_cannot_be_read_or_does_not_fit_is_corrupt(tmp_path: Path) -> None:
    weights, tokenizer = find_static_model()
    broken = tmp_path / "tokenizer.json"
    broken.write_text("{}")
    with pytest.raises(CorruptObject, match="tokenizer"):
        StaticModel.load(weights, broken)
    small = tmp_path / "small.safetensors"
    small.write_bytes(save({"embedding.weight": TABLE}))
    assert Tokenizer.from_file(str(tokenizer)).get_vocab_size() == 32000
    with pytest.raises(CorruptObject, match="32000 tokens for 4 rows"):
        StaticModel.load(small, tokenizer)
