"""IMAP URLs (RFC 5092), with URLAUTH (RFC 4467 §5) and relative references (RFC 3986 §5), between text and value.

    imapurl      = "imap://" iserver ["/" [imailbox-ref ["?" enc-search] / imessagepart [iurlauth]]]
    iserver      = [iuserinfo "@"] host [":" port]
    imessagepart = enc-mailbox [";UIDVALIDITY=" nz-number] "/;UID=" nz-number
                   ["/;SECTION=" enc-section] ["/;PARTIAL=" number ["." nz-number]]
    iurlauth     = [";EXPIRE=" date-time] ";URLAUTH=" access [":" uauth-mechanism ":" enc-urlauth]

What is percent-encoded is UTF-8. Words like UID may be in any case. A value that `format_url` wrote is read back the
same by `parse_url`.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, unquote_to_bytes

_ACHAR: Final = r"(?:[A-Za-z0-9\-._~!$'()*+,&=]|%[0-9A-Fa-f]{2})"
_BCHAR: Final = r"(?:[A-Za-z0-9\-._~!$'()*+,&=:@/]|%[0-9A-Fa-f]{2})"
_SAFE: Final = "-._~!$'()*+,&="
_SERVER: Final = re.compile(
    rf"//(?:(?P<user>{_ACHAR}+)?(?:;AUTH=(?P<auth>{_ACHAR}+))?(?P<at>@))?"
    rf"(?P<host>\[[0-9A-Fa-f:.]+\]|{_ACHAR}+)(?::(?P<port>[0-9]{{0,5}}))?(?=/|\?|\Z)",
    re.IGNORECASE,
)
_PATH: Final = re.compile(
    rf"(?P<mailbox>{_BCHAR}*)(?:;UIDVALIDITY=(?P<validity>[0-9]+)/?)?"
    rf"(?:;UID=(?P<uid>[0-9]+)(?:/;SECTION=(?P<section>{_BCHAR}+?))?"
    r"(?:/;PARTIAL=(?P<offset>[0-9]+)(?:\.(?P<length>[0-9]+))?)?/?)?"
    r"(?P<urlauth>(?:;EXPIRE=(?P<expire>[0-9T:.+\-Z]+))?"
    rf";URLAUTH=(?P<access>[A-Za-z0-9.\-]+)(?:\+(?P<access_user>{_ACHAR}+))?"
    r"(?::(?P<mechanism>[A-Za-z0-9.\-]+):(?P<token>(?:[0-9A-Fa-f]{2}){16,}))?)?",
    re.IGNORECASE,
)
_SEARCH: Final = re.compile(rf"(?:{_BCHAR}|\?)+")
_DATE_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:)([0-9]{2})(?:\.[0-9]+)?(Z|[+\-][0-9]{2}:[0-9]{2})"
)
_RUMP: Final = re.compile(r".*;URLAUTH=[^:]*", re.IGNORECASE | re.DOTALL)
_ADDRESS: Final = re.compile(r"\[[0-9A-Fa-f:.]+\]")
_CONTROL: Final = re.compile(r"[\0\r\n]")


class BadUrl(Exception):
    """What is no IMAP URL: a short sentence for the client."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True)
class UrlAuth:
    """Who may use the URL (`submit+user`, `user+user`, `authuser`, `anonymous`), until when (seconds since 1970).

    `mechanism` and `token` are empty in a rump, which is what a client asks a token for (RFC 4467 §7).
    """

    access: str
    access_user: str | None = None
    expire: int | None = None
    mechanism: str = ""
    token: bytes = b""


@dataclass(frozen=True, slots=True)
class ImapUrl:
    """A URL, its values decoded; `host` empty stands for the server that is spoken to.

    `uid` 0: it names a mailbox, with `search` the messages found there. `partial` is an offset and, where one is given,
    a length.
    """

    host: str = ""
    port: int | None = None
    user: str | None = None
    auth: str | None = None
    mailbox: str = ""
    uid_validity: int = 0
    search: str | None = None
    uid: int = 0
    section: str = ""
    partial: tuple[int, int | None] | None = None
    urlauth: UrlAuth | None = None


def parse_url(encoded: bytes, base: ImapUrl | None = None) -> ImapUrl:
    """The URL; a relative one is taken relative to `base`, without which it must be absolute. Raises BadUrl."""
    try:
        text = encoded.decode("ascii")
    except UnicodeDecodeError:
        raise BadUrl("A URL has no 8-bit characters") from None
    if text[:5].lower() == "imap:" and text[5:7] == "//":
        return _after_server(text[5:])
    if base is None:
        raise BadUrl("An absolute IMAP URL was expected")
    if text.startswith("//"):
        return _after_server(text)
    server = ImapUrl(base.host, base.port, base.user, base.auth)
    if text.startswith("/"):
        return _on(server, text)
    if not text:
        return base
    before = _path(base) + ("/" if base.mailbox and not base.uid else "")
    # A mailbox is a folder for what is relative to it: `;UID=3` is a message in it (RFC 5092 §7).
    before = before.partition("?")[0]
    return _on(server, before + text if text.startswith("?") else before[: before.rfind("/") + 1] + text)


def _after_server(text: str) -> ImapUrl:
    found = _SERVER.match(text)
    if found is None or (found["at"] and not (found["user"] or found["auth"])):
        raise BadUrl("The server of the IMAP URL is malformed")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 1 << 16:
        raise BadUrl("There is no such port")
    user = None if found["user"] is None else _decoded(found["user"])
    auth = None if found["auth"] is None else _decoded(found["auth"])
    return _on(ImapUrl(_decoded(found["host"]), port, user, auth), text[found.end() :])


def _on(server: ImapUrl, path: str) -> ImapUrl:
    """What the path names on this server."""
    path, question, search = path.partition("?")
    found = _PATH.fullmatch(_without_dots(path))
    if found is None:
        raise BadUrl("The path of the IMAP URL is malformed")
    mailbox = _decoded(found["mailbox"].strip("/"))
    if not mailbox and (found["uid"] or found["validity"] or question):
        raise BadUrl("The IMAP URL names no mailbox")
    if found["uid"] and question:
        raise BadUrl("A message is not searched for by an IMAP URL")
    if question and not _SEARCH.fullmatch(search):
        raise BadUrl("The search of the IMAP URL is malformed")
    if found["urlauth"] and not (found["uid"] and server.host):
        raise BadUrl("URLAUTH stands at the end of an absolute URL of a message")
    partial = None
    if found["offset"] is not None:
        partial = (_number(found["offset"], 0), None if found["length"] is None else _number(found["length"], 1))
    return replace(
        server,
        mailbox=mailbox,
        uid_validity=0 if found["validity"] is None else _number(found["validity"], 1),
        search=_decoded(search) if question else None,
        uid=0 if found["uid"] is None else _number(found["uid"], 1),
        section=_decoded(found["section"] or ""),
        partial=partial,
        urlauth=_urlauth(found) if found["urlauth"] else None,
    )


def _urlauth(found: re.Match[str]) -> UrlAuth:
    return UrlAuth(
        found["access"].lower(),
        None if found["access_user"] is None else _decoded(found["access_user"]),
        None if found["expire"] is None else _date_time(found["expire"].upper()),
        (found["mechanism"] or "").upper(),
        bytes.fromhex(found["token"] or ""),
    )


def _without_dots(path: str) -> str:
    """The path without `.` and `..` (RFC 3986 §5.2.4)."""
    first, *segments = path.split("/")
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/".join([first, *kept])


def _number(digits: str, least: int) -> int:
    value = int(digits) if len(digits) <= 10 else 1 << 32
    if not least <= value < 1 << 32:
        raise BadUrl("A number of the IMAP URL is out of range")
    return value


def _decoded(encoded: str) -> str:
    try:
        text = unquote_to_bytes(encoded).decode("utf-8")
    except UnicodeDecodeError:
        raise BadUrl("The IMAP URL is not UTF-8") from None
    if _CONTROL.search(text):
        raise BadUrl("The IMAP URL has a control character")
    return text


def _date_time(text: str) -> int:
    """`date-time` (RFC 3339 §5.6): seconds since 1970. A leap second is the one before it."""
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        raise BadUrl("EXPIRE is no date and time like 2026-01-31T23:59:59Z")
    minute, second, zone = found.groups()
    try:
        when = datetime.fromisoformat(minute + min(second, "59") + zone if second == "60" else minute + second + zone)
        return int(when.timestamp())
    except (ValueError, OverflowError):
        raise BadUrl("There is no such EXPIRE date") from None


def rump_of(encoded: bytes) -> bytes:
    """The part of a URL that its token vouches for: up to the access identifier (RFC 4467 §5), octet for octet."""
    found = _RUMP.match(encoded.decode("latin-1"))
    return b"" if found is None else found[0].encode("latin-1")


def format_url(url: ImapUrl) -> bytes:
    """The URL as text; one without `host` begins with the path."""
    if not url.host:
        return _path(url).encode("ascii")
    user = ("" if url.user is None else _encoded(url.user)) + (
        "" if url.auth is None else f";AUTH={_encoded(url.auth)}"
    )
    host = url.host if _ADDRESS.fullmatch(url.host) else _encoded(url.host)
    port = "" if url.port is None else f":{url.port}"
    return f"imap://{user}{'@' if user else ''}{host}{port}{_path(url)}".encode("ascii")


def _path(url: ImapUrl) -> str:
    path = "/" + _encoded_path(url.mailbox)
    if url.uid_validity:
        path += f";UIDVALIDITY={url.uid_validity}"
    if url.search is not None:
        path += "?" + quote(url.search, safe=_SAFE + ":@/?")
    if url.uid:
        path += f"/;UID={url.uid}"
        if url.section:
            path += f"/;SECTION={_encoded_path(url.section)}"
        if url.partial is not None:
            offset, length = url.partial
            path += f"/;PARTIAL={offset}" + ("" if length is None else f".{length}")
    return path + ("" if url.urlauth is None else _format_urlauth(url.urlauth))


def _format_urlauth(urlauth: UrlAuth) -> str:
    expire = ""
    if urlauth.expire is not None:
        expire = f";EXPIRE={datetime.fromtimestamp(urlauth.expire, UTC).isoformat().removesuffix('+00:00')}Z"
    user = "" if urlauth.access_user is None else f"+{_encoded(urlauth.access_user)}"
    verifier = f":{urlauth.mechanism}:{urlauth.token.hex()}" if urlauth.mechanism else ""
    return f"{expire};URLAUTH={urlauth.access}{user}{verifier}"


def _encoded(text: str) -> str:
    return quote(text, safe=_SAFE)


def _encoded_path(text: str) -> str:
    """Slashes as they are, where the segments between them are none that a reader of a URL takes for something else."""
    if all(segment not in ("", ".", "..") for segment in text.split("/")):
        return quote(text, safe=_SAFE + ":@/")
    return quote(text, safe="").replace(".", "%2E")
