"""The one table from an error's kind to IMAP's response code (RFC 5530 §3)."""

from doocot.errors import Kind, MailError

# Kinds whose code is not their value, or that have none.
_OTHER = {
    Kind.TOO_BIG: b"TOOBIG",
    Kind.NOT_SAVED: b"NOTSAVED",
}


def response_code(error: MailError) -> bytes:
    """The response code of a tagged NO."""
    return _OTHER.get(error.kind) or error.kind.value.encode()
