"""What authentication needs to know of the configuration, as frozen values; the names are Dovecot 2.3's."""

from dataclasses import dataclass, field
from enum import Enum

from doocot.config.sections import PassDb, UserDb
from doocot.config.settings import Settings


class SettingsError(Exception):
    """A passdb, userdb or auth setting cannot be used; the text says which and what to write instead."""


class Rule(Enum):
    """What happens after a database answered: `result_success`, `result_failure` and `result_internalfail`."""

    RETURN_OK = "return-ok"
    RETURN_FAIL = "return-fail"
    RETURN = "return"
    CONTINUE_OK = "continue-ok"
    CONTINUE_FAIL = "continue-fail"
    CONTINUE = "continue"


class Skip(Enum):
    """When a database is passed over: passdbs know the first three values, userdbs `never`, `found` and `notfound`."""

    NEVER = "never"
    AUTHENTICATED = "authenticated"
    UNAUTHENTICATED = "unauthenticated"
    FOUND = "found"
    NOT_FOUND = "notfound"


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """One `passdb { }` or `userdb { }` section."""

    driver: str
    args: str = field(default="", repr=False)  # may hold passwords
    default_fields: str = ""
    override_fields: str = ""
    mechanisms: tuple[str, ...] = ()
    username_filter: tuple[str, ...] = ()
    skip: Skip = Skip.NEVER
    result_success: Rule = Rule.RETURN_OK
    result_failure: Rule = Rule.CONTINUE
    result_internalfail: Rule = Rule.CONTINUE
    deny: bool = False
    continue_after_success: bool = False  # the setting `pass`
    master: bool = False
    where: str = ""  # file:line of the section, for messages


USERNAME_CHARS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890.-_@"


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """The `auth_*` settings, with Dovecot's defaults."""

    mechanisms: tuple[str, ...] = ("PLAIN",)
    disable_plaintext_auth: bool = True
    ssl_required: bool = False
    username_chars: str = USERNAME_CHARS
    username_translation: str = ""
    username_format: str = "%Lu"
    default_realm: str = ""
    realms: tuple[str, ...] = ()
    master_user_separator: str = ""
    cache_size: int = 0  # bytes; 0 is off
    cache_ttl: float = 3600.0
    cache_negative_ttl: float = 3600.0
    failure_delay: float = 2.0
    passdbs: tuple[DatabaseSettings, ...] = ()
    userdbs: tuple[DatabaseSettings, ...] = field(default=())


def from_config(config: Settings) -> AuthSettings:
    """The auth part of the effective settings, typed; the words of enumerations were checked when they were loaded."""
    return AuthSettings(
        mechanisms=tuple(name.upper() for name in config.auth_mechanisms),
        disable_plaintext_auth=config.disable_plaintext_auth,
        ssl_required=config.ssl == "required",
        username_chars=config.auth_username_chars,
        username_translation=config.auth_username_translation,
        username_format=config.auth_username_format,
        default_realm=config.auth_default_realm,
        realms=tuple(config.auth_realms),
        master_user_separator=config.auth_master_user_separator,
        cache_size=config.auth_cache_size,
        cache_ttl=config.auth_cache_ttl,
        cache_negative_ttl=config.auth_cache_negative_ttl,
        failure_delay=config.auth_failure_delay,
        passdbs=tuple(_passdb(section, number) for number, section in enumerate(config.passdbs, 1)),
        userdbs=tuple(_userdb(section, number) for number, section in enumerate(config.userdbs, 1)),
    )


def _passdb(section: PassDb, number: int) -> DatabaseSettings:
    return DatabaseSettings(
        driver=section.driver,
        args=section.args,
        default_fields=section.default_fields,
        override_fields=section.override_fields,
        mechanisms=section.mechanisms,
        username_filter=tuple(section.username_filter.split()),
        skip=Skip(section.skip),
        result_success=Rule(section.result_success),
        result_failure=Rule(section.result_failure),
        result_internalfail=Rule(section.result_internalfail),
        deny=section.deny,
        continue_after_success=section.pass_,
        master=section.master,
        where=f"passdb {section.name or section.driver} (number {number})",
    )


def _userdb(section: UserDb, number: int) -> DatabaseSettings:
    return DatabaseSettings(
        driver=section.driver,
        args=section.args,
        default_fields=section.default_fields,
        override_fields=section.override_fields,
        skip=Skip(section.skip),
        result_success=Rule(section.result_success),
        result_failure=Rule(section.result_failure),
        result_internalfail=Rule(section.result_internalfail),
        where=f"userdb {section.name or section.driver} (number {number})",
    )
