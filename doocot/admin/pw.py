"""`doocot pw`: make and test password hashes, with the options of `doveadm pw`."""

import sys

import click

from doocot.auth import schemes
from doocot.auth.libcrypt import CryptMissing

_MISMATCH = 75  # what doveadm pw -t exits with


def read_password(prompt: str = "Enter new password", confirm: bool = True) -> bytes:
    """From the terminal, twice; from standard input, one line, when that is not a terminal."""
    if sys.stdin.isatty():
        typed: str = click.prompt(
            prompt, hide_input=True, confirmation_prompt="Retype new password" if confirm else False
        )
        return typed.encode(errors="surrogateescape")
    line = sys.stdin.buffer.readline().rstrip(b"\r\n")
    if not line:
        raise click.ClickException("no password: type one line on standard input, or use -p")
    return line


@click.command("pw")
@click.option("-l", "list_schemes", is_flag=True, help="List the password schemes.")
@click.option("-s", "scheme", default="CRYPT", show_default=True, help="Scheme, with .b64 or .hex if wanted.")
@click.option("-p", "password", help="The password; others can see it in the process list.")
@click.option("-r", "rounds", type=click.IntRange(min=1), help="How many rounds, for schemes that have them.")
@click.option("-u", "user", default="", help="User name, for schemes that hash it in (DIGEST-MD5).")
@click.option("-t", "stored", metavar="HASH", help="Test a password against this hash.")
@click.option("-V", "verify", is_flag=True, help="Verify the new hash.")
def pw_command(
    list_schemes: bool,
    scheme: str,
    password: str | None,
    rounds: int | None,
    user: str,
    stored: str | None,
    verify: bool,
) -> None:
    """Make a password hash, or test one with -t."""
    if list_schemes:
        click.echo(" ".join(schemes.SCHEMES))
        return
    given = password.encode(errors="surrogateescape") if password is not None else read_password(confirm=stored is None)
    try:
        if stored is not None:
            _test(stored, given, user)
            return
        made = schemes.make(scheme, given, rounds or 0, user)
        if verify:
            _test(made, given, user)
        else:
            click.echo(made)
    except (schemes.SchemeError, CryptMissing) as error:
        raise click.ClickException(str(error)) from error


def _test(stored: str, password: bytes, user: str) -> None:
    if not stored.startswith("{"):
        raise click.ClickException("the hash has no {SCHEME} before it")
    if not schemes.verify(stored, password, user=user):
        click.echo("Error: the password does not match the hash", err=True)
        raise SystemExit(_MISMATCH)
    click.echo(f"{stored} (verified)")
