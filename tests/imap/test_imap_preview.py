"""PREVIEW (LAZY): NIL until somebody has asked in earnest (RFC 8970 §4.1)."""

from pathlib import Path

from harness import House

MESSAGES = (b"\none\n", "Content-Type: text/plain; charset=utf-8\n\nzw\u00f6lf\n".encode(), b"\nthree\n")


def test_preview_lazy_says_what_is_known(tmp_path: Path) -> None:
    for part in ("cur", "new", "tmp"):
        (tmp_path / "mail" / part).mkdir(parents=True)
    for number, message in enumerate(MESSAGES, 1):
        (tmp_path / "mail" / "cur" / f"170000000{number}.M{number}P1.host:2,").write_bytes(message)
    house = House(tmp_path / "mail")
    client = house.login()
    client.command(b"SELECT INBOX")
    lazy = [b"* %d FETCH (PREVIEW NIL)" % number for number in (1, 2, 3)]
    assert client.command(b"FETCH 1:* PREVIEW (LAZY)")[:-1] == lazy
    assert client.command(b"FETCH 1:* (SNIPPET (LAZY))")[0] == b"* 1 FETCH (SNIPPET (FUZZY NIL))"
    assert client.command(b"FETCH 2 PREVIEW")[:-1] == [b"* 2 FETCH (PREVIEW {6}", "zw\u00f6lf)".encode()]
    assert client.command(b"FETCH 1,3 PREVIEW (LAZY)")[:-1] == lazy[::2]
    assert client.command(b"FETCH 1:* (PREVIEW (LAZY))")[1:3] == [b"* 2 FETCH (PREVIEW {6}", "zw\u00f6lf)".encode()]
    client.command(b"COPY 2 INBOX")
    assert client.command(b"FETCH 4 PREVIEW (LAZY)")[0] == b"* 4 FETCH (PREVIEW {6}"
    assert client.command(b"FETCH 1 PREVIEW (CHANGEDSINCE 1)")[-1].startswith(b"TAG OK")
    house.close()
