"""Where Doocot answers otherwise than Dovecot 2.3, and the sentence that says why ours is right.

Every line must be a difference that exists: the oracle test fails when one has gone.
"""

_PARTS = "RFC 2046 §5.1: the boundary delimiter line is not part of any body part, so it is no line of a header either."
_NO_BLANK = (
    "RFC 3501 §6.4.5: the blank line is included in all header fetches, except in the case of a message which has no "
    "body and no blank line; Dovecot adds one, but not when it answers from its cache."
)
_SIZE = (
    "RFC 3516 §4.3: BINARY.SIZE is the size that BINARY of the section returns; Dovecot's BINARY is as long as ours."
)
_PART_ONLY = (
    "RFC 3516 §4.3: NO UNKNOWN-CTE is for the encoding of the section that was asked for, and this one is known."
)
_NO_CLOSE = "RFC 3516 §4.3: one part that cannot be decoded is answered by NO; Dovecot closes the connection."
_CASE = (
    "RFC 2045 §5.1: types and attribute names are not case-sensitive; Dovecot gives either form, as its cache has it."
)

NOT = "BODY.PEEK[1.HEADER.FIELDS.NOT (FROM TO SUBJECT CONTENT-TYPE)]"

ONLY = "BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT CONTENT-TYPE)]"
INNER_ONLY = "BODY.PEEK[1.HEADER.FIELDS (FROM TO SUBJECT CONTENT-TYPE)]"
NO_BLANK_LINE = (
    *("nested-message-at-eof", "shape-empty", "shape-one-cr", "shape-one-byte", "shape-only-headers"),
    *("shape-only-headers-no-newline", "shape-cr-only", "shape-cr-cr-lf", "shape-nul-only", "shape-field-no-newline"),
    *("shape-other-field-no-newline", "shape-binary-garbage"),
)
NO_INNER_BLANK_LINE = (
    *("multipart-digest-empty", "nested-message-cut", "nested-message-cut-at-once", "nested-message-cut-in-mime"),
)

DIFFERENCES: dict[tuple[str, str], str] = {
    ("type-001", "BODY"): _CASE,
    ("type-001", "BODYSTRUCTURE"): _CASE,
    ("multipart-digest-empty", NOT): _PARTS,
    ("nested-message-cut", NOT): _PARTS,
    ("nested-message-cut-at-once", NOT): _PARTS,
    ("nested-message-cut-in-mime", NOT): _PARTS,
    **{(name, ONLY): _NO_BLANK for name in NO_BLANK_LINE},
    **{(name, INNER_ONLY): _NO_BLANK for name in NO_INNER_BLANK_LINE},
    ("multipart-cte-base64-multipart", "BINARY.SIZE[]"): _SIZE,
    ("nested-message-base64", "BINARY.SIZE[]"): _SIZE,
    ("nested-message-base64", "BINARY.SIZE[1]"): _SIZE,
    ("encoded-multi", "BINARY.SIZE[1]"): _PART_ONLY,
    ("encoded-multi", "BINARY.SIZE[2]"): _PART_ONLY,
    ("encoded-multi", "BINARY.SIZE[1.1]"): _PART_ONLY,
}

# Dovecot closes the connection when these are fetched as BINARY; Doocot refuses the one request.
CLOSED_BY_DOVECOT: dict[str, str] = {
    "encoded-base64-no-padding": _NO_CLOSE,
    "encoded-base64-short": _NO_CLOSE,
    "encoded-qp-bad-end": _NO_CLOSE,
}

_SOME_TEXT = (
    "RFC 3501 §6.4.4: a message matches if the string is in the field; ASCII in an unknown charset is still readable."
)
_NO_ESCAPE = (
    "RFC 3501 §6.4.4: the string is compared with the field, in which no backslash stands before the apostrophe."
)

# The keys of these are not compared in the order of SORT (SUBJECT).
SORT_DIFFERENCES: dict[str, str] = {
    "subject-027": "RFC 5256 §2.1: the base subject is compared without case, ASCII in an unknown charset as well.",
    "subject-032": "RFC 2231 §5: the charset of an encoded word may have a language after an asterisk.",
}

SEARCH_DIFFERENCES: dict[tuple[str, str, str], str] = {
    ("TEXT", "caf", "subject-027"): _SOME_TEXT,
    ("SUBJECT", "caf", "subject-027"): _SOME_TEXT,
    ("TO", "O'Brian", "address-098"): _NO_ESCAPE,
    ("CC", "O'Brian", "address-098"): _NO_ESCAPE,
}
