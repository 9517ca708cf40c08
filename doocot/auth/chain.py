"""Several password and user databases asked in order, with Dovecot's rules what follows after each answer.

The chain is a generator: what may take long (a file to read, a hash to compute, a server to ask) is yielded as a
`flow.Job` and its value sent back in; where nothing takes long it ends without a yield, and the login costs
microseconds. Working state of one attempt is in `_Attempt`; nothing else changes.
"""

import grp
import pwd
from collections.abc import Callable, Generator, Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any, TypeAlias, TypeVar

from doocot.auth import schemes
from doocot.auth.database import (
    Answer,
    Fields,
    Found,
    NotFound,
    PasswordDatabase,
    Query,
    Unavailable,
    UserDatabase,
    expand_fields,
    parse_fields,
)
from doocot.auth.drivers import open_passdb, open_userdb
from doocot.auth.libcrypt import CryptMissing
from doocot.auth.names import (
    BadName,
    NameRules,
    address_allowed,
    filter_accepts,
    name_rules,
    name_values,
    normal_name,
    split_master,
)
from doocot.auth.passwd_file import Files, Report
from doocot.auth.settings import AuthSettings, DatabaseSettings, Rule, SettingsError, Skip
from doocot.auth.types import AuthResult, Credentials, Failure, LoginRequest, Secret, User, UserUnavailable
from doocot.wire.flow import Job, Peer

_T = TypeVar("_T")
Steps: TypeAlias = Generator[Job, Any, _T]


class _Outcome(Enum):
    """What one passdb said."""

    OK = auto()
    MISMATCH = auto()
    UNKNOWN = auto()
    INTERNAL = auto()


@dataclass(frozen=True, slots=True)
class _Row:
    """A section and its fields, compiled."""

    settings: DatabaseSettings
    mechanisms: frozenset[str]
    default_fields: Fields
    override_fields: Fields
    success: Rule


@dataclass(frozen=True, slots=True)
class _Passdb:
    row: _Row
    database: PasswordDatabase


@dataclass(frozen=True, slots=True)
class _Userdb:
    row: _Row
    database: UserDatabase


@dataclass(frozen=True, slots=True)
class Chain:
    """All databases of a configuration, opened."""

    names: NameRules
    passdbs: tuple[_Passdb, ...]
    masters: tuple[_Passdb, ...]
    userdbs: tuple[_Userdb, ...]


def open_chain(settings: AuthSettings, report: Report) -> Chain:
    """Open every database; SettingsError names the first section that cannot work."""
    files = Files(report)
    passdbs = [_Passdb(_row(section), open_passdb(section, files)) for section in settings.passdbs]
    userdbs = [_Userdb(_row(section), open_userdb(section, files)) for section in settings.userdbs]
    if settings.passdbs and all(section.master for section in settings.passdbs):
        raise SettingsError("all passdbs have master = yes; add one for the users themselves")
    return Chain(
        name_rules(settings),
        tuple(passdb for passdb in passdbs if not passdb.row.settings.master),
        tuple(passdb for passdb in passdbs if passdb.row.settings.master),
        tuple(userdbs),
    )


def _row(section: DatabaseSettings) -> _Row:
    return _Row(
        section,
        frozenset(name.upper() for name in section.mechanisms),
        parse_fields(section.default_fields),
        parse_fields(section.override_fields),
        Rule.CONTINUE if section.continue_after_success else section.result_success,
    )


@dataclass(slots=True)
class _Attempt:
    """Where one login or look-up stands."""

    service: str
    peer: Peer
    mechanism: str
    session_id: str
    client_id: str
    original: str
    user: str
    login_as: str = ""  # a master user still has to be verified before he becomes this one
    master: str = ""
    verified: bool = False
    fields: dict[str, str] = field(default_factory=dict)
    reply: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    not_allowed: bool = False
    mismatch: bool = False
    example: tuple[str, str] = field(default=("", ""), repr=False)
    values: dict[str, str] | None = None

    def variables(self) -> dict[str, str]:
        if self.values is None:
            peer = self.peer
            self.values = name_values(self.user) | {
                "service": self.service,
                "rip": peer.remote_ip,
                "lip": peer.local_ip,
                "rport": str(peer.remote_port),
                "lport": str(peer.local_port),
                "mech": self.mechanism,
                "secured": "TLS" if peer.tls else "secured" if peer.secured else "",
                "cert": "valid" if peer.certificate_name else "",
                "session": self.session_id,
                "client_id": self.client_id,
                "local_name": peer.local_name,
                "orig_user": self.original,
                "auth_user": self.master or self.user,
                "master_user": self.master,
                "login_user": self.login_as,
            }
        return self.values

    def rename(self, name: str) -> None:
        if name != self.user:
            self.user = name
            self.values = None

    def query(self) -> Query:
        return Query(self.user, self.variables, self.reply)

    def merge(self, fields: Mapping[str, str], override: bool = True) -> None:
        """Take a passdb's extra fields: `user` renames, `userdb_x` goes to the userdb's reply, the rest is kept."""
        for key, value in fields.items():
            if key == "user":
                self.rename(value)
            elif key.startswith("userdb_"):
                if override or key[7:] not in self.reply:
                    self.reply[key[7:]] = value
            elif override or key not in self.fields:
                self.fields[key] = value


def authenticate(chain: Chain, request: LoginRequest) -> Steps[AuthResult]:
    """Verify the credentials and look the user up."""
    credentials = request.credentials
    authcid, login_as = split_master(chain.names, credentials.authcid, credentials.authzid)
    try:
        user = normal_name(chain.names, authcid)
        target = normal_name(chain.names, login_as) if login_as else ""
    except BadName as error:
        return AuthResult(failure=Failure.INVALID_NAME, log=str(error))
    attempt = _Attempt(
        request.service,
        request.peer,
        credentials.mechanism,
        request.session_id,
        request.client_id,
        authcid,
        user,
    )
    attempt.login_as = "" if target == user else target
    failure = yield from _run_passdbs(chain, attempt, credentials)
    if failure is None:
        failure = _closed(attempt)
    if failure is not None:
        return _refused(attempt, failure)
    if "proxy" in attempt.fields:
        found: User | None = User(attempt.user, credentials.authcid, fields=attempt.reply)
    else:
        try:
            found = yield from _run_userdbs(chain, attempt)
        except UserUnavailable as error:
            return _refused(attempt, Failure.TEMPORARY, str(error))
    if found is None:
        return _refused(attempt, Failure.TEMPORARY, "user exists in a passdb, but in no userdb")
    log = f"master user {attempt.master}" if attempt.master else ""
    return AuthResult(found, log=log, fields=attempt.fields, master_user=attempt.master)


def _closed(attempt: _Attempt) -> Failure | None:
    """Right password, but the account is not open: the extra field `nologin`."""
    nologin = attempt.fields.get("nologin")
    return Failure.NOLOGIN if nologin is not None and nologin != "no" else None


def _refused(attempt: _Attempt, failure: Failure, note: str = "") -> AuthResult:
    notes = [*attempt.notes, note] if note else attempt.notes
    log = "; ".join([failure.value, *notes])
    reason = attempt.fields.get("reason", "") if failure is Failure.NOLOGIN else ""
    return AuthResult(failure=failure, log=log, reason=reason, fields=attempt.fields, master_user=attempt.master)


def _run_passdbs(chain: Chain, attempt: _Attempt, credentials: Credentials) -> Steps[Failure | None]:
    """Ask the passdbs in order; None when the login is good.

    A wrong answer is remembered as such, but when some database could not be asked the whole is a temporary failure:
    that one might have known the right password.
    """
    success = unavailable = False
    if attempt.login_as and not chain.masters:
        attempt.notes.append("login as another user, but no passdb has master = yes")
        return Failure.NOT_AUTHORIZED
    rows = chain.masters if attempt.login_as else chain.passdbs
    index = 0
    outcome = _Outcome.UNKNOWN
    while index < len(rows):
        passdb = rows[index]
        index += 1
        if _skips_passdb(passdb.row, attempt):
            continue
        outcome = yield from _ask_passdb(passdb, attempt, credentials)
        settings = passdb.row.settings
        if settings.deny:
            if outcome is _Outcome.INTERNAL:
                return Failure.TEMPORARY
            if outcome is not _Outcome.UNKNOWN:
                attempt.notes.append(f"found in the deny passdb {settings.where or settings.driver}")
                return Failure.DISABLED
            continue
        unavailable = unavailable or outcome is _Outcome.INTERNAL
        rule = _rule(passdb.row, outcome)
        if rule in (Rule.RETURN_OK, Rule.CONTINUE_OK):
            success = True
        elif rule in (Rule.RETURN_FAIL, Rule.CONTINUE_FAIL):
            success = False
        going_on = rule in (Rule.CONTINUE, Rule.CONTINUE_OK, Rule.CONTINUE_FAIL)
        if outcome is _Outcome.OK:
            attempt.verified = attempt.verified or going_on
            if attempt.login_as:  # what follows concerns the user that the master becomes
                attempt.master, attempt.login_as = attempt.user, ""
                attempt.rename(_target(credentials, chain))
                rows, index = chain.passdbs, 0
        if not going_on:
            break
    if success:
        return None
    if unavailable:
        return Failure.TEMPORARY
    yield from _spend_time(attempt, credentials)
    return _failure(attempt)


def _target(credentials: Credentials, chain: Chain) -> str:
    """The user a master logs in as, in its normal form."""
    _, login_as = split_master(chain.names, credentials.authcid, credentials.authzid)
    return normal_name(chain.names, login_as)


def _failure(attempt: _Attempt) -> Failure:
    if attempt.not_allowed:
        return Failure.ADDRESS_NOT_ALLOWED
    return Failure.WRONG_PASSWORD if attempt.mismatch else Failure.UNKNOWN_USER


def _rule(row: _Row, outcome: _Outcome) -> Rule:
    if outcome is _Outcome.OK:
        return row.success
    return row.settings.result_internalfail if outcome is _Outcome.INTERNAL else row.settings.result_failure


def _skips_passdb(row: _Row, attempt: _Attempt) -> bool:
    if row.mechanisms and (attempt.mechanism or "NONE") not in row.mechanisms:
        return True
    if row.settings.username_filter and not filter_accepts(row.settings.username_filter, attempt.user):
        return True
    skip = row.settings.skip
    return (skip is Skip.AUTHENTICATED and attempt.verified) or (skip is Skip.UNAUTHENTICATED and not attempt.verified)


def _ask_passdb(passdb: _Passdb, attempt: _Attempt, credentials: Credentials) -> Steps[_Outcome]:
    """One passdb's word; its fields are kept only when it said yes."""
    before = attempt.user, dict(attempt.fields), dict(attempt.reply)
    if passdb.row.default_fields:
        attempt.merge(expand_fields(passdb.row.default_fields, attempt.variables()), override=False)
    answer = passdb.database.lookup(attempt.query())
    if isinstance(answer, Job):
        answer = yield answer
    outcome = yield from _judge(passdb, attempt, credentials, answer)
    if outcome is not _Outcome.OK:
        attempt.rename(before[0])
        attempt.fields, attempt.reply = before[1], before[2]
    return outcome


def _judge(passdb: _Passdb, attempt: _Attempt, credentials: Credentials, answer: Answer) -> Steps[_Outcome]:
    if isinstance(answer, Unavailable):
        attempt.notes.append(answer.detail)
        return _Outcome.INTERNAL
    if isinstance(answer, NotFound):
        attempt.example = (answer.example, passdb.database.default_scheme)
        return _Outcome.UNKNOWN
    if passdb.row.settings.deny:
        return _Outcome.OK
    if answer.fields:
        attempt.merge(answer.fields)
    if not attempt.verified:
        outcome = yield from _check(passdb, attempt, credentials, answer)
        if outcome is not _Outcome.OK:
            return outcome
    if passdb.row.override_fields:
        attempt.merge(expand_fields(passdb.row.override_fields, attempt.variables()))
    attempt.fields.pop("nopassword", None)  # concerns this database alone
    allow_nets = attempt.fields.get("allow_nets")
    if allow_nets is not None:
        return _judge_address(attempt, allow_nets)
    return _Outcome.OK


def _judge_address(attempt: _Attempt, allow_nets: str) -> _Outcome:
    try:
        allowed = address_allowed(allow_nets, attempt.peer.remote_ip)
    except ValueError as error:
        attempt.notes.append(f"allow_nets of {attempt.user}: {error}")
        return _Outcome.INTERNAL
    if allowed:
        return _Outcome.OK
    attempt.not_allowed = True
    attempt.notes.append(f"{attempt.peer.remote_ip} is not in allow_nets={allow_nets}")
    return _Outcome.UNKNOWN


def _check(passdb: _Passdb, attempt: _Attempt, credentials: Credentials, answer: Found) -> Steps[_Outcome]:
    """Verify the password: here when the scheme is cheap, as a Job when it is not."""
    stored = answer.password or ""
    if "nopassword" in attempt.fields:
        if not stored:
            return _Outcome.OK
        attempt.notes.append(f"{attempt.user} has both nopassword and a password")
        return _Outcome.INTERNAL
    attempt.mismatch = True
    if not stored:
        attempt.notes.append("no password stored")
        return _Outcome.MISMATCH
    default = passdb.database.default_scheme
    check = partial(_verified, Secret(stored), credentials.password, default, attempt.original)
    good = check() if schemes.is_cheap(stored, default) else (yield Job(check))
    if isinstance(good, Unavailable):
        attempt.notes.append(good.detail)
        return _Outcome.INTERNAL
    if not good:
        return _Outcome.MISMATCH
    attempt.mismatch = False
    return _Outcome.OK


def _verified(stored: Secret, password: Secret, default_scheme: str, user: str) -> bool | Unavailable:
    """`schemes.verify`, with what makes it impossible as a value: a damaged hash is no wrong password."""
    try:
        return schemes.verify(stored.reveal().decode(), password.reveal(), default_scheme, user)
    except (schemes.SchemeError, CryptMissing) as error:
        return Unavailable(str(error))


def _spend_time(attempt: _Attempt, credentials: Credentials) -> Steps[None]:
    """An unknown user costs what a wrong password costs, else the clock would tell who has an account."""
    stored, default = attempt.example
    if stored and not attempt.mismatch and not schemes.is_cheap(stored, default):
        yield Job(partial(_verified, Secret(stored), credentials.password, default, attempt.original))


def lookup(chain: Chain, username: str, service: str) -> Steps[User | None]:
    """A user without a login (LMTP, deliver, admin). None: he does not exist; UserUnavailable: nobody can say now."""
    try:
        user = normal_name(chain.names, username)
    except BadName:
        return None
    attempt = _Attempt(service, Peer(), "", "", "", username, user)
    return (yield from _run_userdbs(chain, attempt, known=False))


def _run_userdbs(chain: Chain, attempt: _Attempt, known: bool = True) -> Steps[User | None]:
    """Ask the userdbs in order; their fields add up. `known` says that a passdb has vouched for the user."""
    if not chain.userdbs:
        return (yield from _user(attempt)) if known else None
    found = False
    trouble = ""
    for userdb in chain.userdbs:
        skip = userdb.row.settings.skip
        if (skip is Skip.FOUND and found) or (skip is Skip.NOT_FOUND and not found):
            continue
        answer = yield from _ask_userdb(userdb, chain, attempt, known)
        outcome = _Outcome.UNKNOWN
        if isinstance(answer, Found):
            outcome = _Outcome.OK
        elif isinstance(answer, Unavailable):
            outcome, trouble = _Outcome.INTERNAL, answer.detail
        rule = _rule(userdb.row, outcome)
        if rule in (Rule.RETURN_OK, Rule.CONTINUE_OK):
            found = True
        elif rule in (Rule.RETURN_FAIL, Rule.CONTINUE_FAIL):
            found = False
        if rule in (Rule.RETURN, Rule.RETURN_OK, Rule.RETURN_FAIL):
            break
    if found:
        return (yield from _user(attempt))
    if trouble:
        raise UserUnavailable(trouble)
    return None


def _ask_userdb(userdb: _Userdb, chain: Chain, attempt: _Attempt, known: bool) -> Steps[Answer]:
    if userdb.database.needs_passdb and not known:
        existence: Answer = yield from _exists(chain, attempt)
        if not isinstance(existence, Found):
            return existence
    answer = userdb.database.lookup(attempt.query())
    if isinstance(answer, Job):
        answer = yield answer
    if isinstance(answer, Found):
        found = dict(answer.fields)  # prefetch answers with the reply itself
        if userdb.row.default_fields:
            attempt.reply.update(expand_fields(userdb.row.default_fields, attempt.variables()))
        attempt.reply.update(found)
        if userdb.row.override_fields:
            attempt.reply.update(expand_fields(userdb.row.override_fields, attempt.variables()))
        if "user" in attempt.reply:
            attempt.rename(attempt.reply.pop("user"))
    return answer


def _exists(chain: Chain, attempt: _Attempt) -> Steps[Answer]:
    """Whether a passdb knows the user, without a password (userdb static without allow_all_users)."""
    trouble: Unavailable | None = None
    for passdb in chain.passdbs:
        if passdb.row.settings.deny or _skips_passdb(passdb.row, attempt):
            continue
        answer = passdb.database.lookup(attempt.query())
        if isinstance(answer, Job):
            answer = yield answer
        if isinstance(answer, Found):
            attempt.merge(answer.fields)
            return answer
        if isinstance(answer, Unavailable):
            trouble = answer
    return trouble or NotFound()


def _user(attempt: _Attempt) -> Steps[User]:
    """The reply's fields as a User; UserUnavailable where uid or gid cannot be used."""
    reply = dict(attempt.reply)
    ids: dict[str, int] = {}
    for key in ("uid", "gid"):
        text = reply.pop(key, "")
        if not text:
            continue
        by_name = _uid_of if key == "uid" else _gid_of
        number = int(text) if text.isdecimal() else (yield Job(partial(by_name, text)))
        if number is None or not 0 < number < 2**32 - 1:
            raise UserUnavailable(f"user {attempt.user} has invalid {key} {text!r}; write a number above 0 or a name")
        ids[key] = number
    home, mail = reply.pop("home", ""), reply.pop("mail", "")
    return User(attempt.user, attempt.original, ids.get("uid"), ids.get("gid"), home, mail, reply)


def _uid_of(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _gid_of(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def iterate(chain: Chain) -> Steps[list[str]]:
    """The names of all users that the userdbs can list, each once, in order."""
    names: dict[str, None] = {}
    listers: list[Callable[[], Any]] = [u.database.iterate for u in chain.userdbs if u.database.iterate]
    if not listers:
        raise SettingsError("no userdb can list its users; passwd-file can")
    for lister in listers:
        listed = lister()
        if isinstance(listed, Job):
            listed = yield listed
        names.update(dict.fromkeys(listed))
    return list(names)


def versions(chain: Chain, query: Query) -> Hashable:
    """Changes whenever a database that has a version (a file) was changed; part of a cached answer."""
    return tuple(
        [p.database.version(query) for p in (*chain.masters, *chain.passdbs)]
        + [u.database.version(query) for u in chain.userdbs]
    )


def run(steps: Steps[_T]) -> _T:
    """Drive a chain in the calling thread; for programs that are not servers."""
    value: Any = None
    while True:
        try:
            job = steps.send(value)
        except StopIteration as stop:
            result: _T = stop.value
            return result
        value = job.call()
