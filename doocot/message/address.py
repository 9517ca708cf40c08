"""Parses the address headers of RFC 5322 §3.4 into what ENVELOPE shows; a broken address is shown, never an error.

Plain `Name <local@domain>` addresses, nearly all there are, are read by one regular expression and remembered; anything
else goes through the grammar with Dovecot's ways of naming what is missing (MISSING_MAILBOX, MISSING_DOMAIN,
SYNTAX_ERROR, INVALID_ROUTE).
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from doocot.message.charset import header_key
from doocot.message.memo import LONGEST, remembered
from doocot.message.quote import phrase, unfolded
from doocot.message.tokens import ATEXT, BROKEN, END, MORE, Outcome, Reader


@dataclass(frozen=True, slots=True)
class Address:
    """One `address` of RFC 3501 §7.4.2; a group begins with only `mailbox` set and ends with nothing set."""

    name: bytes | None = None
    route: bytes | None = None
    mailbox: bytes | None = None
    domain: bytes | None = None


@dataclass(slots=True)
class _Draft:
    """An address while it is read."""

    name: bytes | None = None
    route: bytes | None = None
    mailbox: bytes | None = None
    domain: bytes | None = None
    invalid: bool = False

    def finish(self) -> Address:
        return Address(
            self.name,
            self.route,
            b"MISSING_MAILBOX" if self.mailbox is None else self.mailbox,
            self.domain or b"MISSING_DOMAIN",
        )


# A header of nothing but commas would make an ENVELOPE fifty times its size.
MAX_ADDRESSES = 10_000


class Shown(NamedTuple):
    """An address list as it is sent in an ENVELOPE, which may be NIL, and as SEARCH compares it."""

    wire: bytes
    key: bytes


_COMMA = ord(",")
_A = rb"[" + ATEXT.replace(rb"\x80-\xff", b"") + rb"]+"
# Name <local@domain> where nothing needs a decision.
_plain = re.compile(
    rb'[ \t\n]*(?:"([^"\\\0-\x20\x7f-\xff]+(?: [^"\\\0-\x20\x7f-\xff]+)*)"[ \t]*|(%b(?: %b)*)[ \t]*)?'
    rb"<(%b(?:\.%b)*)@(%b(?:\.%b)*)>[ \t]*" % ((_A,) * 6)
).fullmatch
_dot_atom = re.compile(rb"[%b.]+" % ATEXT).fullmatch
_between_commas = re.compile(rb'([^",]*(?:"[^"]*"[^",]*)*)(?:,|\Z)').findall


def shown(value: bytes) -> Shown:
    """The addresses of one header."""
    if _COMMA not in value:
        return _plain_shown(value) or _any_shown(value)
    # A comma between quotes leaves a piece with one quote, which is not plain.
    if found := _plain_list(value.split(b",")):
        return found
    if b'"' not in value or b"\\" in value or value.count(b'"') & 1:
        return _any_shown(value)
    return _plain_list(_between_commas(value)[:-1]) or _any_shown(value)


def _plain_list(pieces: list[bytes]) -> Shown | None:
    wires, keys = list[bytes](), list[bytes]()
    for piece in pieces:
        if not (one := _plain_shown(piece)):
            return None
        wire, key = one
        wires.append(wire[1:-1])
        keys.append(key)
    return Shown(b"(%b)" % b"".join(wires), b", ".join(keys))


@remembered(8192)
def _plain_shown(piece: bytes) -> Shown | None:
    """One address, None when the grammar has to be asked. People write to the same few people, so most are known."""
    if not (found := _plain(piece)):
        return None
    quoted, atoms, mailbox, domain = found.groups()
    name = quoted or atoms
    if len(piece) > LONGEST or b"=?" in piece:
        return _shown((Address(name, None, mailbox, domain),))
    # What the line above would give: `_plain` lets nothing through that is to be escaped, decoded or cut.
    if name is None:
        return Shown(b'((NIL NIL "%b" "%b"))' % (mailbox, domain), (b"<%b@%b>" % (mailbox, domain)).upper())
    key = b'"%b" <%b@%b>' % (name, mailbox, domain)
    return Shown(b'(("%b" NIL "%b" "%b"))' % (name, mailbox, domain), key.upper())


@remembered(1024)
def _any_shown(value: bytes) -> Shown:
    return _shown(address_list(value))


def written(value: bytes) -> bytes:
    """The addresses of one header in the form in which SEARCH compares them, each as `"Name" <local@domain>`."""
    return _joined(address_list(value))


def _joined(addresses: tuple[Address, ...]) -> bytes:
    return b", ".join([_written(address) for address in addresses])


def _shown(addresses: tuple[Address, ...]) -> Shown:
    key = header_key(_joined(addresses))
    return Shown(b"(%b)" % b"".join(map(_wire, addresses)) if addresses else b"NIL", key)


def _wire(address: Address) -> bytes:
    return b"(%b %b %b %b)" % (
        phrase(address.name),
        unfolded(address.route),
        unfolded(address.mailbox),
        unfolded(address.domain),
    )


def _written(address: Address) -> bytes:
    """The address in one form, whatever the header did: `"Name" <local@domain>`."""
    name, mailbox, domain = address.name, address.mailbox, address.domain
    if domain is None:
        return b";" if mailbox is None else mailbox + b":"
    if mailbox and not _dot_atom(mailbox):
        mailbox = b'"%b"' % mailbox
    spec = b"<%b%b@%b>" % (address.route + b":" if address.route else b"", mailbox or b"", domain)
    if not name:
        return spec
    return b"%b %b" % (name if b"=?" in name else b'"%b"' % name, spec)


def address_list(value: bytes) -> tuple[Address, ...]:
    """`address-list`; empty when there is no address at all."""
    r, out = Reader(value), list[Address]()
    if r.skip_lwsp() is not MORE:
        return ()
    while _address(r, out) is not END:
        if r.peek() != b"," or len(out) >= MAX_ADDRESSES:
            break
        r.pos += 1
        outcome = r.skip_lwsp()
        if outcome is BROKEN:
            out.append(_Draft().finish())  # ends with garbage
        if outcome is not MORE:
            break
    return tuple(out)


def _address(r: Reader, out: list[Address]) -> Outcome:
    """`address = mailbox / group`"""
    start = r.pos
    outcome = _group(r, out)
    if outcome is BROKEN:
        r.pos = start
        outcome = _mailbox(r, out)
    return outcome


def _group(r: Reader, out: list[Address]) -> Outcome:
    """`group = display-name ":" [group-list] ";" [CFWS]`; BROKEN only when this is no group."""
    r.text.clear()
    if r.read_phrase() is not MORE or r.peek() != b":":
        return BROKEN
    name = r.take()
    r.pos += 1
    outcome = r.skip_lwsp()
    out.append(Address(mailbox=name))
    if outcome is MORE and r.peek() != b";":
        while True:
            _mailbox(r, out)
            if r.peek() != b"," or len(out) >= MAX_ADDRESSES:
                break
            r.pos += 1
            if r.skip_lwsp() is not MORE:
                outcome = BROKEN
                break
    if outcome is not BROKEN:
        if r.peek() != b";":
            outcome = BROKEN
        else:
            r.pos += 1
            outcome = r.skip_lwsp()
    out.append(Address())
    return END if outcome is END else MORE


def _mailbox(r: Reader, out: list[Address]) -> Outcome:
    """`mailbox = name-addr / addr-spec`"""
    start, draft = r.pos, _Draft()
    outcome = _name_addr(r, draft)
    if outcome is BROKEN:
        r.pos = start
        outcome = _addr_spec(r, draft)
        if draft.invalid and draft.name is None and draft.mailbox is not None and draft.domain is None:
            draft.name, draft.mailbox = draft.mailbox, None
    out.append(draft.finish())
    return outcome


def _name_addr(r: Reader, draft: _Draft) -> Outcome:
    """`name-addr = [display-name] angle-addr`; BROKEN only when no angle bracket follows the phrase."""
    r.text.clear()
    if r.read_phrase() is not MORE or r.peek() != b"<":
        return BROKEN
    draft.name = r.take() or None
    if _angle_addr(r, draft) is BROKEN:
        draft.domain = b"SYNTAX_ERROR"
        draft.invalid = True
    return r.here()


def _angle_addr(r: Reader, draft: _Draft) -> Outcome:
    """`angle-addr = "<" [obs-route] addr-spec ">"`"""
    r.pos += 1
    if r.skip_lwsp() is not MORE:
        return BROKEN
    if r.peek() == b"@":
        if _route(r, draft) is MORE and r.peek() == b":":
            r.pos += 1
        else:
            draft.route = b"INVALID_ROUTE"
            if r.here() is END:
                return BROKEN
        if r.skip_lwsp() is not MORE:
            return BROKEN
    if r.peek() != b">":
        if _local_part(r, draft) is not MORE:
            return BROKEN
        if r.peek() == b"@" and _domain(r, draft) is not MORE:
            return BROKEN
    if r.peek() != b">":
        return BROKEN
    r.pos += 1
    return r.skip_lwsp()


def _route(r: Reader, draft: _Draft) -> Outcome:
    """`obs-domain-list = *(CFWS / ",") "@" domain *("," [CFWS] ["@" domain])`"""
    r.text.clear()
    while True:
        if r.here() is END:
            return END
        if r.peek() != b"@":
            break
        r.text.append(b",@" if r.text else b"@")
        if (outcome := r.read_domain()) is not MORE:
            return outcome
        while r.skip_lwsp() is MORE and r.peek() == b",":
            r.pos += 1
    draft.route = r.take()
    return MORE


def _local_part(r: Reader, draft: _Draft) -> Outcome:
    """`local-part = dot-atom / quoted-string / obs-local-part`"""
    r.text.clear()
    outcome = r.read_local_part()
    if outcome is not BROKEN:
        draft.mailbox = r.take()
    return outcome


def _domain(r: Reader, draft: _Draft) -> Outcome:
    r.text.clear()
    outcome = r.read_domain()
    if outcome is not BROKEN:
        draft.domain = r.take()
    return outcome


def _addr_spec(r: Reader, draft: _Draft) -> Outcome:
    """`addr-spec = local-part "@" domain`, with the old `local@domain (Name)`; one word alone is a mailbox."""
    r.comment = b""
    quoted = r.peek() == b'"'
    outcome = _local_part(r, draft)
    kept = b"".join(r.text) if outcome is BROKEN else draft.mailbox or b""
    if outcome is not MORE:
        draft.invalid = True
    domain_read = False
    if outcome is not END and r.peek() == b"@":
        domain_read = True
        if (found := _domain(r, draft)) is not MORE:
            outcome = found
    if r.comment:
        draft.name = r.comment
    elif not domain_read:
        r.text = [kept, b" "]
        r.read_phrase()
        if any(r.text[2:]):
            draft.mailbox, draft.name = None, r.take()
        elif not quoted:
            draft.domain = b""
        draft.invalid = True
        outcome = BROKEN
    return outcome
