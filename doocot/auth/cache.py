"""The auth cache: results of earlier logins, found by a keyed hash of everything they depend on, the password included.

No password is kept, not even hashed on its own: the key of an entry is BLAKE2b, keyed with random bytes of this
process, over service, names, password and the connection's addresses. An entry also holds the versions of the files
behind it, so that a changed users file is obeyed at once. Temporary failures are never kept. The size is in bytes, as
`auth_cache_size` is.
"""

import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from doocot.auth.settings import AuthSettings
from doocot.auth.types import AuthResult, Failure, LoginRequest

_ENTRY_BYTES = 900  # a typical entry with its User and dictionaries, measured with tracemalloc
_CACHED_FAILURES = frozenset({Failure.WRONG_PASSWORD, Failure.UNKNOWN_USER})


@dataclass(frozen=True, slots=True)
class _Entry:
    result: AuthResult
    versions: Hashable
    expires: float
    size: int


def _size(result: AuthResult) -> int:
    fields = sum(len(key) + len(value) for key, value in result.fields.items())
    if result.user is not None:
        fields += sum(len(key) + len(value) for key, value in result.user.fields.items())
    return _ENTRY_BYTES + fields


@dataclass(slots=True)
class AuthCache:
    """A bounded LRU of results; used on the event loop only."""

    size: int
    ttl: float
    negative_ttl: float
    clock: Callable[[], float] = time.monotonic
    used: int = 0
    hits: int = 0
    misses: int = 0
    entries: OrderedDict[bytes, _Entry] = field(default_factory=OrderedDict)
    secret: bytes = field(default_factory=lambda: os.urandom(32), repr=False)

    def key(self, request: LoginRequest) -> bytes:
        """Lengths go in with the parts, so that no two requests share a text."""
        credentials, peer = request.credentials, request.peer
        names = "\0".join(
            (
                request.service,
                credentials.mechanism,
                credentials.authcid,
                credentials.authzid,
                peer.remote_ip,
                peer.local_ip,
                peer.local_name,
                peer.certificate_name,
                request.client_id,
                "tls" if peer.tls else "trusted" if peer.trusted else "",
            )
        ).encode(errors="surrogatepass")
        data = b"%d:%b%b" % (len(names), names, credentials.password.reveal())
        return hashlib.blake2b(data, key=self.secret, digest_size=24).digest()

    def get(self, key: bytes, versions: Hashable) -> AuthResult | None:
        entry = self.entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        if entry.expires <= self.clock() or entry.versions != versions:
            self._drop(key)
            self.misses += 1
            return None
        self.entries.move_to_end(key)
        self.hits += 1
        return entry.result

    def put(self, key: bytes, versions: Hashable, result: AuthResult) -> None:
        ttl = self.ttl if result.ok else self.negative_ttl if result.failure in _CACHED_FAILURES else 0
        size = _size(result)
        if ttl <= 0 or size > self.size:
            return
        if key in self.entries:
            self._drop(key)
        self.entries[key] = _Entry(result, versions, self.clock() + ttl, size)
        self.used += size
        while self.used > self.size:
            self._drop(next(iter(self.entries)))

    def flush(self) -> int:
        """Forget everything (`doveadm auth cache flush`); the number of entries dropped."""
        dropped = len(self.entries)
        self.entries.clear()
        self.used = 0
        return dropped

    def _drop(self, key: bytes) -> None:
        self.used -= self.entries.pop(key).size


def open_cache(settings: AuthSettings, clock: Callable[[], float]) -> AuthCache | None:
    """The cache, or None where `auth_cache_size` is 0."""
    if not settings.cache_size:
        return None
    return AuthCache(settings.cache_size, settings.cache_ttl, settings.cache_negative_ttl, clock)
