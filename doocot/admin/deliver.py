"""`doocot deliver`: one message from a pipe into one user's mailbox, with the options and exit codes of dovecot-lda(1).

An MTA bounces a message when the exit code says "permanent" or is not one of sysexits.h. So everything that is not the
sender's business (configuration, locks, disk, userdb, our own faults) exits 75, EX_TEMPFAIL, and the MTA tries again.
"""

import os
import pwd
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import IO, Any, Final, TypeAlias

import click

from doocot.auth.types import User, UserUnavailable
from doocot.delivery.body import Body, Intake, SpoolFactory
from doocot.delivery.deliver import Addressed, Delivering, Event, SaveBatch, Settings, deliver, finish
from doocot.delivery.headers import Envelope
from doocot.delivery.recipient import Recipient, split_detail
from doocot.errors import Kind, MailError
from doocot.wire.smtp import NULL_PATH, Address, address

CHUNK: Final = 64 * 1024
ENVELOPE_LINE: Final = 8192  # longest "From " line of an mbox that is looked for

# What `-k` keeps is everything; without it only this.
KEPT_ENVIRONMENT: Final = ("TZ", "LANG", "PATH")


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a delivery needs from the rest of the program, made from the configuration by `main`.

    `lookup` asks the userdb over its socket: None only when it said that there is no such user, otherwise it raises.
    `become` gives up every privilege but the user's own; `saver` opens his mail store, and is called after it.
    """

    settings: Settings
    lookup: Callable[[str], User | None]
    become: Callable[[User], None]
    saver: Callable[[User], SaveBatch]
    spool: SpoolFactory
    event: Event


OpenRuntime: TypeAlias = Callable[[str | None, tuple[str, ...]], Runtime]


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    user: str | None = None
    sender: str = ""
    mailbox: str = ""
    original: str = ""
    final: str = ""
    path: str | None = None
    keep_environment: bool = False
    config: str | None = None
    overrides: tuple[str, ...] = ()


class _Command(click.Command):
    """A command whose usage errors exit with EX_USAGE (click offers no other way): 2 means nothing to an MTA."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # so that it shows the usage
            error.show()
            sys.exit(os.EX_USAGE)


def deliver_command(open_runtime: OpenRuntime) -> click.Command:
    """The command, for the root group; `open_runtime(config_file, overrides)` is called only when it runs."""

    @click.command("deliver", cls=_Command)
    @click.option(
        "-d", "user", metavar="USER", help="Whose mail it is. Default: whoever runs the command, if not root."
    )
    @click.option("-f", "sender", metavar="ADDRESS", default="", help="Envelope sender.")
    @click.option("-m", "mailbox", metavar="MAILBOX", default="", help="Mailbox; INBOX when it cannot be saved there.")
    @click.option(
        "-a", "original", metavar="ADDRESS", default="", help="Original envelope recipient (user+ext@domain)."
    )
    @click.option("-r", "final", metavar="ADDRESS", default="", help="Final envelope recipient.")
    @click.option("-p", "path", metavar="FILE", help="The message is in FILE. Default: standard input.")
    @click.option("-e", "_to_mta", is_flag=True, help="Leave a rejection to the MTA: always so, taken for dovecot-lda.")
    @click.option("-k", "keep_environment", is_flag=True, help="Keep the environment.")
    @click.option("-c", "config", metavar="FILE", help="The configuration file.")
    @click.option("-o", "overrides", metavar="SETTING=VALUE", multiple=True, help="A setting that overrides the file.")
    def command(_to_mta: bool, **given: Any) -> None:
        """Deliver one message to a local user, as dovecot-lda does.

        Exits with 0 when the message is safely stored, 64 for a wrong command line, 67 when there is no such user,
        77 when the message is refused for good (over quota; the reason is on standard error), and 75 for all other
        trouble: the MTA shall try again.
        """
        given["config"] = given["config"] or click.get_current_context().obj
        options = Options(**given)
        if options.user is None and os.geteuid() == 0:
            _say("Run by root, it must be told whose mail it is: add -d USER")
            sys.exit(os.EX_USAGE)
        sys.exit(run(options, open_runtime, sys.stdin.buffer))

    return command


def run(options: Options, open_runtime: OpenRuntime, stdin: IO[bytes]) -> int:
    """Deliver, and say with which code to exit."""
    try:
        return _run(options, open_runtime, stdin)
    except MailError as error:
        _say(f"{error.text} ({error.detail})" if error.detail else error.text)
    except (UserUnavailable, OSError) as error:
        _say(str(error))
    return os.EX_TEMPFAIL


def _run(options: Options, open_runtime: OpenRuntime, stdin: IO[bytes]) -> int:
    runtime = open_runtime(options.config, options.overrides)
    user = _myself() if options.user is None else runtime.lookup(options.user)
    if user is None:
        _say(f"User doesn't exist: {options.user}")
        return os.EX_NOUSER
    if not options.keep_environment:
        _clear_environment(user)
    runtime.become(user)
    intake = Intake(runtime.spool)
    try:
        if options.path is None:
            pieces = without_envelope_line(_pieces(stdin))
            body = _take_in(intake, pieces)
        else:
            with open(options.path, "rb") as file:
                body = _take_in(intake, _pieces(file))
        return _deliver(options, runtime, user, body)
    finally:
        intake.abort()


def _deliver(options: Options, runtime: Runtime, user: User, body: Body) -> int:
    how = Delivering(runtime.saver(user), runtime.event, lambda user: runtime.settings)
    to = _address(options.final or options.user or user.name)
    _, detail = split_detail(_address(options.original), runtime.settings.recipient_delimiter)
    recipient = Recipient(user, to, detail, options.original)
    # No line is put in front: whoever calls an LDA has written Return-Path and Delivered-To already (Postfix's pipe(8)
    # `flags=DR`, sendmail's mailer flags), and dovecot-lda adds none either.
    envelope = Envelope(_address(options.sender))
    (result,) = finish(deliver(how, envelope, [Addressed(recipient, options.mailbox)], b"", body))
    if not isinstance(result, MailError):
        return os.EX_OK
    _say(result.text)
    if result.kind is Kind.TOO_BIG or (result.kind is Kind.OVER_QUOTA and not runtime.settings.quota_full_tempfail):
        return os.EX_NOPERM
    return os.EX_TEMPFAIL


def become(user: User) -> None:
    """Go on as the user's system uid and gid, for ever: neither is got back."""
    uid, gid = user.uid, user.gid
    if uid is None or gid is None:
        raise MailError(Kind.CONTACT_ADMIN, f"The userdb gives no uid and gid for {user.name}: add uid= and gid=")
    if uid == 0:
        raise MailError(Kind.CONTACT_ADMIN, f"The userdb gives uid 0 for {user.name}: mail is never delivered as root")
    if os.geteuid() == 0:
        os.setgroups([gid])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    elif os.geteuid() != uid:
        text = (
            f"Cannot deliver as uid {uid} when run by uid {os.geteuid()}: run doocot deliver as {user.name} or as root"
        )
        raise MailError(Kind.CONTACT_ADMIN, text)


def without_envelope_line(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The message without the mbox line `From sender date` (RFC 4155) that some MTAs write in front of it."""
    start = b""
    for piece in pieces:
        start += piece
        if b"\n" in start or not b"From ".startswith(start[:5]) or len(start) > ENVELOPE_LINE:
            break
    if start.startswith(b"From "):
        start = start.partition(b"\n")[2]
    if start:
        yield start
    yield from pieces


def _take_in(intake: Intake, pieces: Iterator[bytes]) -> Body:
    for piece in pieces:
        intake.write(piece)
    return intake.finish()


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(CHUNK):
        yield piece


def _myself() -> User:
    """Run from a .forward or a procmail recipe: the user is whom the system says, and no userdb is asked."""
    entry = pwd.getpwuid(os.geteuid())
    return User(entry.pw_name, entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def _clear_environment(user: User) -> None:
    kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    os.environ.clear()
    os.environ.update(kept, USER=user.name, HOME=user.home or "/")


def _address(value: str) -> Address:
    """An address given by the MTA. One that we cannot read is no reason to lose mail: it stands as it is."""
    try:
        return address(value)
    except ValueError:
        return replace(NULL_PATH, local=value)


def _say(text: str) -> None:
    """To standard error: the MTA logs it, and puts it into a bounce."""
    click.echo(f"doocot deliver: {text}", err=True)
