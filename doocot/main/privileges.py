"""Giving up privileges for good: system user, groups and capabilities(7), but for the few that are named."""

import ctypes
import os
import pwd
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from doocot.main.identity import Identity

CAP_DAC_READ_SEARCH: Final = 2  # read any file and look into any folder; write none
# What the supervisor binds, gives away, reads and starts with: files of others (0 to 3), signals to others (5), other
# ids for what it starts (6, 7), taking capabilities from those (8), ports below 1024 (10), loops that go first (23).
SUPERVISOR: Final = (0, 1, CAP_DAC_READ_SEARCH, 3, 5, 6, 7, 8, 10, 23)

_PR_SET_DUMPABLE: Final = 4
_PR_SET_KEEPCAPS: Final = 8
_PR_CAPBSET_READ: Final = 23
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_VERSION_3: Final = 0x20080522  # two words for each set, so 64 capabilities
_MOST: Final = 64


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Word(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def become(identity: Identity, keep: Iterable[int] = ()) -> None:
    """Go on as this user, with those of the capabilities in `keep` that root has here, and never with more.

    As another user than root that is nothing but closing the process to debuggers: there is nothing to give up.
    """
    wanted = set(keep)
    if os.geteuid() == 0:
        _bound(wanted)
        if identity.uid > 0:
            _prctl(_PR_SET_KEEPCAPS, 1)
            os.setgroups(_groups(identity))
            os.setresgid(identity.gid, identity.gid, identity.gid)
            os.setresuid(identity.uid, identity.uid, identity.uid)
        _keep_only(wanted)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)


def limit(keep: Iterable[int]) -> None:
    """Stay root, with none but these capabilities, for this process and for all that it starts."""
    if os.geteuid() == 0:
        _bound(set(keep))
        _keep_only(set(keep))


def _bound(wanted: set[int]) -> None:
    for capability in range(_MOST):
        if capability not in wanted and _prctl(_PR_CAPBSET_READ, capability) == 1:
            _prctl(_PR_CAPBSET_DROP, capability)


def _groups(identity: Identity) -> list[int]:
    """Those that /etc/group gives the user."""
    try:
        name = pwd.getpwuid(identity.uid).pw_name
    except KeyError:
        return [identity.gid]
    return os.getgrouplist(name, identity.gid)


def _keep_only(wanted: set[int]) -> None:
    header, words = _Header(_VERSION_3, 0), (_Word * 2)()
    _checked(_libc().capget(ctypes.byref(header), words))
    for number, word in enumerate(words):
        kept = word.permitted & sum(1 << (each - 32 * number) for each in wanted if each // 32 == number)
        word.effective, word.permitted, word.inheritable = kept, kept, 0
    _checked(_libc().capset(ctypes.byref(header), words))


def _prctl(option: int, value: int) -> int:
    result: int = _libc().prctl(option, ctypes.c_ulong(value), *(ctypes.c_ulong(0),) * 3)
    return result


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@lru_cache(maxsize=1)
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
