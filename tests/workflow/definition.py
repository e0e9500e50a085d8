"""State machine definitions: read from a file, names filled in, refused where the runner would not do as AWS."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.workflow.choices import COMPARISONS

type States = Mapping[str, Any]
"""A machine, or what a map does to each item: `StartAt` and `States`."""

INVOKE = "arn:aws:states:::lambda:invoke"
GET_OBJECT = "arn:aws:states:::s3:getObject"

_NAME = re.compile(r"\$\{(\w+)\}")
_ANY = {"Type", "Comment", "Next", "End"}
_PATHS = {"InputPath", "OutputPath", "Parameters", "ResultPath"}
_WORK = {*_PATHS, "ResultSelector", "Retry", "Catch"}
_FIELDS: Mapping[str, set[str]] = {
    "Task": {*_WORK, "Resource", "TimeoutSeconds"},
    "Map": {
        *_WORK,
        *("ItemReader", "ItemSelector", "ItemProcessor", "MaxConcurrency", "Label", "TimeoutSeconds"),
        "ToleratedFailureCount",
    },
    "Pass": {*_PATHS, "Result"},
    "Choice": {"Choices", "Default", "InputPath", "OutputPath"},
    "Wait": {"Seconds", "SecondsPath", "InputPath", "OutputPath"},
    "Succeed": {"InputPath", "OutputPath"},
    "Fail": {"Error", "Cause", "ErrorPath", "CausePath"},
}
_RETRIER = {
    *("ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy"),
    "Comment",
}
_CATCHER = {"ErrorEquals", "ResultPath", "Next", "Comment"}
_MACHINE = {"StartAt", "States", "Comment", "TimeoutSeconds", "Version", "QueryLanguage", "ProcessorConfig"}


def read_definition(path: Path, names: Mapping[str, str]) -> States:
    """The machine in a file, its `${…}` replaced.

    Raises:
        KeyError: a name is not among `names`.
        ValueError: it uses something that the runner does not know.
    """
    found: States = json.loads(_NAME.sub(lambda match: names[match[1]], path.read_text()))
    check(found)
    return found


def placeholders(path: Path) -> set[str]:
    """The names of a file's `${…}`."""
    return set(_NAME.findall(path.read_text()))


def check(machine: States) -> None:
    """Refuse a machine of which the runner would leave something out.

    Raises:
        ValueError: says what, and where.
    """
    _known(machine, _MACHINE, "the machine")
    if machine.get("QueryLanguage", "JSONPath") != "JSONPath":
        raise ValueError("only JSONPath")
    states = machine["States"]
    for name, state in states.items():
        _check_state(name, state)
        if unknown := _targets(state) - states.keys():
            raise ValueError(f"{name}: no such state: {', '.join(sorted(unknown))}")
    if machine["StartAt"] not in states:
        raise ValueError(f"no such state: {machine['StartAt']}")


def _check_state(name: str, state: Mapping[str, Any]) -> None:
    kind = state["Type"]
    if kind not in _FIELDS:
        raise ValueError(f"{name}: no states of type {kind}")
    _known(state, _ANY | _FIELDS[kind], name)
    for retrier in state.get("Retry", ()):
        _known(retrier, _RETRIER, name)
    for catcher in state.get("Catch", ()):
        _known(catcher, _CATCHER, name)
    for rule in state.get("Choices", ()):
        _known(rule, {"Variable", "Next", "Comment", "And", "Or", "Not", *COMPARISONS}, name)
    if kind == "Task" and state["Resource"] != INVOKE:
        raise ValueError(f"{name}: only {INVOKE}")
    if kind == "Map":
        _check_map(name, state)


def _check_map(name: str, state: Mapping[str, Any]) -> None:
    reader = state["ItemReader"]
    if reader["Resource"] != GET_OBJECT or reader["ReaderConfig"] != {"InputType": "JSONL"}:
        raise ValueError(f"{name}: only JSON lines from an object")
    processor = state["ItemProcessor"]
    if processor["ProcessorConfig"].get("Mode") != "DISTRIBUTED":
        raise ValueError(f"{name}: only distributed maps")
    if state.get("ToleratedFailureCount", 0):
        raise ValueError(f"{name}: every item must succeed")
    check(processor)


def _known(found: Mapping[str, Any], known: set[str], where: str) -> None:
    if unknown := found.keys() - known:
        raise ValueError(f"{where}: not known here: {', '.join(sorted(unknown))}")


def _targets(state: Mapping[str, Any]) -> set[str]:
    found = {state[field] for field in ("Next", "Default") if field in state}
    found |= {catcher["Next"] for catcher in state.get("Catch", ())}
    return found | {rule["Next"] for rule in state.get("Choices", ())}
