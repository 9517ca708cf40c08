"""The PROXY protocol header, versions 1 and 2: who the client of a proxy is (HAProxy, proxy-protocol.txt §2).

`header_length` says how many bytes the header takes, so that not one byte behind it is read with it: a TLS handshake
may follow at once. `parse_header` reads it.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct
from typing import Final

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"  # §2.2
MAX_V1: Final = 107  # §2.1, with CRLF
MAX_V2: Final = 16 + 2048  # ours: addresses and the usual TLVs take some hundred bytes
_V2_HEAD: Final = Struct("!12sBBH")
_TLV: Final = Struct("!BH")
_PORTS: Final = Struct("!HH")
_V1: Final = re.compile(rb"PROXY (TCP4|TCP6) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (\d{1,5}) (\d{1,5})\r\n")
_V1_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n")

_TLV_AUTHORITY: Final = 0x02
_TLV_SSL: Final = 0x20
_TLV_SSL_CN: Final = 0x22
_CLIENT_SSL: Final = 0x01


class ProxyHeaderError(ValueError):
    """These bytes are no PROXY header."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What the proxy says. Without addresses (`LOCAL`, `UNKNOWN`: a health check) those of the socket are meant."""

    source: str = ""
    source_port: int = 0
    destination: str = ""
    destination_port: int = 0
    tls: bool = False  # between client and proxy
    name: str = ""  # SNI
    certificate_name: str = ""  # CN of a certificate that the proxy has verified


def header_length(data: bytes) -> int | None:
    """The length of the header that `data` begins with, None when more must be seen to tell."""
    if SIGNATURE.startswith(data[:12]):
        if len(data) < _V2_HEAD.size:
            return None
        length = _V2_HEAD.size + int(_V2_HEAD.unpack_from(data)[3])
        if length > MAX_V2:
            raise ProxyHeaderError(f"a PROXY version 2 header of {length} bytes is too long")
        return length
    if not b"PROXY ".startswith(data[:6]):
        raise ProxyHeaderError("no PROXY header")
    end = data.find(b"\n", 0, MAX_V1)
    if end >= 0:
        return end + 1
    if len(data) >= MAX_V1:
        raise ProxyHeaderError("a PROXY version 1 header has no end within 107 bytes")
    return None


def parse_header(data: bytes) -> ProxyHeader:
    """Read the whole header, as long as `header_length` said."""
    return _parse_v2(data) if data.startswith(SIGNATURE) else _parse_v1(data)


def _parse_v1(data: bytes) -> ProxyHeader:
    if _V1_UNKNOWN.fullmatch(data):
        return ProxyHeader()
    match = _V1.fullmatch(data)
    if match is None:
        raise ProxyHeaderError("a malformed PROXY version 1 header")
    family, source, destination, source_port, destination_port = (part.decode() for part in match.groups())
    kind = IPv4Address if family == "TCP4" else IPv6Address
    try:
        return ProxyHeader(
            str(kind(source)), _port(int(source_port)), str(kind(destination)), _port(int(destination_port))
        )
    except ValueError as error:
        raise ProxyHeaderError("a PROXY version 1 header with a malformed address or port") from error


def _port(number: int) -> int:
    if number > 65535:
        raise ValueError(number)
    return number


def _parse_v2(data: bytes) -> ProxyHeader:
    _, version_command, family, length = _V2_HEAD.unpack_from(data)
    if len(data) != _V2_HEAD.size + length:
        raise ProxyHeaderError("a PROXY version 2 header that is not whole")
    if version_command >> 4 != 2 or version_command & 15 > 1:
        raise ProxyHeaderError("a PROXY version 2 header of an unknown version or command")
    if version_command & 15 == 0:  # LOCAL: the proxy's own connection, addresses are to be ignored
        return ProxyHeader()
    width = {1: 4, 2: 16}.get(family >> 4)
    if width is None:  # UNSPEC and AF_UNIX say nothing about addresses
        return ProxyHeader()
    if family & 15 != 1 or length < 2 * width + 4:
        raise ProxyHeaderError("a PROXY version 2 header that is no TCP connection or too short for its addresses")
    at = _V2_HEAD.size
    source, destination = (str(ip_address(data[at + n * width : at + (n + 1) * width])) for n in (0, 1))
    source_port, destination_port = _PORTS.unpack_from(data, at + 2 * width)
    tlvs = _tlvs(data[at + 2 * width + 4 :])
    ssl = tlvs.get(_TLV_SSL, b"\0")
    tls = bool(ssl[:1] and ssl[0] & _CLIENT_SSL)
    # pp2_tlv_ssl (§2.2.5): client, one byte; verify, four bytes, 0 when the certificate was verified; then TLVs.
    common_name = _tlvs(ssl[5:]).get(_TLV_SSL_CN, b"") if tls and ssl[1:5] == bytes(4) else b""
    return ProxyHeader(
        source,
        source_port,
        destination,
        destination_port,
        tls,
        tlvs.get(_TLV_AUTHORITY, b"").decode("utf-8", "replace"),
        common_name.decode("utf-8", "replace"),
    )


def _tlvs(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + _TLV.size <= len(data):
        kind, length = _TLV.unpack_from(data, at)
        at += _TLV.size
        if at + length > len(data):
            raise ProxyHeaderError("a PROXY version 2 header with a field that is longer than the header")
        found[kind] = data[at : at + length]
        at += length
    return found
