"""Seconds and bytes of one product with the Gram matrix, against the number of samples.

The dense matrix and a dense product that looks its blocks up are timed where they are affordable;
a copy is timed in the same run, so that a product is compared with the copy of what it must touch.

    python -m experiments.benchmarks.gram [--quick] [--docs]
"""

import argparse
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from experiments.benchmarks._machine import (
    PICTURE,
    best_seconds,
    copy_seconds,
    default_kernel,
    machine,
    peak_gigabytes,
    sample,
    write_between,
)
from ktrans.gram.dense import BlockedGram
from ktrans.gram.operator import GramOperator


@dataclass(frozen=True)
class Config:
    """Sizes of the run; the vocabulary has a tenth as many tokens as there are samples."""

    sizes: tuple[int, ...]
    largest_dense: int
    repeats: int = 5

    @classmethod
    def quick(cls) -> "Config":
        return cls(sizes=(1000, 10_000, 30_000), largest_dense=1000, repeats=2)

    @classmethod
    def paper(cls) -> "Config":
        return cls(sizes=(10_000, 100_000, 1_000_000, 10_000_000), largest_dense=10_000)


class Row(NamedTuple):
    """One size: seconds to build and to multiply, bytes it must touch, rivals and agreement."""

    num_samples: int
    build_seconds: float
    product_seconds: float
    bytes_touched: int
    copy_seconds: float
    rivals: "Rivals | None"
    peak_gigabytes: float


class Result(NamedTuple):
    """All sizes, and the exponent of the product's seconds from the second size on."""

    rows: list[Row]
    exponent: float


class Rivals(NamedTuple):
    """Seconds of a dense product, of one looked up in blocks, and the largest relative error."""

    dense_seconds: float
    blocked_seconds: float
    difference: float


def compute(config: Config, kernel: Any = None) -> Result:
    """Time every size."""
    kernel = default_kernel() if kernel is None else kernel
    rows = [_row(kernel, size, config) for size in config.sizes]
    tail = rows[1:]
    sizes = np.log([row.num_samples for row in tail])
    seconds = np.log([row.product_seconds for row in tail])
    return Result(rows, float(np.polyfit(sizes, seconds, 1)[0]))


def bytes_touched(gram: GramOperator) -> int:
    """Vector in and out, the diagonal and the template; of each incidence the index twice, a table
    entry read and written, and one read again."""
    core: Any = gram.core
    num = len(gram.distinct.first)
    incidences = sum(len(slot.index) for level in core.shard.levels for slot in level.slots)
    return 3 * 8 * num + 4 * num + incidences * (2 * 4 + 3 * 8)


def seconds_per_product(gram: GramOperator, repeats: int) -> float:
    """Seconds of one product inside a compiled loop, as a solver makes it; the best of a few."""
    more = max(5, 2_000_000 // gram.shape[0])
    with jax.enable_x64(True):
        start = gram.core.put(np.ones((len(gram.distinct.first), 1)))
        few, many = (
            best_seconds(
                lambda n=n: _loop(gram.core, start, jnp.asarray(n)).block_until_ready(), repeats
            )
            for n in (1, 1 + more)
        )
    return (many - few) / more


@eqx.filter_jit
def _loop(core: Any, start: jax.Array, count: jax.Array) -> jax.Array:
    return jax.lax.fori_loop(0, count, lambda _, v: core.apply(v) / len(v), start)


def _row(kernel: Any, size: int, config: Config) -> Row:
    data = sample(size)
    GramOperator(kernel, data.tokens[:1000])  # the kernel's own compilation
    started = time.perf_counter()
    gram = GramOperator(kernel, data)
    built = time.perf_counter() - started
    seconds = seconds_per_product(gram, config.repeats)
    touched = bytes_touched(gram)
    copy = copy_seconds(touched, config.repeats)
    peak = peak_gigabytes()
    rivals = _rivals(gram) if size <= config.largest_dense else None
    return Row(size, built, seconds, touched, copy, rivals, peak)


def _rivals(gram: GramOperator) -> Rivals:
    vector = np.random.default_rng(0).standard_normal(gram.shape[0])
    blocked = BlockedGram(gram.values, gram.tokens, gram.tokens)
    blocked_seconds = best_seconds(lambda: blocked @ vector, 1)
    matrix = gram.to_dense()
    dense_seconds = best_seconds(lambda: matrix @ vector, 3)
    gap = np.abs(gram @ vector - matrix @ vector) / (np.abs(matrix) @ np.abs(vector))
    return Rivals(dense_seconds, blocked_seconds, float(gap.max()))


def table(result: Result) -> str:
    """The result as Markdown."""
    lines = [
        f"One product, {machine()}:",
        "",
        "| samples | build, s | product, ms | must touch, MB | copy of it, ms | over copy | "
        "dense, ms | blocked, ms | difference | peak, GB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result.rows:
        lines.append(
            f"| {row.num_samples:,} | {row.build_seconds:.2f} | {_ms(row.product_seconds)} | "
            f"{row.bytes_touched / 1e6:.1f} | {_ms(row.copy_seconds)} | "
            f"{row.product_seconds / row.copy_seconds:.1f} | {_rival_cells(row.rivals)} | "
            f"{row.peak_gigabytes:.2f} |"
        )
    first = result.rows[1].num_samples
    growth = f"From {first:,} samples on the seconds of a product grow like n^{result.exponent:.2f}"
    return "\n".join([*lines, "", f"{growth}."])


def _rival_cells(rivals: Rivals | None) -> str:
    if rivals is None:
        return " | | "
    seconds = f"{_ms(rivals.dense_seconds)} | {_ms(rivals.blocked_seconds)}"
    return f"{seconds} | {rivals.difference:.0e}"


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}"


def picture(result: Result) -> Figure:
    """Seconds of a product against samples, beside the copy of what it must touch."""
    figure, axes = plt.subplots(figsize=(5.6, 3.8), layout="constrained")
    sizes = np.array([row.num_samples for row in result.rows])
    products = [row.product_seconds for row in result.rows]
    copies = [row.copy_seconds for row in result.rows]
    known = [(row.num_samples, *row.rivals[:2]) for row in result.rows if row.rivals]
    counts, dense, blocked = zip(*known, strict=True)
    axes.loglog(sizes, products, "o-", label="linear-time product")
    axes.loglog(sizes, copies, "s--", label="copy of the bytes it must touch")
    axes.loglog(counts, dense, "^", label="dense product, matrix in memory")
    axes.loglog(counts, blocked, "v", label="dense product, looked up in blocks")
    last = result.rows[-1].product_seconds
    axes.loglog(sizes, last * sizes / sizes[-1], color="0.7", zorder=0, label="slope 1")
    axes.set(xlabel="samples n", ylabel="seconds")
    axes.legend(frameon=False, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--docs", action="store_true", help="write table and picture into docs")
    options = parser.parse_args()
    result = compute(Config.quick() if options.quick else Config.paper())
    print(table(result))
    if options.docs:
        write_between("products", table(result))
        picture(result).savefig(PICTURE, dpi=160)


if __name__ == "__main__":
    main()
