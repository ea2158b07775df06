"""N proved nonsingular on whole boxes of (β, γ), where the theorem says “almost every”.

Over a patch, K_attn is a polynomial in log β and log γ to within a proved error (`chebyshev`), so N
is known there with its derivatives. On a tile N differs from its linear part at the centre by at
most R, entry by entry, half the second derivatives times the squares of the half-widths. A matrix
that is positive definite with all of its neighbours within R at the four corners of the linear part
is so on the whole tile, whose matrices are mixtures of those. Tiles that fail are cut in four.
"""

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from ktrans._checks import as_real, shown
from ktrans._progress import Progress, in_silence
from ktrans._results import Result
from ktrans._rounding import gamma as growth
from ktrans._rounding import round_up
from ktrans._store import Keep, at_once, kept_in
from ktrans._tables import TextTable
from ktrans.kernels.activations import Cosine, Identity, Sine
from ktrans.kernels.attention.kernel import AttentionKernel
from ktrans.kernels.transformer import TransformerKernel
from ktrans.tasks import TemplateTask
from ktrans.theory.chebyshev import (
    Strip,
    at,
    coefficient_rounding,
    coefficients,
    derivative,
    largest,
    lebesgue,
    nodes,
)
from ktrans.theory.statistics import check_task

_RTOL = 1e-10
_REMAINDER = 1e-10  # of the interpolants, relative to 1 + γ²
_FIRST_TILES = 16  # a side of a patch
_MOST_TILES = 1 << 17  # of one size, in a patch
_CHUNK = 1 << 14
_CORNERS = tuple(itertools.product((-1, 1), repeat=2))


@dataclass(frozen=True, eq=False)
class Region(Result):
    """Where N is proved nonsingular.

    Attributes:
        kernel: The kernel's class and activation, as text.
        task_name: Name of the task, may be empty.
        beta: The interval of β.
        gamma: The interval of γ.
        boxes: Tiles that cover the region, shape (b, 4): β from, β to, γ from, γ to.
        proved: For each tile whether N is certified nonsingular on all of it, shape (b,).
        share: The part of the region's area on which it is.
    """

    kernel: str
    task_name: str
    beta: tuple[float, float]
    gamma: tuple[float, float]
    boxes: Float[np.ndarray, "b 4"]
    proved: Bool[np.ndarray, "b"]
    share: float

    def table(self) -> TextTable:
        """The region and the share of it that is proved."""
        sides = [f"[{low:g}, {high:g}]" for low, high in (self.beta, self.gamma)]
        rows = [
            ["task", self.task_name or "-"],
            ["kernel", self.kernel],
            ["β", sides[0]],
            ["γ", sides[1]],
            ["N proved nonsingular on", f"{_percent(self.share)} % of the area"],
            ["tiles proved", f"{int(self.proved.sum())} of {len(self.proved)}"],
        ]
        return TextTable([["region", ""], *rows])


def certify_region(
    kernel: object,
    task: object,
    *,
    beta: tuple[float, float],
    gamma: tuple[float, float],
    folder: str | Path | None = None,
    progress: Progress = in_silence,
) -> Region:
    """Prove N nonsingular over a rectangle of (β, γ), tile by tile.

    Args:
        kernel: An `AttentionKernel`, or a `TransformerKernel` with cosine, sine or identity; its
            own β and γ do not matter.
        task: A template task.
        beta: The interval of β, 0 < from < to.
        gamma: The interval of γ, 0 < from < to.
        folder: Where finished nodes are kept, to go on from; nowhere if omitted.
        progress: Wraps the loop over nodes, see `ktrans._progress`.

    Returns:
        The tiles, each certified or left open: those are too close to where N is singular.

    Raises:
        TypeError: if the kernel is of another class.
        ValueError: if an interval is empty, or values of K_attn are estimates.

    References:
        Boix-Adserà et al. (2024), Theorem 3.4, where N is nonsingular for almost every (β, γ).

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("same_different", vocab_size=10)
        >>> kernel = kt.TransformerKernel(1.0, 1.0, kt.Cosine(b1=1.0, b2=0.5))
        >>> kt.theory.certify_region(kernel, task, beta=(0.9, 1.0), gamma=(0.9, 1.0)).share
        1.0
    """
    dual, known = _dual(kernel), check_task(task)
    sides = _interval("beta", beta), _interval("gamma", gamma)
    strings = _Pairs.of(known)
    keep = at_once if folder is None else kept_in(Path(folder), _Job(repr(strings), *sides))
    patches = list(_patches(sides, strings))
    found = [_tiles(patch, strings, dual, keep, progress) for patch in patches]
    boxes, proved = (np.concatenate(some) for some in zip(*found, strict=True))
    areas = np.prod(boxes[:, 1::2] - boxes[:, ::2], axis=1)
    share = float(areas[proved].sum() / areas.sum())
    text = type(kernel).__name__ + (f", {dual.text}" if dual.text else "")
    return Region(text, known.name, *sides, boxes, proved, min(share, 1.0))


@dataclass(frozen=True)
class _Job:
    """What kept nodes depend on."""

    pairs: str
    beta: tuple[float, float]
    gamma: tuple[float, float]


class _Dual(NamedTuple):
    """N from K_attn: ½[e^{−b²D₋/2} + κ e^{−b²D₊/2}], D∓ = A_i + A_j ∓ 2C_ij; C_ij if b is None."""

    text: str
    b: float | None = None
    kappa: float = 0.0


class _Pairs(NamedTuple):
    """The pairs of strings whose K_attn N takes: x_i with itself, then x_i with x′_j for i ≤ j."""

    first: np.ndarray
    second: np.ndarray
    count: int

    @classmethod
    def of(cls, task: TemplateTask) -> "_Pairs":
        """Those of a task of `count` templates."""
        strings1, strings2 = task.fresh_strings()
        i, j = np.triu_indices(len(strings1))
        first = np.concatenate([strings1, strings1[i]])
        return cls(first, np.concatenate([strings1, strings2[j]]), len(strings1))

    @property
    def gaussians(self) -> tuple[int, int]:
        """The most tokens of a pair, and its positions."""
        rows = zip(self.first.tolist(), self.second.tolist(), strict=True)
        return max(len({*x, *y}) for x, y in rows), self.first.shape[1]


class _Patch(NamedTuple):
    """A rectangle of (log β, log γ): middles, half-lengths and degrees of the two."""

    middle: tuple[float, float]
    half: tuple[float, float]
    degree: tuple[int, int]
    remainder: float


def _dual(kernel: object) -> _Dual:
    activation = getattr(kernel, "activation", Identity())
    is_known = isinstance(kernel, AttentionKernel | TransformerKernel)
    if is_known and isinstance(activation, Cosine):
        b1, b2 = float(activation.b1), float(activation.b2)
        return _Dual(f"cos({b1:g} t + {b2:g})", b1, math.cos(2 * b2))
    if is_known and isinstance(activation, Sine):
        return _Dual("sin t", 1.0, -1.0)
    if is_known and isinstance(activation, Identity):
        return _Dual("")
    raise TypeError(
        "`kernel` must be an AttentionKernel, or a TransformerKernel with Cosine, Sine or Identity "
        f"as its activation; got {shown(kernel)}."
    )


def _interval(name: str, value: Any) -> tuple[float, float]:
    try:
        low, high = (as_real(name, end) for end in value)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be two numbers, (from, to); got {shown(value)}.") from None
    if not 0 < low < high < math.inf:
        raise ValueError(f"`{name}` must be 0 < from < to; got {shown(value)}.")
    return float(low), float(high)


def _patches(sides: tuple[tuple[float, float], ...], pairs: _Pairs) -> list[_Patch]:
    """The region cut so that the fewest nodes are needed."""
    tokens, positions = pairs.gaussians
    size = 1 + sides[1][1] ** 2
    strips = Strip(tokens + positions, size, False), Strip(positions, size, True)
    logs = [(math.log(low), math.log(high)) for low, high in sides]
    parts, degrees = zip(*(_cut(*some) for some in zip(strips, logs, strict=True)), strict=True)
    halves = [(high - low) / 2 / n for (low, high), n in zip(logs, parts, strict=True)]
    remainders = [s.remainder(h, d) for s, h, d in zip(strips, halves, degrees, strict=True)]
    whole = remainders[0] + lebesgue(degrees[0]) * remainders[1]
    middles = [
        [low + (2 * place + 1) * half for place in range(n)]
        for (low, _), half, n in zip(logs, halves, parts, strict=True)
    ]
    return [
        _Patch(middle, tuple(halves), degrees, whole)  # pyright: ignore[reportArgumentType]
        for middle in itertools.product(*middles)
    ]


def _cut(strip: Strip, ends: tuple[float, float]) -> tuple[int, int]:
    """In how many parts, and of which degree each."""
    half, error = (ends[1] - ends[0]) / 2, _REMAINDER * strip.size
    choices = [(n, strip.degree(half / n, error)) for n in range(max(1, int(half)), int(half) + 9)]
    return min(choices, key=lambda some: some[0] * (some[1] + 1))


class _Surfaces(NamedTuple):
    """K_attn of each pair as a polynomial on a patch, and the error of each."""

    coefficients: Float[np.ndarray, "a b e"]
    error: float


def _surfaces(patch: _Patch, pairs: _Pairs, keep: Keep, progress: Progress) -> _Surfaces:
    betas, gammas = (
        np.exp(middle + half * nodes(degree)).tolist()
        for middle, half, degree in zip(*patch[:3], strict=True)
    )
    rows = [
        keep(["row", beta, gammas], lambda beta=beta: [_values(pairs, beta, g) for g in gammas])
        for beta in progress(betas, "nodes")
    ]
    values, bounds = np.moveaxis(np.array(rows), -2, 0)
    norm = lebesgue(patch.degree[0]) * lebesgue(patch.degree[1])
    error = patch.remainder + norm * float(bounds.max()) + coefficient_rounding(values)
    return _Surfaces(coefficients(values), float(round_up(error)))


def _values(pairs: _Pairs, beta: float, gamma: float) -> list[list[float]]:
    found = AttentionKernel(beta, gamma, _RTOL).evaluate_pairs(pairs.first, pairs.second)
    if not found.certified:
        raise ValueError(
            f"`beta` and `gamma` hold a point, ({beta:.3g}, {gamma:.3g}), at which K_attn is an "
            "estimate, which proves nothing; give a region of smaller β and γ, or a shorter task."
        )
    return [found.value.tolist(), found.bound.tolist()]


class _Entry(NamedTuple):
    """An entry of N on a patch: sums of w·e^{cD} with polynomials D, or D itself where c is 0."""

    terms: tuple[tuple[float, float, Float[np.ndarray, "a b"]], ...]
    error: float

    def jet(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        """Value and first derivatives at points of the square."""
        orders = ((0, 0), (1, 0), (0, 1))
        total = np.zeros((3, len(x)))
        for weight, rate, surface in self.terms:
            value, *slopes = (at(derivative(surface, order), x, y) for order in orders)
            outer = weight * np.exp(rate * value) if rate else np.full(len(x), weight)
            inner = outer if rate else weight * value
            total += [inner, *(outer * (rate or 1.0) * slope for slope in slopes)]
        return list(total)

    def curvature(self) -> list[float]:
        """Bounds on the second derivatives xx, xy, yy over the square: D ≥ 0, so e^{cD} ≤ 1."""
        bounds = np.zeros(3)
        for weight, rate, surface in self.terms:
            one, other = largest(surface, (1, 0)), largest(surface, (0, 1))
            second = [largest(surface, order) for order in ((2, 0), (1, 1), (0, 2))]
            squares = np.array([one * one, one * other, other * other])
            bounds += abs(weight) * (np.array(second) * abs(rate or 1.0) + rate**2 * squares)
        return list(bounds)


def _entries(surfaces: _Surfaces, dual: _Dual, count: int) -> dict[tuple[int, int], _Entry]:
    table, error = surfaces
    places = list(zip(*(some.tolist() for some in np.triu_indices(count)), strict=True))
    cross = {place: table[:, :, count + n] for n, place in enumerate(places)}
    if dual.b is None:
        return {place: _Entry(((1.0, 0.0, some),), error) for place, some in cross.items()}
    rate = -(dual.b**2) / 2
    slack = math.exp(4 * abs(rate) * error)  # D of polynomials is no lower than −4 errors
    entries = {}
    for (i, j), some in cross.items():
        own = table[:, :, i] + table[:, :, j]
        terms = ((slack / 2, rate, own - 2 * some), (slack * dual.kappa / 2, rate, own + 2 * some))
        moved = (1 + abs(dual.kappa)) / 2 * (4 * error * abs(rate) * slack + (slack - 1))
        entries[i, j] = _Entry(terms, moved + growth(64))
    return entries


def _tiles(
    patch: _Patch, pairs: _Pairs, dual: _Dual, keep: Keep, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of a patch and whether each is proved, cut while that is open and they are few."""
    entries = _entries(_surfaces(patch, pairs, keep, progress), dual, pairs.count)
    bounds = {place: entry.curvature() for place, entry in entries.items()}
    side = 1 / _FIRST_TILES
    grid = side * (2 * np.arange(_FIRST_TILES) + 1) - 1
    open_, boxes, proved = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2), [], []
    while len(open_):
        is_proved = np.concatenate(
            [_prove(some, side, entries, bounds, pairs.count) for some in _chunks(open_)]
        )
        is_last = 4 * np.count_nonzero(~is_proved) > _MOST_TILES
        done = np.ones(len(open_), dtype=bool) if is_last else is_proved
        boxes.append(_boxes(open_[done], side, patch))
        proved.append(is_proved[done])
        side /= 2
        open_ = np.concatenate([open_[~done] + side * np.array(corner) for corner in _CORNERS])
    return np.concatenate(boxes), np.concatenate(proved)


def _chunks(centres: np.ndarray) -> list[np.ndarray]:
    return [centres[start : start + _CHUNK] for start in range(0, len(centres), _CHUNK)]


def _prove(
    centres: Float[np.ndarray, "t 2"],
    side: float,
    entries: dict[tuple[int, int], _Entry],
    curvature: dict[tuple[int, int], list[float]],
    count: int,
) -> Bool[np.ndarray, "t"]:
    """Whether N is positive definite on each tile of half-width `side` about its centre."""
    jets, radius = np.zeros((3, len(centres), count, count)), np.zeros((count, count))
    for (i, j), entry in entries.items():
        jets[:, :, i, j] = jets[:, :, j, i] = entry.jet(*centres.T)
        rounding = growth(256) * np.abs(jets[:, :, i, j]).max()
        second = np.dot(curvature[i, j], (0.5, 1.0, 0.5)) * side**2
        radius[i, j] = radius[j, i] = round_up(entry.error + second + rounding)
    _, vectors = np.linalg.eigh(jets[0])
    corners = [jets[0] + side * (a * jets[1] + b * jets[2]) for a, b in _CORNERS]
    return np.all([_is_definite(corner, radius, vectors) for corner in corners], axis=0)


def _is_definite(
    matrices: Float[np.ndarray, "t r r"],
    radius: Float[np.ndarray, "r r"],
    vectors: Float[np.ndarray, "t r r"],
) -> Bool[np.ndarray, "t"]:
    """Whether all symmetric matrices within the radius are positive definite.

    So are they if VᵀNV is, for any V; and that is if, its diagonal scaled to ones, what stands
    beside it in a row adds up to less (Gershgorin).
    """
    sizes = np.abs(vectors)
    congruent = np.swapaxes(vectors, 1, 2) @ matrices @ vectors
    wider = radius + growth(4 * len(radius) + 8) * (np.abs(matrices) + radius)
    doubt = 2 * np.swapaxes(sizes, 1, 2) @ wider @ sizes
    diagonal = np.diagonal(congruent - doubt, axis1=1, axis2=2)
    is_positive = np.all(diagonal > 0, axis=1)
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    beside = (np.abs(congruent) + doubt) * scale[:, :, None] * scale[:, None, :]
    beside[:, np.arange(len(radius)), np.arange(len(radius))] = 0.0
    return is_positive & np.all(beside.sum(axis=2) < 1 - growth(64), axis=1)


def _boxes(centres: np.ndarray, side: float, patch: _Patch) -> Float[np.ndarray, "t 4"]:
    """β from and to, γ from and to."""
    ends = [
        np.exp(middle + half * (centre[:, None] + [-side, side]))
        for middle, half, centre in zip(*patch[:2], centres.T, strict=True)
    ]
    return np.concatenate(ends, axis=1)


def _percent(share: float) -> str:
    """Rounded down, so that 100 means all of it."""
    return f"{math.floor(share * 10_000) / 100:g}"
