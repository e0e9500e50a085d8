"""What can go wrong with the local stack, each with a message that says what to do."""


class LocalStackError(Exception):
    """The local stack cannot do that; the message is for the user."""


class CommandFailed(LocalStackError):
    """A command that the stack needs ended badly; the message holds the end of what it said."""


class PortInUse(LocalStackError):
    """Somebody else listens on the port that was asked for."""


class DidNotStart(LocalStackError):
    """The emulator ended, or did not answer in time."""


class DeployFailed(LocalStackError):
    """The stack did not reach a complete state; the message names the resources and their reasons."""


class NotRunning(LocalStackError):
    """No local stack is running with this state folder."""
