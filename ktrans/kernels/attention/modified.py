"""Transformer kernels with W_K W_Qᵀ + aI in the logits, and what reads their positions out.

The logits of query q are β X̃ W x̃_q + a X̃ x̃_q with X̃ X̃ᵀ = X Xᵀ + γ² I and W standard normal:

    (u_q, v_q′) ~ N( a·((X Xᵀ + γ² I) e_q, (Y Yᵀ + γ² I) e_q′), covariance as in K_attn for u, v ),

times β²(1 + γ²) within each string and times β²(X Yᵀ + γ² I)_qq′ between the two.

**Convention for β.** A single query has a logit variance of β²(1 + γ²) times that of u. K_attn
absorbs the factor in its β; here, where queries differ in the factor, nothing is absorbed. So at
a = 0 and read out at a common [CLS] the kernel is `AttentionKernel(beta·√(1 + γ²), gamma)`.
"""

from collections.abc import Hashable, Iterable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Int

from ktrans._checks import as_real, check_word, shown
from ktrans.kernels._activation import Activation
from ktrans.kernels.activations import Identity
from ktrans.kernels.attention.kernel import check_accuracy
from ktrans.kernels.attention.modified_monte_carlo import estimate_modified
from ktrans.kernels.attention.modified_pairs import QueryPair, Setting
from ktrans.kernels.attention.modified_values import Evaluation, query_pairs
from ktrans.kernels.base import Bounded, Estimate, SampledKernel

ATTENTION_READOUTS = ("cls", "pooled")
READOUTS = (*ATTENTION_READOUTS, "per-position")

Tokens = Int[np.ndarray, "c k"]


class ModifiedAttentionKernel(SampledKernel):
    """Attention with W_K W_Qᵀ + aI, read out at the last position or averaged over all.

    K^{qq′}(x, y) = E[smax(u_q)ᵀ (X Yᵀ + γ² I) smax(v_q′)], with u_q of mean a (X Xᵀ + γ² I) e_q and
    covariance β² (X Yᵀ + γ² I)·(X Yᵀ + γ² I)_qq′ with v_q′. "cls" is K^{kk}, "pooled" is
    (1/k²) Σ_qq′ K^{qq′}. β is not rescaled by √(1 + γ²), see the head of the module.

    Args:
        beta: Inverse temperature β of the Gaussian part, finite, β ≥ 0.
        gamma: Strength γ ≥ 0 of the positional embedding.
        a: The multiple of the identity, any finite number.
        readout: "cls" or "pooled".
        rtol: Target for the error bound of K^{qq′}, relative to 1 + γ²; from 1e-12 to 1e-3.
        method: "exact", "quasi-monte-carlo" (estimated: the bound is then five standard errors), or
            "auto": exact unless elimination is too dear.

    Raises:
        ValueError: if a parameter is out of range.

    References:
        Boix-Adserà et al. (2024), section 4 and the reparametrisation W_K W_Qᵀ + aI.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.kernels.attention.modified import ModifiedAttentionKernel
        >>> one_query = ModifiedAttentionKernel(beta=0.2, gamma=1.0, a=0.0, readout="cls")
        >>> known = kt.AttentionKernel(beta=0.2 * 2**0.5, gamma=1.0)
        >>> x, y = [[0, 1, 9]], [[1, 0, 9]]
        >>> bool(abs(one_query(x, y) - known(x, y)) < 1e-8)
        True
    """

    beta: Any
    gamma: Any
    a: Any
    readout: Any = eqx.field(static=True)
    rtol: Any = eqx.field(default=1e-8, static=True)
    method: Any = eqx.field(default="auto", static=True)

    def __check_init__(self) -> None:
        _check(self, ATTENTION_READOUTS)

    def evaluate_pairs(self, tokens1: Tokens, tokens2: Tokens) -> Bounded:
        """The kernel of x_c and y_c for each row, each class of pairs of queries evaluated once."""
        return _mean(_evaluation(self).values(query_pairs(self.readout, tokens1, tokens2)))

    def pair_keys(self, tokens1: Tokens, tokens2: Tokens) -> list[Hashable]:
        """The classes of the pairs of queries of each row, in no order."""
        rows = query_pairs(self.readout, tokens1, tokens2)
        return [_unordered(_evaluation(self).keys(row)) for row in rows]

    def _estimate(
        self,
        tokens1: Int[np.ndarray, "n1 k"],
        tokens2: Int[np.ndarray, "n2 k"],
        seed: int,
        num_samples: int,
    ) -> Estimate:
        setting, read = _evaluation(self).setting, READ[self.readout]
        return estimate_modified(tokens1, tokens2, setting, Identity(), read, seed, num_samples)


class ModifiedTransformerKernel(SampledKernel):
    """The random-features kernel of a depth-1 transformer with W_K W_Qᵀ + aI.

    With K^{qq′} as in `ModifiedAttentionKernel` and dual the dual activation of φ,

        "cls"           dual(K^{kk}(x, x), K^{kk}(y, y), K^{kk}(x, y)),
        "pooled"        the same of (1/k²) Σ_qq′ K^{qq′},
        "per-position"  (1/k) Σ_q dual(K^{qq}(x, x), K^{qq}(y, y), K^{qq}(x, y)).

    Args:
        beta: Inverse temperature β of the Gaussian part, finite, β ≥ 0.
        gamma: Strength γ ≥ 0 of the positional embedding.
        a: The multiple of the identity, any finite number.
        activation: φ.
        readout: "cls", "pooled" or "per-position".
        rtol: Target for the error bound of K^{qq′}, relative to 1 + γ²; from 1e-12 to 1e-3.
        method: How K^{qq′} is computed, see `ModifiedAttentionKernel`.

    Raises:
        TypeError: if the activation is none.
        ValueError: if a parameter is out of range.

    References:
        Boix-Adserà et al. (2024), section 4 and the reparametrisation W_K W_Qᵀ + aI.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.kernels.attention.modified import ModifiedTransformerKernel
        >>> kernel = ModifiedTransformerKernel(beta=0.0, gamma=1.0, a=1.0, activation=kt.Identity(),
        ...     readout="per-position")
        >>> kernel([[0, 1, 0, 9], [2, 3, 3, 9]]).round(3)
        array([[1.116, 0.605],
               [0.605, 1.116]])
    """

    beta: Any
    gamma: Any
    a: Any
    activation: Any
    readout: Any = eqx.field(static=True)
    rtol: Any = eqx.field(default=1e-8, static=True)
    method: Any = eqx.field(default="auto", static=True)

    def __check_init__(self) -> None:
        _check(self, READOUTS)
        if not isinstance(self.activation, Activation):
            raise TypeError(
                "`activation` must be an activation such as ktrans.Cosine(b1=1.0, b2=0.5); got "
                f"{shown(self.activation)}."
            )

    def evaluate_pairs(self, tokens1: Tokens, tokens2: Tokens) -> Bounded:
        """The kernel of x_c and y_c for each row, bounds of K^{qq′} carried through the dual."""
        first = np.concatenate([tokens1, tokens2, tokens1])
        second = np.concatenate([tokens1, tokens2, tokens2])
        found = _evaluation(self).values(query_pairs(self.readout, first, second))
        attention = found if self.readout == "per-position" else _mean(found)
        shape = (3, len(tokens1), -1)
        a, b, c = attention.value.reshape(shape)
        error = self.activation.dual_error(a, b, c, *attention.bound.reshape(shape))
        values = self.activation.dual(a, b, c)
        return _mean(Bounded(values, error, attention.certified and self.activation.proved))

    def pair_keys(self, tokens1: Tokens, tokens2: Tokens) -> list[Hashable]:
        """The classes of all pairs of queries that a value is made from."""
        parts = [
            query_pairs(self.readout, *strings)
            for strings in ((tokens1, tokens1), (tokens2, tokens2), (tokens1, tokens2))
        ]
        return [self._row_key(*rows) for rows in zip(*parts, strict=True)]

    def _row_key(self, *rows: list[QueryPair]) -> Hashable:
        """The keys of K(x, x), K(y, y), K(x, y); by query only where each has its own dual."""
        own1, own2, cross = map(_evaluation(self).keys, rows)
        if self.readout == "per-position":
            triples = zip(own1, own2, cross, strict=True)
            return _unordered((_unordered(two), third) for *two, third in triples)
        own = _unordered(map(_unordered, (own1, own2)))
        return own, _unordered(cross)

    def _estimate(
        self,
        tokens1: Int[np.ndarray, "n1 k"],
        tokens2: Int[np.ndarray, "n2 k"],
        seed: int,
        num_samples: int,
    ) -> Estimate:
        setting, read = _evaluation(self).setting, READ[self.readout]
        return estimate_modified(
            tokens1, tokens2, setting, self.activation, read, seed, num_samples
        )


# From features with axes draw, query, string, feature to those that are read out.
READ = {
    "cls": lambda features: features[:, -1:],
    "pooled": lambda features: features.mean(axis=1, keepdims=True),
    "per-position": lambda features: features,
}


def _mean(values: Bounded) -> Bounded:
    """Over the pairs of queries, or over the read-outs."""
    return values._replace(value=values.value.mean(axis=1), bound=values.bound.mean(axis=1))


def _unordered(keys: Iterable[Hashable]) -> tuple[Hashable, ...]:
    return tuple(sorted(keys, key=repr))


def _evaluation(kernel: "ModifiedAttentionKernel | ModifiedTransformerKernel") -> Evaluation:
    setting = Setting(float(kernel.beta), float(kernel.gamma), float(kernel.a))
    return Evaluation(setting, float(kernel.rtol), kernel.method)


def _check(kernel: Any, readouts: tuple[str, ...]) -> None:
    for name in ("beta", "gamma"):
        check_size(name, getattr(kernel, name))
    if not _is_finite(kernel.a):
        raise ValueError(f"`a` must be a finite number; got {shown(kernel.a)}.")
    check_word("readout", kernel.readout, readouts)
    check_accuracy(kernel.rtol, kernel.method)


def check_size(name: str, value: Any) -> None:
    """Raise unless the value is a finite non-negative number."""
    if not (_is_finite(value) and value >= 0):
        raise ValueError(f"`{name}` must be a finite non-negative number; got {shown(value)}.")


def _is_finite(value: object) -> bool:
    try:
        as_real("value", value)
    except (TypeError, ValueError):
        return False
    return True
