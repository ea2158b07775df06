"""The spectrum of the population operator, exactly, at any vocabulary.

A function of the wildcards of a template that depends on s of them and averages to zero over each
one is a *pure* function of order s. The kernel maps pure functions to pure functions of the same
order, and knows of them only how permutations of their s arguments act. So each irreducible
representation (m − s, μ) of the permutations of the m tokens has a small matrix of its own, indexed
by templates and s-subsets of their wildcards, with entries in ρ_μ.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ktrans._results import Result
from ktrans._tables import TextTable
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.kernels.coefficients import Coefficients, PairValues
from ktrans.patterns.matchings import Matching, partial_matchings
from ktrans.tasks import TemplateTask
from ktrans.theory.spectrum.representations import (
    Partition,
    Permutation,
    dimension,
    exists,
    name,
    partitions,
    representation,
)
from ktrans.theory.statistics import check_kernel, check_task

Subset = tuple[int, ...]
Place = tuple[int, Subset]
# Coefficients of a matrix over the group ring of S_s, by permutation.
GroupMatrix = dict[Permutation, Float[np.ndarray, "q q"]]

# Few tokens make pure functions of different subsets linearly dependent; the Gram matrix of the
# others has eigenvalues that are fractions of small denominators.
_DEPENDENT = 1e-8
_SHOWN_ROWS = 3  # of a representation


@dataclass(frozen=True, eq=False)
class Spectrum(Result):
    """Eigenvalues of the population operator, by irreducible representation.

    Attributes:
        eigenvalues: One for each constituent, by representation, descending within each; float64.
            Different constituents may share an eigenvalue.
        multiplicities: Dimension of the representation, exact: int64, or Python integers where
            their sum is beyond.
        labels: The representation, "trivial", "(m-1,1)", "(m-2,2)", "(m-2,1,1)", ….
        partitions: Its part below the first row, (), (1,), (2,), (1, 1), ….
        vocab_size: m.
    """

    eigenvalues: np.ndarray
    multiplicities: np.ndarray
    labels: tuple[str, ...]
    partitions: tuple[Partition, ...]
    vocab_size: int

    def table(self) -> TextTable:
        """The largest eigenvalues of each representation."""
        title = f"All strings, m = {self.vocab_size}; eigenvalues sum to {self.trace:.10g}"
        return TextTable(spectrum_rows(self), [title])

    @property
    def trace(self) -> float:
        """Σ multiplicity · eigenvalue, the mean diagonal Σ_u p_u K(x, x)."""
        return math.fsum(self.eigenvalues * self.multiplicities.astype(np.float64))

    @property
    def orders(self) -> np.ndarray:
        """s for each eigenvalue: on how many wildcards its eigenfunctions truly depend."""
        return np.array([sum(below) for below in self.partitions])


def spectrum_rows(spectrum: Spectrum) -> list[list[str]]:
    """The largest eigenvalues of each representation."""
    rows = [["representation", "multiplicity", "eigenvalue"]]
    for label in dict.fromkeys(spectrum.labels):
        mine = [i for i, each in enumerate(spectrum.labels) if each == label]
        count = str(int(spectrum.multiplicities[mine[0]]))
        rows += [[label, count, f"{spectrum.eigenvalues[i]:.10e}"] for i in mine[:_SHOWN_ROWS]]
        if len(mine) > _SHOWN_ROWS:
            rows.append(["", "", f"and {len(mine) - _SHOWN_ROWS} more"])
    return rows


class Operator(NamedTuple):
    """What the operator is made of: c_uv(P), wildcard counts, weights and m."""

    coefficients: Coefficients
    widths: tuple[int, ...]
    weights: Float[np.ndarray, "r"]
    vocab_size: int


def population_spectrum(kernel: TokenSymmetricKernel, task: TemplateTask) -> Spectrum:
    """All eigenvalues of the kernel as an operator on strings, with their multiplicities.

    (T f)(x) = Σ_v p_v E[K(x, sub(v, s)) f(sub(v, s))] with s uniform over injective maps: the
    matrix of K over all strings, weighted by p_u / #strings of u. For f a pure function g of the
    wildcards S of v, and P ⊆ M(x, y) a set of wildcard pairs with right sides B,

        E_y[1{P ⊆ M(x, y)} g(y_S)] = (−1)^{|S∖B|} / (m)_{|S∪B|} · Σ_φ g(x ∘ P⁻¹ on S∩B and φ(S∖B)),

    φ over the injections of S∖B into B∖S, since g averages to zero over each argument. With
    K = Σ_P c(P) 1{P ⊆ M} that is the matrix of each representation, free of cancellation in m.

    Args:
        kernel: A token-symmetric kernel.
        task: A task with uniform substitution whose regular tokens are no substitution tokens.

    Returns:
        The spectrum, exact to rounding for the kernel's values.

    Raises:
        TypeError: if the kernel is not token-symmetric or the task is no `TemplateTask`.
        ValueError: if substitution is not uniform, or regular tokens are substitution tokens.

    References:
        The algebra is that of partial matchings (FI-modules): Church, Ellenberg and Farb,
        "FI-modules and stability for representations of symmetric groups", 2015.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> spectrum = population_spectrum(mlp, kt.tasks.load("aba_abb", vocab_size=10**6))
        >>> spectrum.labels[0], spectrum.multiplicities[-1], round(spectrum.trace, 9)
        ('trivial', np.int64(499998500001), 2.0)
    """
    return operator_spectrum(population_operator(kernel, task))


def operator_spectrum(operator: Operator) -> Spectrum:
    """The spectrum of an operator made by `population_operator`."""
    blocks = {
        below: block_eigenvalues(operator, below)
        for size in range(max(operator.widths) + 1)
        for below in partitions(size)
        if exists(below, operator.vocab_size)
    }
    shapes = tuple(below for below, values in blocks.items() for _ in values)
    return Spectrum(
        eigenvalues=np.concatenate(list(blocks.values())),
        multiplicities=_integers([dimension(below, operator.vocab_size) for below in shapes]),
        labels=tuple(map(name, shapes)),
        partitions=shapes,
        vocab_size=operator.vocab_size,
    )


def mean_template_matrix(operator: Operator) -> Float[np.ndarray, "r r"]:
    """The mean kernel value of independent strings of two templates, collisions included.

    B_uv = Σ_P c_uv(P) / (m)_{|P|} → N_uv as m → ∞. The operator maps the indicator of template v to
    Σ_u B_uv p_v times the indicator of u: the trivial representation.
    """
    root = np.sqrt(operator.weights)
    return _operator_terms(operator, 0)[()] / np.outer(root, root)


def population_operator(kernel: TokenSymmetricKernel, task: TemplateTask) -> Operator:
    """The kernel's coefficients on a task that has the symmetry, or one sentence about why not."""
    known, symmetric = check_task(task), check_kernel(kernel)
    _check_symmetry(known)
    codes = known.template_codes.astype(np.int64)
    widths = tuple(template.num_wildcards for template in known.templates)
    coefficients = Coefficients(PairValues(symmetric), codes, max(widths))
    return Operator(coefficients, widths, known.weights, known.vocab_size)


def block_eigenvalues(operator: Operator, below: Partition) -> Float[np.ndarray, "e"]:
    """Eigenvalues of the operator on the copies of one representation (m − s, μ), descending."""
    order = sum(below)
    gram = _represented(_gram_terms(operator, order), below)
    matrix = _represented(_operator_terms(operator, order), below)
    # The functions are not orthogonal: a basis of their span that is makes the matrix symmetric.
    scales, vectors = np.linalg.eigh(gram)
    kept = scales > _DEPENDENT
    basis = vectors[:, kept] / np.sqrt(scales[kept])
    symmetric = basis.T @ gram @ matrix @ basis
    values = np.linalg.eigvalsh((symmetric + symmetric.T) / 2)[::-1]
    return values / math.perm(operator.vocab_size, order)


def _operator_terms(operator: Operator, order: int) -> GroupMatrix:
    """(m)_s times the operator on functions of order s, those of template u divided by √p_u."""
    places = _places(operator, order)
    terms = _no_terms(order, len(places))
    root = np.sqrt(operator.weights)
    for u, v in itertools.product(range(len(operator.widths)), repeat=2):
        for matching in partial_matchings(operator.widths[u], operator.widths[v]):
            weight = operator.coefficients(u, v, matching) * root[u] * root[v]
            for subset in itertools.combinations(range(operator.widths[v]), order):
                for image, sign, size in _averages(subset, matching):
                    target, permutation = _sorted(image)
                    share = sign * weight / math.perm(operator.vocab_size - order, size - order)
                    terms[permutation][places[u, target], places[v, subset]] += share
    return terms


def _gram_terms(operator: Operator, order: int) -> GroupMatrix:
    """Inner products of functions of order s of one template, over different subsets."""
    places = _places(operator, order)
    terms = _no_terms(order, len(places))
    for u, row in places:
        identity = tuple((a, a) for a in row)
        for subset in itertools.combinations(range(operator.widths[u]), order):
            for image, sign, size in _averages(subset, identity):
                share = sign / math.perm(operator.vocab_size - order, size - order)
                terms[_sorted(image)[1]][places[u, row], places[u, subset]] += share
    return terms


def _averages(subset: Subset, matching: Matching) -> Iterator[tuple[Subset, int, int]]:
    """Arguments that g takes when y is averaged over what the matching leaves free.

    Yields the wildcards of x that g is then a function of, the sign, and |S ∪ B|.
    """
    partner = {b: a for a, b in matching}
    lost = [b for b in subset if b not in partner]
    free = [b for b in partner if b not in subset]
    for images in itertools.permutations(free, len(lost)):
        moved = dict(zip(lost, images, strict=True))
        image = tuple(partner[moved.get(b, b)] for b in subset)
        yield image, (-1) ** len(lost), len(partner) + len(lost)


def _sorted(image: Subset) -> tuple[Subset, Permutation]:
    """The set of wildcards, and the permutation that brings them to their order in `image`."""
    target = tuple(sorted(image))
    return target, tuple(target.index(a) for a in image)


def _represented(terms: GroupMatrix, below: Partition) -> Float[np.ndarray, "d d"]:
    parts = [np.kron(matrix, representation(below, tau)) for tau, matrix in terms.items()]
    return np.sum(parts, axis=0)


def _places(operator: Operator, order: int) -> dict[Place, int]:
    subsets = (
        (u, subset)
        for u, width in enumerate(operator.widths)
        for subset in itertools.combinations(range(width), order)
    )
    return {place: i for i, place in enumerate(subsets)}


def _no_terms(order: int, size: int) -> GroupMatrix:
    return {tau: np.zeros((size, size)) for tau in itertools.permutations(range(order))}


def _integers(values: list[int]) -> np.ndarray:
    fits = sum(values) < 2**63
    return np.array(values, dtype=np.int64 if fits else object)


def has_symmetry(task: TemplateTask) -> bool:
    """Whether the population operator commutes with all permutations of the tokens."""
    return task.is_uniform and not any(
        number < task.vocab_size for number in task.regular_token_ids.values()
    )


def _check_symmetry(task: TemplateTask) -> None:
    if not task.is_uniform:
        raise ValueError(
            f"`task` must have uniform substitution, without which its operator does not commute "
            f"with permutations of the tokens; got substitution={task.substitution!r}."[:400]
        )
    for token, number in task.regular_token_ids.items():
        if number < task.vocab_size:
            raise ValueError(
                f"`task` must have regular tokens that are no substitution tokens; '{token}' is "
                "both. Leave it out of `substitution_tokens`."
            )
