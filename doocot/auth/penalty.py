"""Penalties by address: each failed login makes the next answers to that address later, by 2 to 15 seconds.

The delay applies to every answer, the good ones too: were only failures slow, a guesser would hang up after 100 ms and
know. Connections from this machine and from `login_trusted_networks` (webmail, proxies: many users behind one address)
are exempt. IPv6 clients count by their /48.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from doocot.wire.flow import Peer

_DELAYS = (0.0, 2.0, 4.0, 8.0, 15.0)
FORGET_AFTER = 120.0  # seconds after the last failure
MAX_ADDRESSES = 65536


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return ip.exploded[:14] if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None else address


@dataclass(slots=True)
class Penalties:
    """Failed logins by address, a bounded LRU; used on the event loop only."""

    clock: Callable[[], float] = time.monotonic
    failures: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)

    def _exempt(self, peer: Peer) -> bool:
        return peer.trusted or not peer.remote_ip or peer.remote_ip == peer.local_ip

    def delay(self, peer: Peer) -> float:
        if not self.failures or self._exempt(peer):
            return 0.0
        count, last = self.failures.get(_network(peer.remote_ip), (0, 0.0))
        if not count or self.clock() - last > FORGET_AFTER:
            return 0.0
        return _DELAYS[min(count, len(_DELAYS) - 1)]

    def failed(self, peer: Peer) -> None:
        if self._exempt(peer):
            return
        network, now = _network(peer.remote_ip), self.clock()
        count, last = self.failures.pop(network, (0, now))
        self.failures[network] = (1 if now - last > FORGET_AFTER else count + 1, now)
        if len(self.failures) > MAX_ADDRESSES:
            self.failures.popitem(last=False)

    def succeeded(self, peer: Peer) -> None:
        if self.failures:
            self.failures.pop(_network(peer.remote_ip), None)
