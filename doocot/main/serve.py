"""The command that is the server: `doocot serve`."""

import asyncio
import sys
from collections.abc import Sequence

import click

from doocot.config.effective import effective
from doocot.config.load import ConfigError
from doocot.main.embedded import greeting, prepare
from doocot.main.identity import PlanError, identity
from doocot.main.plan import Listening, make_plan
from doocot.main.privileges import SUPERVISOR, limit
from doocot.main.services import TABLE
from doocot.main.source import Source, source_of, source_options
from doocot.main.supervisor import Options, Supervisor
from doocot.net.listener import ListenError
from doocot.net.tls import TlsError


@click.command()
@source_options
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Workers for clients, one per core by default; LMTP has as many again.",
)
@click.option("--no-spin", is_flag=True, help="Sleep at once after a reply, even when the client is quick.")
@click.option("--protocol-table", "table", default=TABLE, hidden=True)
@click.pass_context
def serve(
    context: click.Context,
    path: str | None,
    overrides: tuple[str, ...],
    state: str | None,
    workers: int | None,
    no_spin: bool,
    table: str,
) -> None:
    """Serve mail in the foreground.

    With -c FILE this is the server that the file describes. Without, everything is in one folder, made at the first
    start with a demo account: /var/lib/doocot for root, ~/.local/state/doocot for others, or --state FOLDER.
    """
    source = source_of(context, path, overrides, state)
    options = Options(source.load, workers, table, spin=not no_spin)
    try:
        sys.exit(asyncio.run(_serve(source, options)))
    except (ConfigError, PlanError, TlsError, ListenError, OSError) as error:
        raise click.ClickException(str(error)) from error


async def _serve(source: Source, options: Options) -> int:
    config = source.load()
    password = ""
    if source.embedded:
        password = prepare(source, identity(effective(config)))
    plan = make_plan(config, options.workers)
    limit(SUPERVISOR)
    supervisor = Supervisor(options, plan, asyncio.get_running_loop())

    def ready(addresses: Sequence[tuple[Listening, str]]) -> None:
        if source.embedded:
            click.echo(greeting(source, addresses, password))
            sys.stdout.flush()

    await supervisor.run(ready)
    return 0
