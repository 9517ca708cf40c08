"""The same commands about mailboxes for Debian's Dovecot 2.3, its imap process on a pipe, and for our session."""

import os
import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.imap.harness import House, spaces_from
from tests.oracle.allowed import ALLOWED, Difference, remaining
from tests.oracle.normalise import normalise
from tests.parts.servers import work_folder

IMAP = "/usr/lib/dovecot/imap"
NOBODY, NOGROUP = 65534, 65534  # Dovecot does not serve root

NAMESPACE = """
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
  mailbox Sent {{
    special_use = \\Sent
  }}
  mailbox Auto {{
    auto = subscribe
    special_use = \\Junk \\Flagged
  }}
}}
"""

OURS = (
    *ALLOWED,
    Difference(
        rb"SELECT .*",
        rb"\A\* OK \[HIGHESTMODSEQ \d+\]\Z",
        b"",
        "RFC 7162 §3.1.2.1: who keeps mod-sequences of a mailbox MUST say so at SELECT",
    ),
)

LISTS = (
    *(f'LIST "" {pattern}' for pattern in ("*", "%", "a*", "a.%", "%.%", "*b", "%b", '"a"', "INBOX", "inbox*", "i*")),
    *(f'LSUB "" {pattern}' for pattern in ("*", "%", "a*", "a.%", "%.%", "*b", '"a.b"', "inbox", "INBOX.%")),
    *(f"LIST {place} {pattern}" for place in ("a", "a.", "INBOX.", "nosuch.") for pattern in ("*", "%", '""')),
    *('LIST (SUBSCRIBED) "" *', 'LIST (SUBSCRIBED) "" %', 'LIST (SUBSCRIBED RECURSIVEMATCH) "" %'),
    *('LIST (SUBSCRIBED RECURSIVEMATCH) "" *', 'LIST (SUBSCRIBED RECURSIVEMATCH) "" %.% RETURN (CHILDREN)'),
    *('LIST (REMOTE) "" %', 'LIST () "" (% a.*)', 'LIST "" (a.* q.*) RETURN (CHILDREN)', 'LIST (SPECIAL-USE) "" *'),
    *('LIST "" * RETURN (SUBSCRIBED CHILDREN SPECIAL-USE)', 'LIST "" * RETURN (STATUS (MESSAGES UNSEEN))'),
    *('LIST (SUBSCRIBED) "" * RETURN (CHILDREN STATUS (MESSAGES))', 'LIST "" (a q a)', 'LIST "" ("" %)', 'LIST "" ()'),
    *('LIST (RECURSIVEMATCH) "" *', 'LIST (NOSUCH) "" *', 'LIST "" % RETURN (NOSUCH)', 'LIST "" % RETURN ()'),
    *('LIST () "" ""', 'LIST "" % FOO', 'LIST "" % RETURN', 'LIST "" % RETURN (STATUS ())', "LIST", "LIST a"),
)
ODD_NAMES = (
    *('""', ".x", "x.", "x..", "a..b", "Entw&APw-rfe", "bad&name", '"a/b"', '"~ab"', '"a*b"', '"a%b"', "NIL"),
    *("INBOX", "inbox", "INBOX.kid", "inbox.Kid2", "cur", "x" * 240, "x" * 256, '"q\\"uo\\\\te"', "{3+}\r\na\tb"),
    *('"&ZeVnLIqe-"', '"&AGE-"', '" lead"', '"trail "', '"#news"', '"&AAk-x"', "deep.er.and.deep.er", '"a[]b"'),
)


def ask_dovecot(folder: Path, configuration: str, lines: Sequence[bytes]) -> list[list[bytes]]:
    """The responses to each command."""
    if not os.path.exists(IMAP):
        pytest.skip("dovecot-imapd is not installed: the real Dovecot was NOT asked")
    for part in ("run", "mail/cur", "mail/new", "mail/tmp"):
        (folder / part).mkdir(parents=True)
    config = folder / "dovecot.conf"
    config.write_text(f"base_dir = {folder}/run\nmail_location = maildir:{folder}/mail\nssl = no\n{configuration}")
    identity: dict[str, object] = {}
    if os.getuid() == 0:
        identity = {"user": NOBODY, "group": NOGROUP, "extra_groups": []}
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, NOBODY, NOGROUP)
        for parent in list(folder.parents)[:3]:  # of pytest's temporary folders
            parent.chmod(0o755)
    done = subprocess.run(
        [IMAP, "-c", str(config)],
        input=b"".join(b"%d %b\r\n" % (number, line) for number, line in enumerate([*lines, b"LOGOUT"])),
        env={"USER": "me", "HOME": str(folder)},
        capture_output=True,
        timeout=120,
        check=True,
        **identity,  # type: ignore[call-overload]
    )
    answers: list[list[bytes]] = [[]]
    for response in done.stdout.split(b"\r\n")[1:-1]:
        answers[-1].append(response)
        if re.match(rb"%d (OK|NO|BAD)" % (len(answers) - 1), response):
            answers.append([])
    assert len(answers) == len(lines) + 2, done.stderr.decode()
    return answers[: len(lines)]


def compare(folder: Path, lines: Sequence[str], *, separator: str = ".", prefix: str = "") -> None:
    """Asks both and shows all that differs."""
    configuration = NAMESPACE.format(separator=separator, prefix=prefix)
    commands = [line.encode() for line in lines]
    theirs = ask_dovecot(folder / "dovecot", configuration, commands)
    house = House(folder / "doocot" / "mail", spaces_from(configuration))
    client = house.login()
    differences = []
    for command, answer in zip(commands, theirs, strict=True):
        ours = client.command(command)
        only_theirs, only_ours = remaining(command, normalise(answer), normalise(ours), OURS)
        if only_theirs or only_ours:
            differences.append((command, only_theirs, only_ours))
    house.close()
    shown = [f"{command!r}\n  dovecot {theirs}\n  doocot  {ours}" for command, theirs, ours in differences]
    assert not shown, "\n".join(shown)


@pytest.fixture
def work() -> Iterator[Path]:
    """A folder that Dovecot's unprivileged user may enter; pytest's own are closed under xdist."""
    with work_folder("doocot-oracle") as folder:
        yield folder


def test_oracle_odd_names(work: Path) -> None:
    made = [f"CREATE {name}" for name in ODD_NAMES]
    seen = [f"STATUS {name} (MESSAGES UIDNEXT)" for name in ODD_NAMES if "{" not in name and name not in ('"&AAk-x"',)]
    wished = [f"SUBSCRIBE {name}" for name in ODD_NAMES]
    lists = ['LIST "" *', 'LIST "" %', 'LSUB "" *', 'LSUB "" %']
    renamed = [
        f"RENAME {name} renamed.n{number}"
        for number, name in enumerate(ODD_NAMES)
        if name.upper() != "INBOX" and len(name) < 256
    ]
    gone = [f"DELETE renamed.n{number}" for number in range(len(ODD_NAMES))]
    compare(work, [*made, *lists, *seen, *wished, *lists, *renamed, *lists, *gone, *lists])


def test_oracle_lists(work: Path) -> None:
    made = [
        "CREATE a.b.c",
        "CREATE ab",
        "CREATE q",
        "CREATE q.r",
        "CREATE INBOX.x",
        "CREATE Sent",
        "SELECT Auto",
        "UNSELECT",
    ]
    subscribed = ["SUBSCRIBE a.b.c", "SUBSCRIBE q.r", "SUBSCRIBE INBOX", "SUBSCRIBE INBOX.x", "UNSUBSCRIBE nosuch"]
    gone = ["DELETE a.b.c", "DELETE INBOX.x"]
    compare(work, ["NAMESPACE", *LISTS[-12:], *made, *LISTS, *subscribed, *LISTS, *gone, *LISTS])


@pytest.mark.parametrize(("separator", "prefix"), [("/", ""), (".", "INBOX."), ("/", "INBOX/")])
def test_oracle_namespaces(work: Path, separator: str, prefix: str) -> None:
    lines = [
        *(
            "NAMESPACE",
            "CREATE INBOX.a.b",
            "CREATE INBOX.c",
            "CREATE c",
            "CREATE INBOX",
            "CREATE INBOX.",
            "CREATE a.b.d",
        ),
        *("SUBSCRIBE INBOX.a.b", "SUBSCRIBE a.b.d", "SUBSCRIBE c", "SUBSCRIBE INBOX", 'LIST "" *', 'LIST "" %'),
        *('LIST "" INBOX.%', "LIST INBOX. %", "LIST INBOX %", 'LIST INBOX ""', 'LIST INBOX. ""', 'LIST "" ""'),
        *('LSUB "" *', 'LSUB "" %', 'LSUB "" INBOX.%', 'LIST (SUBSCRIBED) "" *', "STATUS inbox.a.b (MESSAGES)"),
        *("RENAME INBOX.c INBOX.e", "RENAME INBOX.c x", "RENAME c e", "DELETE INBOX.e", "DELETE e", "DELETE INBOX"),
        *(
            'LIST "" *',
            'LIST "foo." ""',
            'LIST "" inbox.a.%',
            'LIST "" *B',
            "SELECT INBOX.a.b",
            "STATUS INBOX.a.b (UNSEEN)",
        ),
    ]
    compare(
        work,
        [re.sub(r"(?<=\w)\.", separator, line) for line in lines if prefix or line != "CREATE INBOX."],
        separator=separator,
        prefix=prefix,
    )


@pytest.mark.parametrize("seed", range(4))
def test_oracle_random_sequences(work: Path, seed: int) -> None:
    """Changes in any order over a few names; what is allowed to differ afterwards is not made."""
    chance = random.Random(seed)
    names = ["a", "b", "a.b", "a.b.c", "b.a", "c", "INBOX.a", "INBOX.b.c", "Sent", "Auto"]
    lines: list[str] = []
    there = {"INBOX", "Auto"}
    for _ in range(60):
        name, other = chance.sample(names, 2)
        verb = chance.choice(["CREATE", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "STATUS"])
        below = {each for each in there if each.startswith(name + ".")}
        if verb == "RENAME":
            moved = {each: other + each[len(name) :] for each in {name} & there | below}
            taken = there & set(moved.values())
            if "Auto" in (name, other) or (taken and not {name, other} <= there):
                continue  # Dovecot moves some of the children and says OK
            if not taken and not other.startswith(name + "."):
                there = there - set(moved) | set(moved.values())
            lines.append(f"RENAME {name} {other}")
        elif verb == "DELETE":
            if below or name == "Auto":
                continue
            there.discard(name)
            lines.append(f"DELETE {name}")
        elif verb == "STATUS":
            lines.append(f"STATUS {name} (MESSAGES UIDNEXT UNSEEN)")
        else:
            if verb == "CREATE":
                there.add(name)
            lines.append(f"{verb} {name}")
        lines.append(chance.choice(LISTS[:24]))
    compare(work, ["SELECT Auto", "UNSELECT", *lines])
