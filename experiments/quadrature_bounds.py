"""Do the proved error bounds of K_attn hold? Every pair class against a finer rule, and at random.

The finer rule has a bound of its own, a thousandth where rounding allows it. A check holds if the
two values are no further apart than both bounds together. (Oracles that share no code with the
engine are in tests/kernels/attention/test_oracles.py.)

The classes are those of all pairs of strings up to a length, up to renaming of tokens, permutation
of positions and reversal. The random checks go over the whole range of (β, γ); where elimination is
too dear they check quasi-Monte Carlo instead, whose bound is five standard errors.

    python -m experiments.quadrature_bounds [--quick] [--out DIR]

Finished batches are kept in DIR/parts: an interrupted run goes on where it stopped.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from experiments._run import in_parts, run_experiment
from ktrans._store import Keep, at_once
from ktrans.kernels.attention.exact import class_cost, exact_values
from ktrans.kernels.attention.multigraph import PairGraph, pair_graph, pair_strings
from ktrans.kernels.attention.quasi_monte_carlo import quasi_monte_carlo_values
from ktrans.kernels.base import STANDARD_ERRORS
from ktrans.plotting.quadrature_bounds import quadrature_bounds_figure

_FINEST = 1e-13  # targets below it are lost in rounding
_FINER_POINTS = 1 << 20  # of each scrambling: 2.8 times the precision of the default at least
_FINER = 1e-3  # target of the finer rule relative to that of the rule it checks


@dataclass(frozen=True)
class Point:
    """(β, γ) and the largest bound that a class may have there."""

    beta: float
    gamma: float
    wanted: float


@dataclass(frozen=True)
class Config:
    """All classes up to `longest` positions at each point; then random checks in groups.

    A group has one (β, γ, k, rtol) and `group_size` pairs of strings. Classes whose check would
    take more than `max_cost` multiplications are checked by quasi-Monte Carlo.
    """

    points: tuple[Point, ...]
    longest: int
    batch: int
    groups: int
    group_size: int
    max_beta: float = 16.0
    max_gamma: float = 4.0
    max_cost: float = 3e10
    seed: int = 0

    @classmethod
    def quick(cls) -> "Config":
        points = (Point(1.0, 0.5, 1e-10), Point(2.0, 1.0, 1e-8))
        return cls(points, longest=3, batch=100, groups=3, group_size=10, max_cost=1e9)

    @classmethod
    def paper(cls) -> "Config":
        points = (Point(1.0, 0.5, 1e-10), Point(1.0, 1.0, 1e-10), Point(2.0, 1.0, 1e-10))
        last = Point(4.0, 1.0, 1e-9)
        return cls((*points, last), longest=5, batch=50, groups=100, group_size=10)


class Checks(NamedTuple):
    """|value − finer value|, the bounds of both, relative to 1 + γ²; 1 where exact.

    An estimate is checked as it is: its `finer_bound` is 0.
    """

    error: np.ndarray
    bound: np.ndarray
    finer_bound: np.ndarray
    exact: np.ndarray


def compute(config: Config, keep: Keep = at_once) -> dict[str, Any]:
    """Errors and bounds at each point and of the random checks."""
    classes = all_classes(config.longest)
    batches = [classes[i : i + config.batch] for i in range(0, len(classes), config.batch)]
    jobs = [(point, batch) for point in config.points for batch in batches]
    known = [
        _kept(keep, [asdict(point), i % len(batches)],
              lambda point=point, batch=batch: check_batch(point, batch))
        for i, (point, batch) in enumerate(tqdm(jobs, desc="batches", leave=False))
    ]  # fmt: skip
    per_point = [_joined(known[i : i + len(batches)]) for i in range(0, len(jobs), len(batches))]
    groups = [
        _kept(keep, ["random", i], lambda i=i: check_group(config, i))
        for i in tqdm(range(config.groups), desc="random checks", leave=False)
    ]
    return {
        "points": [
            {**asdict(point), **_record(checks), "largest_bound": float(_largest(point, checks))}
            for point, checks in zip(config.points, per_point, strict=True)
        ],
        "random": _record(_joined(groups)),
    }


def all_classes(longest: int) -> list[PairGraph]:
    """One multigraph for each class of pairs of strings of 1 to `longest` positions."""
    lengths = range(1, longest + 1)
    return sorted({pair_graph(x, y) for k in lengths for x, y in _joint_strings(k)})


def check_batch(point: Point, classes: list[PairGraph]) -> Checks:
    """Each class at one point against a rule with a thousandth of the error."""
    rtol = point.wanted / 4 / (1 + point.gamma**2)
    return _check_exact(point.beta, point.gamma, rtol, classes)


def check_group(config: Config, group: int) -> Checks:
    """Random pairs of strings at a random (β, γ, k, rtol)."""
    rng = np.random.default_rng([config.seed, group])
    beta, gamma = rng.uniform(0.05, config.max_beta), rng.uniform(0, config.max_gamma)
    k, rtol = int(rng.integers(1, 6)), 10 ** rng.uniform(-6, -3)
    pairs = rng.integers(0, k + 1, size=(config.group_size, 2, k)).tolist()
    graphs = [pair_graph(tuple(x), tuple(y)) for x, y in pairs]
    cheap = [class_cost(g, beta, gamma, rtol * _FINER) <= config.max_cost for g in graphs]
    exact = [g for g, is_cheap in zip(graphs, cheap, strict=True) if is_cheap]
    dear = [g for g, is_cheap in zip(graphs, cheap, strict=True) if not is_cheap]
    parts = [
        check(beta, gamma, rtol, some)
        for check, some in ((_check_exact, exact), (_check_sampled, dear))
        if some
    ]
    return _joined(parts)


def _check_exact(beta: float, gamma: float, rtol: float, graphs: list[PairGraph]) -> Checks:
    values = exact_values(graphs, beta, gamma, rtol)
    finer = exact_values(graphs, beta, gamma, max(rtol * _FINER, _FINEST))
    return _checks(values.value - finer.value, (values.bound, finer.bound), gamma, exact=True)


def _check_sampled(beta: float, gamma: float, rtol: float, graphs: list[PairGraph]) -> Checks:
    """The statement is at most 1e-4 here, and what checks it has four times its precision."""
    x, y = (np.array(strings) for strings in zip(*map(pair_strings, graphs), strict=True))
    precision = max(rtol, 1e-4) * (1 + gamma**2) / STANDARD_ERRORS
    found = quasi_monte_carlo_values(x, y, beta, gamma, precision)
    finer = quasi_monte_carlo_values(
        x, y, beta, gamma, precision / 4, seed=1, max_points=_FINER_POINTS
    )
    bounds = STANDARD_ERRORS * found.stderr, np.zeros(len(graphs))
    return _checks(found.mean - finer.mean, bounds, gamma, exact=False)


def _checks(
    difference: np.ndarray, bounds: tuple[np.ndarray, np.ndarray], gamma: float, exact: bool
) -> Checks:
    scale = 1 + gamma**2
    bound, finer = bounds
    return Checks(
        np.abs(difference) / scale, bound / scale, finer / scale,
        np.full(len(difference), float(exact)),
    )  # fmt: skip


def _joined(parts: list[Checks]) -> Checks:
    return Checks(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _largest(point: Point, checks: Checks) -> float:
    return checks.bound.max() * (1 + point.gamma**2)


def _record(checks: Checks) -> dict[str, Any]:
    return {
        "checks": len(checks.error),
        "held": int(np.sum(checks.error <= checks.bound + checks.finer_bound)),
        "exact": int(checks.exact.sum()),
        "largest_ratio": float(np.max(_ratio(checks))),
        **{name: column.tolist() for name, column in checks._asdict().items() if name != "exact"},
        "method": ["exact" if one else "quasi-Monte Carlo" for one in checks.exact],
    }


def _ratio(checks: Checks) -> np.ndarray:
    """error/bound; strings of one position have neither under quasi-Monte Carlo."""
    ratio = np.zeros_like(checks.error)
    return np.divide(checks.error, checks.bound, out=ratio, where=checks.bound > 0)


def _kept(keep: Keep, name: Any, work: Callable[[], Checks]) -> Checks:
    """The checks of a batch, done now or earlier."""
    part = keep(name, lambda: work()._asdict())
    return Checks(*(np.array(part[column], dtype=float) for column in Checks._fields))


def _joint_strings(k: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """A pair of strings for each joint equality pattern: restricted growth strings, halved."""
    grown: list[tuple[int, ...]] = [()]
    for _ in range(2 * k):
        grown = [(*s, symbol) for s in grown for symbol in range(max(s, default=-1) + 2)]
    return ((s[:k], s[k:]) for s in grown)


def summary(result: dict[str, Any]) -> Iterator[str]:
    """A line for each point, and one for the random checks."""
    for at in result["points"]:
        yield (
            f"β = {at['beta']:g}, γ = {at['gamma']:g}: {at['held']} of {at['checks']} bounds hold, "
            f"the largest is {at['largest_bound']:.1e} (wanted {at['wanted']:.0e}), "
            f"errors up to {at['largest_ratio']:.2g} of it"
        )
    random = result["random"]
    yield (
        f"random (β, γ, k, rtol): {random['held']} of {random['checks']} bounds hold, "
        f"{random['exact']} of them exact"
    )


def main() -> None:
    """Compute, write the result file and the figure, print what held."""
    result = run_experiment(
        __doc__, "quadrature_bounds", Config,
        in_parts(compute),
        quadrature_bounds_figure, resumes=True,
    )  # fmt: skip
    print("\n".join(summary(result)))


if __name__ == "__main__":
    main()
