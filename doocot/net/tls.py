"""TLS contexts from the settings (`ssl_cert`, `ssl_key`, `ssl_min_protocol` and so on), by name and reloadable.

`Contexts.current` is asked at each handshake, so after `replace` new connections get the new certificates while the old
ones keep what they began with.
"""

import ipaddress
import os
import ssl
from asyncio import BaseTransport
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from doocot.wire.flow import Peer

SELF_SIGNED_DAYS: Final = 3650
_NAME_KEY: Final = "doocot_server_name"
_PROTOCOLS: Final[Mapping[str, ssl.TLSVersion]] = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
    "ANY": ssl.TLSVersion.MINIMUM_SUPPORTED,
}


class TlsError(Exception):
    """A certificate, key or TLS setting that cannot be used; says which one and why."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What one context is made of; certificate and key are PEM text, as `<file` gives it."""

    cert: str
    key: str
    key_password: str = ""
    ca: str = ""
    verify_client_cert: bool = False
    min_protocol: str = "TLSv1.2"
    cipher_list: str = ""
    prefer_server_ciphers: bool = False
    alt_cert: str = ""
    alt_key: str = ""
    alpn: str = ""  # the protocol that is chosen when a client offers it (RFC 7301)


def make_context(settings: TlsSettings) -> ssl.SSLContext:
    """The server context that these settings describe; TlsError names the setting that is wrong."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    minimum = _PROTOCOLS.get(settings.min_protocol)
    if minimum is None:
        raise TlsError(f"ssl_min_protocol = {settings.min_protocol}: unknown, use one of {', '.join(_PROTOCOLS)}")
    context.minimum_version = minimum
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if settings.prefer_server_ciphers:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    if settings.cipher_list:
        try:
            context.set_ciphers(settings.cipher_list)
        except ssl.SSLError as error:
            raise TlsError(f"ssl_cipher_list = {settings.cipher_list}: no cipher of it is known") from error
    _load(context, settings.cert, settings.key, settings.key_password, "ssl_cert, ssl_key")
    if settings.alt_cert:
        _load(context, settings.alt_cert, settings.alt_key, settings.key_password, "ssl_alt_cert, ssl_alt_key")
    if settings.ca:
        try:
            context.load_verify_locations(cadata=settings.ca)
        except ssl.SSLError as error:
            raise TlsError(f"ssl_ca: no certificates could be read from it ({error.reason})") from error
    if settings.alpn:
        context.set_alpn_protocols([settings.alpn])
    if settings.verify_client_cert:
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _load(context: ssl.SSLContext, cert: str, key: str, password: str, names: str) -> None:
    # The ssl module reads files only, and the text may come from a file that this process must not open: a file in
    # memory, which nobody else sees, carries it.
    if not cert or not key:
        raise TlsError(f"{names}: both are needed for TLS; set them, or set ssl = no")
    descriptors = []
    try:
        for text in (cert, key):
            descriptors.append(os.memfd_create("pem", os.MFD_CLOEXEC))
            os.write(descriptors[-1], text.encode())
        paths = [f"/proc/self/fd/{descriptor}" for descriptor in descriptors]
        context.load_cert_chain(paths[0], paths[1], password=lambda: password)
    except ssl.SSLError as error:
        reason = error.reason or str(error)
        if reason == "KEY_VALUES_MISMATCH":
            reason = "the key belongs to another certificate"
        raise TlsError(f"{names}: not usable ({reason})") from error
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


class Contexts:
    """The contexts of one service: the default, and others by the name that the client asks for (`local_name`)."""

    __slots__ = ("_by_name", "_default")

    def __init__(self, default: TlsSettings, by_name: Mapping[str, TlsSettings] | None = None) -> None:
        self._default: ssl.SSLContext
        self._by_name: dict[str, ssl.SSLContext] = {}
        self.replace(default, by_name)

    def replace(self, default: TlsSettings, by_name: Mapping[str, TlsSettings] | None = None) -> None:
        """Use new settings from the next handshake on; when one of them is wrong, TlsError and all stays as it was."""
        names = {name.lower(): make_context(settings) for name, settings in (by_name or {}).items()}
        context = make_context(default)
        # Set by the attribute that is typed so; the name is kept on the SSLObject, for `%{local_name}` and the log.
        context.sni_callback = self._choose
        self._default, self._by_name = context, names

    def current(self) -> ssl.SSLContext:
        """The context for a new handshake."""
        return self._default

    def _choose(self, tls: Any, name: str | None, _: ssl.SSLContext) -> None:
        if not name:
            return
        setattr(tls, _NAME_KEY, name)
        wanted = name.lower().rstrip(".")
        context = self._by_name.get(wanted) or self._by_name.get("*." + wanted.partition(".")[2])
        if context is not None:
            tls.context = context


def describe_peer(peer: Peer, transport: BaseTransport) -> Peer:
    """The Peer with what the handshake told: the name asked for, and the client's certificate."""
    tls = transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert() or {}
    common_name = ""
    for relative_name in certificate.get("subject", ()):
        for kind, value in relative_name:
            if kind == "commonName":
                common_name = value
    return replace(
        peer, tls=True, local_name=getattr(tls, _NAME_KEY, "") or peer.local_name, certificate_name=common_name
    )


def self_signed(names: Sequence[str], now: datetime | None = None) -> tuple[str, str]:
    """A certificate for these host names and addresses, and its key, both as PEM (RFC 5280 §4.2.1.6)."""
    # Slow to import, and only needed at the very first start.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    begin = (now or datetime.now(UTC)) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=SELF_SIGNED_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), key_pem.decode()


def _general_name(name: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def ensure_self_signed(folder: Path, names: Callable[[], Sequence[str]]) -> tuple[Path, Path]:
    """The certificate and key files in `folder`, made when they are not there yet; the key has mode 0600."""
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    if not (cert_path.exists() and key_path.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        cert, key = self_signed(names())
        _write(key_path, key, 0o600)
        _write(cert_path, cert, 0o644)
    return cert_path, key_path


def _write(path: Path, text: str, mode: int) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(temporary, path)
