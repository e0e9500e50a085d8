"""Runs that derive datasets: followed to their end, and what they came to."""

from infra.cli import output
from infra.cli.client import ShoalClient
from infra.cli.collections.display import Moment, display
from infra.cli.derivations import DerivationInfo, LineageInfo
from infra.cli.failures import JobFailed
from infra.cli.imports.following import follow

_SHOWN_TERMS = 10


def follow_derivation(client: ShoalClient, run: DerivationInfo) -> DerivationInfo:
    """The run at its end; how far it is goes to stderr meanwhile."""
    last = run
    try:
        with display() as shown:
            for state in follow(lambda: client.derivations.get(run.derivation_id)):
                shown.state(_moment(state))
                last = state
    except KeyboardInterrupt:
        output.note("\nit goes on by itself:")
        output.note(f"  look: `shoal derivation show {run.derivation_id} --watch`")
        output.note(f"  end it: `shoal derivation cancel {run.derivation_id}`")
        raise
    return last


def end_of(run: DerivationInfo, *, as_json: bool) -> None:
    """What every command about one run ends with.

    Raises:
        JobFailed: it failed, or was cancelled.
    """
    if as_json:
        output.print_json(run)
    else:
        _tell(run)
    if run.status in {"failed", "cancelled"}:
        again = f"shoal derivation rebuild {run.dataset}" if run.rebuild else f"shoal derive {run.source} …"
        why = f": {run.error_message}" if run.error_message and run.status == "failed" else ""
        left = "stays as it was" if run.rebuild else "is not there, and its name is free"
        raise JobFailed(
            f"{run.derivation_id} {run.status}{why}; {run.dataset} {left}", hint=f"once more: `{again}`"
        )


def tell_lineage(found: LineageInfo) -> None:
    """Where a dataset comes from, what is made of it, and the run that is under way."""
    origin, run = found.derived_from, found.last_run
    if origin is None:
        output.line(f"{found.dataset} is not derived from another dataset")
    else:
        output.line(f"{'dataset':<14}{found.dataset}")
        output.line(f"{'source':<14}{origin.source}, {_version(origin.source_version, origin.source_newest)}")
        output.line(f"{'condition':<14}{_condition(found)}")
        output.line(f"{'kept in step':<14}{'yes' if origin.follow else 'no'}")
        output.line(f"{'made':<14}{origin.built_at or 'not yet'}{_by(origin.strategy)}")
        output.line(f"{'left out':<14}{origin.rows_removed:,} records")
        _tell_terms(origin.removed_by_term)
        if origin.error_message:
            output.note(f"not in step for now: {origin.error_message}")
    if found.derived:
        output.table(
            ("derived from it", "kind", "kept in step", "has version"),
            [
                (each.dataset, each.kind, "yes" if each.follows else "no", each.synced_version or None)
                for each in found.derived
            ],
        )
    if run is not None and run.status != "completed":
        why = f": {run.error_message}" if run.error_message else ""
        output.note(f"last run: {run.derivation_id} {run.status}, {run.progress:.0f} %{why}")


def _moment(run: DerivationInfo) -> Moment:
    of_rows = f", of {run.rows_total:,} records" if run.rows_total else ""
    told = f"{run.progress:.0f} %{of_rows}"
    return Moment(run.stage, round(run.progress), 100, over=run.over, told=told)


def _tell(run: DerivationInfo) -> None:
    kept = run.rows_total - run.rows_removed
    if run.status == "completed":
        output.line(
            f"{run.dataset}: {kept:,} of the {run.rows_total:,} records of {run.source}{_by(run.strategy)}"
        )
        _tell_terms(run.removed_by_term)
    else:
        stage = f", {run.stage}, {run.progress:.0f} %" if not run.over else ""
        output.line(f"{run.derivation_id} {run.source} → {run.dataset} {run.status}{stage}")


def _tell_terms(removed: tuple[tuple[str, int], ...]) -> None:
    """What the terms left out; a list may hold anything, and a terminal must not obey it."""
    for term, records in removed[:_SHOWN_TERMS]:
        plain = "".join(character if character.isprintable() else " " for character in term)
        output.line(f"  {records:>10,} with {plain}")
    if len(removed) > _SHOWN_TERMS:
        output.line(f"  and {len(removed) - _SHOWN_TERMS:,} more terms: --json has them")


def _by(strategy: str | None) -> str:
    how = {"mask": "sharing what is stored", "rewrite": "written anew in the background"}
    return f", {how[strategy]}" if strategy in how else ""


def _version(taken: int | None, newest: int | None) -> str:
    if newest is None:
        return "which is deleted"
    if taken is None:
        return "not taken yet"
    return f"version {taken:,}" + (f", now at {newest:,}" if newest != taken else "")


def _condition(found: LineageInfo) -> str:
    origin = found.derived_from
    if origin is None or (origin.filter is None and origin.terms is None):
        return "all records"
    parts = [] if origin.filter is None else [_json(origin.filter)]
    if origin.terms is not None:
        named = origin.terms
        parts.append(
            f"without the {named['count']:,} terms of {named['list']} in {', '.join(named['fields'])}"
        )
    return "; ".join(parts)


def _json(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=True)
