"""Whom processes run as: numbers of users and groups, from their names in the settings."""

import grp
import os
import pwd
from dataclasses import dataclass

from doocot.config.settings import Settings


class PlanError(Exception):
    """The settings cannot be carried out; says which one, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the workers run as; -1 keeps what is."""

    uid: int = -1
    gid: int = -1


def identity(settings: Settings) -> Identity:
    """Whom the workers run as: `mail_uid`, else the `uid=` of a static user database; as root one of them is needed."""
    if os.geteuid() != 0:
        return Identity()
    user, group = settings.mail_uid, settings.mail_gid
    for userdb in settings.userdbs:
        if userdb.driver == "static" and not user:
            fields = dict(field.split("=", 1) for field in userdb.args.split() if "=" in field)
            user, group = fields.get("uid", ""), group or fields.get("gid", "")
    if not user:
        return Identity()
    uid = user_id(user, "mail_uid")
    if uid == 0:
        raise PlanError(f"mail_uid = {user}: mail is never handled as root, name another user")
    gid = group_id(group, "mail_gid") if group else primary_group(uid)
    return Identity(uid, gid)


def user_id(text: str, setting: str) -> int:
    """The number of a user."""
    if text.isdigit():
        return int(text)
    try:
        return pwd.getpwnam(text).pw_uid
    except KeyError:
        raise PlanError(f"{setting} = {text}: there is no such user") from None


def group_id(text: str, setting: str) -> int:
    """The number of a group."""
    if text.isdigit():
        return int(text)
    try:
        return grp.getgrnam(text).gr_gid
    except KeyError:
        raise PlanError(f"{setting} = {text}: there is no such group") from None


def primary_group(uid: int) -> int:
    """The group of a user, or of the same number where the system does not know him."""
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return uid
