"""Named tasks: the paper's, the classical relational tests, and some with regular tokens."""

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ktrans._checks import as_int, shown, suggest
from ktrans.tasks.task import TemplateTask
from ktrans.tasks.templates import Template

Labelled = Mapping[Any, float] | Mapping[Any, str]
WILDCARDS = "αβγδεζηθικλμνξοπρστυφχψω"
REGULAR = "abcdefghijklmnopqrstuvwxyz"
DEFAULT_VOCAB_SIZE = 1000
MAJORITY_VOTERS = (2, 4, 6, 8)
# Candidates that may be refused for each random template before the search is given up.
ATTEMPTS = 200


class NamedTask(NamedTuple):
    """A one-line description and what builds the labelled templates."""

    description: str
    build: Callable[..., Labelled]


def names() -> list[str]:
    """Names of the tasks that `load` knows.

    Example:
        >>> import ktrans as kt
        >>> "aba_abb" in kt.tasks.names()
        True
    """
    return list(TASKS)


def describe(name: str) -> str:
    """One line that says what the named task is.

    Raises:
        ValueError: there is no such task; the message names similar ones.

    Example:
        >>> import ktrans as kt
        >>> kt.tasks.describe("same_different")
        'Are the two symbols the same? αα against αβ.'
    """
    return _find(name).description


def load(name: object, *, vocab_size: object = None, **options: Any) -> TemplateTask:
    """A named task.

    Args:
        name: one of `names()`.
        vocab_size: m, number of substitution tokens; None: that of `substitution_tokens` where
            these are given, else 1000.
        **options: of `TemplateTask.from_templates` (noise_std, weights, substitution,
            substitution_tokens), and for "random_templates" those of `random_templates`.

    Returns:
        The task.

    Raises:
        TypeError: an option that the task does not have.
        ValueError: there is no such task, or an option has an impossible value.

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("aba_abb", vocab_size=1000)
        >>> [str(template) for template in task.templates], task.labels
        (['αβα', 'αββ'], array([ 1., -1.]))
    """
    entry = _find(name)
    own = set(inspect.signature(entry.build).parameters)
    common = set(inspect.signature(TemplateTask.from_templates).parameters) - {"templates", "name"}
    for option in options:
        if option not in own | common:
            allowed = ", ".join(sorted(own | common))
            raise TypeError(f"task '{name}' has no option `{option}`; it has {allowed}.")
    templates = entry.build(**{key: value for key, value in options.items() if key in own})
    rest = {key: value for key, value in options.items() if key not in own}
    if vocab_size is None and options.get("substitution_tokens") is None:
        vocab_size = DEFAULT_VOCAB_SIZE
    return TemplateTask.from_templates(templates, vocab_size=vocab_size, name=name, **rest)


def majority(num_voters: int) -> dict[str, float]:
    """Does the first symbol win a vote? +1 if so, −1 if the other one does; ties excluded.

    A string over two wildcards whose roles could be exchanged has no *first* one, and of length 2
    it has one template without a tie. So the string opens with α, and L further symbols, each α or
    β, vote; those with L/2 of each are left out. The first one is then also the more frequent in
    the whole string of L + 1 symbols exactly when the label is +1.

    Args:
        num_voters: L, even and at least 2.

    Returns:
        2^L − C(L, L/2) labelled templates of length L + 1.

    Example:
        >>> majority(2)
        {'ααα': 1.0, 'αββ': -1.0}
    """
    votes = ("".join(vote) for vote in itertools.product("αβ", repeat=num_voters))
    margins = {"α" + vote: vote.count("α") - vote.count("β") for vote in votes}
    return {template: float(np.sign(margin)) for template, margin in margins.items() if margin}


def relational_match_to_sample() -> dict[str, float]:
    """A pair, then two more pairs: +1 if the first of them shows its relation, else −1."""
    return {"ααββγδ": 1.0, "ααβγδδ": -1.0, "αβγδεε": 1.0, "αβγγδε": -1.0}


def distribution_of_three() -> dict[str, float]:
    """Three symbols, two of them again, a last one: +1 if it completes the set, −1 if it repeats.

    Example:
        >>> len(distribution_of_three())
        12
    """
    labelled = {}
    for first, second in itertools.permutations("αβγ", 2):
        (missing,) = set("αβγ") - {first, second}
        labelled["αβγ" + first + second + missing] = 1.0
        labelled["αβγ" + first + second + first] = -1.0
    return labelled


def identity_rules() -> dict[str, float]:
    """Two triples with symbols of their own: +1 if they follow one rule of AAB, ABA, ABB.

    The second triple follows the rule of the first or the next one in that list, so each rule is
    as frequent in the second place whatever the label, which only the relation of the two decides.

    Example:
        >>> sum(identity_rules().values())
        0.0
    """
    first, second = ["ααβ", "αβα", "αββ"], ["γγδ", "γδγ", "γδδ"]
    same = {first[i] + second[i]: 1.0 for i in range(3)}
    return same | {first[i] + second[(i + 1) % 3]: -1.0 for i in range(3)}


def random_templates(
    num_templates: object = 4,
    length: object = 5,
    num_wildcards: object = 2,
    num_regular: object = 0,
    seed: object = 0,
) -> dict[str, float]:
    """Random, pairwise disjoint templates with labels ±1, as balanced as their number allows.

    Every symbol is drawn uniformly from the wildcards and regular tokens; strings that lack a
    wildcard or meet an earlier template are drawn again.

    Args:
        num_templates: r ≥ 1.
        length: symbols of each, without [CLS], at least `num_wildcards`.
        num_wildcards: distinct wildcards of each template, 0 to 24.
        num_regular: regular tokens that templates may contain, 0 to 26.
        seed: at least 0.

    Returns:
        r labelled templates.

    Raises:
        TypeError, ValueError: an argument out of range, or so many disjoint templates were not
            found.

    Example:
        >>> sorted(random_templates(num_templates=2, length=3, num_wildcards=2).values())
        [-1.0, 1.0]
    """
    r, k = as_int("num_templates", num_templates, 1), as_int("length", length, 1)
    w, d = as_int("num_wildcards", num_wildcards, 0), as_int("num_regular", num_regular, 0)
    _check_symbols(k, w, d)
    rng = np.random.default_rng(as_int("seed", seed, 0))
    candidates = (_random_template(rng, k, w, d) for _ in range(ATTEMPTS * r))
    found = list(itertools.islice(_pairwise_disjoint(candidates), r))
    if len(found) < r:
        raise ValueError(
            f"`num_templates` = {r} disjoint templates of length {k} were not found, only "
            f"{len(found)}; ask for fewer or for a greater `length`."
        )
    signs = rng.permutation(np.where(np.arange(r) % 2 == 0, 1.0, -1.0))
    return {str(template): float(sign) for template, sign in zip(found, signs, strict=True)}


def _check_symbols(length: int, num_wildcards: int, num_regular: int) -> None:
    if num_wildcards > min(length, len(WILDCARDS)):
        raise ValueError(
            f"`num_wildcards` must be at most `length` and {len(WILDCARDS)}; got {num_wildcards} "
            f"with length {length}."
        )
    if num_regular > len(REGULAR):
        raise ValueError(f"`num_regular` must be at most {len(REGULAR)}; got {num_regular}.")
    if num_wildcards + num_regular == 0:
        raise ValueError("`num_wildcards` and `num_regular` must not both be 0; got 0 and 0.")


def _random_template(rng: np.random.Generator, length: int, w: int, d: int) -> Template | None:
    symbols = rng.integers(w + d, size=length)
    if len(np.unique(symbols[symbols < w])) < w:
        return None
    in_order = iter(WILDCARDS)
    wildcards = {int(s): next(in_order) for s in dict.fromkeys(symbols.tolist()) if s < w}
    return Template("".join(wildcards.get(s) or REGULAR[s - w] for s in symbols.tolist()))


def _pairwise_disjoint(candidates: Iterator[Template | None]) -> Iterator[Template]:
    earlier: dict[tuple[int, ...], list[Template]] = {}
    for candidate in candidates:
        if candidate is None:
            continue
        rivals = earlier.setdefault(candidate.partition, [])
        if all(candidate.meets(rival) is None for rival in rivals):
            rivals.append(candidate)
            yield candidate


def _find(name: object) -> NamedTask:
    if isinstance(name, str) and name in TASKS:
        return TASKS[name]
    raise ValueError(f"There is no task {shown(name)}; {suggest(str(name), TASKS)}")


def _fixed(labelled: Labelled) -> Callable[[], Labelled]:
    return lambda: labelled


TASKS: dict[str, NamedTask] = {
    "same_different": NamedTask(
        "Are the two symbols the same? αα against αβ.", _fixed({"αα": 1.0, "αβ": -1.0})
    ),
    "aba_abb": NamedTask(
        "Is the last of three symbols the first or the second? αβα against αββ.",
        _fixed({"αβα": 1.0, "αββ": -1.0}),
    ),
    "aabb_abab": NamedTask(
        "Do two symbols come in pairs or in turn? ααββ against αβαβ.",
        _fixed({"ααββ": 1.0, "αβαβ": -1.0}),
    ),
    **{
        f"majority_{voters}": NamedTask(
            f"Does the first symbol win a vote of {voters} more over two symbols? Ties excluded.",
            partial(majority, voters),
        )
        for voters in MAJORITY_VOTERS
    },
    "relational_match_to_sample": NamedTask(
        "Which of two pairs shows the relation, same or different, of the pair before them?",
        relational_match_to_sample,
    ),
    "distribution_of_three": NamedTask(
        "Does the last symbol complete a second row of the three symbols of the first?",
        distribution_of_three,
    ),
    "identity_rules": NamedTask(
        "Do two triples with different symbols follow the same rule of AAB, ABA, ABB?",
        identity_rules,
    ),
    "random_templates": NamedTask(
        "Random pairwise disjoint templates with balanced labels ±1.", random_templates
    ),
    "copy": NamedTask("Repeat the symbol: template α, label α (next token).", _fixed({"α": "α"})),
    "regular_cue": NamedTask(
        "A regular token, a or b, alone decides the label: aαβ against bαβ.",
        _fixed({"aαβ": 1.0, "bαβ": -1.0}),
    ),
    "marked_aba_abb": NamedTask(
        "αβα against αββ after a regular token, a or b, that says which of them is +1.",
        _fixed({"aαβα": 1.0, "aαββ": -1.0, "bαβα": -1.0, "bαββ": 1.0}),
    ),
    "associative_recall": NamedTask(
        "Keys a and b with a symbol each, then a key: recall its symbol (next token).",
        _fixed({"aαbβa": "α", "aαbβb": "β"}),
    ),
}
