"""The page of `ktrans explore`, in Panel: sliders, what they give, and the exports.

A move is computed at once from estimated kernel values, in one thread that skips settings left
behind; when the sliders rest, the view is certified in a process of its own.
"""

import functools
import io
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import panel as pn
from panel.io.server import get_server
from threadpoolctl import threadpool_limits

from ktrans.cli.explore.export import python_script, sweep_toml, task_toml
from ktrans.cli.explore.text import CSS, cards, export, failure, header
from ktrans.measure.exploration import (
    MOST_SAMPLES,
    ExplorerSetting,
    View,
    certify,
    explore,
    read_explorable,
)
from ktrans.plotting.exploration import curve_panel, matrix_panel, spectrum_panel
from ktrans.tasks import TemplateTask
from ktrans.tasks.diversity import can_change_vocabulary, vocabulary_for, with_vocabulary

__all__ = ["Workers", "read_explorable", "serve", "use_one_blas_thread"]

# Label, least, most and step of what the kernel depends on.
CONTINUOUS = {
    "beta": ("β, inverse temperature", 0.0, 5.0, 0.05),
    "gamma": ("γ, positional strength", 0.0, 2.0, 0.05),
    "b1": ("b₁ of φ(t) = cos(b₁t + b₂)", 0.1, 6.0, 0.05),
    "b2": ("b₂", 0.0, 1.55, 0.05),
    "a": ("a of W_K W_Qᵀ + aI", 0.0, 4.0, 0.05),
}
READOUT_NAMES = {"read out at [CLS]": "cls", "every position": "per-position"}
NUM_SAMPLES = [size for j in range(4, 11) for size in (2**j, 3 * 2 ** (j - 1))] + [MOST_SAMPLES]
RIDGES = [c * 10.0**e for e in range(-5, 1) for c in (1, 2, 5)] + [10.0]
DIVERSITIES = [c * 10**e for e in range(6) for c in (1, 2, 5)][1:]

_REST = 500  # milliseconds without a move until a view is certified


class Workers:
    """One thread for estimates, one process for certificates; all pages share them."""

    def __init__(self) -> None:
        use_one_blas_thread()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._process = multiprocessing.get_context("spawn").Pool(1, _yield_to_others)

    def estimate(self, *what: Any, then: Callable[[Any], None]) -> None:
        """Call `explore`, and `then` with the view or the exception."""
        self._thread.submit(explore, *what).add_done_callback(
            lambda future: then(future.exception() or future.result())
        )

    def certify(self, *what: Any, then: Callable[[Any], None]) -> None:
        """Call `certify`, and `then` with the view or the exception."""
        self._process.apply_async(certify, what, callback=then, error_callback=then)

    def stop(self) -> None:
        """End both; nothing that they compute is missed."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._process.terminate()


def use_one_blas_thread() -> None:
    """Matrices are small here: several threads wait for one another longer than they compute.

    Measured on two busy cores, a Cholesky factor of 512 rows takes 0.5 s by two and 2 ms by one.
    """
    threadpool_limits(1, user_api="blas")


def _yield_to_others() -> None:
    use_one_blas_thread()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(10)


def serve(task: TemplateTask, workers: Workers, address: str, port: int) -> Any:
    """A server of the page, not started; what its first moves need is compiled before.

    Args:
        task: From `read_explorable`.
        workers: What computes; to be stopped by the caller.
        address: To listen at.
        port: A free one.

    Returns:
        A Bokeh server.
    """
    setting = ExplorerSetting(vocab_size=task.vocab_size)
    explore(task, setting)
    first = explore(task, setting)
    return get_server(
        lambda: ExplorerPage(task, first, workers).layout,
        port=port, address=address, title=f"ktrans · {task.name}", show=False, start=False,
        websocket_origin=[f"{address}:{port}", f"localhost:{port}"],
    )  # fmt: skip


class ExplorerPage:
    """The page of one browser window.

    All methods run in the server's loop; what workers compute comes back by its next tick.
    """

    def __init__(self, task: TemplateTask, first: View, workers: Workers):
        self._task, self._workers = task, workers
        self._document: Any = pn.state.curdoc
        self._setting, self._view = first.setting, first
        self._moving = self._certifying = False
        self._panels = [matrix_panel(first), spectrum_panel(first), curve_panel(first)]
        self._sliders = _sliders(task, first.setting)
        self._cards, self._exports = _html(""), _Exports(task)
        self._show(first)
        for slider in self._sliders.values():
            slider.param.watch(self._moved, "value")
        pn.state.onload(self._rest)

    @property
    def layout(self) -> Any:
        """Everything on the page."""
        matrix, spectrum, curve = (pn.pane.Bokeh(each.figure) for each in self._panels)
        for pane in (spectrum, curve, self._cards):
            pane.sizing_mode = "stretch_width"
        results = _column(self._cards, _row(matrix, spectrum), curve, self._exports.layout)
        page = _column(_html(header(self._task)), _row(_sidebar(self._sliders), results))
        page.param.update(max_width=1280, styles={"margin": "0 auto"})
        return page

    def _moved(self, *_: Any) -> None:
        self._setting = ExplorerSetting(
            **{name: each.value for name, each in self._sliders.items()}
        )
        self._sliders["a"].disabled = self._setting.readout == "cls"
        if not self._moving:
            self._estimate()

    def _estimate(self) -> None:
        self._moving = True
        self._say_what_is_done()
        then = self._in_loop(self._estimated)
        self._workers.estimate(self._task, self._setting, then=then)

    def _estimated(self, view: View) -> None:
        self._moving = False
        self._show(view)
        if view.setting != self._setting:  # moved on meanwhile
            self._estimate()
        else:
            self._document.add_timeout_callback(self._rest, _REST)

    def _rest(self) -> None:
        resting = self._view.setting == self._setting and self._view.rtol is None
        if resting and not (self._certifying or self._moving):
            self._certifying = True
            self._say_what_is_done()
            then = self._in_loop(self._certified)
            self._workers.certify(self._task, self._setting, then=then)

    def _certified(self, view: View) -> None:
        self._certifying = False
        if view.setting == self._setting and not self._moving:
            self._show(view)
        else:
            self._rest()

    def _in_loop(self, then: Callable[[View], None]) -> Callable[[Any], Any]:
        """What hands a worker's result over to the server's loop, or says why there is none."""

        def take(result: Any) -> None:
            if isinstance(result, BaseException):
                self._moving = self._certifying = False
                self._cards.object = failure(result)
            else:
                then(result)

        return lambda result: self._document.add_next_tick_callback(functools.partial(take, result))

    def _show(self, view: View) -> None:
        self._view = view
        for panel in self._panels:
            panel.show(view)
        self._exports.show(view)
        self._say_what_is_done()

    def _say_what_is_done(self) -> None:
        doing = "Computing …" * self._moving or "Certifying …" * self._certifying
        self._cards.object = cards(self._view, doing)


class _Exports:
    """The present setting as text, to copy or to save."""

    def __init__(self, task: TemplateTask):
        self._task, self._texts = task, {}
        self._panes = {name: _html("") for name in EXPORTS}

    @property
    def layout(self) -> Any:
        """A tab for each text."""
        tabs = [(name, self._tab(name)) for name in EXPORTS]
        return pn.Tabs(*tabs, sizing_mode="stretch_width", dynamic=False)

    def show(self, view: View) -> None:
        """Write the texts of a view."""
        for name, write in EXPORTS.items():
            self._texts[name] = write(self._task, view)
            self._panes[name].object = export(name, self._texts[name])

    def _tab(self, name: str) -> Any:
        save = pn.widgets.FileDownload(
            callback=lambda: io.StringIO(self._texts[name]), filename=name, label=f"Save {name}",
            button_type="light", width=180,
        )  # fmt: skip
        return _column(self._panes[name], save)


EXPORTS = {
    "explored.py": python_script,
    "task.toml": task_toml,
    "sweep.toml": lambda _, view: sweep_toml(view),
}


def _sliders(task: TemplateTask, setting: ExplorerSetting) -> dict[str, Any]:
    """A widget for each field of the setting, in the order of the page."""
    kernel = {
        name: pn.widgets.FloatSlider(
            name=label, start=low, end=high, step=step, value=getattr(setting, name), width=240
        )
        for name, (label, low, high, step) in CONTINUOUS.items()
    }
    kernel["a"].disabled = True
    readout = pn.widgets.RadioButtonGroup(
        name="read-out", options=READOUT_NAMES, value=setting.readout, width=240
    )
    data = {
        "vocab_size": _discrete("ρ, sample diversity", _diversities(task), setting.vocab_size),
        "num_samples": _discrete("n, samples", NUM_SAMPLES, setting.num_samples),
        "ridge": _discrete("λ, ridge", {f"{each:g}": each for each in RIDGES}, setting.ridge),
    }
    data["vocab_size"].disabled = not can_change_vocabulary(task)
    a = kernel.pop("a")
    return {**kernel, "readout": readout, "a": a, **data}


def _sidebar(sliders: dict[str, Any]) -> Any:
    names = list(sliders)
    parts = {"Kernel": names[:6], "Task and data": names[6:]}
    shown = [
        each
        for title, some in parts.items()
        for each in (_html(f"<h2>{title}</h2>"), *(sliders[name] for name in some))
    ]
    return pn.Column(*shown, width=270)


def _html(text: str) -> Any:
    return pn.pane.HTML(text, stylesheets=[CSS], sizing_mode="stretch_width")


def _column(*parts: Any) -> Any:
    return pn.Column(*parts, sizing_mode="stretch_width")


def _row(*parts: Any) -> Any:
    return pn.Row(*parts, sizing_mode="stretch_width")


def _discrete(label: str, options: Any, value: Any) -> Any:
    return pn.widgets.DiscreteSlider(name=label, options=options, value=value, width=240)


def _diversities(task: TemplateTask) -> dict[str, int]:
    """Vocabulary sizes by their ρ, that of the task among them."""
    sizes = {task.vocab_size}
    if can_change_vocabulary(task):
        sizes |= {vocabulary_for(task, rho) for rho in DIVERSITIES}
    return {f"{with_vocabulary(task, m).diversity:.4g} (m = {m})": m for m in sorted(sizes)}
