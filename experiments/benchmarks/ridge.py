"""Kernel ridge regression: ours against scikit-learn and a dense JAX Cholesky, then alone to 10⁷.

The evaluation of the kernel is counted on every side, compilation on none. Each fit runs in a
process of its own, so that its peak of memory is its own; predictions on the same test strings are
compared.

    python -m experiments.benchmarks.ridge [--quick] [--docs]
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.kernel_ridge import KernelRidge as SklearnRidge

import ktrans as kt
from experiments.benchmarks._machine import (
    default_kernel,
    in_own_process,
    machine,
    peak_gigabytes,
    sample,
    write_between,
)

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


class Fit(NamedTuple):
    """One fit in a process of its own; `first_seconds` has compilation in it where it is timed."""

    num_samples: int
    seconds: float
    first_seconds: float
    num_iterations: int
    residual_norm: float
    peak_gigabytes: float
    predictions: list[float]


class Result(NamedTuple):
    """Everybody at one size, ours first, and ours at all sizes."""

    compared: dict[str, Fit]
    fits: list[Fit]


def compute(config: Config) -> Result:
    """Fit everything, one process after the other."""
    compared = {name: _alone(name, config.compared) for name in FITS}
    return Result(compared, [_alone("ktrans", size) for size in config.sizes])


def _alone(name: str, size: int) -> Fit:
    printed = in_own_process("experiments.benchmarks.ridge", "--one", name, str(size))
    return Fit(**json.loads(printed.splitlines()[-1]))


def fit_ours(data: kt.Dataset, test: np.ndarray) -> Fit:
    """Linear-time products on the tables of tokens."""
    kernel = default_kernel()
    seconds = []
    for _ in range(3 if len(data) <= 1_000_000 else 2):
        started = time.perf_counter()
        model = kt.KernelRidge(kernel, RIDGE).fit(data)
        seconds.append(time.perf_counter() - started)
    peak, found = peak_gigabytes(), model.solution
    predictions = model.predict(test).tolist()
    numbers = found.num_iterations, found.residual_norm, peak
    return Fit(len(data), min(seconds[1:]), seconds[0], *numbers, predictions)


def fit_sklearn(data: kt.Dataset, test: np.ndarray) -> Fit:
    """scikit-learn on the precomputed matrix."""

    def solve(matrix: np.ndarray) -> np.ndarray:
        model = SklearnRidge(kernel="precomputed").set_params(alpha=RIDGE).fit(matrix, data.labels)
        return np.asarray(model.dual_coef_)

    return _fit_dense(data, test, solve)


def fit_jax(data: kt.Dataset, test: np.ndarray) -> Fit:
    """A Cholesky factorisation by JAX in float64."""

    def factorise(matrix: jax.Array, labels: jax.Array) -> jax.Array:
        factor = jax.scipy.linalg.cho_factor(matrix + RIDGE * jnp.eye(len(labels)), lower=True)
        return jax.scipy.linalg.cho_solve(factor, labels)

    with jax.enable_x64(True):
        shapes = [jax.ShapeDtypeStruct(s, jnp.float64) for s in ((len(data),) * 2, (len(data),))]
        compiled = jax.jit(factorise).lower(*shapes).compile()

        def solve(matrix: np.ndarray) -> np.ndarray:
            return np.asarray(compiled(jnp.asarray(matrix), jnp.asarray(data.labels)))

        return _fit_dense(data, test, solve)


def _fit_dense(
    data: kt.Dataset, test: np.ndarray, solve: Callable[[np.ndarray], np.ndarray]
) -> Fit:
    kernel = default_kernel()
    kernel(data.tokens[:1000])  # compiles what evaluates pair classes
    started = time.perf_counter()
    matrix = kernel(data.tokens)
    duals = solve(matrix)
    seconds = time.perf_counter() - started
    peak = peak_gigabytes()
    residual = matrix @ duals + RIDGE * duals - data.labels
    relative = float(np.linalg.norm(residual) / np.linalg.norm(data.labels))
    predictions = (kernel(test, data.tokens) @ duals).tolist()
    return Fit(len(data), seconds, seconds, 0, relative, peak, predictions)


FITS: dict[str, Callable[[kt.Dataset, np.ndarray], Fit]] = {
    "ktrans": fit_ours,
    "scikit-learn": fit_sklearn,
    "JAX Cholesky": fit_jax,
}


def table(result: Result) -> str:
    """The result as Markdown."""
    ours = result.compared["ktrans"]
    lines = [
        f"Kernel ridge regression of {ours.num_samples:,} samples, λ = {RIDGE}, {machine()}:",
        "",
        "| | seconds | times ours | predictions differ by | peak, GB |",
        "|---|---|---|---|---|",
    ]
    for name, fit in result.compared.items():
        gap = np.max(np.abs(np.subtract(fit.predictions, ours.predictions)))
        difference = "" if fit is ours else f"{gap:.0e}"
        lines.append(
            f"| {name} | {fit.seconds:.3g} | {fit.seconds / ours.seconds:.0f} | {difference} | "
            f"{fit.peak_gigabytes:.2f} |"
        )
    lines += [
        "",
        "Ours, with and without compilation and the kernel's own evaluation:",
        "",
        "| samples | first fit, s | fit, s | iterations | relative residual | peak, GB |",
        "|---|---|---|---|---|---|",
    ]
    for fit in result.fits:
        lines.append(
            f"| {fit.num_samples:,} | {fit.first_seconds:.1f} | {fit.seconds:.3g} | "
            f"{fit.num_iterations} | {fit.residual_norm:.0e} | {fit.peak_gigabytes:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "SIZE"), help="one fit, as JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_one(*options.one)._asdict()))
        return
    text = table(compute(Config.quick() if options.quick else Config.paper()))
    print(text)
    if options.docs:
        write_between("ridge", text)


def _one(name: str, size: str) -> Any:
    data = sample(int(size))
    test = data.task.sample(NUM_TEST, seed=1).tokens
    return FITS[name](data, test)


if __name__ == "__main__":
    main()
