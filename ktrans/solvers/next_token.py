"""Kernel ridge regression on next-token tasks: labels are symbols."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from ktrans._checks import Number, Whole, as_array, shown
from ktrans._results import Result
from ktrans.gram.operator import GramOperator
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.patterns.classes import as_tokens
from ktrans.solvers._estimator import Estimator, check_fitted, check_truth
from ktrans.solvers.linear_system import Method
from ktrans.solvers.ridge import KernelRidge
from ktrans.solvers.solution import OnFailure, Solution
from ktrans.tasks import Dataset, TemplateTask
from ktrans.tasks.candidates import EnlargedTemplates, candidate_pairs, enlarged_templates

NO_TOKEN = -1
_TIE = 1e-9  # scores that differ by less are equal: labels are 0 and 1


@dataclass(frozen=True, eq=False)
class UnseenScores(Result):
    """Scores on every string with unseen symbols, by template; exact for the fitted predictor.

    Attributes:
        enlarged: The q enlarged templates.
        scores: f̂ of each, shape (q,); "other" stands for every unseen token outside the string.
        seen: Largest score of a substitution token seen in training, shape (r,); −∞ if none.
        margin: Score of the label less the largest other score, shape (r,).
        weights: Probabilities of the templates, shape (r,).
    """

    enlarged: EnlargedTemplates
    scores: Float[np.ndarray, "q"]
    seen: Float[np.ndarray, "r"]
    margin: Float[np.ndarray, "r"]
    weights: Float[np.ndarray, "r"]

    @property
    def correct(self) -> Bool[np.ndarray, "r"]:
        """Whether the label alone scores highest: right on all unseen symbols, or on none."""
        return self.margin > _TIE

    @property
    def accuracy(self) -> float:
        """Probability that the predicted token is right on unseen symbols."""
        return float(self.weights @ self.correct)

    @property
    def error(self) -> float:
        """Σ_z w_z Σ_c (f̂(zc) − 1{c = f*(z)})², over the candidates c of z."""
        return self.enlarged.squared_error(self.scores, self.weights)


class NextTokenRidge(Estimator):
    """Ridge regression of 1{c = y} on strings xc; the prediction is the candidate of largest score.

    f̂(xc) = Σ_i Σ_d α_id K(xc, x_i d), with candidates d of x_i: its own tokens, all regular tokens
    and `negatives` other substitution tokens. With the squared loss and a kernel without the b-term
    candidates are independent regressions.

    Args:
        kernel: A token-symmetric kernel on strings xc, such as `NextTokenKernel`.
        ridge: λ ≥ 0, absolute.
        negatives: Substitution tokens drawn for each string as wrong candidates; they do not
            change what is learned about unseen symbols as ρ → ∞, but calm the scores of seen ones.
        seed: Of those draws.
        method: "auto", "dense", "tables" or "conjugate_gradients", as in `KernelRidge`. Pairs of
            one string are alike, so iterations are many: "dense" is good up to 10,000 pairs.
        tolerance: Relative residual to reach.
        max_iterations: Iterations allowed.
        on_failure: "raise", "warn" or "return" where it is missed.

    Attributes:
        model_: The fitted `KernelRidge` on pairs.
        candidates_: Tokens that were candidates in training.
        solution: Its `Solution`.

    Raises:
        TypeError, ValueError: by `fit`, if the task has no symbolic labels, or by a parameter.

    References:
        Boix-Adserà et al. (2024), section 4.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.kernels.next_token import NextTokenKernel
        >>> task = kt.tasks.load("copy", vocab_size=1000)
        >>> base = kt.AttentionKernel(beta=1.0, gamma=0.7, rtol=1e-6)
        >>> for b_variance in (0.0, 1.0):
        ...     kernel = NextTokenKernel(base, b_variance=b_variance)
        ...     model = NextTokenRidge(kernel, ridge=1e-3).fit(task.sample(20))
        ...     print(model.predict_unseen().accuracy)
        0.0
        1.0
    """

    def __init__(
        self,
        kernel: TokenSymmetricKernel | str,
        ridge: Number,
        *,
        negatives: Whole = 1,
        seed: Whole = 0,
        method: Method = "auto",
        tolerance: float = 1e-10,
        max_iterations: int = 1000,
        on_failure: OnFailure = "raise",
    ):
        self.kernel = kernel
        self.ridge = ridge
        self.negatives = negatives
        self.seed = seed
        self.method: Method = method
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.on_failure: OnFailure = on_failure

    def fit(self, dataset: Any) -> "NextTokenRidge":
        """Solve for the dual coefficients of all pairs.

        Args:
            dataset: A `Dataset` of a task whose labels are symbols.

        Returns:
            The estimator.
        """
        self.task_ = _next_token_task(dataset)
        pairs = candidate_pairs(dataset, self.negatives, self.seed)
        gram = GramOperator(self.kernel, pairs.tokens, regular_tokens=_regular(self.task_))
        self.model_ = KernelRidge(
            self.kernel,
            self.ridge,
            method=self.method,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
            on_failure=self.on_failure,
        ).fit(gram, pairs.labels)
        self.candidates_ = np.unique(pairs.tokens[:, -1])
        self.solution: Solution = self.model_.solution
        return self

    def scores(self, tokens: Any, candidates: Any) -> np.ndarray:
        """f̂ of strings with candidates.

        Args:
            tokens: Strings x of shape (n1, k), or a `Dataset`.
            candidates: Tokens of shape (c,), or (n1, c) where strings have their own.

        Returns:
            Float64 of shape (n1, c), as exact as the solution.
        """
        check_fitted(self, "model_")
        strings = as_tokens(tokens.tokens if isinstance(tokens, Dataset) else tokens)
        columns = _read_candidates(candidates, len(strings))
        repeated = np.repeat(strings, columns.shape[1], axis=0)
        pairs = np.column_stack([repeated, columns.reshape(-1)])
        return self.model_.predict(pairs).reshape(columns.shape)

    def predict(self, tokens: Any) -> np.ndarray:
        """The token of largest score, among those of the string and the candidates of training.

        Every other token has the score 0.

        Args:
            tokens: Strings x of shape (n1, k), or a `Dataset`.

        Returns:
            Token ids of shape (n1,); −1 where no single token has the largest score.
        """
        check_fitted(self, "model_")
        strings = as_tokens(tokens.tokens if isinstance(tokens, Dataset) else tokens)
        nothing = np.full((len(strings), 1), NO_TOKEN)
        known = np.tile(self.candidates_, (len(strings), 1))
        scores = self.scores(strings, np.hstack([known, strings]))
        scores = np.hstack([scores, np.zeros_like(nothing)])
        return _single_best(np.hstack([known, strings, nothing]), scores)

    def predict_unseen(self) -> UnseenScores:
        """Scores of every candidate on all strings with unseen symbols, without sampling."""
        check_fitted(self, "model_")
        enlarged = enlarged_templates(self.task_)
        scores = self.model_.predict(enlarged.tokens1)
        seen = self._best_seen()
        margin = [enlarged.margin(scores, z, best) for z, best in enumerate(seen)]
        return UnseenScores(enlarged, scores, seen, np.array(margin), self.task_.weights)

    def score(self, tokens: Any, labels: Any) -> float:
        """Share of strings whose next token is predicted."""
        predicted, truth = self.predict(tokens), as_array("labels", labels)
        check_truth("labels", truth, predicted)
        return float(np.mean(predicted == truth))

    def _best_seen(self) -> Float[np.ndarray, "r"]:
        """The largest score of a seen substitution token on fresh strings."""
        seen = np.setdiff1d(self.candidates_, _regular(self.task_))
        scores = self.scores(self.task_.fresh_strings()[0], seen)
        return scores.max(axis=1, initial=-np.inf)


def _read_candidates(candidates: Any, count: int) -> Int[np.ndarray, "n c"]:
    """The candidates of each string, the same for all where there is one row of them."""
    array = as_array("candidates", candidates)
    if array.dtype.kind not in "iu":
        raise TypeError(f"`candidates` must be token ids; got {shown(candidates)}.")
    if array.ndim not in (1, 2) or (array.ndim == 2 and len(array) != count):
        raise ValueError(
            f"`candidates` must have shape (c,), or ({count}, c) for {count} strings; got "
            f"{array.shape}."
        )
    return np.broadcast_to(array, (count, array.shape[-1]))


def _next_token_task(dataset: Any) -> TemplateTask:
    if not isinstance(dataset, Dataset):
        raise TypeError(f"`dataset` must be a Dataset; got {type(dataset).__name__}.")
    if not dataset.task.is_symbolic:
        raise ValueError(
            "`dataset` must have symbols as labels (next token); those of this task are numbers, "
            "which KernelRidge takes."
        )
    return dataset.task


def _regular(task: TemplateTask) -> list[int]:
    return [*task.regular_token_ids.values(), task.cls_id]


def _single_best(tokens: Int[np.ndarray, "n c"], scores: Float[np.ndarray, "n c"]) -> np.ndarray:
    """The token of largest score in each row, −1 where two tokens have it."""
    best = scores >= scores.max(axis=1, keepdims=True) - _TIE
    largest = np.where(best, tokens, NO_TOKEN).max(axis=1)
    is_single = np.all(~best | (tokens == largest[:, None]), axis=1)
    return np.where(is_single, largest, NO_TOKEN)
