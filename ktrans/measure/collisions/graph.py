"""The graph of collisions: pairs of samples that share a substituted token, coloured by class."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ktrans._checks import check_kind
from ktrans._results import Result
from ktrans._tables import TextTable
from ktrans.gram.incidence import Incidence
from ktrans.gram.operator import GramOperator
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.measure.collisions.pair_counts import Kinds, PairTable, holders, pair_table, rows_of
from ktrans.tasks import Dataset, Template
from ktrans.theory.statistics import check_kernel, template_matrix

SAME = 1e-9  # relative difference up to which an entry equals that of N

_SHOWN_CLASSES = 4  # the heaviest


class CollisionClass(NamedTuple):
    """One colour of edges: pairs of samples of two templates with one matching.

    Attributes:
        templates: The two templates, as text; a wildcard that took the value of a regular token
            shows that token.
        matching: Pairs of wildcards, one of each, that carry the same token. Empty only for pairs
            that differ from N because a wildcard took the value of a regular token.
        edges: Number of unordered pairs of different samples, exact.
        value: K on such a pair.
        limit: The entry of N.
        share: Share of ‖E‖_F² that these pairs carry.
    """

    templates: tuple[str, str]
    matching: tuple[tuple[str, str], ...]
    edges: int
    value: float
    limit: float
    share: float


@dataclass(frozen=True, eq=False)
class CollisionGraph(Result):
    """Samples as vertices, and an edge where E is not zero off the diagonal.

    Attributes:
        num_samples: n.
        classes: The colours, those that carry more of ‖E‖_F² first.
        num_edges: Unordered pairs of samples that share a substituted token, exact.
        degrees: Number of samples that each sample shares a token with, shape (n,), exact.
        num_components: Connected components, single samples among them.
        largest_component: Samples in the largest one.
        diagonal_share: Share of ‖E‖_F² on the diagonal.
        share_equal: Share of the n² entries of K̂ that equal their entry of N, exact.
        frobenius: ‖E‖_F / n, exact to rounding.
    """

    num_samples: int
    classes: tuple[CollisionClass, ...]
    num_edges: int
    degrees: np.ndarray
    num_components: int
    largest_component: int
    diagonal_share: float
    share_equal: float
    frobenius: float

    def table(self) -> TextTable:
        """Edges, degrees and components, and the kinds of collisions that weigh most."""
        title = "Collisions: pairs of samples that share a substituted token"
        return TextTable(collision_rows(self), [title])

    @property
    def mean_degree(self) -> float:
        """2 · edges / n."""
        return 2 * self.num_edges / self.num_samples

    @property
    def max_degree(self) -> int:
        """The largest degree."""
        return int(self.degrees.max())

    def to_dict(self) -> dict[str, Any]:
        """All but the degree of each sample, for JSON."""
        return {
            "num_edges": self.num_edges,
            "mean_degree": self.mean_degree,
            "max_degree": self.max_degree,
            "num_components": self.num_components,
            "largest_component": self.largest_component,
            "diagonal_share": self.diagonal_share,
            "classes": [each._asdict() for each in self.classes],
        }


def collision_graph(
    kernel: TokenSymmetricKernel | GramOperator, dataset: Dataset
) -> CollisionGraph:
    """The coloured collision graph behind E = K̂ − Z N Zᵀ, in O(n).

    Edges are counted class by class from the numbers of holders of each tuple of tokens; the
    degree of a sample is Σ_S (−1)^{|S|+1} (holders of its tokens S − 1) over sets S of its
    wildcards; components are those of the bipartite graph of samples and tokens.

    Args:
        kernel: A token-symmetric kernel, or its `GramOperator` on the dataset.
        dataset: Samples of a task.

    Returns:
        Counts exact; kernel values as exact as the kernel.

    Raises:
        TypeError: if the kernel is not token-symmetric.
        ValueError: if the matchings are too many to tabulate.

    Example:
        >>> import ktrans as kt
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> data = kt.tasks.load("aba_abb", vocab_size=500).sample(1000)
        >>> graph = collision_graph(mlp, data)
        >>> graph.num_edges > 0, graph.num_edges == sum(each.edges for each in graph.classes)
        (True, True)
    """
    check_kind("dataset", dataset, Dataset)
    operator = as_operator(kernel, dataset)
    table = pair_table(operator, dataset.template_ids)
    matrix = template_matrix(operator.kernel, dataset.task)
    gaps, own = _gaps(table, matrix)
    square = table.total(gaps**2, own**2)
    labels = _components(table.kinds, table.incidences)
    return CollisionGraph(
        num_samples=len(dataset),
        classes=_classes(table, matrix, gaps, square, dataset),
        num_edges=sum(int(n) for key, n in zip(table.keys, table.counts, strict=True) if key[2]),
        degrees=_degrees(table.kinds, table.incidences),
        num_components=len(np.unique(labels)),
        largest_component=int(np.bincount(labels).max()),
        diagonal_share=float(table.kinds.sizes @ own**2 / square) if square > 0 else 0.0,
        share_equal=table.total(gaps == 0, own == 0) / len(dataset) ** 2,
        frobenius=float(np.sqrt(square)) / len(dataset),
    )


def as_operator(kernel: TokenSymmetricKernel | GramOperator, dataset: Dataset) -> GramOperator:
    """The Gram operator of a kernel on a dataset, or the one that was given."""
    if not isinstance(kernel, GramOperator):
        return GramOperator(check_kernel(kernel), dataset)
    if kernel.shape[0] != len(dataset):
        raise ValueError(
            f"`kernel` must be the operator of the dataset's {len(dataset)} samples; got one of "
            f"{kernel.shape[0]}."
        )
    return kernel


def _gaps(
    table: PairTable, matrix: Float[np.ndarray, "r r"]
) -> tuple[Float[np.ndarray, "c"], Float[np.ndarray, "g"]]:
    """K − N for each class and for a sample of each kind with itself; rounding taken as zero."""
    return (
        _difference(table.values, table.limits(matrix)),
        _difference(table.self_values, table.self_limits(matrix)),
    )


def _difference(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    gaps = values - limits
    return np.where(np.abs(gaps) <= SAME * np.abs(limits), 0.0, gaps)


def _classes(
    table: PairTable,
    matrix: Float[np.ndarray, "r r"],
    gaps: Float[np.ndarray, "c"],
    square: float,
    dataset: Dataset,
) -> tuple[CollisionClass, ...]:
    names = _names(table.kinds, dataset)
    limits = table.limits(matrix)
    shares = 2 * table.counts * gaps**2 / (square or 1.0)
    classes = [
        CollisionClass(
            (names[u].template, names[v].template),
            tuple((names[u].wildcards[a], names[v].wildcards[b]) for a, b in matching),
            int(table.counts[i]),
            float(table.values[i]),
            float(limits[i]),
            float(shares[i]),
        )
        for i, (u, v, matching) in enumerate(table.keys)
        if matching or gaps[i]
    ]
    return tuple(sorted(classes, key=lambda each: (-each.share, -each.edges)))


class _Names(NamedTuple):
    template: str
    wildcards: tuple[str, ...]


def _names(kinds: Kinds, dataset: Dataset) -> list[_Names]:
    tokens = {number: name for name, number in dataset.task.regular_token_ids.items()}
    starts = np.cumsum(kinds.sizes) - kinds.sizes
    samples = dataset.tokens[kinds.order[starts]]
    return [
        _name(dataset.task.templates[z], codes, [tokens.get(t, str(t)) for t in sample.tolist()])
        for z, codes, sample in zip(kinds.templates, kinds.codes, samples, strict=True)
    ]


def _name(template: Template, codes: Int[np.ndarray, "k"], tokens: list[str]) -> _Names:
    """The text of a refined template, and the names of its wildcards."""
    symbols = [str(symbol) for symbol in template.symbols]
    first = [int(np.argmax(codes == -1 - j)) for j in range(-min(int(codes.min()), 0))]
    text = [s if code < 0 else t for s, code, t in zip(symbols, codes, tokens, strict=False)]
    joint = "" if all(len(word) == 1 for word in text) else " "
    return _Names(joint.join(text), tuple(symbols[position] for position in first))


def _degrees(kinds: Kinds, incidences: list[Incidence]) -> Int[np.ndarray, "n"]:
    sorted_degrees = np.zeros(len(kinds.order), dtype=np.int64)
    for incidence in incidences:
        others = holders(incidence) - 1
        for part in incidence.parts:
            sign = (-1) ** (len(part.slot) + 1)
            sorted_degrees[rows_of(part)] += sign * others[part.set_number]
    degrees = np.empty_like(sorted_degrees)
    degrees[kinds.order] = sorted_degrees
    return degrees


def _components(kinds: Kinds, incidences: list[Incidence]) -> Int[np.ndarray, "n"]:
    """The component of each sample, in sorted order."""
    n = len(kinds.order)
    if not incidences:
        return np.arange(n)
    single = incidences[0]
    samples = np.concatenate([np.arange(n)[rows_of(part)] for part in single.parts])
    tokens = n + np.concatenate([part.set_number for part in single.parts])
    size = n + single.num_sets
    graph = coo_matrix((np.ones(len(samples), dtype=bool), (samples, tokens)), (size, size))
    return connected_components(graph, directed=False)[1][:n]


def collision_rows(graph: CollisionGraph) -> list[list[str]]:
    """The collision graph, and the kinds of collisions that weigh most."""
    rows = [
        ["edges", f"{graph.num_edges}"],
        ["degree: mean, largest", f"{graph.mean_degree:.4g}, {graph.max_degree}"],
        ["components; largest", f"{graph.num_components}; {graph.largest_component} samples"],
        ["‖E‖_F² on the diagonal", f"{graph.diagonal_share:.2%}"],
    ]
    rows += [[f"   {_class(each)}", _weight(each)] for each in graph.classes[:_SHOWN_CLASSES]]
    more = len(graph.classes) - _SHOWN_CLASSES
    return rows + ([["", f"and {more} more classes"]] if more > 0 else [])


def _class(each: CollisionClass) -> str:
    return " · ".join(each.templates) + ": " + ", ".join(f"{a}={b}" for a, b in each.matching)


def _weight(each: CollisionClass) -> str:
    kernel = f"K = {each.value:.6g} against N = {each.limit:.6g}"
    return f"{each.share:.2%} of ‖E‖_F², {each.edges} edges, {kernel}"
