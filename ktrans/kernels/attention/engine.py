"""Runs the programs of `elimination` over the grids of `grids`, in NumPy: nothing is compiled."""

import functools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import as_strided

from ktrans.kernels.attention.elimination import Model, Planner, Step, elimination_order
from ktrans.kernels.attention.grids import LEAF, Rule

_CHUNK_ENTRIES = 1 << 18  # of the largest table: what stays in the cache
_LIVE_ENTRIES = 1 << 25  # of all tables at once
_LARGEST = 7.0  # F(c) and f(c) are 0 in float64 from here on


class Parameters(NamedTuple):
    """β of the logits, γ, the copies' correlation and what means logits may have.

    The nodes stay those of the rule and the Gaussian weights follow β and γ, so that a sum is an
    analytic function of parameters near those of the rule; complex ones give derivatives.
    """

    beta: Any
    gamma: Any
    correlation: float = 1.0
    means: tuple[Any, ...] = (0.0,)

    def weights(self, scale: Any, node: np.ndarray) -> np.ndarray:
        """The weights of nodes of scale·g, g standard normal."""
        if len(node) == 1:
            return np.ones(1)
        step = node[len(node) // 2 + 1] / scale  # the middle one is 0: no rounding
        return step / math.sqrt(2 * math.pi) * np.exp(-((node / scale) ** 2) / 2)

    def copies(self, scale: Any, node1: np.ndarray, node2: np.ndarray) -> np.ndarray:
        """The weights of nodes of two copies of correlation r, r < 1."""
        if len(node1) == 1:
            return np.ones((1, 1))
        r, one, other = self.correlation, node1[:, None] / scale, node2 / scale
        width = math.sqrt((1 - r) * (1 + r))
        square = ((one - r * other) / width) ** 2 + other**2
        steps = node1[len(node1) // 2 + 1] * node2[len(node2) // 2 + 1] / scale**2
        return steps / (2 * math.pi * width) * np.exp(-square / 2)


def model_values(
    models: Sequence[Model], symmetric: Sequence[bool], parameters: Parameters, rule: Rule
) -> np.ndarray:
    """Σ over the rule of the marked products of each model, shape (models,).

    Args:
        models: Pairs of strings.
        symmetric: Which of them have the same value at (τ′, τ) as at (τ, τ′).
        parameters: Where they are evaluated.
        rule: The grids.
    """
    tables = _Tables(parameters, rule)
    kept = rule.kept.astype(float)
    pairs = {False: kept, True: 2 * np.triu(kept) - np.diag(np.diag(kept))}
    values = np.zeros(
        len(models),
        dtype=np.result_type(parameters.beta, parameters.gamma, *parameters.means, float),
    )
    groups = [(some, _width(model)) for some, model in zip(symmetric, models, strict=True)]
    for group in dict.fromkeys(groups):
        places = [i for i, some in enumerate(groups) if some == group]
        values[places] = _sums([models[i] for i in places], pairs[group[0]], tables)
    return values * rule.tau_step**2


def _sums(models: Sequence[Model], weight: np.ndarray, tables: "_Tables") -> Any:
    """The sum over pairs (τ, τ′) of their weights times the models' values."""
    planner = Planner()
    outputs = [planner.plan(model) for model in models]
    program = _Program(
        planner.steps, list(dict.fromkeys(some for some in outputs if some is not None))
    )
    blocks = list(_blocks(weight, program.chunk(tables.rule)))
    run = functools.partial(program.run, tables)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list((pool.map if len(blocks) > 1 else map)(run, blocks))
    total = {name: _sum_up([part[name] for part in parts]) for name in program.outputs}
    return [0.0 if name is None else total[name] for name in outputs]


def _width(model: Model) -> int:
    """What one step joins at most: models of one width have chunks of one size."""
    return max(3, elimination_order(model.edges)[1])


def multiplications(model: Model, rule: Rule) -> float:
    """An estimate of the multiplications that a model needs."""
    planner = Planner()
    output = planner.plan(model)
    if output is None:
        return 0.0
    program = _Program(planner.steps, [output])
    return float(np.sum(rule.kept)) * program.work(rule)


class _Block(NamedTuple):
    """Some τ and some τ′, and the weights of their pairs: 0 where dropped."""

    first: slice
    second: slice
    weight: Float[np.ndarray, "z"]


def _blocks(weight: Float[np.ndarray, "taus taus"], size: int) -> Iterator[_Block]:
    """Rectangles of pairs (τ, τ′) that hold all weights, about `size` pairs each."""
    rows = max(1, size // len(weight))
    for start in range(0, len(weight), rows):
        first = slice(start, min(start + rows, len(weight)))
        columns = np.flatnonzero(weight[first].any(axis=0))
        if len(columns) == 0:
            continue
        width, end = max(1, size // (first.stop - start)), int(columns[-1]) + 1
        for left in range(int(columns[0]), end, width):
            second = slice(left, min(left + width, end))
            yield _Block(first, second, weight[first, second].ravel())


class _Program:
    """The steps that some outputs need, in order, and when a result is last used."""

    def __init__(self, steps: Sequence[Step], outputs: Sequence[int]) -> None:
        self._steps, self.outputs = steps, outputs
        self._order = _needed(steps, outputs)
        last = {source: name for name in self._order for source in steps[name].inputs}
        self._last: dict[int, list[int]] = {}
        for source, name in last.items():
            self._last.setdefault(name, []).append(source)

    def run(self, tables: "_Tables", block: _Block) -> dict[int, Any]:
        """The outputs summed over the pairs of a block."""
        view = tables.on(block)
        known: dict[int, np.ndarray] = {}
        sums: dict[int, Any] = {}
        wanted = set(self.outputs)
        for name in self._order:
            step = self._steps[name]
            known[name] = _OPERATIONS[step.operation](view, step, [known[i] for i in step.inputs])
            if name in wanted:
                sums[name] = _total(known[name], block.weight)
            for source in self._last.get(name, ()):
                del known[source]
        return sums

    def chunk(self, rule: Rule) -> int:
        """The number of pairs (τ, τ′) to be treated at once."""
        entries = {name: self._entries(name, rule) for name in self._order}
        live, most = 0, 0
        for name in self._order:
            live += entries[name]
            most = max(most, live)
            live -= sum(entries[source] for source in self._last.get(name, ()))
        largest = max(entries.values(), default=1)
        return max(1, min(_CHUNK_ENTRIES // largest, _LIVE_ENTRIES // max(most, 1)))

    def work(self, rule: Rule) -> float:
        """Multiplications for a pair (τ, τ′)."""
        total = 0.0
        for name in self._order:
            step = self._steps[name]
            inner = (
                [self._steps[i].axes for i in step.inputs] if step.operation == "contract" else []
            )
            over = set().union(*inner) if inner else ()
            summed = max((rule.axes[kind].size for kind in over), default=1)
            total += self._entries(name, rule) * summed
        return total

    def _entries(self, name: int, rule: Rule) -> int:
        return math.prod(rule.axes[kind].size for kind in self._steps[name].axes)


def _needed(steps: Sequence[Step], outputs: Sequence[int]) -> list[int]:
    """The steps that outputs need, output by output: inputs before what is made of them."""
    order: dict[int, None] = {}
    stack = [(name, False) for name in reversed(outputs)]
    while stack:
        name, is_ready = stack.pop()
        if name in order:
            continue
        if is_ready:
            order[name] = None
            continue
        stack.append((name, True))
        stack += [(source, False) for source in steps[name].inputs if source not in order]
    return list(order)


class _Tables:
    """E_p[F(c + βγp) F(c′ + βγp)] and its marked versions over the rows c, c′ of a rule."""

    def __init__(self, parameters: Parameters, rule: Rule) -> None:
        beta, gamma, r, _ = parameters
        self.parameters, self.rule = parameters, rule
        self.weights = {k: parameters.weights(beta, axis.node) for k, axis in rule.axes.items()}
        if r == 1:
            self._position = parameters.weights(beta * gamma, rule.position)
        else:
            self._position = parameters.copies(beta * gamma, rule.position, rule.position)
        self._known: dict[Any, Any] = {}

    def on(self, block: _Block) -> "_View":
        return _View(self, block)

    def joint(self, marks: str, count: int, ends: tuple) -> np.ndarray:
        """The table of a bundle, an axis for each string: rows, or τ where a token is summed."""
        leaves = tuple(kind == LEAF for kind, _ in ends)
        means = tuple(mean for _, mean in ends)
        if count == 1:
            return self._single(marks, leaves, means)
        key = (marks, count, leaves, means)
        if key not in self._known:
            table = self._power(marks, count, means)
            for axis in np.flatnonzero(leaves):
                table = self._summed(table, int(axis))
            self._known[key] = table  # once it is complete: blocks run in threads
        return self._known[key]

    def _power(self, marks: str, count: int, means: tuple[int, int]) -> np.ndarray:
        """P^{m − 1} times another table, or P^{m − 2} times two."""
        plain, others = self._single("P", (False, False), means), list(marks)
        tables = [self._single(mark, (False, False), means) for mark in others]
        return math.prod(tables[1:], start=plain ** (count - len(others)) * tables[0])

    def _single(self, mark: str, leaves: tuple[bool, bool], means: tuple[int, int]) -> np.ndarray:
        """P, S, T or D: E_p of F or f of x times F or f of y."""
        key = (mark, leaves, means)
        if key not in self._known:
            races = {"P": "FF", "S": "fF", "T": "Ff", "D": "ff"}[mark]
            one, other = map(self._side, races, leaves, means)
            weight = self._position
            weighted = one * weight if weight.ndim == 1 else one @ weight
            self._known[key] = weighted @ other.T
        return self._known[key]

    def _side(self, race: str, is_leaf: bool, mean: int) -> np.ndarray:
        """F or f of one string at all nodes of p, shape (rows or taus, nodes)."""
        key = (race, is_leaf, mean)
        if key not in self._known:
            table = self._race(mean)["Ff".index(race)]
            self._known[key] = self._summed(table, 0) if is_leaf else table
        return self._known[key]

    def _summed(self, table: np.ndarray, axis: int) -> np.ndarray:
        """The expectation over a token that nothing else holds, which is on one axis of rows."""
        moved = np.moveaxis(table, axis, 0)
        leaf, step = self.rule.axes[LEAF], moved.strides
        view = as_strided(
            moved[leaf.offset :],
            (len(self.rule.tau), leaf.size, moved.shape[1]),
            (self.rule.per_tau * step[0], leaf.per_value * step[0], step[1]),
            writeable=False,
        )
        return np.moveaxis(np.einsum("iac,a->ic", view, self.weights[LEAF]), 0, axis)

    def _race(self, mean: int) -> tuple[np.ndarray, np.ndarray]:
        key = ("race", mean)
        if key not in self._known:
            c = self.rule.rows + self.parameters.means[mean]
            self._known[key] = _race(c[:, None] + self.rule.position)
        return self._known[key]


def _race(c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F(c) = exp(−e^c) and f(c) = e^c exp(−e^c)."""
    growth = np.exp(np.minimum(c, _LARGEST))
    plain = np.exp(-growth)
    return plain, growth * plain


class _View:
    """The tables of a block: an axis of pairs (τ, τ′), then one for each token that is kept."""

    def __init__(self, tables: _Tables, block: _Block) -> None:
        self._tables, self._block = tables, block
        self.rule = tables.rule

    def table(self, step: Step, _: list[np.ndarray]) -> np.ndarray:
        """A position's table where this block sees it: a window of the whole, copied."""
        marks, count, ends, is_loop, weight = step.detail
        joint = self._tables.joint(marks, count, ends)
        spans = [self._span(*some) for some in zip(ends, self._block[:2], strict=True)]
        steps = joint.strides
        taus = [(span.count, span.per_tau * step) for span, step in zip(spans, steps, strict=True)]
        values = [
            (s.values, s.per_value * step) for s, step in zip(spans, steps, strict=True) if s.values
        ]
        if is_loop:
            values = [(values[0][0], values[0][1] + values[1][1])]
        shape, strides = zip(*taus, *values, strict=True)
        start = joint[spans[0].start :, spans[1].start :]
        window = as_strided(start, shape, strides, writeable=False)
        factor = weight[0] + weight[1] * self._tables.parameters.gamma**2
        copy = np.ascontiguousarray(window) if weight == (1, 0) else factor * window
        return copy.reshape(shape[0] * shape[1], *shape[2:])

    def weight(self, step: Step, _: list[np.ndarray]) -> np.ndarray:
        """The Gaussian weights of a token."""
        return self._tables.weights[step.axes[0]][None]

    def copies(self, step: Step, _: list[np.ndarray]) -> np.ndarray:
        """Those of the two copies of a token."""
        one, other = (self.rule.axes[kind].node for kind in step.axes)
        parameters = self._tables.parameters
        return parameters.copies(parameters.beta, one, other)[None]

    def _span(self, end: tuple[int, int], block: slice) -> "_Span":
        kind, count = end[0], block.stop - block.start
        if kind == LEAF:
            return _Span(block.start, count, 1, 0, 0)
        axis, per_tau = self.rule.axes[kind], self.rule.per_tau
        start = axis.offset + per_tau * block.start
        return _Span(start, count, per_tau, axis.size, axis.per_value)


class _Span(NamedTuple):
    start: int
    count: int
    per_tau: int
    values: int
    per_value: int


def _times(_: _View, step: Step, inputs: list[np.ndarray]) -> np.ndarray:
    rank = len(step.axes)
    one, other = (
        _spread(some, places, rank) for some, places in zip(inputs, step.detail, strict=True)
    )
    return one * other


def _contract(_: _View, step: Step, inputs: list[np.ndarray]) -> np.ndarray:
    """The product of two tables summed over their last common variable, as products of matrices.

    Axes of the result: those of both, of the first only, of the second only; the summed one is
    numbered last.
    """
    one, other = inputs
    places1, places2 = step.detail
    over = len(step.axes)
    both = [place for place in places1 if place in places2 and place != over]
    left = [place for place in places1 if place not in places2]
    right = [place for place in places2 if place not in places1]
    one = _moved(one, places1, [*both, *left, over], len(both), 1)
    other = _moved(other, places2, [*both, over, *right], len(both), 0)
    product = one @ other
    sizes = _sizes(inputs, step.detail)
    return product.reshape(*product.shape[:-2], *(sizes[place] for place in (*left, *right)))


def _moved(
    table: np.ndarray, places: Sequence[int], order: Sequence[int], both: int, side: int
) -> np.ndarray:
    """The table with its axes in order, those of one side made one: matrices (left, over)."""
    moved = table.transpose(0, *(1 + places.index(place) for place in order))
    shape = moved.shape
    head, tail = shape[: 1 + both], shape[1 + both :]
    matrix = (math.prod(tail[:-1]), tail[-1]) if side else (tail[0], math.prod(tail[1:]))
    return moved.reshape(*head, *matrix)


def _sizes(inputs: list[np.ndarray], detail: tuple[tuple[int, ...], ...]) -> dict[int, int]:
    return {
        place: size
        for some, places in zip(inputs, detail, strict=True)
        for place, size in zip(places, some.shape[1:], strict=True)
    }


def _spread(table: np.ndarray, places: Sequence[int], rank: int) -> np.ndarray:
    """The table with its axes in their places, of length 1 where it has none."""
    order = sorted(range(len(places)), key=lambda axis: places[axis])
    moved = table.transpose(0, *(1 + axis for axis in order))
    missing = [1 + place for place in range(rank) if place not in places]
    return np.expand_dims(moved, missing) if missing else moved


def _add(_: _View, step: Step, inputs: list[np.ndarray]) -> np.ndarray:
    return functools.reduce(np.add, inputs)


def _sum(_: _View, step: Step, inputs: list[np.ndarray]) -> np.ndarray:
    return inputs[0].sum(axis=1 + step.detail)


_OPERATIONS: dict[str, Callable[..., np.ndarray]] = {
    "table": _View.table,
    "weight": _View.weight,
    "copies": _View.copies,
    "times": _times,
    "contract": _contract,
    "add": _add,
    "sum": _sum,
}


def _total(values: np.ndarray, weight: np.ndarray) -> Any:
    return np.sum(values * weight)


def _sum_up(parts: list[Any]) -> Any:
    """Rounded once, if real: the number of blocks does not enter the bound."""
    if any(isinstance(part, np.complexfloating) for part in parts):
        return sum(parts)
    return math.fsum(parts)
