"""The settings inside sections: passdb, userdb, namespace with its mailboxes, service with its listeners, metrics.

The defaults of a class are those of any section of its kind; what the server's own services begin with is in
`doocot.config.services`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from doocot.config.kinds import enum, interval, milliseconds, mode, port, size, string, uint, words, yes_no

_RESULTS = "return-ok return return-fail continue continue-ok continue-fail"
_ON_FAILURE = "continue return-ok return return-fail continue-ok continue-fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassDb:
    """`passdb { }`: where passwords are verified; the databases are asked in order."""

    name: str = string("", "The name of this database in events.")
    driver: str = string("", "The kind of database: passwd-file, static, pam, ldap, sql and others.")
    args: str = string("", "What the driver needs: a file, options.")
    default_fields: str = string("", "Fields that are set before the look-up.")
    override_fields: str = string("", "Fields that are set after the look-up.")
    mechanisms: tuple[str, ...] = words("", "The SASL mechanisms that it answers; empty means all.")
    username_filter: str = string("", "Patterns of the user names that it answers, those after ! it does not.")
    skip: str = enum("never authenticated unauthenticated", "When it is not asked.")
    result_success: str = enum(_RESULTS, "What follows when the password was right.")
    result_failure: str = enum(_ON_FAILURE, "What follows when user or password was wrong.")
    result_internalfail: str = enum(_ON_FAILURE, "What follows when it could not be asked.")
    deny: bool = yes_no("no", "Users that it knows are refused.")
    # Named `pass` in the file, which is a word of Python.
    pass_: bool = yes_no("no", "The old form of result_success = continue.")
    master: bool = yes_no("no", "It holds master users.")
    auth_verbose: str = enum("default yes no", "Log why logins failed here; default takes auth_verbose.")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDb:
    """`userdb { }`: where home, uid, gid and settings of a user are looked up; asked in order."""

    name: str = string("", "The name of this database in events.")
    driver: str = string("", "The kind of database: passwd, passwd-file, static, prefetch, ldap, sql and others.")
    args: str = string("", "What the driver needs: a file, options.")
    default_fields: str = string("", "Fields that are set before the look-up.")
    override_fields: str = string("", "Fields that are set after the look-up.")
    skip: str = enum("never found notfound", "When it is not asked.")
    result_success: str = enum(_RESULTS, "What follows when the user was found.")
    result_failure: str = enum(_ON_FAILURE, "What follows when the user was not found.")
    result_internalfail: str = enum(_ON_FAILURE, "What follows when it could not be asked.")
    auth_verbose: str = enum("default yes no", "Log failed look-ups here; default takes auth_verbose.")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxSettings:
    """`mailbox NAME { }` of a namespace."""

    name: str
    auto: str = enum("no create subscribe", "Create the mailbox, or create and subscribe to it, for every user.")
    autoexpunge: int = interval("0", "Expunge messages that were saved longer ago; 0 keeps them.")
    autoexpunge_max_mails: int = uint(0, "Expunge the oldest messages above this number; 0 has no limit.")
    comment: str = string("", "The /shared/comment annotation.")
    driver: str = string("", "Another mailbox format for this mailbox.", inert=True)
    special_use: tuple[str, ...] = words("", "The special-use attributes: \\Drafts, \\Junk, \\Sent, \\Trash ...")


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """`namespace NAME { }`: a part of the tree of mailboxes and where it is kept."""

    name: str
    type: str = enum("private shared public", "Whose mailboxes they are.")
    prefix: str = string("", "What the names of its mailboxes begin with.")
    location: str = string("", "Where they are; empty takes mail_location.")
    separator: str = string("", "The hierarchy separator; empty takes that of the mailbox format.")
    inbox: bool = yes_no("no", "INBOX is here.")
    hidden: bool = yes_no("no", "NAMESPACE does not list it.")
    list: str = enum("yes no children", "LIST shows its mailboxes.")
    subscriptions: bool = yes_no("yes", "It keeps its own subscriptions.")
    ignore_on_failure: bool = yes_no("no", "Go on without it when it cannot be opened.")
    disabled: bool = yes_no("no", "It is not there; a user database may switch it on.")
    alias_for: str = string("", "The prefix of the namespace that this is another name of.", hidden=True)
    order: int = uint(0, "Its place in NAMESPACE; 0 leaves the order of the file.")
    mailboxes: tuple[MailboxSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InetListener:
    """`inet_listener NAME { }`: a TCP port that a service listens on."""

    name: str
    address: tuple[str, ...] = words("", "The addresses; empty takes `listen`.")
    haproxy: bool = yes_no("no", "Connections begin with a PROXY header.")
    port: int = port(0, "The port; 0 switches the listener off.")
    reuse_port: bool = yes_no("no", "Bind with SO_REUSEPORT.", inert=True)
    ssl: bool = yes_no("no", "TLS from the first byte.")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixListener:
    """`unix_listener PATH { }`: a socket in the file system, under base_dir when the path is relative."""

    name: str
    group: str = string("", "The group of the socket.")
    mode: int = mode("0600", "The permissions of the socket; 0 switches it off.")
    user: str = string("", "The owner of the socket.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FifoListener:
    """`fifo_listener PATH { }`: a named pipe."""

    name: str
    group: str = string("", "The group of the pipe.")
    mode: int = mode("0600", "The permissions of the pipe; 0 switches it off.")
    user: str = string("", "The owner of the pipe.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """`service NAME { }`: listeners and, in Dovecot, a kind of process."""

    name: str
    chroot: str = string("", "The root folder of its processes.", inert=True)
    client_limit: int = uint(0, "Connections of one process; 0 takes default_client_limit.", inert=True)
    drop_priv_before_exec: bool = yes_no("no", "Drop privileges before the program runs.", inert=True)
    executable: str = string("", "The program, or `script PATH` for a program that answers a socket.")
    extra_groups: str = string("", "Further groups of its processes.", inert=True)
    group: str = string("", "The group of its processes.")
    idle_kill: int = interval("0", "How long an idle process lives.", inert=True)
    privileged_group: str = string("", "A group that its processes may switch to.", inert=True)
    process_limit: int = uint(0, "Processes; 0 takes default_process_limit.", inert=True)
    process_min_avail: int = uint(0, "Processes that are kept ready.", inert=True)
    protocol: str = string("", "Runs only when `protocols` has this one.")
    service_count: int = uint(0, "Connections of a process in its life; 0 has no limit.", inert=True)
    type: str = string("", "The kind of service.", inert=True)
    user: str = string("", "The user of its processes.")
    vsz_limit: int = size("18446744073709551615 B", "Address space of a process.", inert=True)
    inet_listeners: tuple[InetListener, ...] = ()
    unix_listeners: tuple[UnixListener, ...] = ()
    fifo_listeners: tuple[FifoListener, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`metric NAME { }`: events that are counted, chosen by a filter expression or in the form of Dovecot 2.3.0."""

    name: str
    filter: str = string("", "The events that are counted: name=value, AND, OR, NOT.")
    fields: tuple[str, ...] = words("", "Numeric fields that are summed up.")
    group_by: tuple[str, ...] = words("", "Fields that events are counted apart by.")
    exporter: str = string("", "The event_exporter that gets each event.")
    exporter_include: tuple[str, ...] = words("name hostname timestamps categories fields", "What it gets of them.")
    description: str = string("", "What the metric says, for its readers.")
    event_name: str = string("", "The name of the events (Dovecot before 2.3.12).")
    source_location: str = string("", "The source line of the events (Dovecot before 2.3.12).", inert=True)
    categories: tuple[str, ...] = words("", "The categories of the events (Dovecot before 2.3.12).")
    filter_fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventExporter:
    """`event_exporter NAME { }`: where events are sent."""

    name: str
    format: str = string("", "How an event is written: json or tab-text.")
    format_args: str = string("", "Options of the format, such as time-rfc3339.")
    transport: str = string("", "How it is sent: log, http-post or drop.")
    transport_args: str = string("", "Options of the transport, such as its URL.")
    transport_timeout: int = milliseconds("250 ms", "How long to wait for the other side.")
