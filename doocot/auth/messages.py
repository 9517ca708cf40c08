"""The messages between the auth process and its clients: a 4 byte length, then MessagePack `[id, verb, body]`.

Both sides are this package in the same version, so there is no negotiation. A frame is bounded; a peer that sends a
longer one, or what is no message, is cut off.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from doocot.auth.types import AuthResult, LoginRequest, Secret, User

MAX_FRAME = 64 * 1024
NAMES_PER_FRAME = 500
_HEAD = 4


class Verb(StrEnum):
    """What a frame is: three questions and their answers."""

    AUTHENTICATE = "auth"
    LOOKUP = "lookup"
    ITERATE = "iterate"
    RESULT = "result"
    USER = "user"
    NO_USER = "none"
    NAMES = "names"  # more frames follow
    END = "end"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"


class BadMessage(Exception):
    """The peer sent what is no message of this protocol."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """The question of LMTP and deliver."""

    username: str
    service: str


def _encodable(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} does not go over the auth socket")


def _decoded(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, bytes):
        return Secret(value)
    raise TypeError(f"{kind.__name__} expected")


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_encodable)
_FRAME = msgspec.msgpack.Decoder(tuple[int, Verb, msgspec.Raw])
_BODIES: Mapping[Verb, msgspec.msgpack.Decoder[Any]] = {
    Verb.AUTHENTICATE: msgspec.msgpack.Decoder(LoginRequest, dec_hook=_decoded),
    Verb.LOOKUP: msgspec.msgpack.Decoder(Lookup),
    Verb.ITERATE: msgspec.msgpack.Decoder(None),
    Verb.RESULT: msgspec.msgpack.Decoder(AuthResult, dec_hook=_decoded),
    Verb.USER: msgspec.msgpack.Decoder(User),
    Verb.NO_USER: msgspec.msgpack.Decoder(None),
    Verb.NAMES: msgspec.msgpack.Decoder(list[str]),
    Verb.END: msgspec.msgpack.Decoder(None),
    Verb.UNAVAILABLE: msgspec.msgpack.Decoder(str),
    Verb.REFUSED: msgspec.msgpack.Decoder(str),
}


def encode(number: int, verb: Verb, body: Any = None) -> bytes:
    """One frame; BadMessage when the body is too large for one."""
    try:
        data = _ENCODER.encode((number, verb, body))
    except UnicodeEncodeError as error:
        raise BadMessage("a name is not Unicode text") from error
    if len(data) > MAX_FRAME:
        raise BadMessage(f"message of {len(data)} bytes, at most {MAX_FRAME} are sent")
    return len(data).to_bytes(_HEAD, "big") + data


@dataclass(slots=True)
class Frames:
    """Cuts a byte stream into messages."""

    buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> Iterator[tuple[int, Verb, Any]]:
        """The complete messages now there; raises BadMessage at the first that is none."""
        self.buffer += data
        at = 0
        try:
            while len(self.buffer) - at >= _HEAD:
                length = int.from_bytes(self.buffer[at : at + _HEAD], "big")
                if length > MAX_FRAME:
                    raise BadMessage(f"frame of {length} bytes announced, at most {MAX_FRAME} are taken")
                if len(self.buffer) - at - _HEAD < length:
                    break
                frame = bytes(self.buffer[at + _HEAD : at + _HEAD + length])
                at += _HEAD + length
                yield _decode(frame)
        finally:
            del self.buffer[:at]


def _decode(frame: bytes) -> tuple[int, Verb, Any]:
    try:
        number, verb, raw = _FRAME.decode(frame)
        return number, verb, _BODIES[verb].decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadMessage(f"not a message: {type(error).__name__}") from error
