"""What the settings ask a server to be: its listeners, their TLS, its workers and whom they run as. No effects here."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from doocot.config.check import SERVED
from doocot.config.effective import effective
from doocot.config.embedded import EMBEDDED_PATH
from doocot.config.load import Config
from doocot.config.sections import InetListener, Service, UnixListener
from doocot.config.settings import Settings
from doocot.main.identity import Identity, PlanError, group_id, identity, user_id
from doocot.net.listener import Address
from doocot.net.tls import TlsSettings
from doocot.wire.smtp import client_workarounds

ALPN: Final = MappingProxyType({"imap": "imap"})  # names in TLS, where the protocol has one (RFC 7301 §6)

MAX_WORKERS: Final = 64
_ANY: Final = {"*": "0.0.0.0", "[::]": "::"}


@dataclass(frozen=True, slots=True)
class Listening:
    """One address and what is spoken there. Equal values are the same socket, before and after a reload."""

    protocol: str
    name: str
    address: Address
    tls: bool = False
    haproxy: bool = False


@dataclass(frozen=True, slots=True)
class Tls:
    """The certificates of one protocol: the default, and by `local_name`."""

    default: TlsSettings
    by_name: tuple[tuple[str, TlsSettings], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that supervisor and workers need to know."""

    config: Config
    listening: tuple[Listening, ...]
    tls: tuple[tuple[str, Tls], ...]  # by protocol; one that is missing has no TLS
    workers: int
    identity: Identity
    base_dir: str
    state_dir: str
    optional: tuple[Listening, ...] = ()  # IPv6 listeners that may fail where a machine has none

    @property
    def processes(self) -> int:
        """Workers of both kinds: those that clients log in to, and as many again that take in mail."""
        return 2 * self.workers

    def serving(self, protocol: str) -> range:
        """The numbers of the workers that serve this protocol.

        LMTP has its own: they wait for the disk, which somebody who reads his mail must not.
        """
        return range(self.workers, 2 * self.workers) if protocol == "lmtp" else range(self.workers)


def make_plan(config: Config, workers: int | None = None) -> Plan:
    """The plan of a configuration; PlanError when it cannot be one."""
    settings = effective(config)
    try:
        client_workarounds(" ".join(settings.lmtp_client_workarounds))
    except ValueError as error:
        raise PlanError(str(error)) from error
    listening = tuple(dict.fromkeys(_listening(settings)))
    if not listening:
        raise PlanError("no listener is left: `protocols` names none, or every port is 0")
    protocols = tuple(dict.fromkeys(each.protocol for each in listening))
    tls = []
    for protocol in protocols:
        found = _tls(config, protocol)
        if found is not None:
            tls.append((protocol, found))
    with_tls = {protocol for protocol, _ in tls}
    for each in listening:
        if each.tls and each.protocol not in with_tls:
            raise PlanError(
                f"{each.name} on {each.address} wants TLS, but there is no certificate: set ssl_cert and ssl_key, "
                "or its port to 0"
            )
    return Plan(
        config,
        listening,
        tuple(tls),
        _workers(settings, workers),
        identity(settings),
        settings.base_dir,
        settings.state_dir,
        tuple(each for each in listening if ":" in each.address.host),
    )


def _workers(settings: Settings, wanted: int | None) -> int:
    count = wanted or settings.doocot_workers or len(os.sched_getaffinity(0))
    return max(1, min(count, MAX_WORKERS))


def left_out(config: Config) -> list[str]:
    """What the settings ask for and this version does not do, for the log."""
    settings = effective(config)
    notes = [
        f"protocols: {protocol} is not served by this version, its listeners are not opened"
        for protocol in settings.protocols
        if protocol not in (*SERVED, "none")
    ]
    if os.geteuid() == 0 and identity(settings).uid < 0 and config.path != EMBEDDED_PATH:
        notes.append("mail_uid is not set, so mail is handled as root: set mail_uid and mail_gid to its owner")
    return notes


def _listening(settings: Settings) -> Iterator[Listening]:
    protocols = settings.protocols or ("imap", "lmtp")
    for service in settings.services:
        protocol = service.protocol
        if protocol not in protocols or protocol not in SERVED or service.name not in (f"{protocol}-login", protocol):
            continue
        for inet in service.inet_listeners:
            yield from _inet(settings, service, inet)
        if service.name == "lmtp":
            for unix in service.unix_listeners:
                if unix.mode:
                    yield Listening(protocol, unix.name, _unix(settings, unix))


def _inet(settings: Settings, service: Service, inet: InetListener) -> Iterator[Listening]:
    if not inet.port or (inet.ssl and settings.ssl == "no"):
        return
    for host in inet.address or settings.listen:
        address = Address(_ANY.get(host, host.strip("[]")), inet.port)
        yield Listening(service.protocol, inet.name, address, inet.ssl, inet.haproxy)


def _unix(settings: Settings, unix: UnixListener) -> Address:
    # Only root may give a socket away; else it belongs to whom the server runs as.
    root = os.geteuid() == 0
    uid = user_id(unix.user, f"unix_listener {unix.name}: user") if root and unix.user else -1
    gid = group_id(unix.group, f"unix_listener {unix.name}: group") if root and unix.group else -1
    return Address(path=os.path.join(settings.base_dir, unix.name), mode=unix.mode, uid=uid, gid=gid)


def _tls(config: Config, protocol: str) -> Tls | None:
    settings, alpn = effective(config, protocol), ALPN.get(protocol, "")
    if settings.ssl == "no" or not settings.ssl_cert:
        return None
    names = {layer.filter.local_name for layer in config.layers if layer.filter.local_name}
    by_name = []
    for text in sorted(names):
        for name in text.split():
            own = effective(config, protocol, local_name=name)
            if (own.ssl_cert, own.ssl_key) != (settings.ssl_cert, settings.ssl_key):
                by_name.append((name, tls_settings(own, alpn)))
    return Tls(tls_settings(settings, alpn), tuple(by_name))


def tls_settings(settings: Settings, alpn: str = "") -> TlsSettings:
    """The TLS part of the settings, with the files read; PlanError names one that cannot be."""
    texts = {}
    for name in ("ssl_cert", "ssl_key", "ssl_ca", "ssl_alt_cert", "ssl_alt_key"):
        content = getattr(settings, name)
        try:
            texts[name] = content.read() if content else ""
        except OSError as error:
            raise PlanError(f"{name} = <{content.path}: cannot be read: {error.strerror}") from error
    return TlsSettings(
        texts["ssl_cert"],
        texts["ssl_key"],
        settings.ssl_key_password,
        texts["ssl_ca"],
        settings.ssl_verify_client_cert,
        settings.ssl_min_protocol,
        settings.ssl_cipher_list,
        settings.ssl_prefer_server_ciphers,
        texts["ssl_alt_cert"],
        texts["ssl_alt_key"],
        alpn,
    )
