"""Figures as SVG that stands inside an HTML page, several of them without getting mixed up."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import matplotlib
from matplotlib.figure import Figure

from ktrans._files import write_whole

_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_DRAWN = frozenset({"svg", "g", "defs", "clipPath", "path", "rect", "use", "image"})
_OWN = ("#", "data:image/png;base64,")  # what a link may lead to: nothing outside the page
_ENLARGED = 1.2  # a screen is read from farther away than paper
_REFERENCE, _ELSEWHERE = re.compile(r"url\(#([^)]+)\)"), re.compile(r"url\((?!#)")


def draw_svg(figure: Figure) -> bytes:
    """A figure as an SVG file, text as outlines; the same bytes for the same figure.

    Example:
        >>> from ktrans.plotting import new_figure
        >>> draw_svg(new_figure(1.0, 1.0)) == draw_svg(new_figure(1.0, 1.0))
        True
    """
    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "ktrans"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def write_figure(path: Path, figure: Figure) -> Path:
    """Write a figure in the format of the suffix; SVG has the same bytes for the same figure."""
    kind = path.suffix.lstrip(".")
    if kind == "svg":
        return write_whole(path, lambda stream: stream.write(draw_svg(figure)))
    return write_whole(path, lambda stream: figure.savefig(stream, format=kind))


def svg_element(drawing: bytes, name: str, title: str) -> str:
    """A drawing of Matplotlib as an element of an HTML page, as wide as there is room for.

    Args:
        drawing: An SVG file. All but shapes is left out, also what leads outside the page.
        name: Of the figure, unlike others on the page: identifiers begin with it.
        title: What is seen, for those who do not see it.

    Returns:
        The `<svg>` element.

    Raises:
        ValueError: if the file is no SVG.

    Example:
        >>> from ktrans.plotting import new_figure
        >>> svg_element(draw_svg(new_figure(1.0, 1.0)), "empty", "Nothing")[:50]
        '<svg viewBox="0 0 72 72" role="img" aria-labelledb'
    """
    root = _parse(drawing)
    _keep_shapes(root)
    _rename(list(root.iter()), name)
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-labelledby": f"{name}-title",
        "style": f"max-width: {_ENLARGED * _width(root):.4g}pt",
    }
    heading = ET.Element("title", {"id": f"{name}-title"})
    heading.text = title
    root.insert(0, heading)
    return ET.tostring(root, "unicode")


def _parse(drawing: bytes) -> ET.Element:
    try:
        root = ET.fromstring(drawing)
    except ET.ParseError as error:
        raise ValueError(f"A figure must be an SVG file; this one is not: {error}.") from None
    if root.tag != f"{_SVG}svg" or "viewBox" not in root.attrib:
        raise ValueError(f"A figure must be an SVG file with a viewBox; got <{root.tag}>.")
    return root


def _width(root: ET.Element) -> float:
    """In points, as the figure was drawn."""
    return float(root.attrib["viewBox"].split()[2])


def _keep_shapes(element: ET.Element) -> None:
    """Shapes by their plain names; neither metadata nor style sheets for the whole page."""
    element.tag = element.tag.removeprefix(_SVG)
    element.attrib = dict(_attributes(element))
    for child in list(element):
        if child.tag.removeprefix(_SVG) in _DRAWN:
            _keep_shapes(child)
        else:
            element.remove(child)


def _attributes(element: ET.Element) -> Iterator[tuple[str, str]]:
    """By their plain names, without scripts and whatever leads outside the page."""
    for key, value in element.attrib.items():
        if key in ("href", _LINK):
            if value.startswith(_OWN):
                yield "href", value
        elif not key.startswith(("{", "on")) and not _ELSEWHERE.search(value):
            yield key, value


def _rename(elements: list[ET.Element], name: str) -> None:
    """Only identifiers that something refers to, with the figure's name before them."""
    used = {target for each in elements for target in _targets(each)}
    for each in elements:
        if each.attrib.get("id") not in used:
            each.attrib.pop("id", None)
        for key, value in each.attrib.items():
            each.attrib[key] = _renamed(key, value, name)


def _targets(element: ET.Element) -> Iterator[str]:
    for key, value in element.attrib.items():
        yield from _REFERENCE.findall(value)
        if key == "href" and value.startswith("#"):
            yield value[1:]


def _renamed(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href" and value.startswith("#"):
        return f"#{name}-{value[1:]}"
    return _REFERENCE.sub(rf"url(#{name}-\1)", value)
