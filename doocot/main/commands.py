"""The commands that talk to a running server: stop, reload, who, kick, stats."""

import json
import sys
import time
from typing import Any

import click

from doocot.config.effective import effective
from doocot.config.load import ConfigError
from doocot.main import control
from doocot.main.source import Source, source_of, source_options


def _ask(source: Source, verb: str, **arguments: Any) -> dict[str, Any]:
    try:
        with control.connected(effective(source.load()).base_dir) as sock:
            return control.ask(sock, verb, **arguments)
    except (ConfigError, control.ControlError, OSError) as error:
        raise click.ClickException(str(error)) from error


@click.command()
@source_options
@click.pass_context
def stop(context: click.Context, path: str | None, overrides: tuple[str, ...], state: str | None) -> None:
    """Stop the server: replies under way are finished, then every client is told."""
    source = source_of(context, path, overrides, state)
    try:
        with control.connected(effective(source.load()).base_dir) as sock:
            pid = control.ask(sock, "stop")["pid"]
            while sock.recv(4096):  # the server hangs up when it has gone
                continue
    except (ConfigError, control.ControlError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Stopped (pid {pid}).")


@click.command()
@source_options
@click.pass_context
def reload(context: click.Context, path: str | None, overrides: tuple[str, ...], state: str | None) -> None:
    """Read configuration and certificates again; sessions go on. With an error in them the old ones stay in force."""
    _ask(source_of(context, path, overrides, state), "reload")
    click.echo("Reloaded.")


@click.command()
@source_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object per session.")
@click.argument("user", default="")
@click.argument("address", default="")
@click.pass_context
def who(
    context: click.Context,
    path: str | None,
    overrides: tuple[str, ...],
    state: str | None,
    as_json: bool,
    user: str,
    address: str,
) -> None:
    """Show who is logged in, all or only USER, from any ADDRESS or only that one."""
    rows = _ask(source_of(context, path, overrides, state), "who", user=user, ip=address)["logins"]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    # The columns of `doveadm who`: user, sessions, service, (pids), (addresses).
    click.echo(f"{'username':30} {'#':>3} {'proto':8} (pids) (ips)", err=True)
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["user"], row["service"]), []).append(row)
    for (name, service), found in sorted(groups.items()):
        pids = " ".join(dict.fromkeys(str(row["pid"]) for row in found))
        addresses = " ".join(dict.fromkeys(row["ip"] or "local" for row in found))
        click.echo(f"{name:30} {len(found):3} {service:8} ({pids}) ({addresses})")


@click.command()
@source_options
@click.argument("user")
@click.argument("address", default="")
@click.pass_context
def kick(
    context: click.Context, path: str | None, overrides: tuple[str, ...], state: str | None, user: str, address: str
) -> None:
    """Disconnect USER, from any ADDRESS or only that one. USER "" with an ADDRESS disconnects all from there."""
    kicked = _ask(source_of(context, path, overrides, state), "kick", user=user, ip=address)["kicked"]
    click.echo(f"{kicked} sessions disconnected.")
    if not kicked:
        sys.exit(68)  # EX_NOHOST is what doveadm gives when nobody was kicked


@click.command()
@source_options
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_context
def stats(
    context: click.Context, path: str | None, overrides: tuple[str, ...], state: str | None, as_json: bool
) -> None:
    """Show what the server has done since it was started."""
    answer = _ask(source_of(context, path, overrides, state), "stats")
    del answer["ok"]
    if as_json:
        click.echo(json.dumps(answer))
        return
    click.echo(f"up since      {time.strftime('%F %T', time.localtime(time.time() - answer['seconds']))}")
    for name in ("version", "workers", "connections", "logins"):
        click.echo(f"{name:13} {answer[name]}")
    click.echo(f"longest hold  {answer['longest_hold'] * 1000:.1f} ms (of the event loop, since it was asked last)")
    for name, value in sorted(answer["counts"].items()):
        click.echo(f"  {name:40} {value}")
