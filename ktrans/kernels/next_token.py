"""Kernels on a string and a candidate for its next token, what symbolic labels are learned with.

One attention layer with tied embeddings w_t has the logits (section 4 of the paper)

    f(x, c) = (1/√H) Σ_h w_cᵀ (A_h + b_h I) X̃ᵀ s_h,    X̃ᵀ s = Σ_i s_i (w_{x_i} + γ p_i),

with A_h = W_V W_Oᵀ and attention weights s_h = smax(βu). Random A_h of unit variance and b_h of
variance σ_b² (or gradients in A_h and b_h: they are the same features) give it the kernel

    ⟨w_c, w_c′⟩ ⟨X̃ᵀ s, X̃′ᵀ s′⟩ + σ_b² ⟨w_c, X̃ᵀ s⟩ ⟨w_c′, X̃′ᵀ s′⟩,  averaged over heads.

As d_emb → ∞ embeddings are orthonormal. The first term tends to 1{c = c′} K_attn(x, x′): the
candidate matters by its identity only, and training embeddings adds terms of that form. The second
is E[s(c) s′(c′)], s(c) = Σ_{i: x_i = c} s_i the attention that x pays to c: that is what bI buys.
An activation after A_h makes a K_trans of K_attn. Both depend on the joint equality pattern of the
strings xc and x′c′ alone.
"""

import functools
import math
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from ktrans._checks import shown
from ktrans.kernels._balls import Ball
from ktrans.kernels.attention.attended import attended_weights
from ktrans.kernels.attention.exact import Attended
from ktrans.kernels.attention.kernel import AttentionKernel
from ktrans.kernels.attention.multigraph import canonical_form
from ktrans.kernels.base import Bounded, TokenSymmetricKernel
from ktrans.kernels.memo import recall
from ktrans.patterns.classes import equality_pattern

Tokens = Int[np.ndarray, "c k"]


class Marked(NamedTuple):
    """Two strings x and y, the candidates c of x and d of y."""

    x: tuple[int, ...]
    y: tuple[int, ...]
    c: int
    d: int


class NextTokenKernel(TokenSymmetricKernel):
    """The kernel of next-token prediction, on strings xc: a string x, then a candidate c.

    K(xc, x′c′) = 1{c = c′} K(x, x′) + σ_b² E[s(c) s′(c′)], s(c) = Σ_{i: x_i = c} s_i with s the
    attention weights of K_attn. Strings are one token longer than those of `base`.

    Args:
        base: K, a token-symmetric kernel on strings x.
        b_variance: σ_b² ≥ 0, of the b_h in W_V W_Oᵀ + b_h I; 0 without the b-term.
        attention: β, γ and accuracy of the heads with a b-term; where left out, those of `base`.

    Raises:
        TypeError: if a kernel is none.
        ValueError: if the variance is negative, or `attention` is left out and `base` has none.

    References:
        Boix-Adserà et al. (2024), section 4, Theorems 4.1 and 4.2.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.kernels.next_token import NextTokenKernel
        >>> base = kt.AttentionKernel(beta=1.0, gamma=0.7, rtol=1e-6)
        >>> unseen, training = [[0, 9, 0]], [[1, 9, 1]]     # x, [CLS], candidate
        >>> without_b, with_b = (NextTokenKernel(base, b_variance=b) for b in (0.0, 1.0))
        >>> float(without_b(unseen, training)[0, 0]), bool(with_b(unseen, training)[0, 0] > 0.2)
        (0.0, True)
    """

    base: Any
    b_variance: Any
    attention: Any = None

    def __check_init__(self) -> None:
        if not isinstance(self.base, TokenSymmetricKernel):
            raise TypeError(f"`base` must be a token-symmetric kernel; got {shown(self.base)}.")
        if not _is_variance(self.b_variance):
            raise ValueError(
                f"`b_variance` must be a finite non-negative number; got {shown(self.b_variance)}."
            )
        if self.b_variance > 0:
            _check_heads(self._heads)

    def evaluate_pairs(self, tokens1: Tokens, tokens2: Tokens) -> Bounded:
        """K of x_c and y_c, candidates last, for each row; what vanishes does so exactly.

        Certified where every term that does not vanish is.
        """
        value, bound = np.zeros(len(tokens1)), np.zeros(len(tokens1))
        same, attended = self._terms(tokens1, tokens2)
        certified = True
        if same.any():
            base = self.base.evaluate_pairs(tokens1[same, :-1], tokens2[same, :-1])
            value[same], bound[same], certified = base
        if attended.any():
            copied = _copied(tokens1[attended], tokens2[attended], self._heads)
            total = Ball(value[attended], bound[attended]) + Ball(*copied[:2]) * self.b_variance
            value[attended], bound[attended] = total.mid, total.rad
            certified = certified and copied.certified
        return Bounded(value, bound, certified)

    def pair_keys(self, tokens1: Tokens, tokens2: Tokens) -> list[Hashable]:
        """The key of each term that does not vanish."""
        same, attended = self._terms(tokens1, tokens2)
        base = iter(self.base.pair_keys(tokens1[same, :-1], tokens2[same, :-1]))
        marked = iter(_marked_pairs(tokens1[attended], tokens2[attended]))
        return [
            (next(base) if one else None, _key(next(marked), self._heads.gamma) if two else None)
            for one, two in zip(same, attended, strict=True)
        ]

    @property
    def _heads(self) -> Any:
        own = self.base if isinstance(self.base, AttentionKernel) else None
        found = own or getattr(self.base, "attention", None)
        return found if self.attention is None else self.attention

    def _terms(self, tokens1: Tokens, tokens2: Tokens) -> tuple[Bool[np.ndarray, "c"], ...]:
        """Where candidates are the same, and where b copies: both candidates in their strings."""
        same = tokens1[:, -1] == tokens2[:, -1]
        attended = _attended(tokens1) & _attended(tokens2) & (self.b_variance > 0)
        return same, attended


def _is_variance(value: Any) -> bool:
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(
        value, bool
    )
    return is_number and bool(0 <= value < math.inf)


def _check_heads(attention: Any) -> None:
    if attention is None:
        raise ValueError(
            "`attention` must be given, an AttentionKernel, where `base` has no attention of its "
            "own and `b_variance` is positive; got None."
        )
    if not isinstance(attention, AttentionKernel):
        raise TypeError(f"`attention` must be an AttentionKernel; got {shown(attention)}.")
    if not math.isfinite(attention.beta):
        raise ValueError("`attention` must have a finite `beta` for the b-term; got inf.")


def _attended(tokens: Tokens) -> Bool[np.ndarray, "c"]:
    return np.any(tokens[:, :-1] == tokens[:, -1:], axis=1)


def _copied(tokens1: Tokens, tokens2: Tokens, attention: AttentionKernel) -> Bounded:
    """E[s(c) s′(c′)] for each row, each class evaluated once and remembered."""
    pairs = _marked_pairs(tokens1, tokens2)
    keys = [_key(pair, attention.gamma) for pair in pairs]
    attended = dict(zip(keys, map(_attended_by, pairs), strict=True))
    setting = (float(attention.beta), float(attention.gamma), attention.rtol, attention.method)
    known = recall(("attended", *setting), attended, lambda some: attended_weights(some, attention))
    value, bound, certified = zip(*(known[key] for key in keys), strict=True)
    return Bounded(np.array(value), np.array(bound), all(certified))


def _attended_by(pair: Marked) -> Attended:
    """Σ E[s_i t_j] over the positions i of c and j of d."""
    places = [
        frozenset(i for i, token in enumerate(string) if token == candidate)
        for string, candidate in ((pair.x, pair.c), (pair.y, pair.d))
    ]
    return Attended(pair.x, pair.y, *places)


def _marked_pairs(tokens1: Tokens, tokens2: Tokens) -> list[Marked]:
    """Rows with their tokens renamed 0, 1, 2, …"""
    k = tokens1.shape[1]
    rows = map(tuple, equality_pattern(np.hstack([tokens1, tokens2])).tolist())
    return [Marked(row[: k - 1], row[k:-1], row[k - 1], row[-1]) for row in rows]


def _key(pair: Marked, gamma: float) -> Hashable:
    """Equal for pairs that differ by names, order of positions, or which string is first.

    At γ = 0 only the numbers of a token in x and in y matter.
    """
    swapped = Marked(pair.y, pair.x, pair.d, pair.c)
    return min(_signature(pair, gamma == 0), _signature(swapped, gamma == 0))


@functools.lru_cache(maxsize=1 << 16)
def _signature(pair: Marked, counts_only: bool) -> tuple:
    x, y, c, d = pair
    if counts_only:
        return tuple(sorted((x.count(t), y.count(t), t == c, t == d) for t in {*x, *y}))
    # Two nodes, told apart by more loops than a token can have, point to the candidates.
    pointers = [(-1, c), *[(-1, -1)] * (len(x) + 1), (-2, d), *[(-2, -2)] * (len(x) + 2)]
    return canonical_form((*zip(x, y, strict=True), *pointers))
