"""The strings of a task up to renaming of tokens of one weight, and how likely each kind is.

Tokens of equal weight that are not regular tokens of any template can be exchanged. So strings come
in *orbits*: a template, with some wildcards replaced by regular tokens of other templates (a
*refined* template), and a class of tokens for each wildcard that is left. With uniform substitution
and regular tokens outside the alphabet every template is one orbit.
"""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ktrans.tasks import TemplateTask

MAX_UNKNOWNS = 600  # a dense linear system of some milliseconds


class Alphabet(NamedTuple):
    """Classes of tokens of one weight.

    Attributes:
        sizes: Number of tokens of each class, regular tokens left out.
        weights: Weight of one token of each class.
        regular: Weight of each substitution token that is a regular token of some template.
    """

    sizes: Int[np.ndarray, "q"]
    weights: Float[np.ndarray, "q"]
    regular: dict[int, float]


class Orbits(NamedTuple):
    """All orbits of a task.

    Attributes:
        codes: Refined templates, a regular token by its id, wildcard j as −1 − j.
        owner: The template that each refined template is made from.
        group: The refined template of each orbit.
        classes: The class of each wildcard of an orbit, −1 beyond the last.
        chances: Probability of the orbit given its template.
    """

    codes: Int[np.ndarray, "g k"]
    owner: Int[np.ndarray, "g"]
    group: Int[np.ndarray, "o"]
    classes: Int[np.ndarray, "o w"]
    chances: Float[np.ndarray, "o"]

    @property
    def template(self) -> Int[np.ndarray, "o"]:
        """The template of each orbit."""
        return self.owner[self.group]


class _Refined(NamedTuple):
    """A template with a regular token, or None, for each of its wildcards."""

    template: int
    tokens: tuple[int | None, ...]

    @property
    def num_free(self) -> int:
        return self.tokens.count(None)


def exact_alphabet(task: TemplateTask) -> Alphabet:
    """The classes of tokens of exactly equal weight.

    Args:
        task: A task with r templates.

    Returns:
        One class for uniform substitution; as many classes as tokens where all weights differ.
    """
    known = regular_tokens(task)
    if task.substitution == "uniform":
        size = task.vocab_size - len(known)
        return Alphabet(np.array([size]), np.ones(1), dict.fromkeys(known, 1.0))
    weights = task._token_weights
    rest = np.delete(weights, list(known))
    values, sizes = np.unique(rest[rest > 0], return_counts=True)
    regular = {token: float(weights[token]) for token in known if weights[token] > 0}
    return Alphabet(sizes[::-1], values[::-1], regular)


def support_alphabet(task: TemplateTask) -> Alphabet:
    """All tokens that can be drawn, as if their weights were equal."""
    known = regular_tokens(task)
    if task.substitution == "uniform":
        return exact_alphabet(task)
    positive = np.flatnonzero(task._token_weights > 0)
    size = len(np.setdiff1d(positive, known))
    drawn = np.intersect1d(positive, known).tolist()
    return Alphabet(np.array([size]), np.ones(1), dict.fromkeys(drawn, 1.0))


def usual_alphabet(task: TemplateTask, max_unknowns: int = MAX_UNKNOWNS) -> Alphabet:
    """The exact classes, or as many bins as give no more unknowns than allowed."""
    alphabet = exact_alphabet(task)
    sizes = range(len(alphabet.sizes), 0, -1)
    regular = len(alphabet.regular)
    allowed = (q for q in sizes if count_orbits(task, q, regular) <= max_unknowns)
    return binned(alphabet, next(allowed, 1))


def binned(alphabet: Alphabet, num_classes: int) -> Alphabet:
    """About as many classes as asked for, each with the mean weight of the tokens in it.

    The heaviest tokens, which matter most, keep a class each; further down classes grow in
    proportion to the rank.

    Args:
        alphabet: Classes in descending order of weight.
        num_classes: At least 1.

    Returns:
        An alphabet with the same tokens and the same total weight.

    Example:
        >>> fine = Alphabet(np.ones(4, dtype=int), np.array([8.0, 4.0, 2.0, 1.0]), {})
        >>> binned(fine, 2).sizes, binned(fine, 2).weights.round(3)
        (array([1, 3]), array([8.   , 2.333]))
    """
    count = len(alphabet.sizes)
    if num_classes >= count:
        return alphabet
    edges = _edges(count, num_classes)
    sizes = np.add.reduceat(alphabet.sizes, edges)
    totals = np.add.reduceat(alphabet.sizes * alphabet.weights, edges)
    return Alphabet(sizes, totals / sizes, alphabet.regular)


def orbits(task: TemplateTask, alphabet: Alphabet) -> Orbits:
    """Every orbit of positive probability.

    Wildcards take tokens in order of appearance, each from what is left, in proportion to weight
    (`ktrans.tasks.substitution`): the chance of a sequence of classes is a product of
    (tokens left in the class) · weight / (weight left).

    Args:
        task: The task.
        alphabet: Its classes of tokens.

    Returns:
        The orbits; chances sum to 1 for each template, exact to rounding.

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("aba_abb", vocab_size=10)
        >>> orbits(task, exact_alphabet(task)).chances
        array([1., 1.])
    """
    refined = [each for z in range(task.num_templates) for each in _refine(task, alphabet, z)]
    parts = [_assignments(task, alphabet, each) for each in refined]
    chances = np.concatenate([chance for _, chance in parts])
    group = np.repeat(np.arange(len(refined)), [len(chance) for _, chance in parts])
    kept = chances > 0
    return Orbits(
        codes=np.array([_code(task, each) for each in refined]),
        owner=np.array([each.template for each in refined]),
        group=group[kept],
        classes=np.concatenate([classes for classes, _ in parts])[kept],
        chances=chances[kept],
    )


def count_orbits(task: TemplateTask, num_classes: int, num_regular: int) -> int:
    """At most so many orbits, without making the list."""
    return sum(
        math.comb(z.num_wildcards, j) * math.perm(num_regular, j)
        * num_classes ** (z.num_wildcards - j)
        for z in task.templates
        for j in range(z.num_wildcards + 1)
    )  # fmt: skip


def regular_tokens(task: TemplateTask) -> list[int]:
    """Ids of substitution tokens that are regular tokens of a template, ascending."""
    codes = task.template_codes
    return sorted(set(codes[(codes >= 0) & (codes < task.vocab_size)].tolist()))


def _edges(count: int, num_classes: int) -> Int[np.ndarray, "q"]:
    """Where classes begin: ranks in geometric progression, each beyond the one before."""
    grid = np.floor(np.geomspace(1.0, count + 1.0, num_classes + 1)[:-1]).astype(int) - 1
    steps = np.arange(num_classes)
    return np.minimum(np.maximum.accumulate(grid - steps) + steps, count - num_classes + steps)


def _refine(task: TemplateTask, alphabet: Alphabet, template: int) -> Iterator[_Refined]:
    """The template itself first, then with regular tokens of others in place of wildcards."""
    width, own = task.templates[template].num_wildcards, set(task.template_codes[template].tolist())
    allowed = [token for token in alphabet.regular if token not in own]
    for count in range(min(width, len(allowed)) + 1):
        for places in itertools.combinations(range(width), count):
            for tokens in itertools.permutations(allowed, count):
                chosen = dict(zip(places, tokens, strict=True))
                yield _Refined(template, tuple(map(chosen.get, range(width))))


def _code(task: TemplateTask, refined: _Refined) -> Int[np.ndarray, "k"]:
    code = task.template_codes[refined.template].astype(np.int64)
    names = itertools.count(-1, -1)
    new = [next(names) if token is None else token for token in refined.tokens]
    return np.array([new[-1 - symbol] if symbol < 0 else symbol for symbol in code.tolist()])


def _assignments(
    task: TemplateTask, alphabet: Alphabet, refined: _Refined
) -> tuple[Int[np.ndarray, "a w"], Float[np.ndarray, "a"]]:
    """Classes for the free wildcards, and the chance of each choice."""
    count, width = len(alphabet.sizes), refined.num_free
    listed = list(itertools.product(range(count), repeat=width))
    choices = np.array(listed, dtype=np.int64).reshape(count**width, width)
    classes = np.full((len(choices), task.max_wildcards), -1)
    classes[:, :width] = choices
    total = _total_weight(task, alphabet, refined.template)
    return classes, _chances(total, alphabet, refined, choices)


def _total_weight(task: TemplateTask, alphabet: Alphabet, template: int) -> float:
    """Of the tokens that the wildcards of a template may take."""
    own = set(task.template_codes[template].tolist())
    free = [weight for token, weight in alphabet.regular.items() if token not in own]
    return math.fsum([*(alphabet.sizes * alphabet.weights).tolist(), *free])


def _chances(
    total: float, alphabet: Alphabet, refined: _Refined, choices: Int[np.ndarray, "a f"]
) -> Float[np.ndarray, "a"]:
    left, chance = np.full(len(choices), total), np.ones(len(choices))
    columns = iter(range(choices.shape[1]))
    for token in refined.tokens:
        if token is None:
            column = next(columns)
            weight = alphabet.weights[choices[:, column]]
            number = np.maximum(tokens_left(alphabet.sizes, choices, column), 0)
        else:
            weight, number = alphabet.regular[token], 1
        with np.errstate(divide="ignore", invalid="ignore"):
            chance = np.where(chance > 0, chance * number * weight / left, 0.0)
        left = left - weight
    return np.nan_to_num(chance, posinf=0.0)


def tokens_left(
    sizes: Int[np.ndarray, "q"], choices: Int[np.ndarray, "a f"], column: int
) -> Int[np.ndarray, "a"]:
    """Tokens of the class in a column that the columns before it did not use up.

    Example:
        >>> tokens_left(np.array([5, 3]), np.array([[0, 0], [1, 0]]), 1)
        array([4, 5])
    """
    chosen = choices[:, column]
    return sizes[chosen] - (choices[:, :column] == chosen[:, None]).sum(axis=1)
