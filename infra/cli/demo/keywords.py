"""A plain keyword search, to compare with: BM25 over documents that hold more than half of the words."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

RULE = "more than half of the words (plurals, -ed and -ing folded, stop words left out), ranked by BM25"
_WORD = re.compile(r"[a-z0-9]+")
_STOP = frozenset(
    [
        *(
            "a",
            "an",
            "and",
            "are",
            "as",
            "at",
            "be",
            "by",
            "can",
            "do",
            "for",
            "from",
            "how",
            "i",
            "if",
            "in",
        ),
        *(
            "into",
            "is",
            "it",
            "its",
            "me",
            "my",
            "of",
            "on",
            "or",
            "our",
            "that",
            "the",
            "this",
            "to",
            "what",
        ),
        *("when", "where", "which", "who", "will", "with", "you", "your"),
    ]
)
_SATURATION, _LENGTH_WEIGHT = 1.2, 0.75
"""BM25's k1 and b, as search engines ship them."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One document; `words` of the query's are in it."""

    id: str
    score: float
    words: int


def terms(text: str) -> list[str]:
    """The words that count, folded, in order."""
    return [_fold(word) for word in _WORD.findall(text.lower()) if word not in _STOP]


def _fold(word: str) -> str:
    """`images`, `scanned` and `scanning` to their stem, roughly; both sides are folded alike."""
    for ending in ("ing", "ed", "es", "s"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 3 and not (ending == "s" and stem.endswith("s")):
            word = stem
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word.removesuffix("e")


class KeywordIndex:
    """Postings in memory: term → document → how often."""

    def __init__(self, documents: Iterable[tuple[str, str]]) -> None:
        """Index (id, text) pairs."""
        self._postings: dict[str, dict[str, int]] = {}
        self._lengths: dict[str, int] = {}
        folded: dict[str, str] = {}
        for name, text in documents:
            counts: Counter[str] = Counter()
            for word, count in Counter(_WORD.findall(text.lower())).items():
                if word not in _STOP:
                    stem = folded.get(word)
                    if stem is None:
                        stem = folded[word] = _fold(word)
                    counts[stem] += count
            self._lengths[name] = sum(counts.values())
            for stem, count in counts.items():
                self._postings.setdefault(stem, {})[name] = count
        self._mean = sum(self._lengths.values()) / max(len(self._lengths), 1)

    def search(self, text: str, *, top_k: int = 3) -> list[Hit]:
        """The best documents among those with more than half of the words of `text`."""
        wanted = list(dict.fromkeys(terms(text)))
        held: Counter[str] = Counter()
        scores: dict[str, float] = defaultdict(float)
        for term in wanted:
            posting = self._postings.get(term, {})
            rarity = math.log(1 + (len(self._lengths) - len(posting) + 0.5) / (len(posting) + 0.5))
            for name, count in posting.items():
                held[name] += 1
                length = 1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * self._lengths[name] / self._mean
                scores[name] += rarity * count * (_SATURATION + 1) / (count + _SATURATION * length)
        hits = [Hit(name, scores[name], count) for name, count in held.items() if count * 2 > len(wanted)]
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))[:top_k]
