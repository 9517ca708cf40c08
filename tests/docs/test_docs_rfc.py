"""docs/rfc/index.txt says what the server does: each capability advertised belongs to an RFC supported there."""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.parts import servers
from tests.parts.imap import connect

INDEX = Path(__file__).resolve().parents[2] / "docs" / "rfc" / "index.txt"
STATES = ("yes", "partial", "no")
# Capability (up to `=`, in whole where the rest tells which) -> RFC: those of the IANA registry that the index knows.
CAPABILITIES = {
    "ACL": 4314,
    "APPENDLIMIT": 7889,
    "AUTH": 3501,
    "BINARY": 3516,
    "CATENATE": 4469,
    "CHILDREN": 3348,
    "COMPRESS": 4978,
    "CONDSTORE": 7162,
    "CONTEXT": 5267,
    "CONVERT": 5259,
    "CREATE-SPECIAL-USE": 6154,
    "ENABLE": 5161,
    "ESEARCH": 4731,
    "ESORT": 5267,
    "FILTERS": 5466,
    "I18NLEVEL": 5255,
    "ID": 2971,
    "IDLE": 2177,
    "IMAP4rev1": 3501,
    "IMAP4rev2": 9051,
    "INPROGRESS": 9585,
    "LANGUAGE": 5255,
    "LIST-EXTENDED": 5258,
    "LIST-METADATA": 9590,
    "LIST-MYRIGHTS": 8440,
    "LIST-STATUS": 5819,
    "LITERAL+": 7888,
    "LITERAL-": 7888,
    "LOGIN-REFERRALS": 2221,
    "LOGINDISABLED": 3501,
    "MESSAGELIMIT": 9738,
    "METADATA": 5464,
    "MOVE": 6851,
    "MULTIAPPEND": 3502,
    "MULTISEARCH": 7377,
    "NAMESPACE": 2342,
    "NOTIFY": 5465,
    "OBJECTID": 8474,
    "PARTIAL": 9394,
    "PREVIEW": 8970,
    "QRESYNC": 7162,
    "QUOTA": 9208,
    "REPLACE": 8508,
    "SASL-IR": 4959,
    "SAVEDATE": 8514,
    "SAVELIMIT": 9738,
    "SEARCH=FUZZY": 6203,
    "SEARCHRES": 5182,
    "SORT": 5256,
    "SPECIAL-USE": 6154,
    "STARTTLS": 3501,
    "STATUS": 8438,
    "THREAD": 5256,
    "UIDONLY": 9586,
    "UIDBATCHES": 0,  # a draft
    "UIDPLUS": 4315,
    "UNAUTHENTICATE": 8437,
    "UNSELECT": 3691,
    "URL-PARTIAL": 5550,
    "URLAUTH": 4467,
    "UTF8": 6855,
    "WITHIN": 5032,
}
DRAFTS = {"SEARCH=MIMEPART": "draft-bosch-imap-search-mimepart"}  # capabilities of drafts that became no RFC
OFTEN = {
    "IMAP4rev1",
    "AUTH",
    "STARTTLS",
    "LOGINDISABLED",
    "LITERAL+",
    "LITERAL-",
    "CREATE-SPECIAL-USE",
    "MESSAGELIMIT",
    "SAVELIMIT",
}


def read_index(text: str) -> dict[int, str]:
    """RFC number -> state; AssertionError where the file is not in order."""
    states: dict[int, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        assert len(fields) == 3, f"index.txt:{number}: three fields, separated by tabs"
        assert fields[0].isdigit(), f"index.txt:{number}: the number of an RFC"
        assert fields[1] in STATES, f"index.txt:{number}: {fields[1]!r} is none of {STATES}"
        assert fields[1] != "partial" or fields[2].endswith("]"), f"index.txt:{number}: say in brackets what is missing"
        assert int(fields[0]) > max(states, default=0), f"index.txt:{number}: numbers ascend"
        states[int(fields[0])] = fields[1]
    return states


def complaints(states: dict[int, str], advertised: Iterable[str]) -> list[str]:
    """What the index and the capability strings say of each other that cannot both be true."""
    names = {one if one in CAPABILITIES else one.partition("=")[0] for one in advertised if one not in DRAFTS}
    found = [f"{name}: no RFC is named for it" for name in sorted(names - CAPABILITIES.keys())]
    for name, rfc in CAPABILITIES.items():
        if rfc and name in names and states.get(rfc, "no") == "no":
            found.append(f"{name} is advertised, RFC {rfc} is not supported")
        if name not in names and name not in OFTEN and states.get(rfc) == "yes":
            found.append(f"RFC {rfc} is supported, {name} is not advertised")
    return found


def test_docs_rfc_index_is_true() -> None:
    with servers.work_folder() as folder, servers.doocot(folder) as server:
        connection = connect(server.imap)
        before = connection.ok(b"CAPABILITY")[0]
        connection.ok(b"LOGIN u1 pass")
        after = connection.ok(b"CAPABILITY")[0]
        connection.close()
    advertised = {word.decode() for line in (before, after) for word in line.split()[2:]}
    assert complaints(read_index(INDEX.read_text()), advertised) == []


def test_docs_rfc_a_wrong_index_is_noticed() -> None:
    assert complaints({3516: "no"}, ["BINARY"]) == ["BINARY is advertised, RFC 3516 is not supported"]
    assert complaints({3516: "yes"}, []) == ["RFC 3516 is supported, BINARY is not advertised"]
    assert complaints({}, ["X-NEW"]) == ["X-NEW: no RFC is named for it"]


def test_docs_rfc_capabilities_are_in_the_index() -> None:
    assert set(CAPABILITIES.values()) - {0} <= read_index(INDEX.read_text()).keys()


def test_docs_rfc_cited_are_in_the_index() -> None:
    """An RFC that the code cites concerns us."""
    root = INDEX.parents[2]
    cited = {
        int(number) for path in root.glob("doocot/**/*.py") for number in re.findall(r"RFC (\d+)", path.read_text())
    }
    assert cited - read_index(INDEX.read_text()).keys() == set()
