"""How many pairs of samples have which matching: exact counts in O(n), never the n² pairs.

With A(P) the number of pairs whose matching contains P, a sum over token tuples of products of two
numbers of holders, the number of pairs whose matching is M is Σ_{P ⊇ M} (−1)^{|P∖M|} A(P).
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.sparse import csc_matrix

from ktrans._numerics import in_float64
from ktrans.gram.incidence import Incidence, Part, find_incidences
from ktrans.gram.operator import GramOperator
from ktrans.kernels.coefficients import Coefficients
from ktrans.patterns.matchings import Matching, submatchings

# Two kinds of samples, and the matching of the wildcards of one of each.
Key = tuple[int, int, Matching]


class Kinds(NamedTuple):
    """Samples by refined template and template, those with many wildcards first.

    `order` sorts the samples; `group` and `wildcards` are in that order. `codes` and `templates`
    say for each kind what its strings look like and which template of the task they came from.
    """

    order: Int[np.ndarray, "n"]
    group: Int[np.ndarray, "n"]
    wildcards: Int[np.ndarray, "n w"]
    codes: Int[np.ndarray, "g k"]
    templates: Int[np.ndarray, "g"]
    num_tokens: int

    @property
    def widths(self) -> Int[np.ndarray, "g"]:
        """Number of wildcards of each kind."""
        return np.maximum(-self.codes.min(axis=1, initial=0), 0)

    @property
    def sizes(self) -> Int[np.ndarray, "g"]:
        """Number of samples of each kind."""
        return np.bincount(self.group, minlength=len(self.codes))

    def incidences(self) -> list[Incidence]:
        """Which samples hold which sets of tokens.

        Raises:
            ValueError: if the matchings are too many to tabulate.
        """
        found = find_incidences(self.group, self.widths, self.wildcards, self.num_tokens)
        if found is None:
            raise ValueError(
                "`dataset` has too many wildcards or collisions for counts in linear time; take "
                "fewer samples and the dense matrix."
            )
        return found


class PairTable(NamedTuple):
    """All pairs of samples by class: counts exact, values as exact as the kernel.

    Attributes:
        kinds: The kinds of samples.
        incidences: Which samples hold which sets of tokens.
        keys: c classes of unordered pairs of different samples.
        counts: Pairs in each class, shape (c,).
        values: K of each class, shape (c,).
        self_values: K(x, x) for each kind, shape (g,).
    """

    kinds: Kinds
    incidences: list[Incidence]
    keys: list[Key]
    counts: Int[np.ndarray, "c"]
    values: Float[np.ndarray, "c"]
    self_values: Float[np.ndarray, "g"]

    def limits(self, matrix: Float[np.ndarray, "r r"]) -> Float[np.ndarray, "c"]:
        """The entry of the template matrix for each class."""
        templates = self.kinds.templates
        return np.array([matrix[templates[u], templates[v]] for u, v, _ in self.keys])

    def self_limits(self, matrix: Float[np.ndarray, "r r"]) -> Float[np.ndarray, "g"]:
        """The entry of the template matrix for a sample of each kind with itself."""
        return matrix.diagonal()[self.kinds.templates]

    def total(self, pairs: Shaped[np.ndarray, "c"], own: Shaped[np.ndarray, "g"]) -> float:
        """The sum over all n² entries of a number for each class and for each kind."""
        return float(2 * self.counts @ pairs + self.kinds.sizes @ own)


@in_float64
def pair_table(
    operator: GramOperator, template_ids: Int[np.ndarray, "n"] | None = None
) -> PairTable:
    """Every class of pairs of samples, with its count and its kernel value.

    Args:
        operator: The Gram operator of the samples.
        template_ids: The template of each sample, shape (n,); left out, all samples are taken to
            be of one.

    Raises:
        ValueError: if the matchings are too many to tabulate.
    """
    ids = np.zeros(operator.shape[0], dtype=np.int64) if template_ids is None else template_ids
    kinds = read_kinds(operator, ids)
    incidences = kinds.incidences()
    counts = count_pairs(kinds, incidences)
    coefficients = Coefficients(operator.values, kinds.codes, len(incidences))
    return PairTable(
        kinds=kinds,
        incidences=incidences,
        keys=list(counts),
        counts=np.array(list(counts.values()), dtype=np.int64),
        values=np.array([_value(coefficients, key) for key in counts], dtype=np.float64),
        self_values=coefficients.self_values,
    )


def _value(coefficients: Coefficients, key: Key) -> float:
    """κ(M) = Σ_{P ⊆ M} c(P)."""
    u, v, matching = key
    return sum(coefficients(u, v, part) for part in submatchings(matching))


def read_kinds(operator: GramOperator, template_ids: Int[np.ndarray, "n"]) -> Kinds:
    """The kinds of the samples of an operator."""
    refinement = operator.refinement
    bound = int(template_ids.max()) + 1
    keys = refinement.group.astype(np.int64) * bound + template_ids
    kinds, group = np.unique(keys, return_inverse=True)
    order = np.argsort(group, kind="stable")
    return Kinds(
        order=order,
        group=group[order],
        wildcards=refinement.wildcards[order],
        codes=refinement.codes[kinds // bound],
        templates=kinds % bound,
        num_tokens=refinement.num_tokens,
    )


def count_pairs(kinds: Kinds, incidences: list[Incidence]) -> dict[Key, int]:
    """Unordered pairs {i, j}, i ≠ j, by kinds u ≤ v and matching M from u to v.

    Within a kind a matching and its inverse are one class, named by the lesser of the two.
    """
    ordered = _exact(_containing(kinds, incidences))
    counts: Counter[Key] = Counter()
    for (u, v, matching), count in ordered.items():
        counts[u, v, _canonical(u, v, matching)] += count
    # Within a kind each pair was met from both of its ends.
    return {key: n // 2 if key[0] == key[1] else n for key, n in sorted(counts.items()) if n}


def holders(incidence: Incidence) -> Int[np.ndarray, "d"]:
    """Number of samples that hold each set of tokens, in whatever wildcards."""
    total = np.zeros(incidence.num_sets, dtype=np.int64)
    for part in incidence.parts:
        total += np.bincount(part.set_number, minlength=incidence.num_sets)
    return total


def rows_of(part: Part) -> slice | Int[np.ndarray, "s"]:
    """The samples of one slot, as places in the sorted order."""
    return slice(len(part.set_number)) if part.rows is None else part.rows


def _containing(kinds: Kinds, incidences: list[Incidence]) -> Counter[Key]:
    """A(P) for kinds u ≤ v, over ordered pairs of different samples."""
    sizes = kinds.sizes.tolist()
    counts: Counter[Key] = Counter(
        {(u, v, ()): n * (m - (u == v)) for u, n in enumerate(sizes) for v, m in enumerate(sizes)}
    )
    for incidence in incidences:
        for key, count in _sharing(incidence):
            counts[key] += count
    return Counter({key: n for key, n in counts.items() if n and key[0] <= key[1]})


def _sharing(incidence: Incidence) -> Iterator[tuple[Key, int]]:
    """Ordered pairs of different samples that stand at one set, for each pair of columns."""
    table = _table(incidence)
    products = (table.T @ table).toarray()
    # A sample stands at a set once, so with itself in one column.
    products[np.diag_indices_from(products)] -= np.asarray(table.sum(axis=0)).reshape(-1)
    for i, j in np.argwhere(products):
        (u, first), (v, second) = incidence.columns[i], incidence.columns[j]
        yield (u, v, tuple(sorted(zip(first, second, strict=True)))), int(products[i, j])


def _table(incidence: Incidence) -> csc_matrix:
    """Number of samples for each set of tokens (rows) and column."""
    sets = np.concatenate([part.set_number for part in incidence.parts])
    columns = np.concatenate([part.column for part in incidence.parts])
    shape = incidence.num_sets, len(incidence.columns)
    return csc_matrix((np.ones(len(sets), dtype=np.int64), (sets, columns)), shape=shape)


def _exact(containing: Counter[Key]) -> dict[Key, int]:
    """Pairs whose matching is M, from those whose matching contains it; larger matchings first."""
    counts = dict(containing)
    for u, v, matching in sorted(counts, key=lambda key: -len(key[2])):
        for part in submatchings(matching)[:-1]:
            counts[u, v, part] -= counts[u, v, matching]
    return counts


def _canonical(u: int, v: int, matching: Matching) -> Matching:
    inverse = tuple(sorted((b, a) for a, b in matching))
    return min(matching, inverse) if u == v else matching
