"""The tables of `doocot.index` and what must hold in them at every instant.

1. `root.position` only grows. It numbers Changes and is the mod-sequence of what they touched (RFC 7162 §3.1), so a
   reader needs one number to know where it stands. (A counter per mailbox was rejected: two numbers for one order.)
2. A row of `message` and the Change that tells of it are committed together.
3. `mailbox.uidnext` only grows within one `uidvalidity`. A UID is answered only after its row is on disk; what another
   session may have seen of it before is below `reserved_uid`, where the first open after another boot continues.
4. Positions may be committed with synchronous=NORMAL, so a power cut may take the last of them back. `root.reserved` is
   always committed FULL and ahead of `position`; the first open after another boot continues from there.
5. `message.flags` is the truth; `letters` is the last name that the file is known to have borne, `target` those
   that the settler may have given it since, separated by "/". `letters` NULL means that the file lies in new/.
6. An `intent` is committed before the file work that it speaks of, and deleted after it.

root.restored: whether the metadata of the server were taken from the recovery file, see `store.recovery`.

flags: bits 0-4 Seen Answered Flagged Deleted Draft, from bit 8 the id of the keyword set.
"""

VERSION = 3

_FIRST = """
CREATE TABLE root(
  one INTEGER PRIMARY KEY CHECK(one = 1),
  version INTEGER NOT NULL,
  host TEXT NOT NULL,
  boot TEXT NOT NULL,
  position INTEGER NOT NULL,
  reserved INTEGER NOT NULL,
  trimmed INTEGER NOT NULL,
  content INTEGER NOT NULL,
  folders TEXT NOT NULL,
  restored INTEGER NOT NULL
);
CREATE TABLE mailbox(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  guid TEXT NOT NULL,
  uidvalidity INTEGER NOT NULL,
  uidnext INTEGER NOT NULL,
  first_recent_uid INTEGER NOT NULL,
  modseq INTEGER NOT NULL,
  messages INTEGER NOT NULL,
  unseen INTEGER NOT NULL,
  deleted INTEGER NOT NULL,
  size INTEGER NOT NULL,
  stamp TEXT NOT NULL,
  uidlist TEXT NOT NULL,
  listed_to INTEGER NOT NULL,
  reserved_uid INTEGER NOT NULL,
  letters TEXT NOT NULL
);
CREATE TABLE keyword_set(id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE);
INSERT INTO keyword_set VALUES(0, '');
CREATE TABLE message(
  mailbox INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  content INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  modseq INTEGER NOT NULL,
  internaldate INTEGER,
  savedate INTEGER,
  size INTEGER,
  base TEXT NOT NULL,
  letters TEXT,
  target TEXT,
  PRIMARY KEY(mailbox, uid)
) WITHOUT ROWID;
CREATE UNIQUE INDEX message_base ON message(mailbox, base);
CREATE TABLE fact(item INTEGER NOT NULL, content INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY(item, content))
WITHOUT ROWID; CREATE TABLE fact_item(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, used INTEGER NOT NULL);
CREATE TABLE change(
  position INTEGER PRIMARY KEY,
  mailbox INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  uids TEXT NOT NULL,
  keep INTEGER NOT NULL DEFAULT 0,
  put INTEGER NOT NULL DEFAULT 0,
  sets TEXT NOT NULL DEFAULT '',
  at INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX change_mailbox ON change(mailbox, position);
CREATE TABLE intent(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, mailbox INTEGER NOT NULL, data TEXT NOT NULL);
"""

_METADATA = """
CREATE TABLE metadata(mailbox INTEGER NOT NULL, entry TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY(mailbox, entry));
CREATE INDEX metadata_special_use ON metadata(mailbox) WHERE entry = '/private/specialuse';
"""

_URLAUTH = "CREATE TABLE urlauth_key(mailbox INTEGER PRIMARY KEY, key BLOB NOT NULL);"

DDL = _FIRST + _METADATA + _URLAUTH

# By version: what makes an index of the next one of it, with all rows that it has. `restored` is for an index
# that was made anew, which this one was not.
UPGRADES = {1: _METADATA + "ALTER TABLE root ADD COLUMN restored INTEGER NOT NULL DEFAULT 1;", 2: _URLAUTH}
