"""crypt(3) of libxcrypt through ctypes, in the re-entrant form (`crypt_rn`); the GIL is free while it hashes."""

import ctypes
import ctypes.util
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

# sizeof(struct crypt_data) of libxcrypt is 32768 and of glibc's own libcrypt 131232; the larger serves both.
_STATE_SIZE = 131232
_OUTPUT_SIZE = 192  # CRYPT_GENSALT_OUTPUT_SIZE


class CryptMissing(Exception):
    """libcrypt is not on this machine, or does not know a method."""


class _Library(NamedTuple):
    crypt_rn: Callable[..., bytes | None]
    gensalt_rn: Callable[..., bytes | None]


@lru_cache(maxsize=1)
def _library() -> _Library:
    name = ctypes.util.find_library("crypt") or "libcrypt.so.1"
    try:
        library = ctypes.CDLL(name)
        crypt_rn, gensalt_rn = library.crypt_rn, library.crypt_gensalt_rn
    except (OSError, AttributeError) as error:
        raise CryptMissing(f"libcrypt with crypt_rn is missing ({error}); install libcrypt1") from error
    crypt_rn.restype = ctypes.c_char_p
    crypt_rn.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]
    gensalt_rn.restype = ctypes.c_char_p
    gensalt_rn.argtypes = [
        ctypes.c_char_p,
        ctypes.c_ulong,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
    ]
    return _Library(crypt_rn, gensalt_rn)


def crypt(password: bytes, setting: bytes) -> bytes | None:
    """Hash `password` as `setting` (a salt or a whole stored hash) says; None when libcrypt refuses the setting."""
    if b"\0" in password or b"\0" in setting:
        return None  # crypt(3) would stop at the NUL and compare less than was given
    state = ctypes.create_string_buffer(_STATE_SIZE)
    result: bytes | None = _library().crypt_rn(password, setting, state, _STATE_SIZE)
    if result is None or result.startswith(b"*"):
        return None
    return result


def salt(prefix: bytes, rounds: int = 0) -> bytes:
    """A new random setting for the method of `prefix` (`$6$`, `$y$`, `$2y$` ... or empty for DES)."""
    output = ctypes.create_string_buffer(_OUTPUT_SIZE)
    result: bytes | None = _library().gensalt_rn(prefix, rounds, None, 0, output, _OUTPUT_SIZE)
    if result is None or result.startswith(b"*"):
        raise CryptMissing(f"libcrypt cannot make {prefix.decode()} hashes with {rounds} rounds")
    return result
