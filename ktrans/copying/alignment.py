"""Gradient alignment at initialisation: how much of each step on seen tokens helps unseen ones."""

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, PRNGKeyArray
from scipy import stats

from ktrans._checks import LARGEST_SEED, Numbers, Whole, as_distinct, as_int, check_word
from ktrans._numerics import as_plain, in_float64, to_host
from ktrans._progress import Progress, in_silence
from ktrans._results import Result
from ktrans.copying.closed_form import closed_form_ratios, limiting_ratios
from ktrans.copying.decay import CONFIDENCE, Decay, fit_decay
from ktrans.copying.network import IDENTITY, CopyingNetwork, Parameters, losses

# Draws computed at once hold about this many float64 numbers in parameters and gradients: 256 MB.
_NUMBERS_AT_ONCE = 2**25
_MOST_AT_ONCE = 32

# R_{W_V} is (n/d)/(1 + n/d) up to 1/m: a power of d only where d is well beyond m.
_FIT_FROM = 4


@dataclass(frozen=True, eq=False)
class Alignment(Result):
    """Gradient ratios R_g = E⟨∇_g L_train, ∇_g L_test⟩ / E‖∇_g L_train‖² against d_emb.

    Attributes:
        network: The network at the largest d_emb.
        num_draws: Number of initialisations behind each estimate.
        embedding_dims: d_emb, ascending, shape (D,).
        groups: Symbols of the parameter groups, g of them.
        ratio: R_g, shape (D, g); estimated.
        stderr: Standard error of each ratio, shape (D, g).
        interval: 95 % intervals, simultaneous over the groups of one d_emb, shape (D, g, 2).
        closed_form: R_g for nearly zero logits, shape (D, g); exact.
        limit: The limit d_emb → ∞, shape (g,); exact.
        supremum: Largest ratio of the groups without b, shape (D,): the most that the test loss
            decreases for each unit that the train loss does, over all learning rates; estimated.
        supremum_interval: 95 % interval of it, shape (D, 2).
        supremum_per_draw: Mean over draws of the largest ratio of that draw, shape (D,): for
            learning rates that may be chosen with the initialisation in sight; estimated.
        decay: supremum ∝ d_emb^(−exponent) fitted with an interval, or None.
        decay_closed_form: The same fit of the closed form, or None.
    """

    network: CopyingNetwork
    num_draws: int
    embedding_dims: np.ndarray
    groups: tuple[str, ...]
    ratio: np.ndarray
    stderr: np.ndarray
    interval: np.ndarray
    closed_form: np.ndarray
    limit: np.ndarray
    supremum: np.ndarray
    supremum_interval: np.ndarray
    supremum_per_draw: np.ndarray
    decay: Decay | None
    decay_closed_form: Decay | None

    def of(self, group: str) -> np.ndarray:
        """The ratios of one group, shape (D,)."""
        check_word("group", group, self.groups)
        return self.ratio[:, self.groups.index(group)]

    def to_dict(self) -> dict[str, Any]:
        """All fields for JSON."""
        decays = (self.decay, self.decay_closed_form)
        fits = [None if decay is None else decay._asdict() for decay in decays]
        named = {"network": dataclasses.asdict(self.network)}
        named |= dict(zip(("decay", "decay_closed_form"), fits, strict=True))
        return as_plain(vars(self) | named)


def alignment(
    embedding_dims: Numbers,
    *,
    vocab_size: Whole,
    num_seen: object,
    num_heads: object = 4,
    head_dim: object = 16,
    init_scale: object = 1.0,
    initial_b: object = 0.0,
    tied: object = True,
    allow_wide_heads: object = False,
    num_draws: Whole = 64,
    seed: Whole = 0,
    progress: Progress = in_silence,
) -> Alignment:
    """Gradient ratios of all parameter groups at initialisation, estimated over draws.

        R_g = E⟨∇_g L_train, ∇_g L_test⟩ / E‖∇_g L_train‖²

    With learning rates η_g ≥ 0 fixed before the draw, the expected test loss decreases by
    Σ_g η_g E⟨·,·⟩ and the train loss by Σ_g η_g E‖·‖², so the supremum of their quotient over all
    learning rates is max_g R_g. Both gradients come from one pass of automatic differentiation.

    Args:
        embedding_dims: d_emb, a sequence of distinct integers.
        vocab_size: m, at least 2.
        num_seen: Number of training tokens, from 1 to m − 1.
        num_heads: At least 1.
        head_dim: At least 1, and at most the smallest d_emb unless `allow_wide_heads`.
        init_scale: s, positive, of `CopyingNetwork`.
        initial_b: b at initialisation; its gradient does not need b ≠ 0.
        tied: Whether the unembedding is the embedding.
        allow_wide_heads: Whether head_dim may be more than d_emb.
        num_draws: Number of initialisations, at least 2.
        seed: Of the draws.
        progress: Wraps the loop over d_emb.

    Returns:
        Estimates in float64, with the closed forms beside them.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: if one is outside its range.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), Theorems 4.1 and 4.2.

    Example:
        >>> found = alignment([2048], vocab_size=32, num_seen=24, num_draws=8)
        >>> found.groups
        ('W_E', 'W_V', 'W_O', 'b')
        >>> bool((abs(found.of("b") - 1) < 0.1).all())
        True
    """
    networks = [
        CopyingNetwork(
            embedding_dim=dim, vocab_size=vocab_size, num_seen=num_seen, num_heads=num_heads,
            head_dim=head_dim, init_scale=init_scale, initial_b=initial_b, tied=tied,
            allow_wide_heads=allow_wide_heads,
        )
        for dim in _read_dims(embedding_dims)
    ]  # fmt: skip
    draws, start = as_int("num_draws", num_draws, 2), as_int("seed", seed, 0, LARGEST_SEED)
    products = [
        _products(network, draws, start) for network in progress(networks, "embedding dimensions")
    ]
    return _summarise(networks, products)


class _Products(NamedTuple):
    """Per draw and group: ⟨∇_g L_train, ∇_g L_test⟩ and ‖∇_g L_train‖²."""

    cross: Float[np.ndarray, "s g"]
    square: Float[np.ndarray, "s g"]


def _read_dims(dims: object) -> list[int]:
    return sorted(as_distinct("embedding_dims", dims, 1))


@in_float64
def _products(network: CopyingNetwork, draws: int, seed: int) -> _Products:
    batches = math.ceil(draws / _batch_size(network))
    size = math.ceil(draws / batches)
    # Batches of one size compile once; the draws too many in the last one are left out.
    keys = jax.random.split(jax.random.key(seed), (batches, size))
    parts = zip(*(_products_of_draws(network, each) for each in keys), strict=True)
    return _Products(*(to_host(jnp.concatenate(part)[:draws]) for part in parts))


def _batch_size(network: CopyingNetwork) -> int:
    numbers = 4 * network.embedding_dim * (network.vocab_size + network.rank)
    return max(1, min(_MOST_AT_ONCE, _NUMBERS_AT_ONCE // numbers))


@functools.partial(jax.jit, static_argnums=0)
def _products_of_draws(
    network: CopyingNetwork, keys: Key[Array, " s"]
) -> tuple[Float[Array, "s g"], Float[Array, "s g"]]:
    return jax.vmap(functools.partial(_products_of_draw, network))(keys)


def _products_of_draw(
    network: CopyingNetwork, key: PRNGKeyArray
) -> tuple[Float[Array, " g"], Float[Array, " g"]]:
    gradients = jax.jacrev(losses)(network.initialise(key), network.tokens())
    train = jax.tree.map(lambda leaf: leaf[0], gradients)
    test = jax.tree.map(lambda leaf: leaf[1], gradients)
    return _inner_products(train, test), _inner_products(train, train)


def _inner_products(first: Parameters, second: Parameters) -> Float[Array, " g"]:
    return jnp.stack(jax.tree.leaves(jax.tree.map(lambda a, b: jnp.sum(a * b), first, second)))


def _summarise(networks: list[CopyingNetwork], products: list[_Products]) -> Alignment:
    last = networks[-1]
    limits = limiting_ratios(last)
    without_b = np.array([name != IDENTITY for name in limits])
    dims = np.array([network.embedding_dim for network in networks])
    ratio, stderr = (np.array(rows) for rows in zip(*map(_ratios, products), strict=True))
    closed = np.array([[closed_form_ratios(each)[name] for name in limits] for each in networks])
    half = _half_widths(len(limits)) * stderr
    interval = np.stack([ratio - half, ratio + half], axis=-1)
    beyond = dims >= _FIT_FROM * last.vocab_size
    supremum, exact = (values[:, without_b].max(axis=1) for values in (ratio, closed))
    best = ratio[:, without_b].argmax(axis=1)
    spread = stderr[:, without_b][np.arange(len(dims)), best]
    return Alignment(
        network=last,
        num_draws=len(products[0].cross),
        embedding_dims=dims,
        groups=tuple(limits),
        ratio=ratio,
        stderr=stderr,
        interval=interval,
        closed_form=closed,
        limit=np.array(list(limits.values())),
        supremum=supremum,
        # Where every group is in its interval, so is the largest ratio in this one.
        supremum_interval=interval[:, without_b].max(axis=1),
        supremum_per_draw=np.array([_per_draw(each, without_b) for each in products]),
        decay=fit_decay(dims[beyond], supremum[beyond], spread[beyond]),
        decay_closed_form=fit_decay(dims[beyond], exact[beyond], spread[beyond]),
    )


def _ratios(products: _Products) -> tuple[Float[np.ndarray, " g"], Float[np.ndarray, " g"]]:
    """Quotients of means over draws, and their standard errors to first order."""
    scale = products.square.mean(axis=0)
    ratio = products.cross.mean(axis=0) / scale
    residuals = products.cross - ratio * products.square
    return ratio, residuals.std(axis=0, ddof=1) / scale / math.sqrt(len(residuals))


def _half_widths(num_groups: int) -> float:
    """Standard errors to either side, so that all groups together have the confidence."""
    return float(stats.norm.ppf(1 - (1 - CONFIDENCE) / (2 * num_groups)))


def _per_draw(products: _Products, which: Bool[np.ndarray, " g"]) -> float:
    return float((products.cross / products.square)[:, which].max(axis=1).mean())
