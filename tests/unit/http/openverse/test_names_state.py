"""Names under any sequence of actions: what is live is never deleted by mistake, and filtered is filtered."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.unit.http.openverse.client import BAD_REQUEST, FAILED, Openverse, absent

SUFFIXES = ("1", "2", "1-filtered", "2-filtered", "live")
ALIASES = ("image", "image-filtered", "audio-filtered", "image-live", "image-1", "main-filtered")
FILTERED_ALIASES = ("image-filtered", "audio-filtered")
NAMES = sorted({f"image-{suffix}" for suffix in SUFFIXES} | set(ALIASES))


class Names(RuleBasedStateMachine):
    """The server beside what should be there: indexes, and aliases of them."""

    @initialize()
    def begin(self) -> None:
        self.api = Openverse()
        self.indexes: set[str] = set()
        self.aliases: dict[str, str] = {}

    def _real(self, name: str) -> str | None:
        """The index behind a name."""
        return name if name in self.indexes else self.aliases.get(name)

    @rule(suffix=st.sampled_from(SUFFIXES))
    def make(self, suffix: str) -> None:
        name = f"image-{suffix}"
        if self._real(name) is None:
            self.api.index(name)
            self.indexes.add(name)

    @rule(
        suffix=st.sampled_from(SUFFIXES),
        alias=st.sampled_from(ALIASES),
        action=st.sampled_from(["POINT_ALIAS", "PROMOTE"]),
    )
    def point(self, suffix: str, alias: str, action: str) -> None:
        name = f"image-{suffix}"
        target = self._real(name)
        expected: tuple[int, str | None] = (202, None)
        if alias in FILTERED_ALIASES and not (target or "").endswith("-filtered"):
            twin = self._real(f"{name}-filtered")
            if twin is None or not twin.endswith("-filtered"):
                expected = (500, FAILED) if target is None else (400, BAD_REQUEST)
                target = None
            else:
                target = twin
        if expected[0] == 202 and (target is None or alias in self.indexes):
            expected = (500, FAILED)
        answer = self.api.task(action, index_suffix=suffix, alias=alias)
        self._check(answer, expected)
        if answer.status == 202:
            assert target is not None
            self.aliases[alias] = target

    @rule(suffix=st.sampled_from(SUFFIXES), force=st.sampled_from([None, False, True]))
    def delete_by_name(self, suffix: str, force: bool | None) -> None:
        self._delete(f"image-{suffix}", force, index_suffix=suffix)

    @rule(alias=st.sampled_from(ALIASES), force=st.sampled_from([None, False, True]))
    def delete_by_alias(self, alias: str, force: bool | None) -> None:
        self._delete(alias, force, alias=alias)

    def _delete(self, name: str, force: bool | None, **fields: Any) -> None:
        if force is not None:
            fields["force_delete"] = force
        index = self._real(name)
        live = name in self.aliases.values() if name in self.indexes else not force
        expected = (400, BAD_REQUEST) if index is not None and live else (202, None)
        answer = self.api.task("DELETE_INDEX", **fields)
        self._check(answer, expected)
        if answer.status == 202:
            assert self.api.status(answer)["is_bad_request"] is (index is None)
            if index is not None:
                self.indexes.remove(index)
                self.aliases = {alias: at for alias, at in self.aliases.items() if at != index}

    def _check(self, answer: Any, expected: tuple[int, str | None]) -> None:
        message = answer.json["message"] if answer.status != 202 else None
        assert (answer.status, message) == expected, answer.text

    @invariant()
    def every_name_stands_for_what_it_should(self) -> None:
        for name in NAMES:
            if name in self.indexes:
                pointing = sorted(alias for alias, at in self.aliases.items() if at == name)
                assert self.api.stat(name) == (True, False, pointing)
            elif name in self.aliases:
                assert self.api.stat(name) == (True, True, self.aliases[name])
                assert name not in FILTERED_ALIASES or self.aliases[name].endswith("-filtered")
            else:
                assert self.api.stat(name) == absent()


Names.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
TestNames = Names.TestCase
