"""The density of the eigenvalues of a Gram matrix, by stochastic Lanczos quadrature."""

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float
from matfree import decomp
from numpy.typing import ArrayLike
from scipy.special import ndtr

from ktrans._checks import Number, as_int, as_positive, as_reals, check_kind, shown
from ktrans._numerics import in_float64
from ktrans._progress import Progress, in_silence
from ktrans._results import Result
from ktrans.gram.base import LinearMap
from ktrans.gram.operator import GramOperator
from ktrans.kernels.base import Estimate

_ZERO = 1e-13  # of the largest node: an eigenvalue below is a zero, up to rounding
_INVARIANT = 1e-12  # of the largest entry: an off-diagonal entry of rounding size ends the basis

SpectralFunction = Callable[[Float[np.ndarray, "*s"]], Float[np.ndarray, "*s"]]


@dataclass(frozen=True, eq=False)
class SpectralDensity(Result):
    """Eigenvalues of K̂ as a measure: a Gauss rule for each random probe.

    Standard errors are those over probes. What s Lanczos steps do not resolve is beside them: the
    rule of a probe is exact for polynomials of degree 2 s − 1 only.

    Attributes:
        nodes: Ritz values, shape (probes, s); 0 where rounding.
        weights: Their weights, each row sums to 1; shape (probes, s).
        num_samples: n.
        num_distinct: d; the other n − d eigenvalues are zero, since copies give equal rows.
    """

    nodes: np.ndarray
    weights: np.ndarray
    num_samples: int
    num_distinct: int

    def trace(self, function: SpectralFunction) -> Estimate:
        """Σ_i f(λ_i) over all n eigenvalues, f applied to arrays; estimated."""
        zeros = (self.num_samples - self.num_distinct) * float(function(np.zeros(1))[0])
        per_probe = self.num_distinct * np.sum(self.weights * function(self.nodes), axis=1) + zeros
        stderr = np.std(per_probe, ddof=1) / np.sqrt(len(per_probe))
        return Estimate(np.asarray(per_probe.mean()), np.asarray(stderr))

    def cumulative(self, values: ArrayLike, *, width: float) -> Estimate:
        """Share of eigenvalues below each value, smoothed over `width` in ln λ; shape of values."""
        scale = as_positive("width", width)
        return self._shares(values, lambda x: ndtr(x / scale))

    def density(self, values: ArrayLike, *, width: float) -> Estimate:
        """Share of eigenvalues per unit of ln λ, smoothed by a Gaussian of `width` in ln λ."""
        scale = as_positive("width", width)
        height = 1 / (scale * np.sqrt(2 * np.pi))
        return self._shares(values, lambda x: height * np.exp(-0.5 * (x / scale) ** 2))

    def _shares(self, values: ArrayLike, of_distance: SpectralFunction) -> Estimate:
        """Mean over all eigenvalues of a function of ln x − ln λ, for each x."""
        points = as_reals("values", values)
        if points.size == 0 or not (points > 0).all():
            raise ValueError(f"`values` must be one or more positive numbers; got {shown(values)}.")
        shares = [
            self.trace(lambda nodes, x=x: _of_logarithm(nodes, x, of_distance))
            for x in np.log(points).reshape(-1)
        ]
        mean, stderr = (np.array(each) / self.num_samples for each in zip(*shares, strict=True))
        return Estimate(mean.reshape(points.shape), stderr.reshape(points.shape))


def spectral_density(
    operator: GramOperator,
    *,
    num_probes: int = 8,
    num_steps: int = 40,
    seed: int = 0,
    progress: Progress = in_silence,
) -> SpectralDensity:
    """The density of the eigenvalues of K̂, in O(n) for each probe and step.

    For a vector v of random signs E vᵀ f(K̂) v = tr f(K̂), and s steps of Lanczos from v give the
    Gauss rule of the measure vᵀ δ(λ − K̂) v. Copies of a sample are merged first: W^½ K W^½ over
    distinct samples with multiplicities W has the spectrum of K̂ but for zeros.

    Args:
        operator: The Gram operator, n × n.
        num_probes: Random vectors, at least 2.
        num_steps: Lanczos steps s, at least 1; no more are made than there are distinct samples.
        seed: Of the probes.
        progress: Wraps the loop over probes.

    Returns:
        Nodes and weights for each probe, from which everything is estimated.

    Raises:
        ValueError: if there are fewer than 2 probes or no steps.

    References:
        Ubaru, Chen and Saad, "Fast estimation of tr f(A) via stochastic Lanczos quadrature",
        SIAM J. Matrix Anal. Appl. 38, 2017.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> operator = kt.GramOperator(mlp, kt.tasks.load("aba_abb", vocab_size=9).sample(50))
        >>> found = spectral_density(operator, num_probes=4).trace(lambda values: values)
        >>> bool(abs(found.mean - operator.diagonal().sum()) <= 5 * found.stderr + 1e-9)
        True
    """
    check_kind("operator", operator, GramOperator)
    probes, size = as_int("num_probes", num_probes, 2), len(operator.distinct.first)
    rng = np.random.default_rng(as_int("seed", seed, 0))
    steps = min(as_int("num_steps", num_steps, 1), size)
    rules = [
        _gauss_rule(operator, rng.choice([-1.0, 1.0], size), steps)
        for _ in progress(range(probes), "probes")
    ]
    nodes, weights = (np.stack(each) for each in zip(*rules, strict=True))
    nodes = np.where(nodes > _ZERO * nodes.max(initial=0.0), nodes, 0.0)
    return SpectralDensity(nodes, weights, operator.shape[0], size)


def effective_dimension(density: SpectralDensity, *, ridge: Number) -> Estimate:
    """tr K̂ (K̂ + λ)⁻¹ = Σ_i λ_i / (λ_i + λ) of a Gram matrix.

    Args:
        density: From `spectral_density`.
        ridge: λ > 0, absolute.

    Returns:
        Estimated, with the standard error over probes; at most n.

    Raises:
        ValueError: if the ridge is not positive.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> operator = kt.GramOperator(mlp, kt.tasks.load("aba_abb", vocab_size=9).sample(50))
        >>> bool(effective_dimension(spectral_density(operator), ridge=0.1).mean < 50)
        True
    """
    check_kind("density", density, SpectralDensity)
    penalty = as_positive("ridge", ridge)
    return density.trace(lambda values: values / (values + penalty))


@in_float64
def _gauss_rule(
    operator: GramOperator, probe: Float[np.ndarray, "d"], steps: int
) -> tuple[Float[np.ndarray, "s"], Float[np.ndarray, "s"]]:
    """Ritz values and weights of one probe, filled up with weights of zero."""
    core, root = operator.core, np.sqrt(operator.distinct.multiplicity)
    start, scale = (core.put(each[:, None])[:, 0] for each in (probe, root))
    diagonal, beside = map(np.asarray, _tridiagonal(core, scale, start, steps))
    # Where the basis has come to an invariant space what follows is rounding, or not a number.
    ends = np.flatnonzero(~(np.abs(beside) > _INVARIANT * np.nanmax(np.abs(diagonal))))
    length = int(ends[0]) + 1 if len(ends) else steps
    values, modes = scipy.linalg.eigh_tridiagonal(diagonal[:length], beside[: length - 1])
    spare = (0, steps - length)
    return np.pad(values, spare), np.pad(modes[0] ** 2, spare)


@eqx.filter_jit
def _tridiagonal(
    core: LinearMap, root: Float[Array, "n"], start: Float[Array, "n"], steps: int
) -> tuple[Float[Array, "s"], Float[Array, "_t"]]:
    """The tridiagonal matrix of Lanczos with full reorthogonalisation: diagonal, and beside it."""

    def product(vector: Float[Array, "n"]) -> Float[Array, "n"]:
        return root * core.apply((root * vector)[:, None])[:, 0]

    lanczos = decomp.tridiag_sym(steps, materialize=False, custom_vjp=False)
    _, (diagonal, beside), *_ = lanczos(product, start)
    return diagonal, beside


def _of_logarithm(
    nodes: np.ndarray, point: float, of_distance: SpectralFunction
) -> Float[np.ndarray, "*s"]:
    """A function of ln x − ln λ, the logarithm of a zero eigenvalue so low that it is far off."""
    with np.errstate(divide="ignore"):
        return of_distance(point - np.log(nodes))
