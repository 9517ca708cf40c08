"""The arithmetic of password schemes that `hashlib` can compute: digests plain and salted, SCRAM keys, PBKDF2."""

import base64
import hashlib
import hmac
import os

_SALT_LENGTH = 4


def plain_digest(algorithm: str, password: bytes) -> bytes:
    return hashlib.new(algorithm, password, usedforsecurity=False).digest()


def make_salted(algorithm: str, password: bytes) -> bytes:
    """digest(password + salt) + salt, as OpenLDAP's {SSHA}."""
    salt = os.urandom(_SALT_LENGTH)
    return plain_digest(algorithm, password + salt) + salt


def verify_salted(algorithm: str, password: bytes, raw: bytes) -> bool:
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size
    if len(raw) < size:
        return False
    return hmac.compare_digest(plain_digest(algorithm, password + raw[size:]), raw[:size])


def digest_md5(user: str, password: bytes) -> bytes:
    """H(user:realm:password), RFC 2831 §2.1.2.1; the realm is what follows the @."""
    name, _, realm = user.partition("@")
    return plain_digest("md5", f"{name}:{realm}:".encode() + password)


def scram(algorithm: str, password: bytes, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """StoredKey and ServerKey of RFC 5802 §3."""
    salted = hashlib.pbkdf2_hmac(algorithm, password, salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", algorithm)
    return hashlib.new(algorithm, client_key).digest(), hmac.digest(salted, b"Server Key", algorithm)


def make_scram(algorithm: str, password: bytes, iterations: int) -> str:
    """`iterations,salt,StoredKey,ServerKey`, the last three in base64."""
    salt = os.urandom(16)
    keys = scram(algorithm, password, salt, iterations)
    return ",".join([str(iterations), *(base64.b64encode(part).decode() for part in (salt, *keys))])


def verify_scram(algorithm: str, password: bytes, stored: bytes) -> bool:
    parts = stored.split(b",")
    if len(parts) != 4 or not parts[0].isdigit() or not 0 < int(parts[0]) <= MAX_ITERATIONS:
        return False
    salt, stored_key, server_key = (base64.b64decode(part, validate=True) for part in parts[1:])
    keys = scram(algorithm, password, salt, int(parts[0]))
    return hmac.compare_digest(keys[0], stored_key) & hmac.compare_digest(keys[1], server_key)


# A stored hash decides how long we compute; a typing error in a users file must not hold a thread for minutes.
MAX_ITERATIONS = 10_000_000
PBKDF2_ROUNDS = 5000
_PBKDF2_SALT = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def make_pbkdf2(password: bytes, rounds: int) -> str:
    """`$1$salt$rounds$hex` of PBKDF2-HMAC-SHA1 (RFC 8018 §5.2), as Dovecot writes it."""
    salt = "".join(_PBKDF2_SALT[byte & 63] for byte in os.urandom(16))
    return f"$1${salt}${rounds}${hashlib.pbkdf2_hmac('sha1', password, salt.encode(), rounds).hex()}"


def verify_pbkdf2(password: bytes, stored: bytes) -> bool:
    parts = stored.split(b"$")
    if len(parts) != 5 or parts[1] != b"1" or not parts[3].isdigit() or not 0 < int(parts[3]) <= MAX_ITERATIONS:
        return False
    made = hashlib.pbkdf2_hmac("sha1", password, parts[2], int(parts[3])).hex()
    return hmac.compare_digest(made.encode(), parts[4].lower())
