"""Substitution maps drawn at random: successive sampling, and the diversity it gives, exactly.

The wildcards of a template receive tokens one after the other, each drawn from the tokens not yet
used with probability proportional to its weight. Equal weights make the map uniform over all
injective maps. For other weights this is *successive sampling*: the order of arrival of independent
exponential clocks with the weights as rates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ktrans._checks import as_int, as_non_negative, shown

# The trapezoid rule for the integral of `sample_diversity` converges like exp(-15/step).
LOG_TIME_STEP = 0.1
LOG_TIME_START = -4.0
# exp(-40) of the integral lies beyond, less than rounding.
LARGEST_EXPONENT = 40.0


@dataclass(frozen=True)
class Zipf:
    """Token weights t^(−exponent) for the tokens t = 1, …, m.

    Args:
        exponent: at least 0; 0 is the uniform distribution.

    Raises:
        TypeError, ValueError: `exponent` is not a finite number of at least 0.

    Example:
        >>> Zipf(1.0).weights(3)
        array([1.        , 0.5       , 0.33333333])
    """

    exponent: Any = 1.0

    def __post_init__(self):
        as_non_negative("exponent", self.exponent)

    def weights(self, vocab_size: int) -> Float[np.ndarray, "m"]:
        """Weights of `vocab_size` tokens, the heaviest first; they do not sum to one."""
        ranks = np.arange(1, as_int("vocab_size", vocab_size, 1) + 1, dtype=np.float64)
        return ranks ** -float(self.exponent)


Substitution = Literal["uniform"] | Zipf | tuple[float, ...]


def as_substitution(value: object) -> Substitution:
    """The argument `substitution` of a task, checked."""
    if isinstance(value, Zipf):
        return value
    if isinstance(value, str):
        return _named_substitution(value)
    return _explicit_weights(value)


def _named_substitution(name: str) -> Substitution:
    if name == "uniform":
        return "uniform"
    if name == "zipf":
        return Zipf()
    raise ValueError(
        '`substitution` must be "uniform", "zipf", Zipf(exponent) or one weight a token; '
        f"got {shown(name)}."
    )


def _explicit_weights(value: object) -> tuple[float, ...]:
    weights = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(weights, Sequence):
        raise TypeError(
            '`substitution` must be "uniform", "zipf", Zipf(exponent) or one weight a token; '
            f"got {shown(value)}."
        )
    return tuple(as_non_negative(f"substitution[{i}]", w) for i, w in enumerate(weights))


def token_weights(substitution: Substitution, vocab_size: int) -> Float[np.ndarray, "m"]:
    """Relative weights of the m tokens, the largest 1 so that their sum is finite."""
    if isinstance(substitution, Zipf):
        return substitution.weights(vocab_size)
    weights = np.ones(vocab_size) if substitution == "uniform" else np.array(substitution)
    return weights / max(weights.max(initial=0.0), np.finfo(np.float64).tiny)


class WeightTable(NamedTuple):
    """Tokens that may be drawn, by ascending weight, and the cumulative weights before each.

    Ascending order keeps the relative precision of light tokens when heavy ones are used up.
    """

    tokens: Int[np.ndarray, "m"]
    cumulative: Float[np.ndarray, "edges"]


def weight_table(tokens: Int[np.ndarray, "m"], weights: Float[np.ndarray, "m"]) -> WeightTable:
    """Table of the tokens of positive weight."""
    order = np.argsort(weights, kind="stable")
    order = order[weights[order] > 0]
    return WeightTable(tokens[order], np.concatenate([[0.0], np.cumsum(weights[order])]))


def draw_maps(
    rng: np.random.Generator, table: WeightTable, num_maps: int, num_wildcards: int
) -> Int[np.ndarray, "n w"]:
    """Successive sampling without rejection: row i holds the tokens of the i-th map, in order.

    Column j is drawn by inverse cumulative weight on what the columns before it left over, so the
    cost does not depend on how likely collisions are.
    """
    ranks = np.empty((num_maps, num_wildcards), dtype=np.int64)
    for j in range(num_wildcards):
        ranks[:, j] = _draw_rank(rng, table.cumulative, np.sort(ranks[:, :j], axis=1))
    return table.tokens[ranks]


def _draw_rank(
    rng: np.random.Generator, cumulative: Float[np.ndarray, "edges"], used: Int[np.ndarray, "n j"]
) -> Int[np.ndarray, "n"]:
    """A rank outside the `used` ones (ascending along each row), in proportion to weight.

    The used ranks cut the line of cumulative weight into j + 1 gaps; a point drops on the gaps.
    """
    n, m = len(used), len(cumulative) - 1
    first = np.concatenate([np.zeros((n, 1), dtype=np.int64), used + 1], axis=1)
    last = np.concatenate([used, np.full((n, 1), m)], axis=1)
    start = cumulative[first]
    gap_ends = np.cumsum(cumulative[last] - start, axis=1)
    point = rng.random(n) * gap_ends[:, -1]
    gap = np.sum(point[:, None] >= gap_ends[:, :-1], axis=1)
    row = np.arange(n)
    offset = point - np.where(gap > 0, gap_ends[row, gap - 1], 0.0)
    rank = np.searchsorted(cumulative, start[row, gap] + offset, side="right") - 1
    # Rounding may place the point on the far side of the gap's ends, never further.
    return np.clip(rank, first[row, gap], last[row, gap] - 1)


def sample_diversity(weights: Float[np.ndarray, "m"], num_wildcards: int) -> float:
    """ρ = min_t 1 / P[t ∈ image of s] for successive sampling of w tokens.

    The heaviest token t has the smallest. For equal weights ρ = m/w. Otherwise, with p the weights
    over their sum, P is

        w = 1: p_t,    w = 2: p_t + Σ_{u≠t} p_u p_t / (1 − p_u),
        w ≥ 3: ∫₀^∞ p_t e^{−p_t x} P[Σ_{u≠t} Bernoulli(1 − e^{−p_u x}) < w] dx,

    the last because the order of draws is the order of arrival of exponential clocks of rates p.

    Args:
        weights: (m,) non-negative, at least w of them positive.
        num_wildcards: w, at least 1.

    Returns:
        A number of at least 1: exact to rounding for equal weights and w ≤ 2, to about 1e-12 for
        w ≥ 3.

    Example:
        >>> sample_diversity(np.ones(10), 2)
        5.0
    """
    positive = np.sort(weights[weights > 0])
    if num_wildcards == len(positive) or positive[0] == positive[-1]:
        return len(positive) / num_wildcards
    return 1.0 / _heaviest_inclusion(positive / positive.sum(), num_wildcards)


def _heaviest_inclusion(rates: Float[np.ndarray, "m"], num_wildcards: int) -> float:
    """P of the token of the last, largest rate, as in `sample_diversity`."""
    if num_wildcards == 1:
        return float(rates[-1])
    if num_wildcards == 2:
        return float(rates[-1] * (1 + np.sum(rates[:-1] / (1 - rates[:-1]))))
    return _inclusion_integral(rates, num_wildcards)


def _inclusion_integral(rates: Float[np.ndarray, "m"], num_wildcards: int) -> float:
    """The integral above, by the trapezoid rule in y with time x = exp(y − exp(−y))."""
    heaviest = rates[-1]
    stop = np.log(LARGEST_EXPONENT / heaviest) + 1.0
    y = np.arange(LOG_TIME_START, stop, LOG_TIME_STEP)
    time = np.exp(y - np.exp(-y))
    density = heaviest * np.exp(-heaviest * time) * time * (1 + np.exp(-y))
    few = np.array([_probability_of_few(rates[:-1], x, num_wildcards) for x in time])
    return float(LOG_TIME_STEP * np.sum(density * few))


def _probability_of_few(rates: Float[np.ndarray, "m"], time: float, limit: int) -> float:
    """P[fewer than `limit` of the clocks have rung], a Poisson-binomial distribution function.

    Its generating polynomial Π_u (q_u + (1 − q_u) z), cut off at degree `limit` − 1, is multiplied
    up as a balanced tree; no term is negative, so nothing cancels.
    """
    terms = np.zeros((len(rates), limit))
    terms[:, 0], terms[:, 1] = np.exp(-rates * time), -np.expm1(-rates * time)
    while len(terms) > 1:
        odd_one = terms[len(terms) - len(terms) % 2 :]
        terms = np.concatenate([_multiply(terms[0:-1:2], terms[1::2]), odd_one])
    return float(terms[0].sum())


def _multiply(
    left: Float[np.ndarray, "c d"], right: Float[np.ndarray, "c d"]
) -> Float[np.ndarray, "c d"]:
    product = np.zeros_like(left)
    for degree in range(left.shape[1]):
        product[:, degree:] += left[:, [degree]] * right[:, : right.shape[1] - degree]
    return product


class Alphabet(NamedTuple):
    """Templates that draw from one table of tokens: those with the same tokens to avoid."""

    members: tuple[int, ...]
    table: WeightTable


def draw_by_alphabet(
    rng: np.random.Generator,
    alphabets: Sequence[Alphabet],
    template_ids: Int[np.ndarray, "n"],
    num_wildcards: Int[np.ndarray, "r"],
) -> Int[np.ndarray, "n w"]:
    """A map for each sample: the token of wildcard j in column j, −1 beyond the last wildcard."""
    maps = np.full((len(template_ids), int(num_wildcards.max())), -1, dtype=np.int32)
    for alphabet in alphabets:
        rows = np.flatnonzero(np.isin(template_ids, alphabet.members))
        # The first w columns of a longer successive sample are a successive sample.
        width = int(num_wildcards[list(alphabet.members)].max())
        maps[rows, :width] = draw_maps(rng, alphabet.table, len(rows), width)
    maps[np.arange(maps.shape[1]) >= num_wildcards[template_ids][:, None]] = -1
    return maps


def fill(codes: Int[np.ndarray, "n k"], maps: Int[np.ndarray, "n w"]) -> Int[np.ndarray, "n k"]:
    """The strings sub(z, s): codes −1−j replaced by column j of the maps."""
    if maps.shape[1] == 0:
        return codes.copy()
    substituted = np.take_along_axis(maps, np.maximum(-1 - codes, 0), axis=1)
    return np.where(codes < 0, substituted, codes)
