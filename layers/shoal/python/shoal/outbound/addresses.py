"""Which addresses a request of a user's may reach: those of the public internet, and nothing that looks like one.

A name is worth what it resolves to, so nothing here looks at names. Where one address of several is refused, all
are: a name that points inside as well as outside is a mistake or an attack.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network

from shoal.errors import InvalidInput
from shoal.outbound.urls import PORTS, Address, Target

_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that is routed of IPv6. Outside of it are the forms with an IPv4 address inside that a kernel or a gateway
unwraps: mapped (::ffff:0:0/96), compatible (::/96) and NAT64 (64:ff9b::/96); and the metadata service
(fd00:ec2::254).
"""
_REFUSED_IPV6 = (
    IPv6Network("2002::/16"),  # 6to4: an IPv4 address in a prefix that `ipaddress` takes for global
    IPv6Network("2001::/32"),  # Teredo, the same
    IPv6Network("3fff::/20"),  # documentation, newer than some versions of `ipaddress`
)
_REFUSED_IPV4 = (
    ip_network("192.88.99.0/24"),  # relays of 6to4
    ip_network("168.63.129.16/32"),  # the host's services on Azure, for whoever runs this elsewhere
)
_ISATAP = {0x00005EFE, 0x02005EFE}


def is_public(address: Address) -> bool:
    """Whether an address belongs to a host of the public internet."""
    # `is_global` goes by the registries of special addresses; multicast and some reserved blocks are not in them.
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_IPV4)
    return _is_public_ipv6(address)


def _is_public_ipv6(address: IPv6Address) -> bool:
    if address.scope_id is not None or address not in _GLOBAL_UNICAST:
        return False
    if any(address in network for network in _REFUSED_IPV6):
        return False
    isatap = int(address) >> 32 & 0xFFFFFFFF in _ISATAP
    return not isatap or is_public(IPv4Address(int(address) & 0xFFFFFFFF))


def check_addresses(target: Target, addresses: Sequence[Address], *, allow_loopback: bool = False) -> None:
    """Whether a request may go to any of what its host resolved to.

    Args:
        target: as `parse_url` gave it.
        addresses: at least one.
        allow_loopback: whether this machine may be asked too, then on any port.

    Raises:
        InvalidInput: `address_not_allowed`, or `invalid_url` for the port of a host that is not this machine.
    """
    if allow_loopback and addresses and all(address.is_loopback for address in addresses):
        return
    if not addresses or not all(is_public(address) for address in addresses):
        raise InvalidInput(
            "address_not_allowed", f"{target.host:.100} is not, or not only, at a public internet address"
        )
    if target.port not in PORTS.values():
        raise InvalidInput("invalid_url", "a URL has port 443 or 80")
