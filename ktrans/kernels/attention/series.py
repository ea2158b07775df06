"""The power series of K_attn at (β, γ) = (0, 0), in exact rational arithmetic.

Softmax is the gradient of Φ(z) = log Σ_a e^{z_a}, so with G_xy = X Yᵀ + γ² I,

    K_attn = Σ_ij (G_xy)_ij E[∂_i Φ(βu) ∂_j Φ(βv)].

A Gaussian expectation is a heat flow, E f(u, v) = exp(½∂ᵀG_xx∂ + ∂ᵀG_xy∂′ + ½∂′ᵀG_yy∂′) f(0, 0),
and the factor (G_xy)_ij is one more edge between the strings. The coefficient of β^{2(E−1)} is
thus a sum over E edges, each within x, within y or across, each of token kind (X Xᵀ, X Yᵀ, Y Yᵀ) or
of position kind (γ² I). Derivatives of Φ at 0 are cumulants of a uniformly random one-hot vector.
"""

import functools
import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ktrans._checks import check_kind, shown

Exponents = tuple[int, ...]


def attention_series(x: Any, y: Any, *, order: object) -> Fraction:
    """A derivative of the attention kernel at zero temperature scale and zero positions.

    ∂_β^b ∂_γ^g K_attn(x, y) at (β, γ) = (0, 0).

    Args:
        x: A string: text (its characters are the tokens) or a sequence of hashable tokens.
        y: A string of the same length.
        order: (b, g), non-negative whole numbers. Up to b + g = 12 it takes under a second for six
            positions; beyond, the time grows like a power of b.

    Returns:
        The derivative, an exact fraction; 0 where b or g is odd or g > b + 2.

    Raises:
        TypeError: if an order is not a whole number.
        ValueError: if the strings are empty or differ in length, or an order is negative.

    References:
        The appendix of Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), on power series.

    Example:
        >>> from ktrans.kernels.attention.series import attention_series
        >>> attention_series("aab", "aba", order=(2, 2))
        Fraction(-16, 27)
    """
    b, g = as_order(order)
    first, second = as_pair(x, y)
    if b % 2 or g % 2:
        return Fraction(0)
    return math.factorial(b) * math.factorial(g) * coefficient(first, second, b // 2, g // 2)


def series_value(
    x: Sequence[Hashable], y: Sequence[Hashable], beta: float, gamma: float, *, order: int
) -> float:
    """The Taylor polynomial of K_attn(x, y) of a total order, for small β and γ.

    Σ_{b+g ≤ order} β^b γ^g ∂_β^b ∂_γ^g K_attn(0, 0)/(b! g!).

    Args:
        x: A string, as for `attention_series`.
        y: A string of the same length.
        beta: Inverse temperature β, small against 1.
        gamma: Strength γ of the positional embedding, small against 1.
        order: Largest b + g.

    Returns:
        The value of the exact polynomial rounded once: exact but for truncation, which is not
        bounded here and falls like max(β, γ)^(order + 2).

    Raises:
        TypeError: if the order is not a whole number.
        ValueError: if the strings are empty or differ in length, or the order is negative.

    Example:
        >>> from ktrans.kernels.attention.series import series_value
        >>> print(f"{series_value('ab', 'ba', 0.1, 0.1, order=12):.12f}")
        0.507425848622
    """
    (largest,) = _as_whole_numbers("order", (order,))
    powers = (Fraction(beta), Fraction(gamma))
    pair = as_pair(x, y)
    return float(
        sum(
            (
                coefficient(*pair, b // 2, g // 2) * powers[0] ** b * powers[1] ** g
                for b, g in even_orders(largest)
            ),
            Fraction(0),
        )
    )


def even_orders(largest: int) -> Iterator[tuple[int, int]]:
    """The orders (b, g), both even, with b + g at most `largest` and g at most b + 2."""
    for b in range(0, largest + 1, 2):
        for g in range(0, min(largest - b, b + 2) + 1, 2):
            yield b, g


def compositions(total: int, parts: int) -> Iterator[Exponents]:
    """All tuples of `parts` non-negative integers with the given sum."""
    if parts == 0:
        if total == 0:
            yield ()
        return
    for first in range(total + 1):
        for rest in compositions(total - first, parts - 1):
            yield (first, *rest)


class EdgeCounts(NamedTuple):
    """How many edges of token and of position kind lie across, within x and within y."""

    across: tuple[int, int]
    within1: tuple[int, int]
    within2: tuple[int, int]

    @property
    def weight(self) -> Fraction:
        """Number of edges across (the marked one) over the ½s and factorials of the heat flow."""
        within = sum(self.within1) + sum(self.within2)
        factorials = math.prod(math.factorial(n) for n in self.within1 + self.within2)
        return Fraction(sum(self.across), 2**within * factorials)


def edge_counts(half_b: int, half_g: int) -> Iterator[EdgeCounts]:
    """All ways to lay the edges that make up the coefficient of β^{2·half_b} γ^{2·half_g}."""
    for tokens in compositions(half_b + 1 - half_g, 3) if half_g <= half_b + 1 else ():
        for positions in compositions(half_g, 3):
            counts = EdgeCounts(*zip(tokens, positions, strict=True))
            if sum(counts.across):
                yield counts


@functools.lru_cache(maxsize=1 << 14)
def coefficient(x: Exponents, y: Exponents, half_b: int, half_g: int) -> Fraction:
    """The coefficient of β^{2·half_b} γ^{2·half_g}."""
    shared = frozenset(x) & frozenset(y)
    total = sum(
        (
            counts.weight
            * _contract(
                counts.across,
                _contacts(x, shared, counts.within1, counts.across),
                _contacts(y, shared, counts.within2, counts.across),
            )
            for counts in edge_counts(half_b, half_g)
        ),
        Fraction(0),
    )
    return total / len(x) ** (2 * half_b + 2)


Contacts = dict[tuple[tuple[tuple[int, int], ...], Exponents], int]


def _contract(across: tuple[int, int], contacts1: Contacts, contacts2: Contacts) -> Fraction:
    """Σ_{α,π} ∂_ω^α ∂_p^π Φ_x · ∂_ω^α ∂_p^π Φ_y/(α! π!)."""
    tokens, positions = (math.factorial(n) for n in across)
    total = 0
    for key, value in contacts1.items():
        if value and (other := contacts2.get(key)):
            alpha = math.prod(math.factorial(n) for _, n in key[0])
            pi = math.prod(math.factorial(n) for n in key[1])
            total += value * other * alpha * (positions // pi)
    return Fraction(total, tokens**2 * positions)


@functools.lru_cache(maxsize=1 << 12)
def _contacts(
    string: Exponents, shared: frozenset[int], within: tuple[int, int], across: tuple[int, int]
) -> Contacts:
    """(|α|!/α!) ∂_ω^α ∂_p^π of the smoothed Φ, by (α, π), |α| and |π| given by `across`.

    A derivative in the token variable ω_t is a sum of derivatives at the positions of token t.
    """
    smoothed = _smoothed(string)
    places = [a for a, token in enumerate(string) if token in shared]
    result: Contacts = {}
    for chosen in compositions(across[0], len(places)):
        ways = math.factorial(across[0]) // math.prod(map(math.factorial, chosen))
        alpha: Counter[int] = Counter()
        base = [0] * len(string)
        for a, n in zip(places, chosen, strict=True):
            alpha[string[a]] += n
            base[a] = n
        token_part = tuple(sorted((+alpha).items()))
        for pi in compositions(across[1], len(string)):
            exponents = tuple(e + n for e, n in zip(base, pi, strict=True))
            key = (token_part, pi)
            result[key] = result.get(key, 0) + ways * smoothed.derivative(*within, exponents)
    return result


class _Smoothed:
    """Derivatives at 0 of (Σ_{x_a = x_b} ∂_a∂_b)^h (Σ_a ∂_a²)^g Φ, times k^degree: integers."""

    def __init__(self, string: Exponents) -> None:
        size = range(len(string))
        self._length = len(string)
        self._pairs = [(a, b) for a in size for b in size if a < b and string[a] == string[b]]
        self._known: dict[tuple[int, int, Exponents], int] = {}

    def derivative(self, h: int, g: int, exponents: Exponents) -> int:
        if h == 0 and g == 0:
            return _cumulant(tuple(sorted(n for n in exponents if n)), self._length)
        key = (h, g, exponents)
        if key not in self._known:
            self._known[key] = self._laplacian(h, g, exponents)
        return self._known[key]

    def _laplacian(self, h: int, g: int, exponents: Exponents) -> int:
        left = (h, g - 1) if g else (h - 1, 0)
        size = range(self._length)
        total = sum(self.derivative(*left, _raised(exponents, a, a)) for a in size)
        if g:
            return total
        return total + 2 * sum(
            self.derivative(*left, _raised(exponents, a, b)) for a, b in self._pairs
        )


@functools.lru_cache(maxsize=64)
def _smoothed(string: Exponents) -> _Smoothed:
    return _Smoothed(string)


def _raised(exponents: Exponents, a: int, b: int) -> Exponents:
    raised = list(exponents)
    raised[a] += 1
    raised[b] += 1
    return tuple(raised)


@functools.lru_cache(maxsize=1 << 16)
def _cumulant(exponents: Exponents, k: int) -> int:
    """k^{|e|} times the cumulant of order e of a uniformly random one-hot vector of length k.

    From m(e) = Σ_f C(e − 1_a, f) κ(f + 1_a) m(e − 1_a − f), where the moment m(e) is 1/k if e has
    one non-zero exponent and 0 if it has more.
    """
    total = k ** (exponents[0] - 1) if len(exponents) == 1 else 0
    for position, n in enumerate(exponents):
        available = n - (position == 0)
        for r in range(1, available + 1):
            rest = (*exponents[:position], n - r, *exponents[position + 1 :])
            left = tuple(sorted(some for some in rest if some))
            total -= math.comb(available, r) * k ** (r - 1) * _cumulant(left, k)
    return total


def as_pair(x: Any, y: Any) -> tuple[Exponents, Exponents]:
    """The strings with their tokens numbered, or one sentence about what is wrong."""
    for name, some in (("x", x), ("y", y)):
        check_kind(name, some, Sequence | np.ndarray)
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(
            f"`x` and `y` must be non-empty strings of equal length; got lengths {len(x)} and "
            f"{len(y)}."
        )
    names: dict[Hashable, int] = {}
    try:
        first, second = (tuple(names.setdefault(t, len(names)) for t in some) for some in (x, y))
    except TypeError:
        raise TypeError(f"`x` and `y` must have hashable tokens; got {shown((x, y))}.") from None
    return first, second


def as_order(order: object) -> tuple[int, int]:
    """The pair (b, g), or one sentence about what is wrong."""
    if not isinstance(order, Sequence) or len(order) != 2:
        raise TypeError(
            f"`order` must be two whole numbers (β-order, γ-order); got {shown(order)}."
        )
    b, g = _as_whole_numbers("order", order)
    return b, g


def _as_whole_numbers(name: str, values: Sequence) -> list[int]:
    for value in values:
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise TypeError(f"`{name}` must be made of whole numbers; got {shown(value)}.")
        if value < 0:
            raise ValueError(f"`{name}` must be non-negative; got {value}.")
    return [int(value) for value in values]
