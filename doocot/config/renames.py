"""Names of other versions: settings of Dovecot 1.x and early 2.x that doveconf still takes, and those of 2.4.

A 2.4 file begins with `dovecot_config_version`; its names are translated where 2.3 has the same thing under another
one. What has no counterpart is an error with its line, never silently dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from doocot.config.grammar import Form

VERSION_SETTING = "dovecot_config_version"


@dataclass(frozen=True, slots=True)
class Renamed:
    """Read another setting in the place of this one."""

    path: tuple[str, ...]
    text: str
    note: str
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """A setting that no longer does anything."""

    note: str


_OLD: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "doveadm_proxy_port": ("doveadm_port",),
        "auth_chroot": ("service", "auth", "chroot"),
        "auth_executable": ("service", "auth", "executable"),
        "auth_user": ("service", "auth", "user"),
        "auth_worker_max_request_count": ("service", "auth-worker", "service_count"),
        "imap_zlib_compress_level": ("plugin", "imap_compress_deflate_level"),
    }
)
_OLD_FILES = MappingProxyType({f"{name}_file": name for name in ("ssl_ca", "ssl_cert", "ssl_key")})
_GONE = frozenset(
    {
        "auth_count",
        "dbox_rotate_days",
        "dbox_rotate_min_size",
        "director_consistent_hashing",
        "login_dir",
        "mail_log_max_lines_per_sec",
        "maildir_copy_preserve_filename",
        "ssl_dh_parameters_length",
        "ssl_parameters_regenerate",
    }
)


def obsolete(section: str, key: str, text: str) -> Renamed | Removed | None:
    """What a name that the table does not have meant in an older version; None when nothing is known of it."""
    if section == "namespace" and key == "mail_location":
        return Renamed(("location",), text, "mail_location in a namespace is called location")
    if section:
        return None
    if key in _OLD_FILES:
        name = _OLD_FILES[key]
        return Renamed((name,), text, f"{key} has been replaced by {name} = <file", Form.FILE)
    if key in _OLD:
        path = _OLD[key]
        shown = path[0] if len(path) == 1 else f"{' '.join(path[:-1])} {{ {path[-1]} }}"
        return Renamed(path, text, f"{key} has been replaced by {shown}")
    if key in _GONE:
        return Removed(f"{key} has been removed and does nothing: delete the line")
    return None
