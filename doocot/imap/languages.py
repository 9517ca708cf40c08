"""The languages in which the server speaks to people (RFC 5255 §3), and what it says in each.

What is not in a table is said in English: texts that only programmers read, and those of which each is rare.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DEFAULT: Final = b"i-default"  # RFC 2277 §4.5: English that everybody can read

_GERMAN: Final = {
    "Append completed.": "Nachricht angefügt.",
    "Authentication failed.": "Anmeldung fehlgeschlagen.",
    "Capability completed.": "Fähigkeiten aufgezählt.",
    "Check completed.": "Geprüft.",
    "Close completed.": "Postfach geschlossen.",
    "Comparator completed.": "Vergleichsverfahren genannt.",
    "Copy completed.": "Nachrichten kopiert.",
    "Create completed.": "Postfach angelegt.",
    "Delete completed.": "Postfach gelöscht.",
    "Enabled.": "Eingeschaltet.",
    "Examine completed.": "Postfach zum Lesen geöffnet.",
    "Expunge completed.": "Gelöschte Nachrichten entfernt.",
    "Fetch completed.": "Abruf beendet.",
    "ID completed.": "Vorstellung beendet.",
    "Idle completed.": "Warten beendet.",
    "Language completed.": "Sprache gewählt.",
    "List completed.": "Postfächer aufgezählt.",
    "Logged in": "Angemeldet",
    "Logout completed.": "Abgemeldet.",
    "Lsub completed.": "Abonnierte Postfächer aufgezählt.",
    "Move completed.": "Nachrichten verschoben.",
    "NOOP completed.": "Nichts zu tun.",
    "Namespace completed.": "Namensräume aufgezählt.",
    "Rename completed.": "Postfach umbenannt.",
    "Search completed.": "Suche beendet.",
    "Select completed.": "Postfach geöffnet.",
    "Sort completed.": "Sortiert.",
    "Status completed.": "Zustand des Postfachs genannt.",
    "Store completed.": "Markierungen geändert.",
    "Subscribe completed.": "Postfach abonniert.",
    "Thread completed.": "Unterhaltungen geordnet.",
    "Unselect completed.": "Postfach verlassen.",
    "Unsubscribe completed.": "Abonnement beendet.",
    "No messages copied.": "Keine Nachrichten kopiert.",
    "No messages moved.": "Keine Nachrichten verschoben.",
    # What was refused, and why.
    "A mailbox name must not begin or end with a separator, nor have two together": (
        "Der Name eines Postfachs darf nicht mit einem Trennzeichen beginnen oder enden und keine zwei "
        "hintereinander haben"
    ),
    "A message of zero octets cannot be saved.": "Eine leere Nachricht kann nicht gespeichert werden.",
    "A text is not in its charset": "Ein Text passt nicht zu seinem Zeichensatz",
    "Can't rename mailbox to itself": "Ein Postfach kann nicht in sich selbst umbenannt werden",
    "Can't rename mailbox under its own child": "Ein Postfach kann nicht unter sich selbst verschoben werden",
    "INBOX can't be deleted": "Der Posteingang kann nicht gelöscht werden",
    "Mailbox already exists": "Das Postfach gibt es schon",
    "Mailbox doesn't exist.": "Das Postfach gibt es nicht.",
    "Mailbox is read-only": "Das Postfach kann nur gelesen werden",
    "Mailbox name too long": "Der Name des Postfachs ist zu lang",
    "Mailbox was deleted.": "Das Postfach wurde gelöscht.",
    "No mailbox selected.": "Es ist kein Postfach geöffnet.",
    "Not enough disk space.": "Der Speicherplatz reicht nicht.",
    "Permission denied.": "Zugriff verweigert.",
    "Please login first.": "Bitte zuerst anmelden.",
    "Some of the messages no longer exist.": "Einige der Nachrichten gibt es nicht mehr.",
    "Some of the requested messages no longer exist.": "Einige der gewünschten Nachrichten gibt es nicht mehr.",
    "Target mailbox already exists": "Das Zielpostfach gibt es schon",
    "The location of your mail is not known; ask your administrator.": (
        "Wo Ihre Post liegt, ist nicht bekannt; fragen Sie bitte die Verwaltung dieses Servers."
    ),
    "The mail could not be read or written.": "Die Post konnte nicht gelesen oder geschrieben werden.",
    "The mailbox is busy; try again.": "Das Postfach ist beschäftigt; bitte noch einmal versuchen.",
    "Timeout while waiting for lock": "Das Postfach ist von einem anderen Programm gesperrt",
    "Too many invalid IMAP commands.": "Zu viele ungültige Befehle.",
    "Unknown charset": "Unbekannter Zeichensatz",
    "Unknown command.": "Unbekannter Befehl.",
    "Unsupported language": "Diese Sprache wird nicht gesprochen",
}

LANGUAGES: Final[Mapping[bytes, Mapping[bytes, bytes]]] = MappingProxyType(
    {
        DEFAULT: {},
        b"en": {},
        b"de": {english.encode(): german.encode() for english, german in _GERMAN.items()},
    }
)

# Names of namespaces that people know, by language.
_NAMES: Final[Mapping[bytes, Mapping[str, str]]] = MappingProxyType(
    {
        b"de": {
            "Other Users": "Andere Benutzer",
            "Public": "Öffentlich",
            "Public Folders": "Öffentliche Ordner",
            "Shared": "Freigegeben",
            "Shared Folders": "Freigegebene Ordner",
            "Users": "Benutzer",
        }
    }
)


def said(language: bytes, text: bytes) -> bytes:
    """The text in that language, English where it has no words for it."""
    return LANGUAGES[language].get(text, text)


def translation(language: bytes, prefix: str, separator: str) -> str | None:
    """What people who speak that language call a namespace with this prefix (RFC 5255 §3.4); None for no other name."""
    names = {english.lower(): name for english, name in _NAMES.get(language, {}).items()}
    found = names.get(prefix.removesuffix(separator).lower())
    return None if found is None else found + separator
