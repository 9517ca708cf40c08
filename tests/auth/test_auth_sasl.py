"""SASL exchanges as transcripts, and who is offered what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.auth import sasl
from doocot.auth.sasl import Challenge, Malformed
from doocot.auth.settings import AuthSettings
from doocot.auth.types import Credentials, Failure, Secret
from doocot.wire.flow import Peer

OUTSIDE = Peer(remote_ip="192.0.2.7", local_ip="192.0.2.1")
TLS = Peer(remote_ip="192.0.2.7", local_ip="192.0.2.1", tls=True)
INSIDE = Peer()


def exchange(mechanism: str, *answers: bytes | None) -> sasl.Outcome:
    """The outcome after these answers; the first is the initial response."""
    outcome = sasl.start(mechanism, answers[0])
    for answer in answers[1:]:
        assert isinstance(outcome, Challenge)
        assert answer is not None
        outcome = outcome.step(answer)
    return outcome


@pytest.mark.parametrize(
    ("mechanism", "answers", "expected"),
    [
        ("PLAIN", (b"\0tim\0pw",), Credentials("PLAIN", "tim", "", Secret("pw"))),
        ("plain", (None, b"\0tim\0pw"), Credentials("PLAIN", "tim", "", Secret("pw"))),
        ("PLAIN", (b"ana\0tim\0pw",), Credentials("PLAIN", "tim", "ana", Secret("pw"))),
        ("PLAIN", ("\0jürgen\0ß".encode(),), Credentials("PLAIN", "jürgen", "", Secret("ß"))),
        ("PLAIN", (b"\0tim\0",), Credentials("PLAIN", "tim", "", Secret(""))),
        ("LOGIN", (None, b"tim", b"pw"), Credentials("LOGIN", "tim", "", Secret("pw"))),
        ("LOGIN", (b"tim", b"pw"), Credentials("LOGIN", "tim", "", Secret("pw"))),
        ("LOGIN", (b"", b"tim", b"pw"), Credentials("LOGIN", "tim", "", Secret("pw"))),
    ],
)
def test_sasl_exchange_gives_credentials(
    mechanism: str, answers: tuple[bytes | None, ...], expected: Credentials
) -> None:
    assert exchange(mechanism, *answers) == expected


@pytest.mark.parametrize(
    ("mechanism", "answers"),
    [
        ("PLAIN", (b"",)),
        ("PLAIN", (b"tim\0pw",)),
        ("PLAIN", (b"\0tim\0pw\0more",)),
        ("PLAIN", (b"\0\0pw",)),
        ("PLAIN", (b"\0\xff\0pw",)),
        ("PLAIN", (b"\xff\0tim\0pw",)),
        ("PLAIN", (b"\0tim\0" + b"x" * sasl.MAX_RESPONSE,)),
        ("LOGIN", (None, b"")),
        ("LOGIN", (None, b"ti\0m")),
        ("LOGIN", (None, b"\xff")),
        ("LOGIN", (None, b"x" * (sasl.MAX_RESPONSE + 1))),
        ("LOGIN", (b"tim", b"p\0w")),
        ("CRAM-NONE", (None,)),
    ],
)
def test_sasl_malformed_answer_ends_the_exchange(mechanism: str, answers: tuple[bytes | None, ...]) -> None:
    assert isinstance(exchange(mechanism, *answers), Malformed)


def test_login_prompts() -> None:
    first = sasl.start("LOGIN")
    assert isinstance(first, Challenge)
    assert first.data == b"Username:"
    second = first.step(b"tim")
    assert isinstance(second, Challenge)
    assert second.data == b"Password:"


@pytest.mark.parametrize(
    ("settings", "peer", "offered", "plain"),
    [
        (AuthSettings(mechanisms=("PLAIN", "LOGIN")), OUTSIDE, (), Failure.PLAINTEXT_NOT_ALLOWED),
        (AuthSettings(mechanisms=("PLAIN", "LOGIN")), TLS, ("PLAIN", "LOGIN"), None),
        (AuthSettings(mechanisms=("LOGIN", "PLAIN")), INSIDE, ("LOGIN", "PLAIN"), None),
        (AuthSettings(disable_plaintext_auth=False), OUTSIDE, ("PLAIN",), None),
        (AuthSettings(disable_plaintext_auth=False, ssl_required=True), OUTSIDE, (), Failure.TLS_REQUIRED),
        (AuthSettings(disable_plaintext_auth=False, ssl_required=True), TLS, ("PLAIN",), None),
        (AuthSettings(mechanisms=("LOGIN",)), TLS, ("LOGIN",), Failure.MECHANISM_NOT_ALLOWED),
        (AuthSettings(mechanisms=("GSSAPI", "PLAIN")), TLS, ("PLAIN",), None),
        (AuthSettings(), Peer("192.0.2.7", local_ip="192.0.2.1", trusted=True), ("PLAIN",), None),
    ],
)
def test_mechanisms_offered(
    settings: AuthSettings, peer: Peer, offered: tuple[str, ...], plain: Failure | None
) -> None:
    assert sasl.offered(settings, peer) == offered
    assert sasl.forbidden(settings, peer, "plain") is plain
    assert sasl.login_disabled(settings, peer) == (plain in (Failure.PLAINTEXT_NOT_ALLOWED, Failure.TLS_REQUIRED))


def test_from_password_takes_what_login_may_send() -> None:
    assert sasl.from_password("tim", "pw") == Credentials("PLAIN", "tim", "", Secret("pw"))
    for name, password in (("", "pw"), ("a\0b", "pw"), ("tim", "p\0w"), ("x" * 9000, "pw"), ("tim", "x" * 9000)):
        assert isinstance(sasl.from_password(name, password), Malformed)


@given(st.sampled_from(sorted(sasl.MECHANISMS)), st.lists(st.binary(max_size=40), min_size=1, max_size=3))
def test_sasl_any_bytes_end_or_ask_for_more(mechanism: str, answers: list[bytes]) -> None:
    outcome = sasl.start(mechanism, answers[0])
    for answer in answers[1:]:
        if not isinstance(outcome, Challenge):
            break
        outcome = outcome.step(answer)
    if isinstance(outcome, Credentials):
        assert outcome.authcid
        assert "\0" not in outcome.authcid + outcome.authzid
