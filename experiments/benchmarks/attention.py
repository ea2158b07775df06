"""K_attn: accuracy against time, by our three methods and by what one would write in JAX.

All methods compute the same pair classes, those of the template matrix of αβα against αββ. Errors
are against the exact engine at its finest. Seconds do not count what only a first call does, the
compilation of sampling and the choice of grids of the exact engine, which has a column of
its own. Tables of kernel values are timed in fresh processes.

    python -m experiments.benchmarks.attention [--quick] [--docs] [--out DIR]
"""

import argparse
import functools
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import ktrans as kt
from experiments.benchmarks._machine import in_own_process, machine, write_between
from ktrans.cli.output import write_json
from ktrans.kernels.attention.exact import exact_values
from ktrans.kernels.attention.monte_carlo import estimate_attention
from ktrans.kernels.attention.multigraph import pair_graph
from ktrans.kernels.attention.quasi_monte_carlo import quasi_monte_carlo_values
from ktrans.patterns.matchings import partial_matchings
from ktrans.plotting import paper_style
from ktrans.plotting.style import BLUE, GREEN, GREY, ORANGE, TEXT_WIDTH, new_figure
from ktrans.plotting.svg import write_figure

PAGE = Path("docs/numerics.md")
PICTURE = Path("docs/images/attention_benchmark.png")
OUT = Path("results/benchmarks")

ACCURACIES = (1e-4, 1e-8)  # what the plain Monte Carlo is asked for
REFERENCE_RTOL = 1e-11

EXACT, QMC, OURS, PLAIN = (
    "exact",
    "quasi-Monte Carlo",
    "Monte Carlo, ktrans",
    "Monte Carlo, plain JAX",
)


@dataclass(frozen=True)
class Config:
    """What each method is asked for.

    `batch` is the number of draws that the plain Monte Carlo makes at once, `tables` names the
    tables timed in fresh processes.
    """

    rtols: tuple[float, ...]
    precisions: tuple[float, ...]
    draws: tuple[int, ...]
    plain_draws: tuple[int, ...]
    batch: int
    num_seeds: int
    tables: tuple[str, ...]
    beta: float = 1.0
    gamma: float = 0.7

    @classmethod
    def quick(cls) -> "Config":
        """Seconds, no processes."""
        return cls((1e-4, 1e-8), (1e-4,), (1 << 12,), (1 << 12, 1 << 14), 1 << 12, 4, ())

    @classmethod
    def paper(cls) -> "Config":
        """The figure in docs/numerics.md."""
        return cls(
            rtols=(5e-4, 1e-4, 1e-6, 1e-8, 1e-10),
            precisions=(1e-4, 1e-5, 1e-6, 1e-7),
            draws=(1 << 14, 1 << 16, 1 << 18),
            plain_draws=(1 << 17, 1 << 19, 1 << 21),
            batch=1 << 17,
            num_seeds=5,
            tables=tuple(TABLES),
        )


class Point(NamedTuple):
    """One method at one setting: a target of the error, or a number of draws.

    `error` is the largest over pairs of the root mean square over seeds.
    """

    method: str
    setting: float
    error: float
    seconds: float
    compile_seconds: float


class TableTime(NamedTuple):
    """Seconds of a table of kernel values, first with the choice of grids and then without."""

    num_classes: int
    largest_bound: float
    cold: float
    warm: float


class Result(NamedTuple):
    """All points, the tables, and the plain Monte Carlo's seconds extrapolated to `ACCURACIES`."""

    points: list[Point]
    plain_seconds: dict[float, float]
    tables: dict[str, TableTime]


class Pairs(NamedTuple):
    """Pairs of strings, one of each class, and their exact values."""

    tokens1: np.ndarray
    tokens2: np.ndarray
    value: np.ndarray


def compute(config: Config) -> Result:
    """Run every method on the same pairs."""
    pairs = template_pairs(config)
    points = [_measure(config, pairs, *job) for job in _jobs(config)]
    plain = [point for point in points if point.method == PLAIN]
    return Result(
        points,
        {accuracy: seconds_to_reach(plain, accuracy) for accuracy in ACCURACIES},
        {name: _table_time(name) for name in config.tables},
    )


def template_pairs(config: Config) -> Pairs:
    """The pair classes that N of αβα against αββ takes: fresh pairs, and a string with itself."""
    fresh1, fresh2 = kt.tasks.load("aba_abb", vocab_size=10).fresh_strings()
    x, y = np.concatenate([fresh1, fresh1, fresh1]), np.concatenate([fresh2, fresh2[::-1], fresh1])
    graphs = [pair_graph(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    first = sorted(map(graphs.index, set(graphs)))
    kernel = kt.AttentionKernel(config.beta, config.gamma, REFERENCE_RTOL)
    return Pairs(x[first], y[first], kernel.evaluate_pairs(x[first], y[first]).value)


def seconds_to_reach(points: list[Point], accuracy: float) -> float:
    """Seconds of a method with error c/√draws, c fitted and the pace of its longest run."""
    constant = np.mean([point.error**2 * point.setting for point in points])
    longest = max(points, key=lambda point: point.setting)
    return float(constant / accuracy**2 * longest.seconds / longest.setting)


Method = Callable[[Config, Pairs, float, int], np.ndarray]


def exact(config: Config, pairs: Pairs, rtol: float, seed: int) -> np.ndarray:
    """Sum-product quadrature; no seed."""
    graphs = [pair_graph(x, y) for x, y in zip(*_lists(pairs), strict=True)]
    return exact_values(graphs, config.beta, config.gamma, rtol).value


def quasi_monte_carlo(config: Config, pairs: Pairs, precision: float, seed: int) -> np.ndarray:
    """Scrambled Sobol' points until the standard error is small enough."""
    size = config.beta, config.gamma
    return quasi_monte_carlo_values(*pairs[:2], *size, precision, seed).mean


def monte_carlo(config: Config, pairs: Pairs, draws: float, seed: int) -> np.ndarray:
    """All strings against all, of which the pairs are the diagonal."""
    size = config.beta, config.gamma
    return np.diag(estimate_attention(*pairs[:2], *size, seed, int(draws)).mean)


def plain_monte_carlo(config: Config, pairs: Pairs, draws: float, seed: int) -> np.ndarray:
    """The definition of K_attn, vmapped over draws, in JAX's own precision."""
    _, ids = np.unique(np.stack(pairs[:2]), return_inverse=True)
    x, y = ids.reshape(2, *pairs.tokens1.shape)
    vocab_size, size = int(ids.max()) + 1, (config.beta, config.gamma)
    keys = jax.random.split(jax.random.key(seed), int(draws) // config.batch)
    means = [plain_batch(key, x, y, *size, vocab_size, config.batch) for key in keys]
    return np.mean([np.asarray(jax.block_until_ready(mean)) for mean in means], axis=0)


@functools.partial(jax.jit, static_argnames=("vocab_size", "num_draws"))
def plain_batch(
    key: jax.Array, x: Any, y: Any, beta: float, gamma: float, vocab_size: int, num_draws: int
) -> jax.Array:
    """The mean over draws of smax(βu)ᵀ (X Yᵀ + γ² I) smax(βv) for each pair."""
    positions = x.shape[1]
    coupling = (x[:, :, None] == y[:, None, :]) + gamma**2 * jnp.eye(positions)

    def draw(key: jax.Array) -> jax.Array:
        token_key, position_key = jax.random.split(key)
        omega = jax.random.normal(token_key, (vocab_size,))
        p = jax.random.normal(position_key, (positions,))
        s, t = (jax.nn.softmax(beta * (omega[some] + gamma * p), axis=1) for some in (x, y))
        return jnp.einsum("ca,cab,cb->c", s, coupling, t)

    return jax.vmap(draw)(jax.random.split(key, num_draws)).mean(axis=0)


def _jobs(config: Config) -> Iterator[tuple[str, Method, float]]:
    yield from ((EXACT, exact, rtol) for rtol in config.rtols)
    yield from ((QMC, quasi_monte_carlo, precision) for precision in config.precisions)
    yield from ((OURS, monte_carlo, draws) for draws in config.draws)
    yield from ((PLAIN, plain_monte_carlo, draws) for draws in config.plain_draws)


def _measure(config: Config, pairs: Pairs, name: str, method: Method, setting: float) -> Point:
    """One run that is not counted, then one for each seed."""
    seconds, errors = [], []
    for seed in [0, *range(config.num_seeds)]:
        started = time.perf_counter()
        found = method(config, pairs, setting, seed)
        seconds.append(time.perf_counter() - started)
        errors.append(found - pairs.value)
    error = float(np.sqrt(np.mean(np.square(errors[1:]), axis=0)).max())
    best = min(seconds[1:])
    return Point(name, setting, error, best, max(0.0, seconds[0] - best))


def _lists(pairs: Pairs) -> tuple[list[list[int]], list[list[int]]]:
    return pairs.tokens1.tolist(), pairs.tokens2.tolist()


class Table(NamedTuple):
    """A task and the accuracy of all its kernel values."""

    task: Callable[[], kt.TemplateTask]
    rtol: float


TABLES = {
    "αβα against αββ": Table(lambda: kt.tasks.load("aba_abb"), 1e-10),
    "ten random templates, k = 5, w = 3": Table(
        lambda: kt.tasks.load("random_templates", num_templates=10, length=5, num_wildcards=3),
        1e-8,
    ),
}


def table_strings(task: kt.TemplateTask) -> tuple[np.ndarray, np.ndarray]:
    """A pair of strings for each pair of templates and each matching of their wildcards."""
    fresh = int(task.template_codes.max()) + 1
    rows = []
    for i, first in enumerate(task.template_codes):
        w1, names1 = max(0, -first.min()), fresh + np.arange(len(first))
        for second in task.template_codes[i:]:
            for matching in partial_matchings(int(w1), max(0, -int(second.min()))):
                names2 = names1 + w1
                for a, b in matching:
                    names2[b] = names1[a]
                rows.append((_filled(first, names1), _filled(second, names2)))
    x, y = zip(*rows, strict=True)
    return np.array(x), np.array(y)


def _filled(codes: np.ndarray, names: np.ndarray) -> np.ndarray:
    """The template with a token for each wildcard: wildcard j has the code −1 − j."""
    return np.where(codes < 0, names[np.maximum(-1 - codes, 0)], codes)


def time_table(name: str) -> TableTime:
    """The table twice in this process, the second time with nothing remembered but the code."""
    task, rtol = TABLES[name]
    x, y = table_strings(task())
    config = Config.paper()
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        graphs = {pair_graph(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)}
        found = exact_values(sorted(graphs), config.beta, config.gamma, rtol)
        seconds.append(time.perf_counter() - started)
    return TableTime(len(graphs), float(found.bound.max()), *seconds)


def _table_time(name: str) -> TableTime:
    printed = in_own_process("experiments.benchmarks.attention", "--table", name)
    return TableTime(**json.loads(printed.splitlines()[-1]))


def table(result: Result) -> str:
    """The result as Markdown."""
    lines = [
        f"K_attn of the pair classes of αβα against αββ, {machine()} (plain JAX: float32):",
        "",
        "| method | asked for | error | seconds | first call, s more |",
        "|---|---|---|---|---|",
    ]
    for point in result.points:
        asked = f"{point.setting:.0e}" if point.setting < 1 else f"{point.setting:,.0f} draws"
        lines.append(
            f"| {point.method} | {asked} | {point.error:.0e} | {point.seconds:.2g} | "
            f"{point.compile_seconds:.2g} |"
        )
    lines += [
        "",
        "Plain Monte Carlo, at its fitted rate of 1/√draws, against the exact engine:",
        "",
    ]
    for accuracy, plain in result.plain_seconds.items():
        ours = _exact_seconds(result, accuracy)
        lines.append(
            f"- to {accuracy:.0e}: {plain:.2g} s against {ours:.2g} s, {plain / ours:.2g} times"
        )
    if result.tables:
        lines += [
            "",
            "| table | classes | largest bound | cold, s | warm, s |",
            "|---|---|---|---|---|",
        ]
    for name, found in result.tables.items():
        lines.append(
            f"| {name} | {found.num_classes} | {found.largest_bound:.0e} | {found.cold:.2g} | "
            f"{found.warm:.2g} |"
        )
    return "\n".join(lines)


def _exact_seconds(result: Result, accuracy: float) -> float:
    """The least time in which the exact engine had an error below the accuracy."""
    return min(p.seconds for p in result.points if p.method == EXACT and p.error <= accuracy)


def picture(result: Result) -> Figure:
    """Error against seconds, and the plain Monte Carlo's line drawn on to 1e-8."""
    figure = new_figure(0.75 * TEXT_WIDTH, 3.0)
    ax = figure.subplots()
    looks = {EXACT: (BLUE, "o"), QMC: (GREEN, "^"), OURS: (ORANGE, "s"), PLAIN: (GREY, "D")}
    for method, (colour, marker) in looks.items():
        points = [point for point in result.points if point.method == method]
        seconds, errors = [p.seconds for p in points], [p.error for p in points]
        ax.loglog(seconds, errors, color=colour, marker=marker, label=method)
    accuracies, seconds = zip(*result.plain_seconds.items(), strict=False)
    ax.loglog(seconds, accuracies, color=GREY, linestyle=":", zorder=1)
    ax.annotate(
        f"fitted: {_duration(seconds[-1])}\nto an error of {accuracies[-1]:.0e}",
        (seconds[-1], accuracies[-1]),
        textcoords="offset points",
        xytext=(0, -8),
        ha="right",
        va="top",
        color=GREY,
        fontsize=7,
    )
    ax.set_xlabel("seconds, after the first call")
    ax.set_ylabel(r"largest error of $K_{\mathrm{attn}}$")
    ax.minorticks_off()
    ax.legend()
    return figure


def _duration(seconds: float) -> str:
    years = seconds / (86400 * 365.25)
    return f"{years:.2g} years" if years > 1 else f"{seconds / 86400:.2g} days"


def main() -> None:
    """Print the table; write the results, and with --docs the page and its picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few settings and no tables")
    parser.add_argument("--docs", action="store_true", help="write table and picture into docs")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    parser.add_argument("--table", metavar="NAME", help="time one table, as JSON")
    options = parser.parse_args()
    if options.table:
        print(json.dumps(time_table(options.table)._asdict()))
        return
    config = Config.quick() if options.quick else Config.paper()
    started = time.perf_counter()
    result = compute(config)
    options.out.mkdir(parents=True, exist_ok=True)
    record = _record(config, result, time.perf_counter() - started)
    write_json(options.out / "attention.json", record)
    print(table(result))
    if options.docs:
        write_between("attention", table(result), PAGE)
        with paper_style():
            write_figure(PICTURE, picture(result))


def _record(config: Config, result: Result, seconds: float) -> dict[str, Any]:
    """Everything that JSON should keep."""
    return {
        "config": asdict(config),
        "versions": {name: version(name) for name in ("ktrans", "jax", "numpy", "scipy")},
        "machine": machine(),
        "load": os.getloadavg()[0],
        "seconds": seconds,
        "points": [point._asdict() for point in result.points],
        "plain_seconds": {f"{a:g}": s for a, s in result.plain_seconds.items()},
        "tables": {name: found._asdict() for name, found in result.tables.items()},
    }


if __name__ == "__main__":
    main()
