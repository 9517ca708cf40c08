"""The one error of the house: what a store, a feature or a delivery refuses, in words that every protocol maps by one
table.

The kinds are the response codes of RFC 5530 (and RFC 3501, 4315, 7162 where those name the same thing); each protocol
package holds one table from kind to its own code.
"""

from enum import Enum


class Kind(Enum):
    """Why something was refused (RFC 5530 §3 unless said)."""

    UNAVAILABLE = "UNAVAILABLE"  # a subsystem is down for the moment
    AUTHENTICATION_FAILED = "AUTHENTICATIONFAILED"
    AUTHORIZATION_FAILED = "AUTHORIZATIONFAILED"
    EXPIRED = "EXPIRED"
    PRIVACY_REQUIRED = "PRIVACYREQUIRED"
    CONTACT_ADMIN = "CONTACTADMIN"
    NO_PERM = "NOPERM"
    IN_USE = "INUSE"
    EXPUNGE_ISSUED = "EXPUNGEISSUED"
    CORRUPTION = "CORRUPTION"
    SERVER_BUG = "SERVERBUG"
    CLIENT_BUG = "CLIENTBUG"
    CANNOT = "CANNOT"
    LIMIT = "LIMIT"
    OVER_QUOTA = "OVERQUOTA"
    ALREADY_EXISTS = "ALREADYEXISTS"
    NON_EXISTENT = "NONEXISTENT"
    TRY_CREATE = "TRYCREATE"  # RFC 3501 §7.1
    TOO_BIG = "TOOBIG"  # RFC 4469 §4.1
    BAD_CHARSET = "BADCHARSET"  # RFC 3501 §7.1
    UNKNOWN_CTE = "UNKNOWN-CTE"  # RFC 3516 §4.3
    NOT_SAVED = "NOTSAVED"  # RFC 5182 §2.1
    PARSE = "PARSE"  # RFC 3501 §7.1


class MailError(Exception):
    """A refusal. `text` is a fixed sentence for the client; `detail` (path, system error) goes to the log only."""

    def __init__(self, kind: Kind, text: str, detail: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.detail = detail
