"""Kernel logistic regression, binary and multinomial."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ktrans._checks import Number, Whole, as_array, as_positive
from ktrans._numerics import in_float64
from ktrans.gram.base import LinearMap, apply
from ktrans.gram.dense import MatrixMap
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.solvers._estimator import Estimator, check_fitted, check_truth, predict_unseen_with
from ktrans.solvers.linear_system import sum_copies
from ktrans.solvers.newton import (
    LogisticProblem,
    damped,
    dense_newton_direction,
    newton_direction,
)
from ktrans.solvers.solution import OnFailure, Solution, StopReason, report_failure

_ELIMINATED = 1000  # so many unknowns, strings times logits, are solved for by elimination


class KernelLogisticRegression(Estimator):
    """Logistic regression in a kernel's space, min Σ_i −log p(y_i | x_i) + (λ/2) ‖f‖²_K.

    Two classes have one logit, log p₁/p₀; more have one logit each. Solved by Newton's method, its
    steps by conjugate gradients on the Gram operator or, for few strings, by elimination; copies of
    a string are merged.

    Args:
        kernel: A token-symmetric kernel, or "precomputed".
        ridge: λ > 0, absolute (no factor n).
        tolerance: Gradient norm to reach, relative to that at f = 0.
        max_iterations: Products with the Gram matrix allowed in all Newton steps together.
        on_failure: "raise", "warn" or "return" where the tolerance is missed.

    Attributes:
        classes_: The distinct labels in order, shape (c,).
        dual_coef_: Sums of dual coefficients over the copies of each distinct string, shape (d,)
            for two classes, else (d, c).
        gram_: The Gram operator of the training samples.
        solution: `Solution` whose residual is the relative gradient norm, recomputed.

    Raises:
        ValueError: by `fit`, if a parameter is out of range or all labels are the same.
        ConvergenceError: by `fit`, if the gradient stays above `tolerance`.

    Example:
        >>> import numpy as np
        >>> from ktrans.solvers.logistic import KernelLogisticRegression
        >>> model = KernelLogisticRegression("precomputed", ridge=1.0).fit(np.eye(2), ["no", "yes"])
        >>> model.predict(np.eye(2)).tolist()
        ['no', 'yes']
    """

    _kind = "classifier"

    def __init__(
        self,
        kernel: TokenSymmetricKernel | str,
        ridge: Number,
        *,
        tolerance: Number = 1e-8,
        max_iterations: Whole = 10_000,
        on_failure: Any = "raise",
    ):
        self.kernel = kernel
        self.ridge = ridge
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.on_failure: OnFailure = on_failure

    def fit(self, dataset: Any, labels: ArrayLike | None = None) -> "KernelLogisticRegression":
        """Minimise the regularised loss.

        Args:
            dataset: A `Dataset`, tokens of shape (n, k), a `GramOperator` of the same kernel, or
                for a precomputed kernel the Gram matrix.
            labels: Classes of shape (n,), numbers or strings; those of the dataset where left out.

        Returns:
            The estimator.
        """
        ridge = as_positive("ridge", self.ridge)
        tolerance = as_positive("tolerance", self.tolerance)
        self._read(dataset, labels)
        self.classes_, indicators = _indicators(self._training.labels)
        counts = sum_copies(self.gram_.distinct, indicators)
        self._solution = self._minimise(counts, ridge, tolerance)
        self._sums = self._solution.value
        self.dual_coef_ = self._sums[:, 0] if len(self.classes_) == 2 else self._sums
        report_failure(self._solution, self.on_failure)
        return self

    @property
    def solution(self) -> Solution:
        """How the loss was minimised."""
        check_fitted(self, "_solution")
        return self._solution

    def decision_function(self, tokens: Any) -> np.ndarray:
        """The logits f: shape (n1,) for two classes, else (n1, c)."""
        check_fitted(self, "dual_coef_")
        logits = self._predict_with(tokens, self._sums)
        return logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, tokens: Any) -> np.ndarray:
        """Probabilities of the classes, float64 of shape (n1, c)."""
        check_fitted(self, "dual_coef_")
        return _softmax(self._predict_with(tokens, self._sums))

    def predict(self, tokens: Any) -> np.ndarray:
        """The most probable class of each string, shape (n1,)."""
        most_probable = np.argmax(self.predict_proba(tokens), axis=1)
        return self.classes_[most_probable]

    def predict_proba_unseen(self) -> np.ndarray:
        """Probabilities on unseen symbols, shape (r, c), one row for each template of the task.

        Raises:
            ValueError: if the estimator was not fitted on a `Dataset`.
        """
        check_fitted(self, "dual_coef_")
        return _softmax(predict_unseen_with(self._training, self._sums))

    def predict_unseen(self) -> np.ndarray:
        """The most probable class of each template on unseen symbols, shape (r,)."""
        return self.classes_[np.argmax(self.predict_proba_unseen(), axis=1)]

    def score(self, tokens: Any, y: ArrayLike) -> float:
        """Share of strings whose class, of labels y, is predicted."""
        predicted, truth = self.predict(tokens), as_array("y", y)
        check_truth("y", truth, predicted)
        return float(np.mean(predicted == truth))

    def _core(self, num_unknowns: int) -> LinearMap:
        """The Gram matrix of the distinct strings, held as a matrix where elimination is cheap."""
        if num_unknowns <= _ELIMINATED:
            return MatrixMap(jnp.asarray(self.gram_.core_to_dense()))
        return self.gram_.core

    @in_float64
    def _minimise(
        self, counts: Float[np.ndarray, "d c"], ridge: float, tolerance: float
    ) -> Solution:
        core = self._core(counts.size)
        multiplicity = core.put(self.gram_.distinct.multiplicity[:, None].astype(float))
        problem = LogisticProblem(core, core.put(counts), multiplicity, jnp.asarray(ridge))
        duals = logits = jnp.zeros_like(problem.counts)
        scale = float(jnp.linalg.norm(problem.gradient(duals, logits)))
        reason: StopReason = "converged"
        spent, best = 0, 1.0
        value = duals
        while best > tolerance:
            if spent >= self.max_iterations:
                reason = "max_iterations"
                break
            # The relative accuracy that makes Newton's method converge superlinearly.
            accuracy = jnp.asarray(min(0.1, best))
            allowed = jnp.asarray(self.max_iterations - spent)
            if isinstance(core, MatrixMap):
                step = dense_newton_direction(problem, core.matrix, duals, logits)
            else:
                step = newton_direction(problem, duals, logits, accuracy, allowed)
            spent += int(step.count) + 1
            duals, _ = damped(problem, duals, logits, step)
            logits = apply(core, duals)
            norm = float(jnp.linalg.norm(problem.gradient(duals, logits))) / scale
            if not norm < 0.999 * best and best < 1e-4:
                reason = "stagnated"
                break
            value, best = duals, norm
        return Solution(core.take(value, len(counts)), best, spent, reason, "newton", tolerance)


def _indicators(labels: np.ndarray) -> tuple[np.ndarray, Float[np.ndarray, "n c"]]:
    """The classes, and 1 where a sample has a class; for two classes the second one's column."""
    if labels.ndim != 1:
        raise ValueError(f"`labels` must have shape (n,); got {labels.shape}.")
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"`labels` must hold at least two classes; got one class, {classes[0]}.")
    if labels.dtype.kind == "f" and len(classes) > max(20, len(labels) // 2):
        raise ValueError(
            f"`labels` hold {len(classes)} distinct numbers for {len(labels)} samples, which are "
            "no classes (Unknown label type: continuous); use KernelRidge, or a task without label "
            "noise."
        )
    indicators = (codes[:, None] == np.arange(len(classes))).astype(np.float64)
    return classes, indicators[:, 1:] if len(classes) == 2 else indicators


def _softmax(logits: Float[np.ndarray, "n c"]) -> np.ndarray:
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
