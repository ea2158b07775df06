"""A page of tables, figures and words as one HTML file that needs no other."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from ktrans._files import check_size, refuse_damage, write_whole
from ktrans.plotting.style import paper_style
from ktrans.plotting.svg import draw_svg, svg_element
from ktrans.tasks import TemplateTask
from ktrans.theory.certificate import Certificate

FILE = "report.html"
MAX_PICTURE = 2**26  # bytes of a figure that stands in a file
_REMEDY = "give --again to draw it again"
_NUMBER = re.compile(r"([-+]?[\d.]+(e[-+]\d+)?%?|[-+]?inf|nan|—)( ± [\d.e+-]+)?|and \d+ more|")
_POWER = re.compile(r"(?<![\w.=])(\d+(?:\.\d+)?)e([+-])0*(\d+)\b")
_INDEX = re.compile(r"(?<=[σν‖])_(min|F)(?![A-Za-z])")
_EXPONENT = re.compile(r"(?<=[DN)])\^(½|−1)")
_CODE = re.compile(r"`([^`]+)`")
_MINUS = re.compile(r"(?<![^\s(])-(?=\d)")
_PNG = b"\x89PNG"
_SHOWN_TEMPLATES = 24


class Table(NamedTuple):
    """Rows of text, the heads first; the first cell of each names its row.

    Attributes:
        caption: What the numbers are.
        rows: All of equal length.
        groups: Heads above the heads, each with the number of its columns.
    """

    caption: str
    rows: Sequence[Sequence[str]]
    groups: Sequence[tuple[str, int]] = ()

    @property
    def kinds(self) -> list[str]:
        """For each column "number", which is set to the right, or "text"."""
        columns = zip(*self.rows[1:], strict=True)
        return ["number" if all(map(_NUMBER.fullmatch, column)) else "text" for column in columns]


class Picture(NamedTuple):
    """A figure, as Matplotlib has it or as a file, SVG or PNG.

    Attributes:
        name: Unlike that of others on the page.
        title: What is seen, for those who do not see it.
        caption: What it says.
        source: The figure.
    """

    name: str
    title: str
    caption: str
    source: Figure | Path

    @property
    def element(self) -> Markup:
        """What stands in the page."""
        if isinstance(self.source, Path):
            check_size(self.source, MAX_PICTURE, _REMEDY)
            with refuse_damage(self.source, _REMEDY):
                return self._element(self.source.read_bytes())
        return self._element(draw_svg(self.source))

    def _element(self, data: bytes) -> Markup:
        if data.startswith(_PNG):
            return _image(data, self.title)
        return Markup(svg_element(data, self.name, self.title))


class Origin(NamedTuple):
    """How the page was made.

    Attributes:
        command: What was typed.
        configuration: All that was chosen, seeds among it.
        versions: Of what the numbers depend on.
        seconds: Wall-clock time.
        files: Names of files beside the page.
    """

    command: str
    configuration: Mapping[str, Any]
    versions: Mapping[str, str]
    seconds: float
    files: Sequence[str] = ()


@dataclass(frozen=True)
class Page:
    """All that stands in a report.

    Attributes:
        heading: What kind of report it is.
        title: What it is about.
        lead: The question in a sentence or two.
        verdict: The answer in words.
        tables: Numbers.
        pictures: Figures.
        origin: How it was made.
        answer: "yes", "no" or "open", where the question has such an answer; the verdict then
            begins with a word and a colon.
        remarks: What else is to be said in words, by what it is about.
    """

    heading: str
    title: str
    lead: str
    verdict: str
    tables: Sequence[Table]
    pictures: Sequence[Picture]
    origin: Origin
    answer: str = ""
    remarks: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def decision(self) -> str:
        """The word that the verdict begins with."""
        return self.verdict.partition(": ")[0] if self.answer else ""

    @property
    def sentence(self) -> str:
        """The verdict without that word."""
        return self.verdict.removeprefix(f"{self.decision}: ") if self.answer else self.verdict


def write_report(folder: Path, page: Page) -> Path:
    """Write the page as `report.html`.

    Raises:
        OSError: if that is not possible.
    """
    with paper_style():
        text = render(page)
    # What no encoding has, as an undecodable file name, is shown by a question mark.
    return write_whole(folder / FILE, lambda stream: stream.write(text.encode("utf-8", "replace")))


def render(page: Page) -> str:
    """The page as HTML, all text escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ktrans.cli", "."), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined, finalize=_printable,
    )  # fmt: skip
    environment.filters |= {"words": _words, "cell": _cell, "plain": _plain}
    return environment.get_template("page.html.jinja").render(page=page)


def task_table(task: TemplateTask) -> Table:
    """Templates with labels and weights, sizes in the caption."""
    labels = [f"{x:g}" if isinstance(x, float) else str(x) for x in task.labels]
    rows = [["template", "label", "weight"]]
    rows += [
        [str(template), label, f"{weight:.4g}"]
        for template, label, weight in zip(task.templates, labels, task.weights, strict=True)
    ]
    more = len(rows) - 1 - _SHOWN_TEMPLATES
    tail = f"; {more} more templates are not shown" if more > 0 else ""
    caption = (
        f"The task: m = {task.vocab_size} tokens, k = {task.context_length} positions with [CLS], "
        f"noise of standard deviation {task.noise_std:g}, diversity ρ = {task.diversity:g}{tail}."
    )
    return Table(caption, rows[: _SHOWN_TEMPLATES + 1])


def kernel_table(certificates: Mapping[str, Certificate]) -> Table:
    """The kernels with their hyperparameters."""
    rows = [[name, certificate.kernel] for name, certificate in certificates.items()]
    return Table("The kernels.", [["name", "kernel"], *rows])


def task_title(task: TemplateTask) -> str:
    """The name, or the first templates."""
    return task.name or ", ".join(map(str, task.templates[:4]))


def _image(data: bytes, title: str) -> Markup:
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return Markup('<img src="{}" alt="{}">').format(source, title)


def _printable(value: Any) -> Any:
    """Names may hold anything; control characters have no place in a page."""
    if isinstance(value, Markup):
        return value
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in str(value))


def _words(text: str) -> Markup:
    """Powers of ten, names of code, and the few indices and exponents that our own words have."""
    found = _POWER.sub(_power, str(escape(_printable(text))))
    for pattern, tag in ((_INDEX, "sub"), (_EXPONENT, "sup"), (_CODE, "code")):
        found = pattern.sub(rf"<{tag}>\1</{tag}>", found)
    return Markup(found)


def _cell(text: str) -> Markup:
    """The same, with the signs of minus and infinity."""
    return Markup("∞") if text == "inf" else Markup(_MINUS.sub("−", _words(text)))


def _power(found: re.Match[str]) -> str:
    mantissa, sign, exponent = found.groups()
    minus = "−" if sign == "-" else ""
    return mantissa if exponent == "0" else f"{mantissa} × 10<sup>{minus}{exponent}</sup>"


def _plain(value: Any) -> str:
    """A value of the configuration: text as it is, lists with commas, the rest as JSON has it."""
    if isinstance(value, str):
        return value or "—"
    if isinstance(value, list | tuple) and not any(isinstance(x, dict | list) for x in value):
        return ", ".join(map(_plain, value))
    return "—" if value is None else json.dumps(value, ensure_ascii=False)
