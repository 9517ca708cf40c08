"""Deliveries of a process: everybody is answered, whatever one recipient brings out."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from doocot.auth.types import User
from doocot.config.load import load_text
from doocot.delivery.body import Body
from doocot.delivery.deliver import Delivery, Saved, SaveResult
from doocot.errors import Kind, MailError
from doocot.events.events import Events
from doocot.mailbox.roots import OpenRoot, Roots
from doocot.mailbox.user import Mail
from doocot.main import deliveries as module
from doocot.main.deliveries import Deliveries
from doocot.main.mail import MailServices
from doocot.store.files import Files, MailFsync

HEAD, TEXT = b"Return-Path: <>\n", b"Subject: one\n\nbody\n"


def delivery(user: str, fields: dict[str, str] | None = None) -> Delivery:
    return Delivery(User(user, fields=fields or {}), "INBOX", HEAD, Body(len(TEXT), len(TEXT) + 3, TEXT))


def saved(tmp_path: Path, calls: list[list[Delivery]], *, alone: bool = False, rounds: int = 1) -> list[SaveResult]:
    """The results of calls that all come in one turn of the loop, `rounds` times after each other."""

    async def run() -> list[SaveResult]:
        loop = asyncio.get_running_loop()
        services = MailServices(loop, Events(), Roots(Files(MailFsync.OPTIMIZED)))
        config = load_text(f"mail_location = maildir:{tmp_path}/%u\n", "test.conf")
        deliveries = Deliveries(services, config, lambda: alone)
        results: list[SaveResult] = []
        for _ in range(rounds):
            answers = [deliveries.save_batch(call).call() for call in calls]
            results = [one for answer in answers for one in await answer]
        await asyncio.sleep(0)
        services.close()
        return results

    return asyncio.run(run())


def uids(results: list[SaveResult]) -> list[Any]:
    return [one.uid if isinstance(one, Saved) else one.kind for one in results]


@pytest.mark.parametrize("alone", [False, True])
def test_messages_of_one_turn_are_saved(tmp_path: Path, alone: bool) -> None:
    calls = [[delivery("ann")], [delivery("bob"), delivery("ann")]]
    results = saved(tmp_path, calls, alone=alone, rounds=3)
    assert sorted(uids(results)) == [3, 5, 6]
    assert len(list((tmp_path / "ann" / "new").iterdir())) == 6
    assert not list((tmp_path / "ann" / "tmp").iterdir())


def test_a_recipient_whose_location_makes_no_sense_costs_the_others_nothing(tmp_path: Path) -> None:
    calls = [[delivery("ann")], [delivery("bad", {"mail_location": "maildir:/tmp/%{nope}"})], [delivery("bob")]]
    for rounds in (1, 2):  # the first time roots are opened on a thread, then all goes on the loop
        assert uids(saved(tmp_path, calls, rounds=rounds)[::2])[0] != Kind.SERVER_BUG
        bad = saved(tmp_path, calls, rounds=rounds)[1]
        assert isinstance(bad, MailError)
        assert bad.kind is Kind.CONTACT_ADMIN


def test_a_fault_of_ours_is_an_answer_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(MailServices, "open_now", fault)
    assert uids(saved(tmp_path, [[delivery("ann")], [delivery("bob")]])) == [Kind.SERVER_BUG] * 2


@pytest.mark.parametrize("rounds", [1, 2])  # on a thread, and on the loop
def test_a_fault_afterwards_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int) -> None:
    def fault(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(MailServices, "saved", fault)
    results = saved(tmp_path, [[delivery("ann")], [delivery("bob")]], rounds=rounds)
    assert uids(results) == [rounds] * 2


def test_a_fault_on_a_thread_leaves_no_root_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[OpenRoot] = []
    take = MailServices.open

    def watched(*args: Any) -> Mail:
        mail = take(*args)
        opened.append(mail.opened)
        return mail

    def fault(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(MailServices, "open", watched)
    monkeypatch.setattr(MailServices, "saved", lambda *_: None)  # which holds it for the list of UIDs
    monkeypatch.setattr("doocot.main.deliveries.save_all", fault)
    assert uids(saved(tmp_path, [[delivery("ann")]])) == [Kind.SERVER_BUG]
    assert [one.users for one in opened] == [0]


def test_the_next_uids_follow_after_another_start(tmp_path: Path) -> None:
    assert uids(saved(tmp_path, [[delivery("ann")]])) == [1]
    assert uids(saved(tmp_path, [[delivery("ann")]])) == [2]


def test_a_batch_ends_where_its_octets_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written on the loop is bounded, however large the messages of many clients are."""
    monkeypatch.setattr(module, "MOST_OCTETS", len(TEXT) + 1)
    whole, sizes = module.saving_now, []

    def counted(batch: Any, names: Any) -> Any:
        sizes.append(len(batch))
        return whole(batch, names)

    monkeypatch.setattr(module, "saving_now", counted)
    results = saved(tmp_path, [[delivery("ann")] for _ in range(5)], rounds=2)
    assert sorted(uids(results)) == [6, 7, 8, 9, 10]
    assert max(sizes) == 2
