"""The state machine of hypothesis over the same steps: it looks for short ways to break a world, not long ones."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.faults.dice import DrawnDice
from tests.faults.perform import perform
from tests.faults.rest import settle
from tests.faults.run import Run
from tests.faults.schedules import MAKERS, PROFILES, step_of


class Machine(RuleBasedStateMachine):
    """One rule for each kind of operation, and one for two processes at once. All invariants are checked after
    each, and a world comes to rest at its end.
    """

    run: Run | None = None

    @initialize(seed=st.integers(0, 5))
    def begin(self, seed: int) -> None:
        """A new world; the seed decides on its metric and on how imports are laid out."""
        self.run = Run(seed)

    @rule(data=st.data())
    def together(self, data: st.DataObject) -> None:
        """Two processes at once."""
        self._do(data, None)

    def _do(self, data: st.DataObject, name: str | None) -> None:
        assert self.run is not None
        profile = PROFILES["meetings"] if name is None else PROFILES["everything"]
        perform(self.run, step_of(DrawnDice(data), profile, name))

    def teardown(self) -> None:
        """Come to rest."""
        if self.run is None:
            return
        try:
            settle(self.run)
        finally:
            self.run.close()


def _rule_of(name: str) -> Any:
    def do(self: Machine, data: st.DataObject) -> None:
        self._do(data, name)

    do.__name__ = do.__qualname__ = f"do_{name}"
    do.__doc__ = f"The operation `{name}`."
    return precondition(lambda self: self.run is not None)(rule(data=st.data())(do))


for _name in MAKERS:
    setattr(Machine, f"do_{_name}", _rule_of(_name))
