"""Binary content in base64: whatever octets a part holds, BINARY gives them back from the file that was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.message.binary import may_be_binary, without_binary
from doocot.message.scan import crlf, scan
from doocot.message.sections import binary
from doocot.store.spool import lf_chunks

OCTETS = st.binary(max_size=200) | st.text("ab\r\n\0", max_size=30).map(str.encode)
BINARY = b"Content-Transfer-Encoding: binary\r\n"


def kept(data: bytes) -> bytes:
    """The message as it is read again from the Maildir file."""
    return crlf(b"".join(lf_chunks(iter([without_binary(data)]))))


@given(OCTETS)
def test_a_message_of_one_part(content: bytes) -> None:
    data = kept(BINARY + b"\r\n" + content)
    assert binary(data, scan(data), (1,)) == content


@given(st.lists(OCTETS.filter(lambda octets: b"--b" not in octets), min_size=1, max_size=4))
def test_parts_of_a_multipart(contents: list[bytes]) -> None:
    parts = b"".join(b"\r\n--b\r\n" + BINARY + b"\r\n" + one for one in contents)
    data = kept(
        b"Content-Type: multipart/mixed; boundary=b\r\n" + BINARY + b"\r\nbefore" + parts + b"\r\n--b--\r\nend\r\n"
    )
    part = scan(data)
    assert len(part.children) == len(contents)
    assert [binary(data, part, (number,)) for number in range(1, len(contents) + 1)] == contents
    assert data.endswith(b"\r\n--b--\r\nend\r\n")


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: a\r\n\r\nno field, a NUL\0\r\n",
        BINARY + b"\r\ntext\r\n",
        b"Content-Transfer-Encoding: 8bit\r\n\r\na\0\r\n",
        BINARY,
        BINARY + b"\r\n",
        b"",
    ],
)
def test_what_a_file_can_hold_stays(data: bytes) -> None:
    assert without_binary(data) == data


@given(st.integers(1, 60), st.sampled_from([b"", b"\r\n\t", b"  "]))
def test_the_field_is_found_though_it_is_cut(size: int, folded: bytes) -> None:
    data = b"x" * 300 + b"\r\nContent-transfer-ENCODING :%b Binary\r\n" % folded
    assert may_be_binary(data[at : at + size] for at in range(0, len(data), size))
    assert not may_be_binary([b"Content-Transfer-Encoding: base64\r\n", b"binary\r\n"])
