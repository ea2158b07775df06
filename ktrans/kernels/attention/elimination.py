"""Variable elimination on the graph of two strings, as a program that is made before it is run.

For fixed (τ, τ′) a value is a sum over the tokens' Gaussians of a product with one factor a
position, and two softmax weights are *marked*: f in place of F at a position i of x (the source)
and at a position j of y (the target), over all (i, j) whose *labels* agree, besides i = j. A factor
is a small polynomial in marks, {mark: table}; two factors multiply by the rules of `_joined`:

    PLAIN        no mark                        PAIR          both marks, completed
    source ℓ     waits for a target ℓ           target ℓ      waits for a source ℓ

so one elimination sums over all (i, j) at once. Here tables are only names for steps of a program:
equal steps have one name, whatever classes they come from, so that classes share what they have in
common; and what does not lead to a PAIR is never computed.
"""

import functools
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

from ktrans.kernels.attention.grids import LEAF
from ktrans.kernels.attention.multigraph import Edges, connected_components, nodes_of

PLAIN, PAIR = "plain", "pair"

Mark = tuple[str, Hashable] | str


class Half(NamedTuple):
    """One string's side of a position: its token's variable, its label, which mean it adds."""

    variable: int
    label: Hashable
    mean: int = 0


class Position(NamedTuple):
    """The two sides of a position; `meets` weighs i = j: meets[0] + γ² meets[1]."""

    x: Half
    y: Half
    meets: tuple[int, int]


class Model(NamedTuple):
    """A pair of strings: its positions, and the pairs of variables that are copies of a token."""

    positions: tuple[Position, ...]
    copies: tuple[tuple[int, int], ...] = ()

    @property
    def edges(self) -> Edges:
        """The graph whose nodes are the variables."""
        return tuple((p.x.variable, p.y.variable) for p in self.positions) + self.copies


class Step(NamedTuple):
    """An operation on earlier steps, with the kinds of the axes of its result.

    Operations: "table" (a position's), "weight" and "copies" (of tokens), "times", "contract",
    "add"; `detail` says which, see `programs`.
    """

    operation: str
    inputs: tuple[int, ...]
    detail: Any
    axes: tuple[int, ...]


class Factor(NamedTuple):
    """A polynomial in marks whose tables have an axis for each of some variables."""

    variables: tuple[int, ...]
    tables: dict[Mark, int]


class Planner:
    """Steps for any number of models, equal ones once."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._names: dict[Step, int] = {}

    def plan(self, model: Model) -> int | None:
        """The step that holds the sum over all pairs of marks; None where there is no pair."""
        factors, order = self._start(model)
        for variable in order:
            touching = [some for some in factors if variable in some.variables]
            factors = [some for some in factors if variable not in some.variables]
            factors.append(self._eliminated(touching, variable))
        total = functools.reduce(self._product, sorted(factors, key=_name))
        return total.tables.get(PAIR)

    def _start(self, model: Model) -> tuple[list[Factor], list[int]]:
        """The factors of the positions and variables, and the order of elimination.

        A variable of one bundle of equal positions only is summed in that bundle's table.
        """
        kinds = grid_kinds(model)
        factors = [self._bundle(*some, kinds) for some in Counter(model.positions).items()]
        copied = {variable for pair in model.copies for variable in pair}
        for pair in model.copies:
            some = tuple(kinds[variable] for variable in pair)
            factors.append(Factor(pair, {PLAIN: self._step("copies", (), (), some)}))
        for variable, kind in kinds.items():
            if kind != LEAF and variable not in copied:
                weight = self._step("weight", (), (), (kind,))
                factors.append(Factor((variable,), {PLAIN: weight}))
        return factors, elimination_order([some.variables for some in factors])[0]

    def _bundle(self, position: Position, count: int, kinds: dict[int, int]) -> Factor:
        """The product of some equal positions, P, S, T and D their tables without a mark, with a
        source, a target and both: P^m, m S P^{m−1}, m T P^{m−1}, m D P^{m−1} and, where a source
        meets a target of another position, m(m − 1) S T P^{m−2}.
        """
        one, other, meets = position
        ends = tuple((kinds[end.variable], end.mean) for end in (one, other))
        is_loop = one.variable == other.variable
        held = [one.variable] if is_loop else [one.variable, other.variable]
        variables = tuple(variable for variable in held if kinds[variable] != LEAF)
        axes = tuple(kinds[variable] for variable in variables)

        def table(marks: str, factor: tuple[int, int]) -> int:
            return self._step("table", (), (marks, count, ends, is_loop, factor), axes)

        tables: dict[Mark, int] = {PLAIN: table("P", (1, 0))}
        if one.label is not None:
            tables["source", one.label] = table("S", (count, 0))
        if other.label is not None:
            tables["target", other.label] = table("T", (count, 0))
        pairs = [table("D", (count * meets[0], count * meets[1]))] if any(meets) else []
        if count > 1 and one.label == other.label is not None:
            pairs.append(table("ST", (count * (count - 1), 0)))
        if pairs:
            tables[PAIR] = self._sum(pairs, axes)
        return Factor(variables, tables)

    def _eliminated(self, factors: list[Factor], variable: int) -> Factor:
        """The product of the factors that hold a variable, summed over it."""
        waiting = self._merged(factors)
        while len(waiting) > 2:  # smallest first, so that only the last product is large
            first, second, *rest = sorted(waiting, key=_name)
            waiting = self._merged([self._product(first, second), *rest])
        if len(waiting) == 1:
            return self._summed(waiting[0], variable)
        return self._product(*sorted(waiting, key=_name), over=variable)

    def _summed(self, factor: Factor, variable: int) -> Factor:
        axis = factor.variables.index(variable)
        kept = factor.variables[:axis] + factor.variables[axis + 1 :]
        kinds = self._axes(factor)
        axes = tuple(kinds[other] for other in kept)
        tables = {
            mark: self._step("sum", (table,), axis, axes) for mark, table in factor.tables.items()
        }
        return Factor(kept, tables)

    def _merged(self, factors: list[Factor]) -> list[Factor]:
        """The factors on the same variables multiplied together."""
        merged: dict[frozenset[int], Factor] = {}
        for factor in sorted(factors, key=_name):
            held = frozenset(factor.variables)
            known = merged.get(held)
            merged[held] = self._product(known, factor) if known else factor
        return list(merged.values())

    def _product(self, first: Factor, second: Factor, over: int | None = None) -> Factor:
        """The product of two factors, summed over one variable if there is one."""
        both = [v for v in first.variables if v in second.variables and v != over]
        left = [v for v in first.variables if v not in second.variables]
        right = [v for v in second.variables if v not in first.variables]
        variables = (*both, *left, *right)
        place = {variable: axis for axis, variable in enumerate(variables)} | {over: len(variables)}
        detail = tuple(tuple(place[v] for v in some.variables) for some in (first, second))
        axes = self._axes(first, second)
        kept = tuple(axes[variable] for variable in variables)
        operation = "times" if over is None else "contract"
        terms: dict[Mark, list[int]] = {}
        for mark1, table1 in first.tables.items():
            for mark2, table2 in second.tables.items():
                mark = _joined(mark1, mark2)
                if mark is not None:
                    sides = [(table1, detail[0]), (table2, detail[1])]
                    inputs, places = zip(*(sorted(sides) if over is None else sides), strict=True)
                    step = self._step(operation, inputs, places, kept)
                    terms.setdefault(mark, []).append(step)
        return Factor(variables, {mark: self._sum(some, kept) for mark, some in terms.items()})

    def _sum(self, terms: list[int], axes: tuple[int, ...]) -> int:
        return terms[0] if len(terms) == 1 else self._step("add", tuple(sorted(terms)), (), axes)

    def _axes(self, *factors: Factor) -> dict[int, int]:
        """The kind of each variable of some factors."""
        return {
            variable: kind
            for some in factors
            for variable, kind in zip(
                some.variables, self.steps[next(iter(some.tables.values()))].axes, strict=True
            )
        }

    def _step(
        self, operation: str, inputs: tuple[int, ...], detail: Hashable, axes: tuple[int, ...]
    ) -> int:
        step = Step(operation, inputs, detail, axes)
        if step not in self._names:
            self._names[step] = len(self.steps)
            self.steps.append(step)
        return self._names[step]


def _joined(first: Mark, second: Mark) -> Mark | None:
    """The mark of a product; None where the product is not one of those that are kept."""
    if PLAIN in (first, second):
        return second if first == PLAIN else first
    if PAIR in (first, second) or first[1] != second[1] or first[0] == second[0]:
        return None
    return PAIR


def _name(factor: Factor) -> tuple[int, int]:
    """The number of its variables, then the same for equal factors, whatever these are called."""
    return len(factor.variables), factor.tables[PLAIN]


def grid_kinds(model: Model) -> dict[int, int]:
    """For each variable the kind of grid that it needs.

    Tokens are put on their grids after their descendants, so that of those on one directed cycle
    only the first has all its ancestors later.
    """
    degree = _degrees(model)
    edges = dict.fromkeys(degree, 0) if model.copies else _token_kinds(model.edges)
    return {v: LEAF if degree[v] == 1 else edges[v] for v in degree}


@functools.lru_cache(maxsize=1 << 14)
def _token_kinds(edges: Edges) -> dict[int, int]:
    """For each token the positions of its component, or 0: see `bounds.token_shifts`."""
    kinds: dict[int, int] = {}
    for part in connected_components(edges):
        ancestors = {token: _ancestors(part, token) for token in nodes_of(part)}
        for token, before in ancestors.items():
            cycle = [other for other in before if token in ancestors[other]]
            kinds[token] = len(part) if token == min([token, *cycle]) else 0
    return kinds


def _ancestors(edges: Edges, token: int) -> set[int]:
    """The tokens from which directed edges lead to this one."""
    found, fresh = set[int](), {token}
    while fresh:
        fresh = {a for a, b in edges if b in fresh and a != b} - found
        found |= fresh
    return found


def _degrees(model: Model) -> dict[int, int]:
    """The number of sides of bundles, and of copies, that hold each variable."""
    bundles = dict.fromkeys(model.positions)
    sides = [end.variable for position in bundles for end in position[:2]]
    return Counter([*sides, *(variable for pair in model.copies for variable in pair)])


def elimination_order(links: Iterable[Sequence[int]]) -> tuple[list[int], int]:
    """A greedy elimination order and the largest number of variables that one step joins."""
    around: dict[int, set[int]] = {}
    for held in links:
        for variable in held:
            around.setdefault(variable, set()).update(other for other in held if other != variable)
    order, width = [], 1
    while around:
        node = min(around, key=lambda v: (len(around[v]), _fill(around, v), v))
        near = around.pop(node)
        width = max(width, len(near) + 1)
        for other in near:
            around[other] = (around[other] | near) - {node, other}
        order.append(node)
    return order, width


def _fill(around: dict[int, set[int]], node: int) -> int:
    near = around[node]
    return sum(len(near - around[other]) - 1 for other in near)
