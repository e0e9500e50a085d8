"""What a command works on: the API of a profile, or the AWS parts behind it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.cli.failures import Unreachable, UsageError
from infra.cli.profiles import LOCAL, Profile, choose

if TYPE_CHECKING:
    import httpx

    from infra.cli.client import ShoalClient
    from shoal.storage.ports import Ports


@dataclass(frozen=True, slots=True)
class Address:
    """An API and a key for it. `tenant_id` is known for the local stack only."""

    api_url: str
    api_key: str
    tenant_id: str | None = None


@dataclass(frozen=True, slots=True)
class Targets:
    """Resolves profiles. Tests pass a transport and ports of their own; commands find it in their context."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    transport: "httpx.BaseTransport | None" = None
    open_ports: "Callable[[Profile], Ports] | None" = None

    def profile(self, name: str | None) -> Profile:
        """The profile of that name, or the one that the environment and the file choose."""
        return choose(name, self.environ)

    def address(self, name: str | None) -> Address:
        """Where the API is, and the key for it.

        Raises:
            UsageError: the profile lacks an address or a key.
            Unreachable: the local stack is not up.
        """
        profile = self.profile(name)
        if profile.api_url and profile.api_key:
            return Address(profile.api_url, profile.api_key)
        if profile.name == LOCAL:
            from infra.cli.local_stack import running, state_folder

            stack = running(state_folder(self.environ))
            if stack is None:
                raise Unreachable("the local stack is not up", hint="`shoal local up` starts it")
            return Address(
                profile.api_url or stack.api_url, profile.api_key or stack.api_key, stack.tenant_id
            )
        lacking = "SHOAL_API_KEY" if profile.api_url else "SHOAL_API_URL"
        raise UsageError(
            f"profile {profile.name!r} lacks {'a key' if profile.api_url else 'an address'}",
            hint=f"set {lacking}, or `shoal profiles set {profile.name} --api-url URL --api-key KEY`",
        )

    def client(self, name: str | None) -> "ShoalClient":
        """A client of the profile's API; to be closed."""
        from infra.cli.client import ShoalClient

        address = self.address(name)
        return ShoalClient(
            address.api_url, address.api_key, transport=self.transport, user_agent="shoal-command-line"
        )

    def ports(self, name: str | None, *, table: str | None = None) -> "Ports":
        """The AWS parts behind the profile, for operator tasks; `table` instead of its own where one is named."""
        profile = self.profile(name)
        if self.open_ports is not None:
            return self.open_ports(profile)
        if profile.name == LOCAL:
            from infra.cli.local_stack import local_ports, state_folder

            return local_ports(state_folder(self.environ), table=table)
        from infra.cli.aws_ports import deployed_ports

        return deployed_ports(profile, table=table)
