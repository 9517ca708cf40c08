"""LANGUAGE (RFC 5255 §3): in which language the texts for people are."""

from typing import TYPE_CHECKING, Final

from doocot.imap.command import No, Ok, Result, State, command
from doocot.imap.languages import DEFAULT, LANGUAGES
from doocot.imap.namespace import namespaces, translated
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.respond import astring

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

MAX_RANGES: Final = 100


def parse_ranges(c: Cursor) -> list[bytes]:
    """`language-cmd = "LANGUAGE" *(SP lang-range-quoted)` (RFC 5255 §3.5)."""
    ranges = []
    while c.try_sp() and not c.at_end():
        ranges.append(c.astring().lower())
        if len(ranges) > MAX_RANGES:
            raise BadSyntax(f"there are more than {MAX_RANGES} language ranges", c.position)
    return ranges


@command("LANGUAGE", state=State.ANY, parse=parse_ranges)
def language(session: "ImapSession", ranges: list[bytes], by_uid: bool) -> Result:
    """Without a range it tells the languages; with some, the first that is spoken is, from the answer on."""
    if not ranges:
        return Ok(b"Language completed.", data=_response(*LANGUAGES))
    chosen = next(filter(None, map(_matching, ranges)), None)
    if chosen is None:
        raise No(b"Unsupported language")
    before, session.language = session.language, chosen
    data = _response(chosen)
    if session.mail is not None and translated(session, before) != translated(session, chosen):
        data += namespaces(session)
    return Ok(b"Language completed.", data=data)


def _matching(language_range: bytes) -> bytes | None:
    """RFC 4647 §3.4: the range itself or the longest beginning of it, `de-AT` finds `de`."""
    if language_range in (b"default", b"*"):
        return DEFAULT
    while language_range and language_range not in LANGUAGES:
        language_range = language_range.rpartition(b"-")[0]
    return language_range or None


def _response(*tags: bytes) -> bytes:
    return b"* LANGUAGE (%b)\r\n" % b" ".join(map(astring, tags))
