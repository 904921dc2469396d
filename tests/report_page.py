"""A page of the report, taken apart: what its tests look at."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Checks that tags close in order, and collects texts, attributes, headings and figures."""

    VOID = frozenset({"meta", "br", "link", "img", "!doctype"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.starts: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.headings: list[str] = []
        self.figures: list[str] = []
        self.feed(source)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.starts.append((tag, attrs))
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)
        if tag in {"h1", "h2", "h3", "h4"}:
            self.headings.append(tag)
        if tag == "dd":
            self.figures.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if "dd" in self.open:
            self.figures[-1] += data
