"""Seconds and bytes of one product with the Gram matrix, against the number of samples.

The dense product is timed where the matrix fits; the copy bandwidth of the machine is measured in
the same run, so that the last column compares a product with the copy of what it must touch.
"""

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import ktrans as kt
from ktrans.gram.operator import GramOperator


@dataclass(frozen=True)
class Config:
    """Sizes of the run; the vocabulary has a tenth as many tokens as there are samples."""

    sizes: tuple[int, ...]
    largest_dense: int
    repeats: int = 5

    @classmethod
    def quick(cls) -> "Config":
        return cls(sizes=(10_000, 30_000), largest_dense=1000, repeats=2)

    @classmethod
    def paper(cls) -> "Config":
        return cls(sizes=(10_000, 100_000, 1_000_000, 10_000_000), largest_dense=10_000)


class Row(NamedTuple):
    """One size: seconds to build and to multiply, bytes read and written, and ratios."""

    num_samples: int
    build_seconds: float
    product_seconds: float
    bytes_touched: int
    over_copy: float
    over_dense: float | None
    peak_gigabytes: float


class Result(NamedTuple):
    """All sizes, and the exponent of the product's seconds from the second size on."""

    rows: list[Row]
    exponent: float


def default_kernel() -> Any:
    activation = kt.Cosine(b1=1.0, b2=0.5)
    return kt.TransformerKernel(beta=1.0, gamma=0.7, activation=activation)


def compute(config: Config, kernel: Any = None) -> Result:
    """Time every size."""
    kernel = default_kernel() if kernel is None else kernel
    rows = [_row(kernel, size, config) for size in config.sizes]
    tail = rows[1:] if len(rows) > 2 else rows
    sizes = np.log([row.num_samples for row in tail])
    seconds = np.log([row.product_seconds for row in tail])
    return Result(rows, float(np.polyfit(sizes, seconds, 1)[0]))


def bytes_touched(gram: GramOperator) -> int:
    """Vector in and out, the diagonal, and an index and two table entries for each incidence."""
    core: Any = gram.core
    num = len(gram.distinct.first)
    incidences = sum(len(index) for level in core.levels for index in level.index)
    return 3 * 8 * num + 4 * num + incidences * (2 * 4 + 4 * 8)


def seconds_per_product(gram: GramOperator, repeats: int) -> float:
    """Seconds of one product inside a compiled loop, as a solver makes it; the best of a few."""
    with jax.enable_x64(True):
        start = jnp.ones((len(gram.distinct.first), 1))
        few, many = (
            _best(lambda n=n: _loop(gram.core, start, jnp.asarray(n)).block_until_ready(), repeats)
            for n in (1, 6)
        )
    return (many - few) / 5


@eqx.filter_jit
def _loop(core: Any, start: jax.Array, count: jax.Array) -> jax.Array:
    return jax.lax.fori_loop(0, count, lambda _, v: core.apply(v) / len(v), start)


def _row(kernel: Any, size: int, config: Config) -> Row:
    data = kt.tasks.load("aba_abb", vocab_size=size // 10).sample(size)
    started = time.perf_counter()
    gram = GramOperator(kernel, data)
    built = time.perf_counter() - started
    seconds = seconds_per_product(gram, config.repeats)
    touched = bytes_touched(gram)
    dense = _dense_seconds(gram, config.repeats) if size <= config.largest_dense else None
    return Row(
        num_samples=size,
        build_seconds=built,
        product_seconds=seconds,
        bytes_touched=touched,
        over_copy=seconds / _copy_seconds(touched, config.repeats),
        over_dense=None if dense is None else dense / seconds,
        peak_gigabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    )


def _dense_seconds(gram: GramOperator, repeats: int) -> float:
    matrix, vector = gram.to_dense(), np.ones(gram.shape[0])
    return _best(lambda: matrix @ vector, repeats)


def _copy_seconds(num_bytes: int, repeats: int) -> float:
    # Half is read and half is written.
    source = np.ones(max(1, num_bytes // 16))
    target = np.empty_like(source)
    return _best(lambda: np.copyto(target, source), repeats)


def _best(function: Callable[[], Any], repeats: int) -> float:
    seconds = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])


def table(result: Result) -> str:
    """The result as Markdown."""
    lines = [
        "| samples | build, s | product, ms | MB touched | over copy | dense over it | peak, GB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result.rows:
        dense = "" if row.over_dense is None else f"{row.over_dense:.1f}"
        lines.append(
            f"| {row.num_samples:,} | {row.build_seconds:.2f} | {1e3 * row.product_seconds:.2f} | "
            f"{row.bytes_touched / 1e6:.1f} | {row.over_copy:.1f} | {dense} | "
            f"{row.peak_gigabytes:.2f} |"
        )
    return "\n".join([*lines, "", f"Seconds grow like n^{result.exponent:.2f}."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    print(table(compute(Config.quick() if quick else Config.paper())))


if __name__ == "__main__":
    main()
