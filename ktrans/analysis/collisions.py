"""K̂ = Z N Zᵀ + E at any number of samples: how far the Gram matrix is from its blocks."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.linalg import subspace_angles
from scipy.sparse.linalg import LinearOperator, eigsh

from ktrans._numerics import in_float64
from ktrans.analysis.template_matrix import check_kernel, template_matrix
from ktrans.gram.base import multiply
from ktrans.gram.coefficients import Coefficients
from ktrans.gram.incidence import find_incidences
from ktrans.gram.linear_time import build_linear_time_gram
from ktrans.gram.operator import GramOperator
from ktrans.patterns.matchings import moebius_transform, partial_matchings, submatchings
from ktrans.tasks import Dataset

# A function of a kernel value and of the value κ(∅) that a pair without collision would have.
PairFunction = Callable[[float, float], float]

_DENSE_SAMPLES = 600  # up to here a dense eigensolver is faster than Lanczos
_BASIS = 40  # vectors that Lanczos keeps: eigenvalues of the bulk lie close together
_TOLERANCE = 1e-6  # of eigenvalues; the residual says what was reached
_SAME = 1e-9  # relative difference up to which an entry equals that of N


@dataclass(frozen=True, eq=False)
class BlockStructure:
    """How far K̂ is from Z N Zᵀ, for one data set; E = K̂ − Z N Zᵀ, its diagonal included.

    Attributes:
        num_samples: n.
        diversity: ρ of the task.
        share_equal: Share of the n² entries that equal their entry of N, exact.
        frobenius: ‖E‖_F / n, exact to rounding.
        operator_norm: ‖E‖₂ / n, by Lanczos.
        eigenvalues: The r largest eigenvalues of K̂/n, descending.
        residuals: ‖K̂v − θv‖/n for each: an eigenvalue lies that close.
        limits: Eigenvalues of D^½ N D^½ with D the frequencies of templates in the data.
        angles: Principal angles between the top eigenspace and the span of the indicators of the
            templates, in radians, descending.
    """

    num_samples: int
    diversity: float
    share_equal: float
    frobenius: float
    operator_norm: float
    eigenvalues: np.ndarray
    residuals: np.ndarray
    limits: np.ndarray
    angles: np.ndarray


def block_structure(
    kernel: object,
    dataset: Dataset,
    *,
    progress: Callable[[Iterable[str]], Iterable[str]] = iter,
) -> BlockStructure:
    """Share of limit entries, norms of E, leading eigenvalues and angles, without the matrix.

    As ρ and n grow the r largest eigenvalues of K̂ tend to those of n D^½ N D^½, and their
    eigenvectors to the span of the indicators. Weyl: they differ by at most ‖E‖₂.

    Args:
        kernel: A token-symmetric kernel.
        dataset: Samples of a task; each template must occur.
        progress: Wraps the names of the steps, as tqdm does.

    Returns:
        Shares and the Frobenius norm exact, the rest by Lanczos with residuals.

    Raises:
        TypeError: if the kernel is not token-symmetric.
        ValueError: if a template does not occur or products are not to be had in linear time.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), Figure 3.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> data = kt.tasks.load("aba_abb", vocab_size=1000).sample(200)
        >>> block_structure(mlp, data).share_equal > 0.95
        True
    """
    blocks = _Blocks(check_kernel(kernel), dataset)
    steps: dict[str, Callable[[], dict[str, Any]]] = {
        "entries": blocks.entries,
        "norm of E": blocks.norm,
        "eigenvalues": blocks.spectrum,
    }
    found: dict[str, Any] = {}
    for name in progress(list(steps)):
        found |= steps[name]()
    return BlockStructure(len(dataset), dataset.task.diversity, **found)


@in_float64
def pair_means(operator: GramOperator, functions: Sequence[PairFunction]) -> list[float]:
    """Means of f(K̂_ij, κ_ij(∅)) over all n² pairs of samples, in O(n).

    A function of the kernel value of a pair is a function of the matching, so it has products in
    linear time as the kernel has.

    Args:
        operator: With products in linear time.
        functions: Each of a kernel value and of the value without collision.

    Returns:
        A mean for each function, exact to rounding.

    Raises:
        ValueError: if the operator has no products in linear time.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> operator = kt.GramOperator(mlp, kt.tasks.load("aba_abb", vocab_size=9).sample(50))
        >>> pair_means(operator, [lambda value, fresh: 1.0])
        [1.0]
    """
    refinement, distinct = operator.refinement, operator.distinct
    group, tokens = refinement.group[distinct.first], refinement.wildcards[distinct.first]
    incidences = find_incidences(group, refinement.widths, tokens, refinement.num_tokens)
    if incidences is None:
        raise ValueError(
            "`dataset` has too many wildcards or collisions for products in linear time; take "
            "fewer samples and the dense matrix."
        )
    original = Coefficients(operator.values, refinement.codes, len(incidences))
    counts = distinct.multiplicity.astype(np.float64)[:, None]
    means = []
    for function in functions:
        mapped = _Mapped(original, refinement.widths.tolist(), len(incidences), function)
        image = multiply(build_linear_time_gram(group, mapped, incidences), counts)
        means.append(float(np.sum(counts * image)) / operator.shape[0] ** 2)
    return means


class _Mapped(Coefficients):
    """The coefficients of f(κ(M), κ(∅)) in place of those of κ(M)."""

    def __init__(
        self, original: Coefficients, widths: list[int], max_size: int, function: PairFunction
    ):
        groups = range(len(widths))
        self._tables = {}
        for u, v in itertools.combinations_with_replacement(groups, 2):
            matchings = partial_matchings(widths[u], widths[v], max_size)
            values = {
                matching: sum(original(u, v, part) for part in submatchings(matching))
                for matching in matchings
            }
            mapped = {m: function(value, values[()]) for m, value in values.items()}
            self._tables[u, v] = moebius_transform(mapped)
        self.self_values = np.array(
            [function(original.self_values[g], original(g, g, ())) for g in groups]
        )


class _Blocks:
    """The steps of `block_structure`."""

    def __init__(self, kernel: Any, dataset: Dataset):
        self.matrix = template_matrix(kernel, dataset.task)
        self.ids = dataset.template_ids
        self.counts = np.bincount(self.ids, minlength=len(self.matrix))
        if not self.counts.all():
            missing = dataset.task.templates[int(np.argmin(self.counts))]
            raise ValueError(f"`dataset` must hold each template; it has no sample of '{missing}'.")
        self.operator = GramOperator(kernel, dataset)
        self.n = len(dataset)

    def entries(self) -> dict[str, float]:
        same, square = pair_means(self.operator, [_is_same, _square_gap])
        return {"share_equal": same, "frobenius": float(np.sqrt(max(square, 0.0)))}

    def norm(self) -> dict[str, float]:
        values, _ = _leading(self._excess, self.n, 1, "LM")
        return {"operator_norm": float(np.abs(values).max()) / self.n}

    def spectrum(self) -> dict[str, np.ndarray]:
        values, vectors = _leading(self.operator.__matmul__, self.n, len(self.matrix), "LA")
        left = self.operator @ vectors - vectors * values
        indicators = np.eye(len(self.matrix))[self.ids] / np.sqrt(self.counts)
        root = np.sqrt(self.counts / self.n)
        return {
            "eigenvalues": values / self.n,
            "residuals": np.linalg.norm(left, axis=0) / self.n,
            "limits": np.linalg.eigvalsh(root[:, None] * self.matrix * root)[::-1],
            "angles": subspace_angles(vectors, indicators),
        }

    def _excess(self, vector: np.ndarray) -> np.ndarray:
        """E v."""
        sums = np.stack([np.bincount(self.ids, each, len(self.matrix)) for each in vector.T])
        return self.operator @ vector - (sums @ self.matrix).T[self.ids]


def _leading(
    product: Callable[[np.ndarray], np.ndarray], n: int, count: int, which: str
) -> tuple[Float[np.ndarray, "e"], Float[np.ndarray, "n e"]]:
    """Leading eigenvalues, largest first, with their eigenvectors."""
    if n <= max(_DENSE_SAMPLES, 2 * count):
        values, vectors = np.linalg.eigh(product(np.eye(n)))
    else:
        start = np.random.default_rng(0).standard_normal(n)
        basis = min(max(_BASIS, 2 * count + 1), n)
        # SciPy's annotation of `tol` as an integer is wrong.
        options: Any = {"which": which, "tol": _TOLERANCE, "v0": start, "ncv": basis}
        values, vectors = eigsh(_Columns(product, n), count, **options)
    order = np.argsort(-(np.abs(values) if which == "LM" else values))[:count]
    return values[order], vectors[:, order]


class _Columns(LinearOperator):
    """A product of columns as SciPy wants it."""

    def __init__(self, product: Callable[[np.ndarray], np.ndarray], n: int):
        super().__init__(np.dtype(np.float64), (n, n))
        self._product = product

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        return self._product(x.reshape(-1, 1))[:, 0]


def _is_same(value: float, fresh: float) -> float:
    return float(abs(value - fresh) <= _SAME * abs(fresh))


def _square_gap(value: float, fresh: float) -> float:
    return (value - fresh) ** 2
