"""Ours and groq-js make the same of the same expressions and documents, or both refuse them."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from shoal.errors import InvalidInput
from shoal.model.groq import expressions, values
from shoal.model.groq.expressions import AllOf, AnyOf, Not
from shoal.model.groq.filters import parse_filter
from shoal.model.groq.paths import ForEach
from shoal.model.groq.projections import parse_projection
from shoal.model.groq.texts import Pattern
from tests.groq.expressions import questions
from tests.groq.json_values import same
from tests.groq.oracle import Answer, Oracle, Question

SEED = int(os.environ.get("GROQ_SEED", "7"))
EXPRESSIONS = int(os.environ.get("GROQ_EXPRESSIONS", "6000"))


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions with the answers of groq-js."""

    questions: list[Question]
    answers: list[Answer]

    def disagreements(self) -> Iterator[str]:
        """What ours makes of it otherwise."""
        for question, answer in zip(self.questions, self.answers, strict=True):
            if (wrong := disagreement(question, answer)) is not None:
                yield f"{question.kind} {question.text!r}: {wrong}"


def disagreement(question: Question, answer: Answer) -> str | None:
    """What ours makes of a question otherwise than groq-js; None where nothing."""
    try:
        evaluate, selects = parsed(question)
    except InvalidInput as error:
        if answer.rejected is not None or "construct" in (error.details or {}):
            return None
        return f"ours refuses: {error.message}"
    if answer.rejected is not None:
        return f"groq-js refuses: {answer.rejected}"
    for document, value, selected in zip(question.documents, answer.values, answer.selected, strict=True):
        if not same(ours := evaluate(document), value):
            return f"{ours!r}, but groq-js {value!r} for {document!r}"
        if not same(ours := selects(document), selected):
            return f"{ours!r}, but groq-js selects {selected!r} for {document!r}"
    return None


type Evaluated = Callable[[dict[str, Any]], Any]


def parsed(question: Question) -> tuple[Evaluated, Evaluated]:
    """The value of an expression, and what it makes of a list with one document."""
    if question.kind == "projection":
        projection = parse_projection(question.text)
        return projection.project, lambda document: [projection.project(document)]
    parsed_filter = parse_filter(question.text)
    condition = parsed_filter.condition
    assert condition is not None
    return condition.value, lambda document: [document] if parsed_filter.matches(document) else []


@pytest.fixture(scope="module")
def asked(oracle: Oracle) -> Asked:
    generated = questions(SEED, EXPRESSIONS)
    return Asked(generated, oracle.ask(generated))


def test_ours_agrees_with_groq_js(asked: Asked) -> None:
    assert sorted(asked.disagreements(), key=len) == []


def test_the_questions_are_worth_asking(asked: Asked) -> None:
    outcomes: Counter[str] = Counter()
    for question, answer in zip(asked.questions, asked.answers, strict=True):
        if answer.rejected is not None:
            outcomes["rejected"] += 1
        elif question.kind == "projection":
            outcomes["projected"] += len(answer.values)
        else:
            outcomes.update(
                repr(value) if isinstance(value, bool | None) else "other" for value in answer.values
            )
    answered = outcomes.total() - outcomes["rejected"]
    assert answered >= 5000
    for outcome in ("True", "False", "None", "projected"):
        assert outcomes[outcome] > answered / 10, outcomes
    assert outcomes["rejected"] > len(asked.questions) / 10, outcomes


def null_is_false(self: AllOf, this: dict[str, Any]) -> Any:
    return all(part.value(this) is True for part in self.parts)


def null_is_passed_over(self: AnyOf, this: dict[str, Any]) -> Any:
    return any(part.value(this) is True for part in self.parts)


def not_null_is_true(self: Not, this: dict[str, Any]) -> Any:
    return not self.part.value(this)


def arrays_are_compared(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


def types_have_an_order(left: Any, operator: str, right: Any) -> bool | None:
    known = values.ordered(left, operator, right)
    return False if known is None else known


EACH = ForEach.of


def nothing_is_joined(self: ForEach, value: Any) -> Any:
    return EACH(ForEach(self.steps, joined=False), value)


def references_are_looked_into(value: Any, ids: Collection[str]) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = value.get("_ref") if isinstance(value, dict) else None
    return (isinstance(found, str) and found in ids) or any(
        references_are_looked_into(each, ids) for each in inner
    )


PLANTED: list[tuple[Any, str, Any]] = [
    (AllOf, "value", null_is_false),
    (AnyOf, "value", null_is_passed_over),
    (Not, "value", not_null_is_true),
    (expressions, "equal", arrays_are_compared),
    (expressions, "ordered", types_have_an_order),
    (expressions, "refers", references_are_looked_into),
    (ForEach, "of", nothing_is_joined),
    (Pattern, "is_in", lambda self, text: self.words <= set(str(text).upper().split())),
]


@pytest.mark.parametrize(("where", "name", "bug"), PLANTED, ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_bug_is_found(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, bug: Any
) -> None:
    monkeypatch.setattr(where, name, bug)
    assert next(asked.disagreements(), None) is not None
