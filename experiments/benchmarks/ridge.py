"""Kernel ridge regression: ours against scikit-learn and a dense JAX Cholesky, then alone to 10⁷.

The evaluation of the kernel is counted on every side, compilation on none; the three are timed in
one run and their predictions compared.
"""

import argparse
import resource
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.kernel_ridge import KernelRidge as SklearnRidge

import ktrans as kt
from experiments.benchmarks.gram import default_kernel
from ktrans.solvers.ridge import KernelRidge

RIDGE = 0.1
NUM_TEST = 500


@dataclass(frozen=True)
class Config:
    """Sizes of the run; the vocabulary has a tenth as many tokens as there are samples."""

    compared: int
    sizes: tuple[int, ...]

    @classmethod
    def quick(cls) -> "Config":
        return cls(compared=1500, sizes=(10_000, 30_000))

    @classmethod
    def paper(cls) -> "Config":
        return cls(compared=8000, sizes=(10_000, 100_000, 1_000_000, 10_000_000))


class Comparison(NamedTuple):
    """Seconds of a rival, how many times ours, and the largest difference of predictions."""

    name: str
    seconds: float
    ratio: float
    difference: float


class Row(NamedTuple):
    """Our own fit at one size."""

    num_samples: int
    first_seconds: float
    fit_seconds: float
    num_iterations: int
    residual_norm: float
    peak_gigabytes: float


class Result(NamedTuple):
    """Rivals at one size, and ours at all sizes."""

    comparisons: list[Comparison]
    rows: list[Row]


def compute(config: Config, kernel: Any = None) -> Result:
    """Fit everything."""
    kernel = default_kernel() if kernel is None else kernel
    rows = [_row(kernel, size) for size in config.sizes]
    return Result(_compare(kernel, config.compared), rows)


def _sample(size: int) -> Any:
    return kt.tasks.load("aba_abb", vocab_size=size // 10).sample(size)


def _row(kernel: Any, size: int) -> Row:
    data = _sample(size)
    first, _ = _timed_fit(kernel, data)
    seconds, model = _timed_fit(kernel, data)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    solution = model.solution
    return Row(size, first, seconds, solution.num_iterations, solution.residual_norm, peak)


def _timed_fit(kernel: Any, data: Any) -> tuple[float, KernelRidge]:
    started = time.perf_counter()
    model = KernelRidge(kernel, RIDGE).fit(data)
    return time.perf_counter() - started, model


def _compare(kernel: Any, size: int) -> list[Comparison]:
    data = _sample(size)
    test = data.task.sample(NUM_TEST, seed=1).tokens
    _timed_fit(kernel, data)
    ours, model = _timed_fit(kernel, data)
    expected, cross = model.predict(test), kernel(test, data.tokens)
    comparisons = []
    for name, solve in (("scikit-learn", _solve_sklearn), ("JAX Cholesky", _solve_jax)):
        started = time.perf_counter()
        duals = solve(kernel(data.tokens), data.labels)
        seconds = time.perf_counter() - started
        difference = float(np.max(np.abs(cross @ duals - expected)))
        comparisons.append(Comparison(name, seconds, seconds / ours, difference))
    return comparisons


def _solve_sklearn(matrix: np.ndarray, labels: np.ndarray) -> np.ndarray:
    model = SklearnRidge(kernel="precomputed").set_params(alpha=RIDGE).fit(matrix, labels)
    return np.asarray(model.dual_coef_)


def _solve_jax(matrix: np.ndarray, labels: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        shifted = jnp.asarray(matrix) + RIDGE * jnp.eye(len(labels))
        factor = jax.scipy.linalg.cho_factor(shifted, lower=True)
        return np.asarray(jax.scipy.linalg.cho_solve(factor, jnp.asarray(labels)))


def table(result: Result) -> str:
    """The result as Markdown."""
    lines = ["| rival | seconds | times ours | difference |", "|---|---|---|---|"]
    for rival in result.comparisons:
        lines.append(
            f"| {rival.name} | {rival.seconds:.2f} | {rival.ratio:.0f} | {rival.difference:.1e} |"
        )
    lines += [
        "",
        "| samples | first fit, s | fit, s | iterations | residual | peak, GB |",
        "|---|---|---|---|---|---|",
    ]
    for row in result.rows:
        lines.append(
            f"| {row.num_samples:,} | {row.first_seconds:.2f} | {row.fit_seconds:.2f} | "
            f"{row.num_iterations} | {row.residual_norm:.1e} | {row.peak_gigabytes:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    print(table(compute(Config.quick() if quick else Config.paper())))


if __name__ == "__main__":
    main()
