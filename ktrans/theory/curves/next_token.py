"""Scores on unseen symbols of a next-token task in closed form."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ktrans._checks import Number, Numbers, as_non_negative
from ktrans._results import Result
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.tasks import TemplateTask
from ktrans.tasks.candidates import EnlargedTemplates, enlarged_templates
from ktrans.theory.curves._arguments import read_counts
from ktrans.theory.next_token import enlarged_template_matrix
from ktrans.theory.statistics import check_kernel, check_task


@dataclass(frozen=True, eq=False)
class NextTokenCurve(Result):
    """Scores on unseen symbols in closed form, as ρ → ∞.

    Attributes:
        num_samples: n, shape (t,).
        scores: f̂ of the enlarged templates, shape (t, q).
        error: Σ_z w_z Σ_c (f̂(zc) − 1{c = f*(z)})², shape (t,).
        margin: Score of the label less the largest other one, seen tokens included, shape (t, r).
    """

    num_samples: np.ndarray
    scores: np.ndarray
    error: np.ndarray
    margin: np.ndarray


def next_token_curve(
    kernel: TokenSymmetricKernel, task: TemplateTask, *, num_samples: Numbers, ridge: Number
) -> NextTokenCurve:
    """Scores of ridge regression on unseen symbols in closed form, no two strings sharing tokens.

    f = N (N + D⁻¹ S)⁻¹ y with D the numbers of strings n w_z, y = 1{c = f*(z)}, and for two
    candidates of one string S[(z, c), (z, c′)] = K(xc, xc′) − N[(z, c), (z, c′)] + λ 1{c = c′}. A
    token t seen in a string z′ has the score K(xt, z′t) α of a pair in other strings x.

    Args:
        kernel: A token-symmetric kernel on strings xc, such as `NextTokenKernel`.
        task: A task whose labels are symbols.
        num_samples: Numbers n of strings, positive.
        ridge: λ ≥ 0.

    Returns:
        The curve, exact to rounding in the limit ρ → ∞.

    Raises:
        TypeError, ValueError: for arguments out of range.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.kernels.next_token import NextTokenKernel
        >>> base = kt.AttentionKernel(beta=1.0, gamma=0.7, rtol=1e-6)
        >>> copy = kt.tasks.load("copy", vocab_size=1000)
        >>> curve = next_token_curve(NextTokenKernel(base, 1.0), copy, num_samples=[10, 100],
        ...     ridge=1e-6)
        >>> bool((curve.margin > 0).all()), bool(curve.error[1] < curve.error[0])
        (True, True)
    """
    known, symmetric = check_task(task), check_kernel(kernel)
    counts, penalty = read_counts(num_samples), as_non_negative("ridge", ridge)
    enlarged, matrix = enlarged_templates(known), enlarged_template_matrix(symmetric, known).value
    same = enlarged.template_ids[:, None] == enlarged.template_ids
    own = np.where(same, np.asarray(symmetric(enlarged.tokens1)) - matrix, 0.0)
    own += penalty * np.eye(len(matrix))
    shares, seen = known.weights[enlarged.template_ids], _seen_values(symmetric, known, enlarged)
    duals = [np.linalg.solve(matrix * (n * shares) + own, enlarged.labels) for n in counts]
    scores = [matrix @ (n * shares * dual) for n, dual in zip(counts, duals, strict=True)]
    margins = [
        [enlarged.margin(score, z, best) for z, best in enumerate((seen * dual).max(axis=1))]
        for score, dual in zip(scores, duals, strict=True)
    ]
    errors = [enlarged.squared_error(score, known.weights) for score in scores]
    return NextTokenCurve(counts, np.array(scores), np.array(errors), np.array(margins))


def _seen_values(
    kernel: TokenSymmetricKernel, task: TemplateTask, enlarged: EnlargedTemplates
) -> Float[np.ndarray, "r q"]:
    """K(xt, z′t) of fresh strings x of each template and the wildcards' tokens t in z′."""
    strings, _ = task.fresh_strings()
    r, q = len(strings), len(enlarged.tokens2)
    ends = np.tile(enlarged.tokens2[:, -1], r)
    first = np.column_stack([np.repeat(strings, q, axis=0), ends])
    values = np.asarray(kernel.evaluate_pairs(first, np.tile(enlarged.tokens2, (r, 1))).value)
    is_wildcard = enlarged.tokens1[:, -1] != enlarged.tokens2[:, -1]
    return np.where(is_wildcard, values.reshape(r, q), 0.0)
