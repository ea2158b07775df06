"""Error on unseen symbols where few samples hold a token: the cavity method on the sample graph.

Tokens are nodes, samples are edges between the w tokens that they hold, and a token is in a Poisson
number of them. The kernel K = N + Σ_tokens φᵀ C φ + rest is the covariance of a constant for each
template, a Gaussian vector h_t for each token, with an entry for each place (template, wildcard) it
can take, and a part of its own for each sample. On a tree, which the graph is locally, the
posterior of h_t given the samples follows from messages: those of the other tokens of its samples.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ktrans._checks import Number, Numbers, as_int, as_non_negative
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.tasks import TemplateTask
from ktrans.theory.curves._arguments import read_counts
from ktrans.theory.curves.eigenlearning import corrected_curve
from ktrans.theory.curves.plain import Curve, Prediction, make_curve
from ktrans.theory.spectrum.population import Operator, population_operator
from ktrans.theory.statistics import TemplateStatistics, regression_statistics

_POOL = 4000  # messages that stand for their distribution
_SETTLING, _AVERAGED = 15, 20  # updates of the pool


class _Model(NamedTuple):
    """C = root rootᵀ over places, the template of each place, and s_z + λ of a sample alone."""

    root: Float[np.ndarray, "q q"]
    templates: Int[np.ndarray, "q"]
    alone: Float[np.ndarray, "r"]


class _Messages(NamedTuple):
    """Posterior of h_t at each place, for a pool of tokens: variance, and mean as linear in f*."""

    variance: Float[np.ndarray, "pool q"]
    mean: Float[np.ndarray, "pool q r"]


def cavity_learning_curve(
    kernel: TokenSymmetricKernel,
    task: TemplateTask,
    *,
    num_samples: Numbers,
    ridge: Number,
    seed: int = 0,
) -> Curve:
    """Kernel ridge regression on unseen symbols, with the number of samples of a token Poisson.

    f = N (I + Q N)⁻¹ Q f*, with Q = Zᵀ R⁻¹ Z and R = K̂ + λ − Z N Zᵀ exactly; the cavity method
    gives the mean of Q, by population dynamics. `corrected_learning_curve` takes eigenfunctions for
    Gaussian, as if each sample held a little of every token; here samples hold w tokens each.

    Args:
        kernel: A token-symmetric kernel.
        task: A task with numbers as labels and uniform substitution.
        num_samples: Numbers of samples n ≥ 0, a sequence.
        ridge: λ ≥ 0, absolute.
        seed: Of the pool of messages.

    Returns:
        The curve: predictions estimated, exact in the limit of large n and m at fixed n/m but for
        some tenths of a per cent of sampling; pairs of tokens that occur together twice are
        neglected, so n should be well below m². The variance is that of `corrected_learning_curve`.

    Raises:
        TypeError, ValueError: as `corrected_learning_curve`, or if the ridge is zero and a template
            has fewer than two wildcards.

    References:
        Mézard and Montanari, "Information, Physics, and Computation", 2009, chapter 14.

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("same_different", vocab_size=200)
        >>> kernel = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
        >>> cavity_learning_curve(kernel, task, num_samples=[0], ridge=0.1).mse
        array([1.])
    """
    seed = as_int("seed", seed, 0)
    counts, penalty = read_counts(num_samples), as_non_negative("ridge", ridge)
    problem, operator = regression_statistics(kernel, task), population_operator(kernel, task)
    gaussian = corrected_curve(problem, num_samples=counts, ridge=penalty)
    model = _build(operator, problem, penalty)
    means = [_mean(problem, model, operator.vocab_size, n, seed) for n in counts.tolist()]
    return make_curve(problem, counts, map(Prediction, means, gaussian.variance))


def _build(operator: Operator, problem: TemplateStatistics, ridge: float) -> _Model:
    places = [(u, a) for u, width in enumerate(operator.widths) for a in range(width)]
    values = [[operator.coefficients(u, v, ((a, b),)) for v, b in places] for u, a in places]
    covariance = np.array(values).reshape(len(places), len(places))
    scales, vectors = np.linalg.eigh(covariance)
    templates = np.array([u for u, _ in places], dtype=np.int64)
    of_tokens = np.bincount(templates, covariance.diagonal(), len(problem.labels))
    alone = np.maximum(problem.self_kernel - of_tokens, 0.0) + ridge
    if (alone == 0).any():
        raise ValueError(
            "`ridge` must be positive where tokens tell all of a sample, as with fewer than two "
            "wildcards; got 0.0."
        )
    return _Model(vectors * np.sqrt(np.maximum(scales, 0.0)), templates, alone)


def _mean(
    problem: TemplateStatistics, model: _Model, vocab_size: int, n: float, seed: int
) -> Float[np.ndarray, "r"]:
    rng, samples = np.random.default_rng(seed), n * problem.weights
    rates = samples[model.templates] / vocab_size
    messages = _start(model)
    for _ in range(_SETTLING):
        messages = _update(model, messages, rates, rng)
    total = np.zeros_like(problem.template_matrix)
    for _ in range(_AVERAGED):
        messages = _update(model, messages, rates, rng)
        total += samples[:, None] * _dual_sums(model, messages, rng)
    weight, matrix = total / _AVERAGED, problem.template_matrix
    return matrix @ np.linalg.solve(np.eye(len(matrix)) + weight @ matrix, weight @ problem.labels)


def _start(model: _Model) -> _Messages:
    """What is known of tokens without samples."""
    prior = np.sum(model.root**2, axis=1)
    shape = (_POOL, len(prior))
    return _Messages(np.broadcast_to(prior, shape), np.zeros((*shape, len(model.alone))))


def _update(
    model: _Model, messages: _Messages, rates: Float[np.ndarray, "q"], rng: np.random.Generator
) -> _Messages:
    """New tokens, each with samples whose other tokens are drawn from the pool."""
    counts = rng.poisson(rates, (_POOL, len(rates)))
    precision, pull = np.zeros(messages.variance.shape), np.zeros(messages.mean.shape)
    for place, template in enumerate(model.templates.tolist()):
        token = np.repeat(np.arange(_POOL), counts[:, place])
        others = np.setdiff1d(np.flatnonzero(model.templates == template), place)
        left, variance = _left(model, messages, template, others, len(token), rng)
        precision[:, place] = np.bincount(token, 1 / variance, _POOL)
        for z, target in enumerate(left.T):
            pull[:, place, z] = np.bincount(token, target / variance, _POOL)
    return _posterior(model, precision, pull)


def _posterior(
    model: _Model, precision: Float[np.ndarray, "pool q"], pull: Float[np.ndarray, "pool q r"]
) -> _Messages:
    """(C⁻¹ + diag(precision))⁻¹, without the inverse of C, which may be singular."""
    inner = np.eye(precision.shape[1]) + model.root.T @ (precision[:, :, None] * model.root)
    covariance = model.root @ np.linalg.inv(inner) @ model.root.T
    return _Messages(np.einsum("iaa->ia", covariance), covariance @ pull)


def _dual_sums(
    model: _Model, messages: _Messages, rng: np.random.Generator
) -> Float[np.ndarray, "r r"]:
    """Mean dual coefficient of a sample of each template, as linear in f*."""
    sums = []
    for template in range(len(model.alone)):
        places = np.flatnonzero(model.templates == template)
        left, variance = _left(model, messages, template, places, _POOL, rng)
        sums.append(np.mean(left / variance[:, None], axis=0))
    return np.array(sums)


def _left(
    model: _Model,
    messages: _Messages,
    template: int,
    places: Int[np.ndarray, "others"],
    size: int,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "e r"], Float[np.ndarray, "e"]]:
    """What tokens at some places leave of the label of samples, and its variance."""
    left = np.zeros((size, len(model.alone)))
    left[:, template] = 1.0
    variance = np.full(size, model.alone[template])
    for place in places.tolist():
        rows = rng.integers(_POOL, size=size)
        left -= messages.mean[rows, place]
        variance += messages.variance[rows, place]
    return left, variance
