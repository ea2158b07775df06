"""What the page of `ktrans explore` says, as HTML, and how it looks."""

import html

from ktrans.measure.exploration import View
from ktrans.tasks import TemplateTask

# A pane's own style sheet: panes are shadow trees, which the page's does not reach.
CSS = """
:host { font-family: system-ui, "DejaVu Sans", sans-serif; color: #1a1a1a; }
h1 { font-size: 20px; font-weight: 600; margin: 8px 0 2px; }
h2 { font-size: 13px; font-weight: 600; margin: 10px 0 0; border-bottom: 1px solid #ddd; }
h1 span { color: #0072B2; }
p { margin: 0; color: #555; font-size: 14px; }
.cards { display: grid; grid-template-columns: repeat(4, 1fr); gap: 10px; }
.card { border: 1px solid #ddd; border-radius: 6px; padding: 8px 12px; background: #fff; }
.card .what { font-size: 12px; color: #555; white-space: nowrap; }
.card .value { font-size: 21px; font-variant-numeric: tabular-nums; white-space: nowrap; }
.card .error { font-size: 12px; color: #555; font-variant-numeric: tabular-nums; }
.status { margin-top: 10px; padding: 5px 12px; border-radius: 6px; font-size: 13px; }
.status.certified { background: #e3f3ed; border-left: 4px solid #009E73; }
.status.estimated { background: #fdf1e7; border-left: 4px solid #D55E00; }
.status.failed { background: #f6e3e3; border-left: 4px solid #8b0000; }
.wait { color: #555; }
.seconds { float: right; color: #777; font-variant-numeric: tabular-nums; }
pre.export { background: #f6f6f6; padding: 10px 12px; border-radius: 6px; font-size: 12px;
  line-height: 1.45; overflow-x: auto; margin: 0; font-family: "DejaVu Sans Mono", monospace; }
"""

HEADER = (
    '<h1 id="title"><span>ktrans</span> explorer · {name}</h1><p id="templates">{templates}</p>'
)

CARD = (
    '<div class="card"><div class="what">{1}</div><div class="value" id="{0}">{2}</div>'
    '<div class="error" id="{0}-error">{3}</div></div>'
)

_NAMED_TEMPLATES = 6
_MANY = 1e9


def header(task: TemplateTask) -> str:
    """The task's name and templates."""
    pairs = zip(task.templates, task.labels, strict=True)
    shown = [f"<b>{html.escape(str(z))}</b> ↦ {_number(float(y))}" for z, y in pairs]
    more = len(shown) - _NAMED_TEMPLATES
    rest = f" and {more} more" if more > 0 else ""
    listed = ", ".join(shown[:_NAMED_TEMPLATES])
    return HEADER.format(name=html.escape(task.name), templates=listed + rest)


def cards(view: View, doing: str) -> str:
    """The numbers in large type, which of the three kinds they are, and what is being done."""
    n, m = view.setting.num_samples, view.setting.vocab_size
    needed, most = view.samples_needed, f"more than {_MANY:.0e}"
    measured = float(view.measured.mse[:, -1].mean())
    sets = f"mean of {len(view.measured.mse)} training sets"
    quarter = f"{needed:,.0f}" if needed < _MANY else most
    rows = [
        ("sigma-min", "σ<sub>min</sub>(N)", f"{view.sigma_min:.4e}", f"± {view.bound:.1e}"),
        ("needed", "samples to a quarter of chance", quarter, "closed form, ρ → ∞"),
        ("measured", f"error at n = {n}", f"{measured:.4g}", sets),
        ("diversity", "sample diversity ρ", f"{view.diversity:g}", f"m = {m}"),
    ]
    shown = "".join(CARD.format(*row) for row in rows)
    return f'<div class="cards">{shown}</div>{_status(view, doing)}'


def export(name: str, text: str) -> str:
    """A file's text."""
    return f'<pre class="export" id="{html.escape(name)}">{html.escape(text)}</pre>'


def failure(error: BaseException) -> str:
    """Why there is nothing to see at a setting."""
    return f'<div id="status" class="status failed">{html.escape(str(error))}</div>'


def _status(view: View, doing: str) -> str:
    if view.kind == "certified":
        verdict = "N is nonsingular" if view.decided else "σ<sub>min</sub> may be zero"
        text = f"<b>Certified</b>: {verdict}; ± bounds the error of σ<sub>min</sub>."
    else:
        text = "<b>Estimated</b>: ± is five standard errors, which certify nothing."
    wait = f' <span class="wait">{doing}</span>'
    seconds = f'<span class="seconds">computed in {view.seconds:.2f} s</span>'
    return f'<div id="status" class="status {view.kind}">{text}{wait}{seconds}</div>'


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")
