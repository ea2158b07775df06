"""The problem that infinitely many samples pose at a finite diversity: N_m with its bounds.

With n → ∞ at a fixed alphabet the training problem commutes with all permutations of tokens of one
weight, and its right-hand side is invariant. So its dual solution is one number for each orbit of
strings, and all that matters of the kernel are its means B over pairs of independent strings of two
orbits. A pair of strings of refined templates u and v with matching M has K = Σ_{P ⊆ M} c_uv(P),
and P ⊆ M has the probability 1/Π_c (m_c)_{p_c} if its pairs join wildcards of equal classes (p_c of
them in class c, with m_c tokens; (m)_p is the falling factorial), else 0. Hence

    B = N + G,    N = c(∅) on fresh strings,    G = Σ_{P ≠ ∅} c(P) · P[P ⊆ M],

with every term of G of order 1/m: G has a small relative error at any m, as B − N would not.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ktrans._rounding import gamma, round_up
from ktrans.kernels.base import Bounded
from ktrans.kernels.coefficients import PairValues, instantiate, matched_strings, wildcard_count
from ktrans.patterns.matchings import Matching, count_matchings, partial_matchings, submatchings
from ktrans.tasks import TemplateTask
from ktrans.theory.orbits import Alphabet, Orbits, exact_alphabet, orbits, tokens_left

# Longest chains of roundings: products of chances, sums over matchings and classes.
_OPERATIONS = 1 << 12
Groups = tuple[int, int]


class Population(NamedTuple):
    """What infinitely many samples say of the templates.

    Attributes:
        orbits: The o orbits.
        fresh: K of a fresh string of each template with one of each orbit, shape (r, o).
        gap: Mean over the orbits of a template of B minus `fresh`, shape (r, o); small as 1/m.
        means: B, mean K of independent strings of two orbits, collisions included, shape (o, o).
        shares: Probability of each orbit, template weights included, shape (o,).
        own: K(x, x) of a string of each orbit, shape (o,).
    """

    orbits: Orbits
    fresh: Bounded
    gap: Bounded
    means: Bounded
    shares: Float[np.ndarray, "o"]
    own: Float[np.ndarray, "o"]

    @property
    def mean_matrix(self) -> Bounded:
        """N_m, mean K of independent strings of two templates, shape (r, r), symmetric."""
        mixing = self.mixing
        value, bound = (mixing @ part @ mixing.T for part in self.means[:2])
        value = (value + value.T) / 2
        rounding = gamma(_OPERATIONS) * (mixing @ np.abs(self.means.value) @ mixing.T)
        return Bounded(value, round_up(bound + rounding), self.means.certified)

    @property
    def mixing(self) -> Float[np.ndarray, "r o"]:
        """Probability of each orbit given the template."""
        return _mixing(self.orbits, len(self.fresh.value))


class _Terms(NamedTuple):
    """c(P) of two refined templates, with bounds, for matchings of a bounded size."""

    matchings: tuple[Matching, ...]
    values: Float[np.ndarray, "p"]
    bounds: Float[np.ndarray, "p"]


def population(
    values: PairValues,
    task: TemplateTask,
    alphabet: Alphabet | None = None,
    max_size: int | None = None,
) -> Population:
    """The statistics of infinitely many samples.

    Args:
        values: Of a token-symmetric, positive semi-definite kernel.
        task: The task.
        alphabet: Classes of tokens; the exact ones if omitted.
        max_size: Matchings of more pairs are not evaluated but bounded: |c(P)| ≤ 2^|P| max K(x, x).

    Returns:
        Values and bounds, certified where the kernel's values are; exact for the alphabet.
    """
    classes = exact_alphabet(task) if alphabet is None else alphabet
    known = orbits(task, classes)
    own, top = _own(values, known)
    means, excess = _means(values, known, classes, max_size, top)
    fresh = _fresh(values, task, known)
    mixing = _mixing(known, task.num_templates)
    lifted = _lifted(fresh, known)
    gap = _mean_gap(mixing, excess, means, lifted, known)
    return Population(
        orbits=known,
        fresh=fresh,
        gap=gap,
        means=means,
        shares=known.chances * task.weights[known.template],
        own=own,
    )


def largest_cheap_size(task: TemplateTask, budget: int) -> int:
    """The largest size of matchings, at least 1, of which there are no more than `budget`."""
    sizes = range(task.max_wildcards, 1, -1)
    return next((size for size in sizes if count_values(task, size) <= budget), 1)


def count_values(task: TemplateTask, max_size: int) -> int:
    """Matchings of up to `max_size` pairs between all templates: kernel values to evaluate.

    Example:
        >>> import ktrans as kt
        >>> count_values(kt.tasks.load("aba_abb"), 2)
        21
    """
    widths = [template.num_wildcards for template in task.templates]
    pairs = itertools.combinations_with_replacement(widths, 2)
    return sum(count_matchings(a, b, max_size) for a, b in pairs)


def _own(values: PairValues, known: Orbits) -> tuple[Float[np.ndarray, "o"], float]:
    """K(x, x) for each orbit, and a bound on all |K|."""
    strings = np.stack([_fresh_string(code) for code in known.codes])
    found = values.bounded(strings, strings)
    return found.value[known.group], float(np.max(found.value + found.bound))


def _fresh_string(code: Int[np.ndarray, "k"]) -> Int[np.ndarray, "k"]:
    first = int(code.max(initial=-1)) + 1
    return instantiate(code, first + np.arange(wildcard_count(code)))


def _means(
    values: PairValues, known: Orbits, alphabet: Alphabet, max_size: int | None, top: float
) -> tuple[Bounded, Bounded]:
    """B, and its excess over what the two refined templates share on fresh strings."""
    count = len(known.group)
    base, excess = np.zeros((2, count, count)), np.zeros((2, count, count))
    terms = _all_terms(values, known.codes, max_size)
    for (u, v), found in terms.items():
        rows, columns = np.flatnonzero(known.group == u), np.flatnonzero(known.group == v)
        part = _excess(found, known.classes[rows], known.classes[columns], alphabet, top)
        part[1] += _tail(known.codes[[u, v]], alphabet, max_size, top)
        for one, block in ((base, found), (excess, part)):
            here = (block.values[0], block.bounds[0]) if isinstance(block, _Terms) else block
            for side, value in zip(one, here, strict=True):
                side[np.ix_(rows, columns)] = value
                side[np.ix_(columns, rows)] = np.transpose(value)
    total = base + excess
    total[1] = round_up(total[1] + gamma(2) * np.abs(total[0]))
    return (
        Bounded(total[0], total[1], values.certified),
        Bounded(excess[0], excess[1], values.certified),
    )


def _all_terms(
    values: PairValues, codes: Int[np.ndarray, "g k"], max_size: int | None
) -> dict[Groups, _Terms]:
    """c(P) of all pairs of refined templates, all kernel values in one call."""
    keys = [
        (int(u), int(v), matching)
        for u, v in zip(*np.triu_indices(len(codes)), strict=True)
        for matching in partial_matchings(
            wildcard_count(codes[u]), wildcard_count(codes[v]), max_size
        )
    ]
    strings = [matched_strings(codes[u], codes[v], matching) for u, v, matching in keys]
    first, second = (np.stack(side) for side in zip(*strings, strict=True))
    found = values.bounded(first, second)
    tables: dict[Groups, dict[Matching, tuple[float, float]]] = {}
    pairs = zip(found.value.tolist(), found.bound.tolist(), strict=True)
    for (u, v, matching), pair in zip(keys, pairs, strict=True):
        tables.setdefault((u, v), {})[matching] = pair
    return {pair: _transform(table) for pair, table in tables.items()}


def _transform(table: dict[Matching, tuple[float, float]]) -> _Terms:
    """The Möbius transform; each value counts once with its bound and one rounding."""
    values, bounds = [], []
    for matching in table:
        parts = [(len(matching) - len(Q), *table[Q]) for Q in submatchings(matching)]
        values.append(math.fsum((-1) ** odd * value for odd, value, _ in parts))
        bounds.append(math.fsum(bound + gamma(2) * abs(value) for _, value, bound in parts))
    return _Terms(tuple(table), np.array(values), np.array(round_up(np.array(bounds))))


def _excess(
    terms: _Terms,
    rows: Int[np.ndarray, "a w"],
    columns: Int[np.ndarray, "b w"],
    alphabet: Alphabet,
    top: float,
) -> Float[np.ndarray, "2 a b"]:
    """Σ_{P ≠ ∅} c(P) P[P ⊆ M] and its bound."""
    total = np.zeros((2, len(rows), len(columns)))
    for matching, value, bound in zip(*terms, strict=True):
        if matching:
            share = _share(matching, rows, columns, alphabet)
            rounding = gamma(_OPERATIONS) * 2 ** len(matching) * top
            total += np.array([value, round_up(bound + rounding)])[:, None, None] * share
    return total


def _share(
    matching: Matching, rows: np.ndarray, columns: np.ndarray, alphabet: Alphabet
) -> Float[np.ndarray, "a b"]:
    """P[P ⊆ M] for orbits of given classes."""
    first, second = (list(side) for side in zip(*matching, strict=True))
    ours, theirs = rows[:, first], columns[:, second]
    agree = (ours[:, None] == theirs[None]).all(axis=2)
    falling = np.ones(len(rows))
    for column in range(len(matching)):
        falling = falling * np.maximum(tokens_left(alphabet.sizes, ours, column), 1)
    return agree / falling[:, None]


def _tail(
    codes: Int[np.ndarray, "2 k"], alphabet: Alphabet, max_size: int | None, top: float
) -> float:
    """A bound on the terms of matchings that are not evaluated."""
    widths = [wildcard_count(code) for code in codes]
    if max_size is None or max_size >= min(widths):
        return 0.0
    least = int(alphabet.sizes.min())
    sizes = range(max_size + 1, min(widths) + 1)
    return float(round_up(math.fsum(
        math.comb(widths[0], j) * math.perm(widths[1], j) * 2**j * top
        / math.prod(max(least - i, 1) for i in range(j))
        for j in sizes
    )))  # fmt: skip


def _fresh(values: PairValues, task: TemplateTask, known: Orbits) -> Bounded:
    """K of a fresh string of each template with a string of each orbit."""
    codes = task.template_codes.astype(np.int64)
    pairs = [matched_strings(code, other, ()) for code in codes for other in known.codes]
    first, second = (np.stack(side) for side in zip(*pairs, strict=True))
    found = values.bounded(first, second)
    value, bound = (part.reshape(len(codes), -1)[:, known.group] for part in found[:2])
    return Bounded(value, bound, found.certified)


def _lifted(fresh: Bounded, known: Orbits) -> Bounded:
    """`fresh` with a row for each orbit instead of each template."""
    rows = known.template
    return Bounded(fresh.value[rows], fresh.bound[rows], fresh.certified)


def _mixing(known: Orbits, num_templates: int) -> Float[np.ndarray, "r o"]:
    of_template = known.template == np.arange(num_templates)[:, None]
    chances = of_template * known.chances
    return chances / chances.sum(axis=1, keepdims=True)


def _mean_gap(
    mixing: Float[np.ndarray, "r o"], excess: Bounded, means: Bounded, fresh: Bounded, known: Orbits
) -> Bounded:
    """Σ_o P(o | z) (B_o − N_z); the difference is the excess alone where o is z with wildcards."""
    pure = np.array([_is_pure(known, g) for g in range(len(known.codes))])[known.group]
    value = np.where(pure[:, None], excess.value, means.value - fresh.value)
    bound = np.where(pure[:, None], excess.bound, means.bound + fresh.bound)
    rounding = gamma(_OPERATIONS) * (mixing @ np.abs(value))
    return Bounded(mixing @ value, round_up(mixing @ bound + rounding), means.certified)


def _is_pure(known: Orbits, group: int) -> bool:
    """Whether a refined template is the template itself, the first of its owner."""
    return group == int(np.flatnonzero(known.owner == known.owner[group])[0])
