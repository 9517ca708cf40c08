"""User names as `auth_username_*`, `auth_default_realm` and `auth_master_user_separator` shape them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from doocot.auth.settings import AuthSettings, SettingsError
from doocot.auth.variables import Template, template

MAX_NAME = 1024


class BadName(Exception):
    """A user name that cannot be looked up; the text, for the log, says why."""


@dataclass(frozen=True, slots=True)
class NameRules:
    """The settings, compiled. An empty `allowed` lets all but control characters through."""

    allowed: frozenset[str]
    translation: Mapping[int, str]
    format: Template
    default_realm: str
    separator: str


def name_rules(settings: AuthSettings) -> NameRules:
    pairs = settings.username_translation
    if len(pairs) % 2:
        raise SettingsError(f"auth_username_translation {pairs!r} needs pairs of characters: from, to, from, to")
    return NameRules(
        frozenset(settings.username_chars),
        {ord(old): new for old, new in zip(pairs[::2], pairs[1::2], strict=True)},
        template(settings.username_format or "%u"),
        settings.default_realm,
        settings.master_user_separator[:1],
    )


def name_values(name: str) -> dict[str, str]:
    """%u, %n and %d of a user name."""
    local, _, domain = name.partition("@")
    return {"user": name, "username": local, "domain": domain}


def normal_name(rules: NameRules, name: str) -> str:
    """The name that databases are asked for; BadName when it is empty, too long or has forbidden characters."""
    if not name or len(name) > MAX_NAME:
        raise BadName("empty user name" if not name else f"user name longer than {MAX_NAME} characters")
    if rules.default_realm and "@" not in name:
        name = f"{name}@{rules.default_realm}"
    if rules.translation:
        name = name.translate(rules.translation)
    if rules.allowed:
        bad = set(name) - rules.allowed
    else:
        bad = {c for c in name if c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff"}
    if bad:
        shown = " ".join(f"0x{ord(character):02x}" for character in sorted(bad)[:8])
        raise BadName(f"user name has characters that auth_username_chars does not allow: {shown}")
    name = rules.format(name_values(name))
    if not name:
        raise BadName("user name is empty after auth_username_format")
    return name


def split_master(rules: NameRules, authcid: str, authzid: str) -> tuple[str, str]:
    """(who authenticates, as whom he wants to log in or empty): PLAIN's authzid, or `user*master`."""
    if rules.separator and not authzid:
        login, separator, master = authcid.partition(rules.separator)
        if separator:
            return master, login
    return authcid, "" if authzid == authcid else authzid


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(translate(text.replace("[", "[[]")))


def filter_accepts(patterns: tuple[str, ...], name: str) -> bool:
    """`username_filter`: patterns with * and ?; one after ! refuses; without other patterns everything else passes."""
    included = False
    any_include = False
    for pattern in patterns:
        exclude = pattern.startswith("!")
        any_include = any_include or not exclude
        if _pattern(pattern[1:] if exclude else pattern).match(name):
            if exclude:
                return False
            included = True
    return included or not any_include


@lru_cache(maxsize=1024)
def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """`allow_nets`: networks separated by commas; ValueError for what is none."""
    words = (word.strip() for word in text.split(","))
    return tuple(ip_network(word, strict=False) for word in words if word and word != "local")


def address_allowed(allow_nets: str, address: str) -> bool:
    """Whether `address` is in `allow_nets`; `local` there stands for a connection without an address (Unix socket)."""
    if not address:
        return "local" in [word.strip() for word in allow_nets.split(",")]
    ip = ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return any((mapped or ip) in network for network in networks(allow_nets))
