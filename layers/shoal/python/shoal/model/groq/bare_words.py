"""Types without their quotes: what a shell leaves of `'{"filter": "_type=='movie'"}'`."""

from collections.abc import Iterator

from shoal.errors import InvalidInput
from shoal.model.groq.expressions import ArrayOf, Expression
from shoal.model.groq.paths import Attribute, Path
from shoal.model.groq.source import Source


def bare_word_error(source: Source, left: Expression, right: Expression) -> InvalidInput | None:
    """The error of comparing `_type` with an attribute, which is hardly ever meant; None of anything else."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Path) and _names(one) == ["_type"]:
            for at, word in _bare_words(other):
                return source.wrong(
                    at,
                    f'_type is compared with {word}, which has no quotes: write "{word}". '
                    f"A shell takes the quotes away inside of '…'; in JSON, \\\"{word}\\\" gets through",
                    "comparisons of _type with an attribute",
                )
    return None


def _bare_words(expression: Expression) -> Iterator[tuple[int, str]]:
    if isinstance(expression, ArrayOf):
        for element in expression.elements:
            yield from _bare_words(element)
    elif isinstance(expression, Path) and (names := _names(expression)) and not names[0].startswith("_"):
        yield expression.at, ".".join(names)


def _names(path: Path) -> list[str]:
    """The names of a path that has nothing but names, from the document on."""
    names = [step.name for step in path.steps if isinstance(step, Attribute)]
    return names if path.base is None and len(names) == len(path.steps) else []
