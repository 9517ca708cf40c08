"""subscriptions: our reading and writing, and a real Dovecot's; Courier's file."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording import recording
from store_dovecot import Dovecot

from doocot.errors import MailError
from doocot.store import subscriptions
from doocot.store.dotlock import dotlock
from doocot.store.files import Files

PART = st.text(st.sampled_from("ab\t\n\r\x01\0 &-ü1tn"), min_size=1, max_size=6)
NAMES = st.lists(st.lists(PART, min_size=1, max_size=3).map(tuple), unique=True, max_size=5)


@given(NAMES)
def test_subscription_text_round_trip(names: list[tuple[str, ...]]) -> None:
    assert subscriptions._names(subscriptions._format(names, ".", True), ".") == names


def test_subscriptions_are_added_moved_and_removed(tmp_path: Path) -> None:
    files, folder = Files(), str(tmp_path)
    assert subscriptions.read(files, folder) is None
    assert not subscriptions.unsubscribe(files, folder, ("a",))
    assert subscriptions.subscribe(files, folder, ("a",))
    assert subscriptions.subscribe(files, folder, ("a", "b"))
    assert subscriptions.subscribe(files, folder, ("c",))
    assert not subscriptions.subscribe(files, folder, ("a",))
    assert subscriptions.rename(files, folder, ("a",), ("x", "y"))
    assert not subscriptions.rename(files, folder, ("a",), ("z",))
    assert subscriptions.unsubscribe(files, folder, ("c",))
    assert (tmp_path / "subscriptions").read_text() == "V\t2\n\nx\ty\nx\ty\tb\n"
    assert subscriptions.read(files, folder) == [("x", "y"), ("x", "y", "b")]
    assert [path.name for path in tmp_path.iterdir()] == ["subscriptions"]


def test_old_form_is_kept(tmp_path: Path) -> None:
    (tmp_path / "subscriptions").write_text("INBOX\na.b\na.b\n")
    assert subscriptions.read(Files(), str(tmp_path)) == [("INBOX",), ("a", "b")]
    assert subscriptions.subscribe(Files(), str(tmp_path), ("c", "d"))
    assert (tmp_path / "subscriptions").read_text() == "INBOX\na.b\nc.d\n"


def test_courier_subscriptions(tmp_path: Path) -> None:
    assert subscriptions.read_courier(Files(), str(tmp_path)) is None
    (tmp_path / "courierimapsubscribed").write_text("INBOX\nINBOX.Sent\nINBOX.a.b\nINBOX.Sent\n#shared.x\n")
    expected = [("INBOX",), ("Sent",), ("a", "b"), ("#shared", "x")]
    assert subscriptions.read_courier(Files(), str(tmp_path)) == expected


def test_subscriptions_survive_power_loss(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    folder.mkdir()
    with recording(folder, tmp_path) as rec:
        for name in "abc":
            subscriptions.subscribe(rec.files, str(folder), (name,))
            rec.mark((name,))
    for state in rec.states(range(10)):
        names = subscriptions.read(Files(), str(state.path)) or []
        assert names[: len(state.marks)] == state.marks
        assert names == [("a",), ("b",), ("c",)][: len(names)]


def test_locked_subscriptions_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "SUBSCRIPTIONS_TIMEOUT", 0.01)
    with dotlock(Files(), str(tmp_path / "subscriptions")), pytest.raises(MailError, match="Timeout"):
        subscriptions.subscribe(Files(), str(tmp_path), ("a",))


@pytest.mark.parametrize("old_form", [False, True])
def test_dovecot_and_we_share_subscriptions(dovecot: Dovecot, old_form: bool) -> None:
    if old_form:
        (dovecot.mail / "subscriptions").write_text("INBOX\n")
    dovecot.imap("SELECT INBOX", "CREATE a.b", "CREATE w&APw-x.c", "CREATE d", "SUBSCRIBE a.b", "SUBSCRIBE w&APw-x.c")
    files, folder = Files(), str(dovecot.mail)
    assert (subscriptions.read(files, folder) or [])[-2:] == [("a", "b"), ("w&APw-x", "c")]
    assert subscriptions.subscribe(files, folder, ("d",))
    assert subscriptions.unsubscribe(files, folder, ("a", "b"))
    listed = re.findall(r'LSUB \(.*?\) "\." "?([^"\r\n]*)"?', dovecot.imap('LSUB "" "*"'))
    assert sorted(listed) == sorted(["d", "w&APw-x.c"] + ["INBOX"] * old_form)
    dovecot.imap("UNSUBSCRIBE w&APw-x.c", "SUBSCRIBE a.b")
    assert set(subscriptions.read(files, folder) or []) - {("INBOX",)} == {("d",), ("a", "b")}
    assert (dovecot.mail / "subscriptions").read_text().startswith("V\t2\n\n") is not old_form
