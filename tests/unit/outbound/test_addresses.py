"""Addresses: everything special is refused, in whatever form it is written."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import InvalidInput
from shoal.outbound.addresses import check_addresses, is_public
from shoal.outbound.urls import Address, Target

TARGET = Target("https", "example.com", 443, "/")
PUBLIC = ["8.8.8.8", "93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]
# Source: the special-purpose address registries of IANA, and the metadata services of clouds.
SPECIAL = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/29",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",
    "::/96",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2001:10::/28",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]
METADATA = ["169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"]


@pytest.mark.parametrize("text", PUBLIC)
def test_public_ones_pass(text: str) -> None:
    assert is_public(ip_address(text))
    check_addresses(TARGET, [ip_address(text)])


@pytest.mark.parametrize("text", [*METADATA, "fe80::1%eth0", "2606:4700::1%1", "2606:4700::5efe:10.0.0.1"])
def test_known_services_inside_are_refused(text: str) -> None:
    assert not is_public(ip_address(text))


@given(st.data())
def test_no_address_of_a_special_block_is_public(data: st.DataObject) -> None:
    network = ip_network(data.draw(st.sampled_from(SPECIAL)))
    offset = data.draw(st.integers(0, network.num_addresses - 1))
    assert not is_public(network[offset])


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_no_ipv4_address_gets_by_in_ipv6(inner: IPv4Address) -> None:
    number = int(inner)
    forms = [
        IPv6Address(number),
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(int(IPv6Address("64:ff9b::")) | number),
        IPv6Address(0x2002 << 112 | number << 80 | 1),
        IPv6Address(0x2001 << 112 | number ^ 0xFFFFFFFF),
    ]
    assert not any(is_public(form) for form in forms)
    isatap = IPv6Address(int(IPv6Address("2606:4700::5efe:0:0")) | number)
    assert is_public(isatap) is is_public(inner)


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_a_public_ipv6_address_is_global_unicast(address: IPv6Address) -> None:
    if is_public(address):
        assert address in IPv6Network("2000::/3")
        assert address.is_global
        assert address.sixtofour is None
        assert address.teredo is None


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_a_public_ipv4_address_is_in_no_registry(address: IPv4Address) -> None:
    listed = any(address in ip_network(block) for block in SPECIAL if ":" not in block)
    assert not (is_public(address) and listed)
    # And nothing is refused without a reason: the rest of the registry is two /24 and single addresses.
    if not listed and address not in ip_network("192.0.0.0/24"):
        assert is_public(address)


ADDRESSES = st.lists(
    st.sampled_from(
        [*PUBLIC, "127.0.0.1", "::1", "10.0.0.1", "fe80::1", "169.254.169.254", "::ffff:8.8.8.8"]
    ),
    max_size=4,
).map(lambda texts: [ip_address(text) for text in texts])


@given(ADDRESSES, st.booleans())
def test_one_bad_address_spoils_all(addresses: list[Address], allow_loopback: bool) -> None:
    fine = bool(addresses) and (
        all(map(is_public, addresses))
        or (allow_loopback and all(address.is_loopback for address in addresses))
    )
    if fine:
        check_addresses(TARGET, addresses, allow_loopback=allow_loopback)
        return
    with pytest.raises(InvalidInput) as found:
        check_addresses(TARGET, addresses, allow_loopback=allow_loopback)
    assert found.value.code == "address_not_allowed"


def test_other_ports_are_of_this_machine_only() -> None:
    target = Target("http", "example.com", 8080, "/")
    check_addresses(target, [ip_address("127.0.0.1")], allow_loopback=True)
    with pytest.raises(InvalidInput) as found:
        check_addresses(target, [ip_address("8.8.8.8")], allow_loopback=True)
    assert found.value.code == "invalid_url"
