"""Next-token template tasks as template tasks of longer strings: a template, then a candidate.

The label of x = sub(z, s) is the token s(f*(z)). Asked candidate by candidate, the task is a
regression: the string xc has the label 1{c = s(f*(z))}. Its *enlarged templates* zc have a symbol
of z, a regular token, [CLS], or a token that is none of these in the last place.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ktrans._checks import as_int
from ktrans.tasks.task import Dataset, TemplateTask
from ktrans.tasks.templates import CLS

OTHER = "other"


class EnlargedTemplates(NamedTuple):
    """The q enlarged templates of a task, template by template.

    Attributes:
        template_ids: Which template z, shape (q,).
        symbols: The candidate: "α", "a", "[CLS]", or "other" for a token outside.
        labels: 1 where the candidate is the label, else 0, shape (q,).
        tokens1: Fresh strings zc, shape (q, k + 1).
        tokens2: The same with other tokens for wildcards.
    """

    template_ids: Int[np.ndarray, "q"]
    symbols: tuple[str, ...]
    labels: Float[np.ndarray, "q"]
    tokens1: Int[np.ndarray, "q k"]
    tokens2: Int[np.ndarray, "q k"]

    def label_place(self, z: int) -> int:
        """The place of the label among the candidates of template z."""
        return int(np.argmax(self.labels[self.template_ids == z]))

    def margin(self, scores: Float[np.ndarray, "q"], z: int, others: float = -np.inf) -> float:
        """The score of the label of template z less the largest of all others."""
        mine, label = scores[self.template_ids == z], self.label_place(z)
        return float(mine[label] - max(np.delete(mine, label).max(), others))

    def squared_error(
        self, scores: Float[np.ndarray, "q"], weights: Float[np.ndarray, "r"]
    ) -> float:
        """Σ_z w_z Σ_c (f̂(zc) − 1{c = f*(z)})²."""
        return float(weights[self.template_ids] @ (scores - self.labels) ** 2)


class CandidatePairs(NamedTuple):
    """Strings xc with the labels 1{c = y}."""

    tokens: Int[np.ndarray, "p k"]
    labels: Float[np.ndarray, "p"]


def enlarged_templates(task: TemplateTask) -> EnlargedTemplates:
    """The enlarged templates of a task whose labels are symbols.

    Args:
        task: A next-token task.

    Returns:
        Exact.

    Raises:
        ValueError: if the labels of the task are numbers.

    Example:
        >>> import ktrans as kt
        >>> enlarged_templates(kt.tasks.load("copy", vocab_size=10)).symbols
        ('α', '[CLS]', 'other')
    """
    if not task.is_symbolic:
        raise ValueError(
            "`task` must have symbols as labels (next token); those of this task are numbers, "
            "which `verify` and `KernelRidge` are for."
        )
    labels, (first, second) = task.label_codes, task.fresh_strings()
    outside = int(max(first.max(), second.max())) + 1
    regular = {**{id: name for name, id in task.regular_token_ids.items()}, task.cls_id: CLS}
    rows = []
    for z, template in enumerate(task.templates):
        for j, name in enumerate(template.wildcards):
            place = int(np.argmax(task.template_codes[z] == -1 - j))
            rows.append((z, name, -1 - j, first[z, place], second[z, place]))
        rows += [(z, name, token, token, token) for token, name in regular.items()]
        rows.append((z, OTHER, None, outside + 2 * z, outside + 2 * z + 1))
    ids, symbols, codes, ends1, ends2 = zip(*rows, strict=True)
    ids = np.array(ids)
    is_label = [code == labels[z] for z, code in zip(ids, codes, strict=True)]
    return EnlargedTemplates(
        template_ids=ids,
        symbols=symbols,
        labels=np.array(is_label, dtype=np.float64),
        tokens1=np.column_stack([first[ids], ends1]),
        tokens2=np.column_stack([second[ids], ends2]),
    )


def candidate_pairs(dataset: Dataset, negatives: object, seed: object) -> CandidatePairs:
    """Every string with its candidates: its tokens, all regular tokens, drawn substitution tokens.

    Args:
        dataset: Samples of a next-token task.
        negatives: Substitution tokens to draw for each string, with replacement; vocab_size or
            more: all of them. One that is a candidate of the string already is left out.
        seed: Of the draws, at least 0.

    Returns:
        Pairs, those of one string together, each once.
    """
    task, n = dataset.task, len(dataset)
    regular = np.tile([*task.regular_token_ids.values(), task.cls_id], (n, 1))
    drawn = _draw(task, n, as_int("negatives", negatives, 0), as_int("seed", seed, 0))
    candidates = np.hstack([dataset.tokens, regular, drawn])
    strings, columns = np.nonzero(_is_new(candidates))
    ends = candidates[strings, columns]
    pairs = np.column_stack([dataset.tokens[strings], ends])
    return CandidatePairs(pairs, (ends == dataset.labels[strings]).astype(np.float64))


def _draw(task: TemplateTask, n: int, negatives: int, seed: int) -> Int[np.ndarray, "n c"]:
    if negatives >= task.vocab_size:
        return np.tile(task.substitution_ids, (n, 1))
    return np.random.default_rng(seed).integers(task.vocab_size, size=(n, negatives))


def _is_new(rows: Int[np.ndarray, "n c"]) -> Bool[np.ndarray, "n c"]:
    """Where an entry has no equal one to its left."""
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    new = np.ones(rows.shape, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    found = np.empty_like(new)
    np.put_along_axis(found, order, new, axis=1)
    return found
