"""Which way a Choice state goes."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from tests.workflow import data
from tests.workflow.faults import NO_CHOICE, StateFailed

_COMPARISONS: Mapping[str, tuple[type | tuple[type, ...], Callable[[Any, Any], bool]]] = {
    "StringEquals": (str, operator.eq),
    "BooleanEquals": (bool, operator.eq),
    "NumericEquals": ((int, float), operator.eq),
    "NumericLessThan": ((int, float), operator.lt),
    "NumericLessThanEquals": ((int, float), operator.le),
    "NumericGreaterThan": ((int, float), operator.gt),
    "NumericGreaterThanEquals": ((int, float), operator.ge),
}
COMPARISONS = frozenset({*_COMPARISONS, "IsPresent"})


def chosen(state: Mapping[str, Any], given: Any) -> str:
    """The name of the next state.

    Raises:
        StateFailed: `States.NoChoiceMatched`.
    """
    for rule in state["Choices"]:
        if _holds(rule, given):
            return str(rule["Next"])
    if "Default" not in state:
        raise StateFailed(NO_CHOICE, "no choice matched, and there is no default")
    return str(state["Default"])


def _holds(rule: Mapping[str, Any], given: Any) -> bool:
    if "And" in rule:
        return all(_holds(part, given) for part in rule["And"])
    if "Or" in rule:
        return any(_holds(part, given) for part in rule["Or"])
    if "Not" in rule:
        return not _holds(rule["Not"], given)
    if "IsPresent" in rule:
        return data.present(rule["Variable"], given) is rule["IsPresent"]
    (name,) = rule.keys() - {"Variable", "Next", "Comment"}
    kinds, compare = _COMPARISONS[name]
    value = data.at(rule["Variable"], given, {})
    # A value of another type does not match; True is no number.
    if isinstance(value, bool) and kinds is not bool:
        return False
    return isinstance(value, kinds) and compare(value, rule[name])
