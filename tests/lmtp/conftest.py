from collections.abc import Iterator

import pytest
from lmtp_dovecot import Dovecot

from tests.parts.servers import work_folder


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    if reason := Dovecot.missing():
        pytest.skip(reason)
    with work_folder("doocot-lmtp") as folder:  # pytest's own folders are closed to Dovecot's mail user
        server = Dovecot(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
