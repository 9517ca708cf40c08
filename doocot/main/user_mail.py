"""Where the mail of a user is, from the settings and what the userdb says of him."""

from collections.abc import Mapping

from doocot.auth.types import User
from doocot.config.effective import FieldError, effective
from doocot.config.load import Config, ConfigError
from doocot.config.settings import Settings
from doocot.config.variables import VariableError, expand
from doocot.delivery import deliver
from doocot.errors import Kind, MailError
from doocot.mailbox.location import Owner, parse_location
from doocot.mailbox.namespaces import spaces_of
from doocot.mailbox.roots import Roots
from doocot.mailbox.user import Mail
from doocot.store.disk_errors import disk_errors
from doocot.store.root import Location


def settings_of(config: Config, service: str, user: User) -> Settings:
    """The settings that hold for this user; his userdb fields override. Raises MailError for a bad one."""
    try:
        return effective(config, service, userdb_fields=tuple(sorted(user.fields.items())))
    except (FieldError, ConfigError) as error:
        raise MailError(Kind.CONTACT_ADMIN, "Your account is not set up correctly.", f"{user.name}: {error}") from error


def delivery_settings(settings: Settings) -> deliver.Settings:
    """The part of the settings that deliveries know."""
    return deliver.Settings(
        settings.recipient_delimiter,
        settings.lda_mailbox_autocreate,
        settings.lda_mailbox_autosubscribe,
        settings.quota_full_tempfail,
        settings.deliver_log_format,
    )


def open_user_mail(roots: Roots, settings: Settings, user: User) -> Mail:
    """His mail, with the namespaces that his settings give. Raises MailError."""
    location = location_of(settings, user)
    with disk_errors(location.path):
        return Mail(roots, location, roots.acquire(location), spaces=spaces_of(settings.namespaces))


def location_of(settings: Settings, user: User) -> Location:
    """Where his mail is: the userdb's `mail` field, or the setting. Raises MailError."""
    values = variables_of(user)
    try:
        home = user.home or expand(settings.mail_home, values)
        text = user.mail or expand(settings.mail_location, {**values, "h": home, "home": home})
    except VariableError as error:
        raise MailError(Kind.CONTACT_ADMIN, "Your account is not set up correctly.", f"{user.name}: {error}") from error
    return parse_location(text, Owner(user.name, home))


def variables_of(user: User) -> Mapping[str, str]:
    """%u, %n, %d and their long names."""
    name, _, domain = user.name.partition("@")
    return {
        "u": user.name,
        "user": user.name,
        "n": name,
        "username": name,
        "d": domain,
        "domain": domain,
        "h": user.home,
        "home": user.home,
    }
