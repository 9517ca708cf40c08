"""The protocols that a worker can serve: from the name in the settings to what makes its sessions.

A row is a function that is given the worker and the listener, once at start and again at each reload, and returns what
makes one session per connection. So new connections get new settings, and sessions keep those they began with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final, TypeAlias, cast

from doocot.auth.authenticator import Authenticator, open_authenticator
from doocot.auth.client import RemoteAuthenticator
from doocot.auth.settings import from_config
from doocot.config.effective import effective
from doocot.config.load import Config
from doocot.events.events import Events
from doocot.main.auth_service import inside_worker
from doocot.main.mail import MailServices, make_mail
from doocot.main.plan import Listening
from doocot.net.service import Net
from doocot.net.wakeup import GenerationPage, Wakeups
from doocot.wire.flow import Session


@dataclass(slots=True)
class WorkerContext:
    """What a protocol needs of its worker. `at_stop` is called when the last connection has gone."""

    number: int
    config: Config
    events: Events
    net: Net
    page: GenerationPage
    wakeups: Wakeups
    tls_protocols: frozenset[str] = frozenset()  # those that can offer STARTTLS
    home_of: Callable[[str], str] | None = None
    at_stop: list[Callable[[], None]] = field(default_factory=list)
    remote: RemoteAuthenticator = field(default_factory=RemoteAuthenticator)  # the auth process
    _mail: MailServices | None = None
    _authenticator: tuple[Config, Authenticator] | None = None

    @property
    def mail(self) -> MailServices:
        """The mail that all protocols of this worker share, opened when the first needs it."""
        if self._mail is None:
            self._mail = make_mail(self.net.loop, self.config, self.events, self.page, self.wakeups)
            self.at_stop.append(self._mail.close)
        return self._mail

    def authenticator(self) -> Authenticator | RemoteAuthenticator:
        """Who verifies logins: the auth process, or this one where there is none, under the settings in force now."""
        if not inside_worker(self.config):
            return self.remote
        if self._authenticator is None or self._authenticator[0] is not self.config:
            settings = from_config(effective(self.config))
            self._authenticator = (self.config, open_authenticator(settings, self._report))
        return self._authenticator[1]

    def _report(self, text: str) -> None:
        self.events.event("auth_problem", text=text)


MakeSession: TypeAlias = Callable[[], Session]
ProtocolRow: TypeAlias = Callable[[WorkerContext, Listening], MakeSession]

TABLE: Final = "doocot.main.protocols:PROTOCOLS"


def protocol_table(place: str = TABLE) -> Mapping[str, ProtocolRow]:
    """The table at `module:name`; tests name their own."""
    module, _, name = place.partition(":")
    return cast(Mapping[str, ProtocolRow], vars(import_module(module))[name])
