"""The text of HTML as a reader sees it (RFC 5259 §7.2), a line for each block, quotations behind `> `.

Parsed by the standard library. That takes quadratic time over comments and tags that do not end, so these are cut away
before, and who calls decides how much there is to read.
"""

import re
from html.parser import HTMLParser

_HIDDEN = frozenset(("script", "style", "title", "template", "svg", "math"))
_PARAGRAPHS = frozenset(("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "pre", "blockquote", "hr"))
_BLOCKS = _PARAGRAPHS | frozenset(
    (
        *("address", "article", "aside", "body", "br", "caption", "center", "dd", "div", "dt", "fieldset", "head"),
        *("figcaption", "figure", "footer", "form", "header", "html", "legend", "li", "main", "nav", "section", "tr"),
    )
)
_CELLS = frozenset(("td", "th"))
_MAX_QUOTED = 9  # levels of quotation that are shown
_declarations = re.compile(r"<!--.*?(?:--!?>|\Z)|<[!?][^>]*(?:>|\Z)", re.DOTALL)
_space = re.compile(r"[ \t\r\n\f]+")
_cells_apart = re.compile(r" ?\t[ \t]*")


class _Enough(Exception):
    """As much text was found as was asked for."""


class _Reader(HTMLParser):
    """Collects the lines; `room` is how many characters of text are still wanted."""

    def __init__(self, room: int) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self.room = room
        self._line: list[str] = []
        self._hidden = ""
        self._quoted = 0
        self._verbatim = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if self._hidden and tag != "body":
            return
        self._hidden = tag if tag in _HIDDEN else ""
        if tag in _BLOCKS:
            self.end_line(blank=tag in _PARAGRAPHS)
            self._verbatim = self._verbatim or tag == "pre"
        if tag == "blockquote":
            self._quoted += 1
        elif tag == "li":
            self._line.append("* ")
        elif tag in _CELLS:
            self._line.append("\t")

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        if tag not in _HIDDEN:
            self.handle_starttag(tag, attrs)
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            self._hidden = "" if tag == self._hidden else self._hidden
        elif tag in _BLOCKS:
            self.end_line(blank=tag in _PARAGRAPHS)
            self._verbatim = self._verbatim and tag != "pre"
            if tag == "blockquote":
                self._quoted = max(self._quoted - 1, 0)

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        if self._verbatim:
            *ended, data = data.split("\n")
            for line in ended:
                self._line.append(line)
                self.end_line(blank=not line.strip())
        self._line.append(_space.sub(" ", data))
        self.room -= len(data)
        if self.room < 0:
            raise _Enough

    def end_line(self, *, blank: bool) -> None:
        """What was read is a line, which with `blank` others are kept apart from."""
        text = _space.sub(_one_space, "".join(self._line)).strip(" \t")
        self._line.clear()
        if text:
            self.lines.append("> " * min(self._quoted, _MAX_QUOTED) + _cells_apart.sub("\t", text))
        if blank and self.lines and self.lines[-1]:
            self.lines.append("")


def _one_space(found: re.Match[str]) -> str:
    return "\t" if "\t" in found[0] else " "


def html_text(html: str, most: int) -> str:
    """The text in lines that end with LF; what comes after `most` characters of it may be missing."""
    clean = _declarations.sub("", html)
    end = clean.rfind(">") + 1
    tail, _, _ = clean[end:].partition("<")
    reader = _Reader(most)
    try:
        reader.feed(clean[:end] + tail)
        reader.close()
    except _Enough:
        pass
    reader.end_line(blank=False)
    return "\n".join(reader.lines).rstrip("\n") + "\n" if reader.lines else ""
