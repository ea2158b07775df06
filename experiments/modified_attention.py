"""What one scalar a in W_K W_Qᵀ + aI saves: samples needed by three read-outs, and why.

python -m experiments.modified_attention [--quick] [--out results/modified_attention]

The scale of the learning curve is n* = r·mean(K(x, x) − N_zz)/ν_min(N): two balanced templates have
error (1 + n/n*)⁻². It is computed from certified kernel values against a and against β, and errors
of ridge regression on unseen symbols are measured beside the closed form. The reason is read off
the limit β → 0, in which attention is deterministic (that of Hron et al., 2020): what N then keeps
is what a alone tells of the equality pattern.
"""

import functools
import itertools
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

import ktrans as kt
from experiments._run import in_parts, run_experiment
from ktrans._progress import show_progress
from ktrans._store import Keep, at_once
from ktrans.kernels.attention.modified import READ, READOUTS, ModifiedTransformerKernel
from ktrans.kernels.attention.modified_pairs import Setting, logit_means
from ktrans.kernels.attention.modified_values import query_pairs
from ktrans.measure.unseen import fit_ridge, unseen_error
from ktrans.plotting.modified_attention import modified_attention_figure
from ktrans.tasks.diversity import with_vocabulary
from ktrans.theory.statistics import template_statistics

_GRID_POINTS = 25
_TOLERANCE_A = 0.02  # of the best a: n* is flat there
_RTOLS = (1e-8, 1e-10, 1e-12)  # of kernel values: σ_min falls like a power of β
_CURVE_RTOL = 1e-8


@dataclass(frozen=True)
class Curve:
    """A learning curve to measure."""

    readout: str
    a: float


@dataclass(frozen=True)
class Config:
    """What is computed and measured.

    Attributes:
        a: Values of a for n*(a), in increasing order.
        betas: Values of β for n*(a).
        against_beta: Values of β for σ_min and n* at a = 0 and a = 1, in increasing order; from
            the first two the power of β is read.
        curves: Learning curves measured at the first of `betas`.
        num_samples: Their n, also the size of the vocabulary.
        seeds: Training sets for each n.
        refine: Whether the best a is searched between the values given.
    """

    a: tuple[float, ...]
    betas: tuple[float, ...]
    against_beta: tuple[float, ...]
    curves: tuple[Curve, ...]
    num_samples: tuple[int, ...]
    seeds: int
    refine: bool
    gamma: float = 1.0
    b1: float = 1.5
    b2: float = 0.4
    ridge: float = 1e-6
    task: str = "aba_abb"

    @classmethod
    def quick(cls) -> "Config":
        """Seconds: the claim, at one β."""
        curves = (Curve("per-position", 0.0), Curve("per-position", 1.0))
        return cls((0.0, 1.0, 2.0), (0.2,), (0.05, 0.1), curves, (500, 2000), 4, refine=False)

    @classmethod
    def paper(cls) -> "Config":
        """Minutes."""
        negative = (-6.0, -4.5, -3.5, -2.5, -2.0, -1.5, -1.0, -0.5, -0.25)
        a = (*negative, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
        curves = (
            Curve("cls", 1.0),
            Curve("pooled", 1.0),
            Curve("per-position", 0.0),
            Curve("per-position", 1.0),
        )
        counts = (32, 125, 500, 2000, 8000)
        betas = tuple(np.geomspace(0.05, 1.2, 10).round(4).tolist())
        return cls(a, (0.2, 1.0), betas, curves, counts, seeds=10, refine=True)

    def kernel(self, readout: str, beta: float, a: float, rtol: float) -> ModifiedTransformerKernel:
        """The kernel of a read-out."""
        activation = kt.Cosine(b1=self.b1, b2=self.b2)
        return ModifiedTransformerKernel(beta, self.gamma, a, activation, readout, rtol)


def compute(config: Config, keep: Keep = at_once) -> dict[str, Any]:
    """n*(a), the best a, σ_min against β, learning curves, and what follows in words."""
    against_a = [
        keep(["a", readout, beta], functools.partial(_against_a, config, readout, beta))
        for beta, readout in show_progress(itertools.product(config.betas, READOUTS), "n*(a)")
    ]
    against_beta = [
        keep(["beta", readout, a], functools.partial(_against_beta, config, readout, a))
        for a, readout in show_progress(itertools.product((0.0, 1.0), READOUTS), "σ_min(β)")
    ]
    curves = [
        keep(["curve", *asdict(curve).values()], functools.partial(_learning_curve, config, curve))
        for curve in show_progress(config.curves, "learning curves")
    ]
    found = {"against_a": against_a, "against_beta": against_beta, "curves": curves}
    return found | {"verdict": _verdict(found)}


def _scale(config: Config, readout: str, beta: float, a: float) -> dict[str, float | None]:
    """ν_min(N) with its bound, and n*; None where the sign of ν_min is not certain.

    Computed ever more finely until ν_min is known to a hundredth.
    """
    for rtol in _RTOLS:
        row = _scale_at(config.kernel(readout, beta, a, rtol), config.task)
        if row["sigma_min"] is not None and row["bound"] < 0.01 * row["sigma_min"]:
            break
    return row


def _scale_at(kernel: ModifiedTransformerKernel, name: str) -> dict[str, Any]:
    known = template_statistics(kernel, kt.tasks.load(name))
    matrix, bound, certified = known.matrix
    least = float(np.linalg.eigvalsh(matrix)[0])
    error = float(np.linalg.norm(bound))
    own = float(known.self_kernel.mean())
    is_known = certified and least > 2 * error
    return {
        "sigma_min": least if is_known else None,
        "bound": error,
        "n_star": len(matrix) * own / least if is_known else None,
    }


def _against_a(config: Config, readout: str, beta: float) -> dict[str, Any]:
    rows = [_scale(config, readout, beta, a) for a in config.a]
    return {
        "readout": readout,
        "beta": beta,
        "a": list(config.a),
        **_columns(rows),
        "weight_distance": [_weight_distance(config, readout, a) for a in config.a],
        "best": _best(config, readout, beta, [i for i, _ in enumerate(rows)], rows),
        "best_positive": _best(
            config, readout, beta, [i for i, a in enumerate(config.a) if a >= 0], rows
        ),
    }


def _best(
    config: Config, readout: str, beta: float, among: list[int], rows: list[dict[str, float | None]]
) -> dict[str, Any]:
    """The a of least n*, refined between its neighbours unless it ends the range."""
    place = min(among, key=lambda i: _n_star(rows[i]))
    at_end = place in (among[0], among[-1])
    a = config.a[place]
    if config.refine and not at_end:
        a = _refined(config, readout, beta, config.a[place - 1], config.a[place + 1])
    least, start = (_n_star(_scale(config, readout, beta, some)) for some in (a, 0.0))
    return {"a": a, "n_star": least, "gain": start / least, "at_end": at_end}


def _refined(config: Config, readout: str, beta: float, low: float, high: float) -> float:
    found: Any = minimize_scalar(
        lambda a: np.log(_n_star(_scale(config, readout, beta, round(float(a), 3)))),
        bounds=(low, high),
        method="bounded",
        options={"xatol": _TOLERANCE_A},
    )
    return round(float(found.x), 3)


def _against_beta(config: Config, readout: str, a: float) -> dict[str, Any]:
    rows = [_scale(config, readout, beta, a) for beta in config.against_beta]
    return {
        "readout": readout,
        "a": a,
        "beta": list(config.against_beta),
        **_columns(rows),
        "deterministic": _scale(config, readout, 0.0, a),
        "power": _power(config.against_beta, [row["sigma_min"] for row in rows]),
    }


def _power(betas: tuple[float, ...], values: list[float | None]) -> float | None:
    """The power of β with which the first two values grow."""
    first, second = values[:2]
    if first is None or second is None:
        return None
    return float(np.log(second / first) / np.log(betas[1] / betas[0]))


def _weight_distance(config: Config, readout: str, a: float) -> float:
    """How far apart the attention weights at β = 0 of two templates are, as the read-out sees them.

    The least, over pairs of templates, of the mean over queries read out of |s_q − s′_q|².
    """
    strings = kt.tasks.load(config.task).fresh_strings()[0]
    setting = Setting(0.0, config.gamma, a)
    pairs = query_pairs("per-position", strings, strings)
    weights = np.array([[softmax(logit_means(q, setting)[0]) for q in row] for row in pairs])
    read = READ[readout](weights.swapaxes(0, 1)[None])[0]
    distances = np.sum((read[:, :, None] - read[:, None]) ** 2, axis=-1).mean(axis=0)
    return float(distances[~np.eye(len(strings), dtype=bool)].min())


def _columns(rows: list[dict[str, float | None]]) -> dict[str, list[float | None]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _n_star(row: dict[str, float | None]) -> float:
    return np.inf if row["n_star"] is None else row["n_star"]


def _learning_curve(config: Config, curve: Curve) -> dict[str, Any]:
    kernel = config.kernel(curve.readout, config.betas[0], curve.a, _CURVE_RTOL)
    errors = np.array(
        [[_error(config, kernel, n, s) for s in range(config.seeds)] for n in config.num_samples]
    )
    grid = np.geomspace(config.num_samples[0], config.num_samples[-1], _GRID_POINTS)
    return {
        **asdict(curve),
        "beta": config.betas[0],
        "num_samples": list(config.num_samples),
        "measured": errors.mean(axis=1).tolist(),
        "stderr": (errors.std(axis=1, ddof=1) / np.sqrt(config.seeds)).tolist(),
        "predicted": _closed_form(config, kernel, config.num_samples),
        "grid": grid.tolist(),
        "predicted_curve": _closed_form(config, kernel, grid),
    }


def _error(config: Config, kernel: ModifiedTransformerKernel, n: int, seed: int) -> float:
    """On all unseen symbols at once, of ridge regression."""
    task = with_vocabulary(kt.tasks.load(config.task), n)
    return unseen_error(fit_ridge(kernel, task.sample(n, seed=seed), config.ridge), task)


def _closed_form(
    config: Config, kernel: ModifiedTransformerKernel, counts: Iterable[float]
) -> list[float]:
    """With the collisions of as many tokens as samples counted."""
    return [
        float(
            kt.theory.corrected_learning_curve(
                kernel,
                with_vocabulary(kt.tasks.load(config.task), round(n)),
                num_samples=[n],
                ridge=config.ridge,
            ).mse[0]
        )
        for n in counts
    ]


def _verdict(found: dict[str, Any]) -> list[str]:
    """Which read-out profits and why, each sentence from the numbers it holds."""
    gains = [_gain_sentence(row) for row in found["against_a"]]
    limits = [_limit_sentence(row) for row in found["against_beta"]]
    first = found["against_a"][: len(READOUTS)]
    return [*gains, *limits, *map(_reason, first)]


def _gain_sentence(row: dict[str, Any]) -> str:
    def told(best: dict[str, Any]) -> str:
        end = " (the end of the range)" if best["at_end"] else ""
        return (
            f"a = {best['a']:g}{end} with n* = {best['n_star']:,.0f}, {best['gain']:.3g} times less"
        )

    return (
        f"β = {row['beta']:g}, {row['readout']}: against a = 0 the best is {told(row['best'])}; of "
        f"a ≥ 0 it is {told(row['best_positive'])}."
    )


def _limit_sentence(row: dict[str, Any]) -> str:
    limit, power = row["deterministic"]["sigma_min"], row["power"]
    kept = "N is singular" if limit is None else f"σ_min(N) = {limit:.2g}"
    growth = "" if power is None else f"; near it σ_min goes like β^{power + 0.0:.2g}"
    return f"a = {row['a']:g}, {row['readout']}: without randomness (β = 0) {kept}{growth}."


_WHY = {
    "cls": (
        "the [CLS] occurs once, so the mean weights of its query are the same for every template: "
        "a shows it nothing"
    ),
    "pooled": (
        "each query looks at (a > 0) or away from (a < 0) the occurrences of its own token, but "
        "only the sum over queries is read: at a > 0 a position is given nearly what it takes, "
        "at a < 0 a token that occurs once is looked away from by one query only"
    ),
    "per-position": (
        "each query looks at (a > 0) or away from (a < 0) the occurrences of its own token, and a "
        "read-out of its own sees where they are, without any help from randomness"
    ),
}


def _reason(row: dict[str, Any]) -> str:
    distances = dict(zip(row["a"], row["weight_distance"], strict=True))
    told = ", ".join(f"{distances[a]:.2g} at a = {a:g}" for a in (-1.0, 1.0) if a in distances)
    return (
        f"Why, {row['readout']}: the mean attention weights of two templates, as read out, differ "
        f"in square by {told}; {_WHY[row['readout']]}."
    )


def main() -> None:
    """Compute, write the result file and the figure, print the verdict."""
    name = "modified_attention"
    results = run_experiment(
        __doc__, name, Config, in_parts(compute),
        modified_attention_figure, resumes=True,
    )  # fmt: skip
    print("\n".join(results["verdict"]))


if __name__ == "__main__":
    main()
