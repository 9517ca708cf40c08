"""Password schemes: known answers, our own round trip, and Debian's doveadm as oracle in both directions."""

import shutil
import subprocess
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doocot.auth import schemes

# `secret` hashed by doveadm pw 2.3.19.1 (user tim@x for DIGEST-MD5), crypt(3) and OpenLDAP's slappasswd.
KNOWN = [
    "{PLAIN}secret",
    "{CLEAR}secret",
    "{CLEARTEXT}secret",
    "{plain}secret",
    "{PLAIN.b64}c2VjcmV0",
    "{PLAIN.HEX}736563726574",
    "{PLAIN-TRUNC}3-sec",
    "{PLAIN-TRUNC}9-secret",
    "{CRYPT}$y$j9T$F5Jx5fExrKuPp53xLKQ..1$GmcwIgvdUC9qLWcKCi6gklUa1dM3ziD43YxYNURLKy0",
    "{CRYPT}$2y$05$VnEqMB8ARSRN3vsVofWUcObwWKYMx6yWki/l8kYCjfuzBId6GYJii",
    "{BLF-CRYPT}$2y$05$2oqsZaoQhwGt6WqFp4QXXukgCA90b43mZhlwoZkNi6GbETEFTZA8.",
    "{PBKDF2}$1$D5mjJk.7.E0Nawgi$5000$1eff2c1a96019a441995c533940795bba766b6b3",
    "{SSHA512}RYiDQuWjjd/gbBpSwhQwoaL+fEbqKSh01XU91/VeFA8FjPGt+97PRQlskmk9mv3ak3tJQ7INwc+EpUsYXR+IGnIiElI=",
    "{MD5}$1$A9HJpZjQ$0T9eLDpR0cY1b09M4RPCT1",
    "{MD5-CRYPT}$1$A9HJpZjQ$0T9eLDpR0cY1b09M4RPCT1",
    "{DES-CRYPT}ERlo/5qI5dkBo",
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "{SHA1}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",
    "{SHA.hex}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",
    "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
    "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69",
    "{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
    "{DIGEST-MD5}b389a62100b70f9e62899ed7c4e42cbf",
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$r8VY/y7Sy81WcyagWldr5A$Fcl+80eWpETUBZNsj/TmIpJqiCdIsCpsTNE9RbUd+Qc",
    "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$qTQzzv34b3fSryC1lUESwQ$KZQgn9C2oAXQptAGDgGMfseJmM00fFuVxq3EAC43xd0",
    (
        "{SCRAM-SHA-256}4096,yHwFQsLyXIfL8b4es4GgFg==,6Pxd6KRcYOmwVLVtJIYyV7yx4cHIBeuYtJuVGHNEayo=,"
        "GkWURG9DruuSGXwQ9z24+OT0p2eGbQvqXlR72WVP9P8="
    ),
]
USER = "tim@x"
MADE = sorted(schemes.SCHEMES)
# The oracle: doveadm 2.3 has no yescrypt of its own but passes {CRYPT} to the same libcrypt.
DOVEADM = shutil.which("doveadm")
needs_doveadm = pytest.mark.skipif(DOVEADM is None, reason="doveadm is not installed (apt: dovecot-core)")


def doveadm(*args: str) -> subprocess.CompletedProcess[str]:
    assert DOVEADM is not None
    return subprocess.run([DOVEADM, "pw", *args], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("stored", KNOWN)
def test_scheme_known_answer(stored: str) -> None:
    assert schemes.verify(stored, b"secret", user=USER)
    assert not schemes.verify(stored, b"sxcret", user=USER)
    assert not schemes.verify(stored, b"", user=USER)


@pytest.mark.parametrize("name", MADE)
def test_scheme_made_is_verified(name: str) -> None:
    stored = schemes.make(name, b"p\xc3\xa4ss w\xc3\xb6rd:", user=USER)
    assert stored.startswith(f"{{{name}}}")
    assert schemes.verify(stored, b"p\xc3\xa4ss w\xc3\xb6rd:", user=USER)
    assert not schemes.verify(stored, b"p\xc3\xa4sx w\xc3\xb6rd:", user=USER)


@needs_doveadm
@pytest.mark.parametrize("name", MADE)
def test_doveadm_verifies_what_we_make(name: str) -> None:
    stored = schemes.make(name, b"secret", user=USER)
    done = doveadm("-t", stored, "-p", "secret", "-u", USER)
    assert (done.returncode, done.stdout.strip()) == (0, f"{stored} (verified)"), done.stderr


@needs_doveadm
@pytest.mark.parametrize("name", [name for name in MADE if name != "PLAIN-TRUNC"])  # doveadm makes it unusable
def test_we_verify_what_doveadm_makes(name: str) -> None:
    done = doveadm("-s", name, "-p", "secret", "-u", USER)
    assert done.returncode == 0, done.stderr
    assert schemes.verify(done.stdout.strip(), b"secret", user=USER)
    assert not schemes.verify(done.stdout.strip(), b"secreT", user=USER)


@needs_doveadm
@pytest.mark.parametrize("name", ["SHA512-CRYPT.b64", "SSHA.hex", "SHA.b64", "PLAIN.hex", "SMD5.HEX", "PBKDF2.b64"])
def test_encodings_agree_with_doveadm(name: str) -> None:
    theirs = doveadm("-s", name, "-p", "secret").stdout.strip()
    assert schemes.verify(theirs, b"secret")
    assert doveadm("-t", schemes.make(name, b"secret"), "-p", "secret").returncode == 0


@needs_doveadm
def test_every_scheme_that_we_lack_is_known_to_be_lacking() -> None:
    theirs = set(doveadm("-l").stdout.split())
    assert theirs - set(schemes.SCHEMES) == {"CRAM-MD5", "HMAC-MD5", "OTP", "PLAIN-MD4"}
    assert set(schemes.SCHEMES) <= theirs


@needs_doveadm
def test_rounds_agree_with_doveadm() -> None:
    stored = schemes.make("SHA512-CRYPT", b"secret", 1234)
    assert "$rounds=1234$" in stored
    assert doveadm("-t", stored, "-p", "secret").returncode == 0
    assert "$04$" in schemes.make("BLF-CRYPT", b"secret", 4)


@pytest.mark.parametrize(("name", "rounds"), [("SHA512-CRYPT", 999), ("BLF-CRYPT", 32), ("SSHA", 5), ("PLAIN", 1)])
def test_rounds_out_of_range_are_refused(name: str, rounds: int) -> None:
    with pytest.raises(schemes.SchemeError, match="rounds"):
        schemes.make(name, b"x", rounds)


@pytest.mark.parametrize(
    "stored", ["{NOSUCH}x", "{SHA.b65}x", "{}x", "{SHA}***", "{PLAIN.hex}zz", "{SSHA}a", "{PLAIN-TRUNC}secret"]
)
def test_unusable_hash_is_an_error_without_the_hash_in_it(stored: str) -> None:
    with pytest.raises(schemes.SchemeError) as caught:
        schemes.verify(stored, b"x")
    assert "***" not in str(caught.value)


@pytest.mark.parametrize(
    "stored",
    [
        "{CRYPT}*",
        "{CRYPT}!",
        "{CRYPT}",
        "{CRYPT}x",
        "{SHA512-CRYPT}$1$A9HJpZjQ$0T9eLDpR0cY1b09M4RPCT1",
        "{PBKDF2}$1$salt$0$00",
        "{PBKDF2}$1$salt$99999999999$00",
        "{PBKDF2}x",
        "{ARGON2ID}$argon2i$v=19$m=32768,t=4,p=1$qTQzzv34b3fSryC1lUESwQ$KZQg",
        "{ARGON2ID}$argon2id$nonsense",
        "{SCRAM-SHA-1}4096,a",
        "{SSHA}AAAA",
        "{SHA}",
        "{PLAIN-TRUNC}3-secre",
    ],
)
def test_damaged_or_locked_hash_matches_nothing(stored: str) -> None:
    for password in (b"", b"secret", b"x", b"*", b"!"):
        assert not schemes.verify(stored, password)


def test_default_scheme_is_for_hashes_without_braces() -> None:
    assert schemes.verify("secret", b"secret", "PLAIN")
    assert schemes.verify("ERlo/5qI5dkBo", b"secret", "CRYPT")
    assert schemes.verify("$1$A9HJpZjQ$0T9eLDpR0cY1b09M4RPCT1", b"secret", "PLAIN")


def test_password_with_nul_is_not_cut_by_crypt() -> None:
    stored = schemes.make("SHA512-CRYPT", b"secret")
    assert not schemes.verify(stored, b"secret\0more")
    with pytest.raises(schemes.SchemeError, match="NUL"):
        schemes.make("SHA512-CRYPT", b"a\0b")


def test_long_password_with_bcrypt_is_cut_as_everywhere() -> None:
    stored = schemes.make("BLF-CRYPT", b"x" * 100)
    assert schemes.verify(stored, b"x" * 100)
    assert not schemes.verify(stored, b"x" * 71)


def test_crypt_in_threads_keeps_results_apart() -> None:
    passwords = [f"pw{number}".encode() for number in range(8)]
    stored = [schemes.make("MD5-CRYPT", password) for password in passwords]
    wrong: list[int] = []

    def check(number: int) -> None:
        for _ in range(20):
            if not schemes.verify(stored[number], passwords[number]):
                wrong.append(number)

    threads = [threading.Thread(target=check, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


CHEAP = sorted(name for name, scheme in schemes.SCHEMES.items() if scheme.cheap and name != "PLAIN-TRUNC")


@given(st.sampled_from(CHEAP), st.binary(max_size=64), st.binary(max_size=64))
@settings(max_examples=200, deadline=None)
def test_cheap_schemes_accept_exactly_their_password(name: str, password: bytes, other: bytes) -> None:
    if name.startswith(("PLAIN", "CLEAR")):  # these are text
        password, other = password.hex().encode(), other.hex().encode()
    stored = schemes.make(name, password, user=USER)
    assert schemes.verify(stored, password, user=USER)
    assert schemes.verify(stored, other, user=USER) == (other == password)


@given(st.text(max_size=80), st.binary(max_size=20))
@settings(max_examples=300, deadline=None)
def test_any_stored_text_gives_an_answer_or_a_scheme_error(stored: str, password: bytes) -> None:
    try:
        assert schemes.verify(stored, password, "SSHA") in (True, False)
    except schemes.SchemeError:
        pass
