"""Pictures of a page, as SVG within it."""

import io
import re
import warnings
from html import escape
from importlib import import_module
from typing import Any

from retention_metrics.errors import InvalidValue, MissingExtra
from retention_metrics.plots import alt_text
from retention_metrics.report._language import Language, harmless
from retention_metrics.report._page import Picture
from retention_metrics.report._texts._drawn import DRAWN

_REFERENCE = re.compile(r'(\bid="|xlink:href="#|url\(#)')
_NAMESPACE = re.compile(r'\sxmlns(:\w+)?="[^"]*"')
_HEAD = re.compile(r"\A.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_ENDLESS = re.compile(r"(\S{60})\S+")
_NUMBER = re.compile(r"[+-]?\d[\d,]*(\.\d+)?")
_SIZE = re.compile(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>')


def picture_html(picture: Picture, language: Language) -> str:
    """A picture with its description; nothing where it cannot be drawn, since the figures say it all."""
    try:
        drawn, alt = _drawn(picture, language)
    except (InvalidValue, MissingExtra):
        return ""
    caption = language.text(f"picture.{picture.name}")
    # Words of data may be endless; those of a description are not.
    described = _ENDLESS.sub("\\1\N{HORIZONTAL ELLIPSIS}", alt) if language.code == "en" else caption
    body = _SIZE.sub(rf'<svg viewBox="\1" role="img" aria-label="{_replacement(described)}">', drawn, count=1)
    return f"<figure tabindex=0>{body}<figcaption>{escape(caption)}</figcaption></figure>"


def _replacement(text: str) -> str:
    return escape(" ".join(text.split())).replace("\\", r"\\")


def _drawn(picture: Picture, language: Language) -> tuple[str, str]:
    with warnings.catch_warnings():
        # Letters that the font of matplotlib lacks are drawn by the browser, from fonts of its own.
        warnings.filterwarnings("ignore", message=r".*[Gg]lyph", category=UserWarning)
        axes = picture.draw()
        figure: Any = axes.get_figure(root=True)
        try:
            described = alt_text(figure)
            if language.code == "ru":
                _in_russian(figure)
            with import_module("matplotlib").rc_context({"svg.fonttype": "none", "svg.hashsalt": picture.name}):
                file = io.StringIO()
                figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
        finally:
            import_module("matplotlib.pyplot").close(figure)
    return _inline(harmless(file.getvalue()), picture.name), harmless(described)


def _in_russian(figure: Any) -> None:
    """Translate what stands in a picture; labels of ticks are made anew when it is drawn, from a list of them."""
    for text in figure.findobj(import_module("matplotlib.text").Text):
        text.set_text(_translated(text.get_text()))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = axis.get_major_formatter()
            if hasattr(labels, "seq"):
                labels.seq = [_translated(each) for each in labels.seq]


def _translated(text: str) -> str:
    """A text of a picture in Russian, also with a number in it."""
    plain = " ".join(text.split())
    number = _NUMBER.search(plain)
    if plain in DRAWN or number is None:
        return DRAWN.get(plain, text)
    around = f"{plain[: number.start()]}#{plain[number.end() :]}"
    return DRAWN[around].replace("#", number[0].replace(".", ",")) if around in DRAWN else text


def _inline(svg: str, name: str) -> str:
    """SVG as a part of a page: without its head, and with names that no other picture has."""
    body = _METADATA.sub("", _HEAD.sub("", svg))
    body = _NAMESPACE.sub("", body)
    body = _REFERENCE.sub(rf"\g<1>{name}-", body)
    return body.replace("xlink:href=", "href=").strip()
