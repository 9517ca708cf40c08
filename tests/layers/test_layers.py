"""The package keeps its rules, and the checker of the rules notices when it does not."""

from pathlib import Path

import pytest

from tests.layers import rules

ROOT = Path(__file__).resolve().parents[2]


def test_layers_are_kept() -> None:
    complaints = rules.check(rules.sources(ROOT))
    assert not complaints, "\n".join(complaints)


def test_layers_see_the_package() -> None:
    """A check of no files would always pass."""
    assert len(rules.sources(ROOT)) > 10


LONG_FUNCTION = "def f() -> None:\n" + "    pass\n" * 70


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("doocot/wire/x.py", "import doocot.store.maildir\n", "wire imports store, which is above"),
        ("doocot/wire/x.py", "from doocot import imap\n", "wire imports imap, which is above"),
        ("doocot/wire/x.py", "from doocot.message.scan import f\n", "wire imports message, which is a sibling"),
        ("doocot/errors.py", "from doocot.hooks import h\n", "errors imports hooks, which is a sibling"),
        ("doocot/store/x.py", "from doocot.net.shell import f\n", "store imports net, which is a sibling"),
        ("doocot/imap/x.py", "def f():\n    from doocot.lmtp import y\n", "imap imports lmtp, which is a sibling"),
        ("doocot/imap/x.py", "if TYPE_CHECKING:\n    import doocot.main\n", "imap imports main, which is above"),
        ("doocot/admin/x.py", "import doocot.main.cli\n", "admin imports main, which is a sibling"),
        ("doocot/imap/x.py", "from .y import z\n", "relative import"),
        ("doocot/wire/x.py", "import os.path\n", "wire is pure and may not import os"),
        ("doocot/message/x.py", "from pathlib import Path\n", "message is pure and may not import pathlib"),
        ("doocot/errors.py", "import logging\n", "errors is pure and may not import logging"),
        ("doocot/hooks.py", "def f():\n    import time\n", "hooks is pure and may not import time"),
        ("doocot/newpackage/x.py", "", "package newpackage has no layer"),
        ("doocot/net/x.py", "a = 1\n" * 601, "601 lines"),
        ("doocot/net/x.py", LONG_FUNCTION, "function f has 71 lines"),
        ("doocot/net/x.py", "async " + LONG_FUNCTION, "function f has 71 lines"),
        ("doocot/net/x.py", "try:\n    pass\nexcept:\n    pass\n", "blanket except"),
        ("doocot/net/x.py", "try:\n    pass\nexcept Exception as e:\n    pass\n", "blanket except"),
        ("doocot/net/x.py", "try:\n    pass\nexcept (OSError, BaseException):\n    pass\n", "blanket except"),
        ("doocot/net/x.py", "with contextlib.suppress(Exception):\n    pass\n", "blanket suppress"),
        ("doocot/net/x.py", "cache = {}\n", "module-level cache is mutable"),
        ("doocot/net/x.py", "seen: set[int] = set()\n", "module-level seen is mutable"),
        ("doocot/net/x.py", "TABLE = {}\nTABLE['a'] = 1\n", "the table TABLE is changed"),
        ("doocot/net/x.py", "TABLE = []\ndef f():\n    TABLE.append(1)\n", "the table TABLE is changed"),
        ("doocot/net/x.py", "TABLE = [1]\ndef f():\n    del TABLE[0]\n", "the table TABLE is changed"),
        ("doocot/net/x.py", "N = 0\ndef f():\n    global N\n    N += 1\n", "global N"),
    ],
)
def test_layers_a_bad_source_is_noticed(path: str, text: str, complaint: str) -> None:
    complaints = rules.check({path: text})
    assert len(complaints) == 1
    assert complaint in complaints[0]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("doocot/wire/x.py", "from doocot.errors import Kind\nfrom doocot.wire.flow import Job\nimport re\n"),
        ("doocot/imap/x.py", "import doocot.mailbox.view\nimport doocot.wire.frames\nimport os\n"),
        ("doocot/main/x.py", "import doocot.admin.verbs\nimport doocot.imap.session\n"),
        ("doocot/net/shell.py", "try:\n    pass\nexcept Exception:\n    pass\n"),
        ("doocot/net/x.py", "try:\n    pass\nexcept BaseException:\n    close()\n    raise\n"),
        ("doocot/net/x.py", "TABLE = {1: 2}\n__all__ = ['TABLE']\ndef f():\n    own = []\n    own.append(TABLE[1])\n"),
        ("doocot/__init__.py", "__version__ = '1'\n"),
    ],
)
def test_layers_a_good_source_passes(path: str, text: str) -> None:
    assert rules.check({path: text}) == []
