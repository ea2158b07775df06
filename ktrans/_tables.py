"""Tables as text and HTML, and numbers with the digits that their bounds support."""

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_MOST_DIGITS = 15  # more are not in a float64


class TextTable(NamedTuple):
    """Rows of cells, with lines before and after; the first row holds the heads."""

    rows: Sequence[Sequence[str]]
    before: Sequence[str] = ()
    after: Sequence[str] = ()

    def as_text(self) -> str:
        """Lines with aligned columns."""
        parts = ("\n".join(self.before), "\n".join(columns(self.rows)), "\n".join(self.after))
        return "\n\n".join(part for part in parts if part)

    def as_html(self) -> str:
        """For notebooks."""
        heads, *rows = self.rows
        lines = [_row("th", heads), *(_row("td", row) for row in rows)]
        before, after = ("".join(f"<p>{html.escape(x)}</p>" for x in y) for y in self[1:])
        return f"{before}<table>{''.join(lines)}</table>{after}"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with aligned columns.

    Example:
        >>> columns([["a", "b"], ["ccc", "d"]])
        ['a    b', 'ccc  d']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)
    return [line.rstrip() for line in lines]


def digits(value: float, bound: float, most: int = _MOST_DIGITS) -> str:
    """A number with the digits that its bound supports; 0 where it supports none.

    Example:
        >>> digits(0.12345678, 2e-4), digits(2.4e-20, 3.5e-13), digits(1234.5, 0.0)
        ('0.1235', '0', '1234.5')
    """
    if not (math.isfinite(value) and math.isfinite(bound)):
        return f"{value:g}"
    if abs(value) <= bound:
        return "0"
    if bound == 0:
        return f"{value:.{most}g}"
    kept = math.floor(math.log10(abs(value))) - math.floor(math.log10(bound)) + 1
    return f"{value:.{min(max(kept, 1), most)}g}"


def with_bound(value: float, bound: float, most: int = _MOST_DIGITS) -> str:
    """A number with its digits, and the bound.

    Example:
        >>> with_bound(2.4165047724e-20, 3.5e-13), with_bound(1 / 3, 1.2e-6)
        ('0 ± 3.5e-13', '0.333333 ± 1.2e-06')
    """
    return f"{digits(value, bound, most)} ± {bound:.1e}"


def short(value: object) -> str:
    """Anything in one cell.

    Example:
        >>> short(0.123456789), short(None), short(True), short(np.zeros((2, 3)))
        ('0.123457', '—', 'yes', '2 × 3 numbers')
    """
    if value is None:
        return "—"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, tuple | list):
        shown = ", ".join(map(short, value[:6]))
        return shown + (", …" if len(value) > 6 else "")
    return " ".join(str(value).split())[:80]


def _array(values: np.ndarray) -> str:
    if values.ndim == 1 and values.size <= 4:
        return " ".join(map(short, values.tolist()))
    return " × ".join(map(str, values.shape)) + " numbers"


def _row(cell: str, entries: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{cell}>{html.escape(x)}</{cell}>' for x in entries)}</tr>"
