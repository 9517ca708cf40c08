"""Password schemes: `{SCHEME}hash` made and verified, one declared row each, with Dovecot's names and encodings."""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

from doocot.auth import digests, libcrypt


class SchemeError(Exception):
    """A stored password cannot be used: unknown scheme or damaged hash. The text names the scheme, never the hash."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """One row: how a password is hashed and checked.

    `make(password, user, rounds)` and `verify(password, user, stored)` deal in raw bytes; `encoding` is how those bytes
    are written when the name carries no `.b64` or `.hex`. A `cheap` scheme is verified on the event loop.
    """

    name: str
    make: Callable[[bytes, str, int], bytes]
    verify: Callable[[bytes, str, bytes], bool]
    encoding: str = ""
    raw_length: int = 0  # of unsalted digests: lets hex and base64 be told apart
    cheap: bool = False
    rounds: tuple[int, int] | None = None


def _same(password: bytes, user: str, stored: bytes) -> bool:
    return hmac.compare_digest(password, stored)


def _as_is(password: bytes, user: str, rounds: int) -> bytes:
    return password


def _plain(name: str) -> Scheme:
    return Scheme(name, _as_is, _same, cheap=True)


def _make_truncated(password: bytes, user: str, rounds: int) -> bytes:
    return b"%d-%b" % (len(password), password)


def _verify_truncated(password: bytes, user: str, stored: bytes) -> bool:
    """`N-password`: where N is the length of what follows, only so much was known when the account was made."""
    digits, dash, known = stored.partition(b"-")
    if not dash or not digits.isdigit() or len(digits) > 5:
        raise SchemeError("a PLAIN-TRUNC password lacks the length before it; write {PLAIN-TRUNC}8-password")
    if known and len(known) == int(digits):  # `0-` must not accept every password
        password = password[: len(known)]
    return hmac.compare_digest(password, known)


def _make_crypt(prefix: bytes, default_rounds: int, password: bytes, user: str, rounds: int) -> bytes:
    made = libcrypt.crypt(password, libcrypt.salt(prefix, rounds or default_rounds))
    if made is None:
        raise SchemeError("the password contains a NUL byte or is too long for crypt(3)")
    return made


def _verify_crypt(prefixes: tuple[bytes, ...], password: bytes, user: str, stored: bytes) -> bool:
    if not stored.startswith(prefixes):
        return False
    if stored.startswith((b"$2y$", b"$2a$", b"$2b$")):
        password = password[:72]  # bcrypt never used more; libxcrypt agrees, newer bcrypt modules refuse instead
    made = libcrypt.crypt(password, stored)
    return made is not None and hmac.compare_digest(made, stored)


def _crypt(name: str, prefix: bytes, rounds: tuple[int, int] | None, default: int, *others: bytes) -> Scheme:
    return Scheme(name, partial(_make_crypt, prefix, default), partial(_verify_crypt, (prefix, *others)), rounds=rounds)


def _digest(name: str, algorithm: str, length: int, encoding: str = "b64") -> Scheme:
    return Scheme(
        name,
        lambda password, user, rounds: digests.plain_digest(algorithm, password),
        lambda password, user, stored: hmac.compare_digest(digests.plain_digest(algorithm, password), stored),
        encoding,
        raw_length=length,
        cheap=True,
    )


def _salted(name: str, algorithm: str) -> Scheme:
    return Scheme(
        name,
        lambda password, user, rounds: digests.make_salted(algorithm, password),
        lambda password, user, stored: digests.verify_salted(algorithm, password, stored),
        "b64",
        cheap=True,
    )


def _scram(name: str, algorithm: str) -> Scheme:
    return Scheme(
        name,
        lambda password, user, rounds: digests.make_scram(algorithm, password, rounds or 4096).encode(),
        lambda password, user, stored: digests.verify_scram(algorithm, password, stored),
        rounds=(4096, digests.MAX_ITERATIONS),
    )


def _make_argon2(kind: str, memory: int, default_rounds: int, password: bytes, user: str, rounds: int) -> bytes:
    # argon2 costs 12 ms to import and most sites do not use it.
    from argon2 import PasswordHasher, Type

    hasher = PasswordHasher(
        time_cost=rounds or default_rounds,
        memory_cost=memory,
        parallelism=1,
        hash_len=32,
        type=Type.ID if kind == "argon2id" else Type.I,
    )
    return hasher.hash(password).encode()


def _verify_argon2(kind: str, password: bytes, user: str, stored: bytes) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError
    from argon2.low_level import Type, verify_secret

    if not stored.startswith(f"${kind}$".encode()):
        return False
    try:
        return verify_secret(stored, password, Type.ID if kind == "argon2id" else Type.I)
    except (VerificationError, InvalidHashError):
        return False


def _argon2(name: str, kind: str, memory: int, rounds: int) -> Scheme:
    make, verify = partial(_make_argon2, kind, memory, rounds), partial(_verify_argon2, kind)
    return Scheme(name, make, verify, rounds=(1, 1000))


# No prefix of its own: DES; `$` and then any method that libcrypt knows, yescrypt (`$y$`) among them.
_ANY = b""

_ROWS = (
    _plain("PLAIN"),
    _plain("CLEAR"),
    _plain("CLEARTEXT"),
    Scheme("PLAIN-TRUNC", _make_truncated, _verify_truncated, cheap=True),
    _crypt("SHA512-CRYPT", b"$6$", (1000, 999_999_999), 5000),
    _crypt("SHA256-CRYPT", b"$5$", (1000, 999_999_999), 5000),
    _crypt("MD5-CRYPT", b"$1$", None, 0),
    _crypt("MD5", b"$1$", None, 0),
    _crypt("BLF-CRYPT", b"$2y$", (4, 31), 5, b"$2a$", b"$2b$"),
    _crypt("DES-CRYPT", _ANY, None, 0),
    Scheme("CRYPT", partial(_make_crypt, b"$2y$", 5), partial(_verify_crypt, (_ANY,)), rounds=(4, 31)),
    _argon2("ARGON2ID", "argon2id", 65536, 3),
    _argon2("ARGON2I", "argon2i", 32768, 4),
    Scheme(
        "PBKDF2",
        lambda password, user, rounds: digests.make_pbkdf2(password, rounds or digests.PBKDF2_ROUNDS).encode(),
        lambda password, user, stored: digests.verify_pbkdf2(password, stored),
        rounds=(1, digests.MAX_ITERATIONS),
    ),
    _digest("SHA", "sha1", 20),
    _digest("SHA1", "sha1", 20),
    _digest("SHA256", "sha256", 32),
    _digest("SHA512", "sha512", 64),
    _digest("LDAP-MD5", "md5", 16),
    _digest("PLAIN-MD5", "md5", 16, "hex"),
    Scheme(
        "DIGEST-MD5",
        lambda password, user, rounds: digests.digest_md5(user, password),
        lambda password, user, stored: hmac.compare_digest(digests.digest_md5(user, password), stored),
        "hex",
        raw_length=16,
        cheap=True,
    ),
    _salted("SSHA", "sha1"),
    _salted("SSHA256", "sha256"),
    _salted("SSHA512", "sha512"),
    _salted("SMD5", "md5"),
    _scram("SCRAM-SHA-1", "sha1"),
    _scram("SCRAM-SHA-256", "sha256"),
)
SCHEMES: Mapping[str, Scheme] = {row.name: row for row in _ROWS}
ENCODINGS: Mapping[str, str] = {"B64": "b64", "BASE64": "b64", "HEX": "hex"}


def _named(name: str) -> tuple[Scheme, str]:
    """The row and the encoding that `SCHEME` or `SCHEME.b64` names."""
    base, dot, suffix = name.upper().partition(".")
    scheme = SCHEMES.get(base)
    encoding = ENCODINGS.get(suffix) if dot else ""
    if scheme is None or encoding is None:
        raise SchemeError(f"unknown password scheme {name[:40]!r}; `doocot pw -l` lists them")
    return scheme, encoding


@lru_cache(maxsize=1024)
def _row(name: str) -> tuple[Scheme, str]:
    return _named(name)


def split(stored: str, default_scheme: str) -> tuple[str, str]:
    """`{SCHEME}hash` as (SCHEME, hash); without braces the default scheme, except that `$1$` is always MD5-CRYPT."""
    if stored.startswith("{"):
        end = stored.find("}")
        if end > 0:
            return stored[1:end], stored[end + 1 :]
    if stored.startswith("$1$"):
        return "MD5-CRYPT", stored
    return default_scheme, stored


def _decode(scheme: Scheme, encoding: str, text: str) -> bytes:
    stored = text.encode()
    if not encoding:
        encoding = scheme.encoding
        if scheme.raw_length:  # digests of a fixed length show by their own length how they are written
            encoding = "hex" if len(stored) == scheme.raw_length * 2 else "b64"
    try:
        if encoding == "hex":
            return bytes.fromhex(text)
        if encoding == "b64":
            return base64.b64decode(stored, validate=True)
    except (ValueError, binascii.Error) as error:
        raise SchemeError(f"a {scheme.name} password is not valid {encoding}") from error
    return stored


def is_cheap(stored: str, default_scheme: str) -> bool:
    """True when verifying costs microseconds, so that it needs no thread. An unknown scheme is cheap: it only fails."""
    try:
        return _row(split(stored, default_scheme)[0])[0].cheap
    except SchemeError:
        return True


def verify(stored: str, password: bytes, default_scheme: str = "PLAIN", user: str = "") -> bool:
    """Check `password` in time that does not depend on where it differs; SchemeError when `stored` cannot be used."""
    name, text = split(stored, default_scheme)
    scheme, encoding = _row(name)
    try:
        return scheme.verify(password, user, _decode(scheme, encoding, text))
    except binascii.Error as error:
        raise SchemeError(f"a {scheme.name} password is damaged") from error


def make(name: str, password: bytes, rounds: int = 0, user: str = "") -> str:
    """Hash `password` as `{SCHEME}hash`; `rounds` 0 is the scheme's own default."""
    scheme, encoding = _named(name)
    if rounds and (scheme.rounds is None or not scheme.rounds[0] <= rounds <= scheme.rounds[1]):
        allowed = f"{scheme.rounds[0]} to {scheme.rounds[1]}" if scheme.rounds else "no"
        raise SchemeError(f"{scheme.name} takes {allowed} rounds, not {rounds}")
    raw = scheme.make(password, user, rounds)
    encoding = encoding or scheme.encoding
    if encoding == "hex":
        text = raw.hex()
    elif encoding == "b64":
        text = base64.b64encode(raw).decode()
    else:
        text = raw.decode(errors="surrogateescape")
    return f"{{{name.upper() if '.' not in name else name}}}{text}"
