"""Pages as their readers get them: their elements, their links, their data."""

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img"}


@dataclass
class Page(HTMLParser):
    """What a page holds, as a parser of HTML reads it. ``elements``: names and attributes, in order."""

    text: str
    elements: list = field(default_factory=list)
    scripts: list = field(default_factory=list)
    words: list = field(default_factory=list)

    def __post_init__(self):
        super().__init__(convert_charrefs=True)
        self.inside = []
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.inside.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, data):
        if self.inside and self.inside[-1] == "script":
            self.scripts[-1] += data
        elif not self.inside or self.inside[-1] != "style":
            self.words.append(data)

    @property
    def shown(self):
        """All text that is no script or style, with single spaces."""
        return " ".join(" ".join(self.words).split())

    @property
    def names(self):
        return {tag for tag, _ in self.elements}

    @property
    def policy(self):
        [content] = [a["content"] for t, a in self.elements if t == "meta" and "http-equiv" in a]
        return content

    @property
    def links(self):
        """The addresses that the page names, of other pages and of what it loads."""
        return [a[name] for _, a in self.elements for name in ("href", "src") if a.get(name)]

    @property
    def ids(self):
        return {a["id"] for _, a in self.elements if "id" in a}

    @property
    def handlers(self):
        """Attributes that would run a script."""
        return [name for _, a in self.elements for name in a if name.startswith("on")]

    @property
    def data(self):
        """The page's block of data."""
        at = [a for t, a in self.elements if t == "script"].index({"type": "application/json", "id": "data"})
        return json.loads(self.scripts[at])


def read(path):
    return Page(path.read_text(encoding="utf-8"))
