"""Filters: `protocol x`, `local net`, `local_name x` and `remote net`, alone or nested, and what they match."""

import socket
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

# From the outside to the inside: the order in which Dovecot wants them nested.
_ORDER = ("local", "local_name", "remote", "protocol")
FILTERS = frozenset(_ORDER)


class FilterError(Exception):
    """A filter cannot be there, or does not name what it should."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that hold together; an empty one is no condition."""

    protocol: str | None = None
    local: str | None = None
    local_name: str | None = None
    remote: str | None = None

    def inside(self, kind: str, name: str) -> "Filter":
        """This filter narrowed by a section in it."""
        for other, value in zip(_ORDER, (self.local, self.local_name, self.remote, self.protocol), strict=True):
            if value is not None and _ORDER.index(other) > _ORDER.index(kind):
                raise FilterError(f"{other} {{ {kind} {{ }} }} is not allowed: write {kind} {{ {other} {{ }} }}")
        if kind == "protocol":
            if self.protocol is not None:
                raise FilterError("protocol { protocol { } } is not allowed: write the two one after the other")
            return replace(self, protocol=name)
        if kind == "local_name":
            return replace(self, local_name=name)
        outer = self.local if kind == "local" else self.remote
        shown = _shown(name)
        if outer is not None and not _within(network(shown), network(outer)):
            raise FilterError(f"{kind} {outer} {{ {kind} {name} {{ }} }}: the inner net must be in the outer one")
        return replace(self, local=shown) if kind == "local" else replace(self, remote=shown)

    @property
    def by_address(self) -> bool:
        """Whether it asks for more than the protocol."""
        return self.local is not None or self.local_name is not None or self.remote is not None

    @property
    def precedence(self) -> tuple[bool, int, int, bool]:
        """Sorts filters so that a later one overrides an earlier."""
        local = network(self.local).prefixlen if self.local else 0
        remote = network(self.remote).prefixlen if self.remote else 0
        return self.local_name is not None, local, remote, self.protocol is not None

    def matches(self, protocol: str, local_ip: str, local_name: str, remote_ip: str) -> bool:
        """Whether a connection meets every condition."""
        return (
            (self.protocol is None or _protocol_matches(self.protocol, protocol))
            and (self.local is None or _address_in(local_ip, self.local))
            and (self.local_name is None or _name_matches(self.local_name, local_name))
            and (self.remote is None or _address_in(remote_ip, self.remote))
        )


def _shown(name: str) -> str:
    """The net as it is kept: a host name is looked up, an address stays as it was written."""
    try:
        network(name)
    except ValueError:
        pass
    else:
        return name
    host, slash, _bits = name.partition("/")
    if slash:
        raise FilterError(f"Invalid network '{name}': use an address, or address/bits")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise FilterError(f"Cannot look up the host '{name}': {error.strerror}") from error
    return str(found[0][4][0])


@lru_cache(maxsize=1024)
def network(text: str) -> IPv4Network | IPv6Network:
    """The net of `address` or `address/bits`; host bits do not matter."""
    return ip_network(text, strict=False)


def _within(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    return inner.version == outer.version and inner.prefixlen >= outer.prefixlen and inner[0] in outer


def _address_in(address: str, net: str) -> bool:
    if not address:
        return False
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed) in network(net)


def _protocol_matches(wanted: str, protocol: str) -> bool:
    return wanted[1:] != protocol if wanted.startswith("!") else wanted == protocol


def _name_matches(wanted: str, name: str) -> bool:
    """TLS server names; `*.example.com` stands for one label."""
    name = name.lower()
    for each in wanted.lower().split():
        if each == name or (each.startswith("*.") and name.partition(".")[2] == each[2:] and name):
            return True
    return False
