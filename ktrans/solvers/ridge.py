"""Kernel ridge regression."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike

from ktrans._checks import Number, Whole, as_non_negative, as_positive
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.solvers._estimator import Regressor, check_fitted, predict_unseen_with, read_targets
from ktrans.solvers.linear_system import (
    Method,
    RidgeSystem,
    dual_coefficients,
    ridge_system,
    solve_ridge_system,
)
from ktrans.solvers.solution import OnFailure, Solution, report_failure

_MAX_DENSE = 12_000


class KernelRidge(Regressor):
    """Kernel ridge regression, f̂(x) = k(x)ᵀ (K̂ + λI)⁻¹ y.

    Copies of a string are merged: the system solved is (K + λ W⁻¹) β = ȳ over distinct strings with
    multiplicities W and mean labels ȳ, and its residual is the one reported. The dual coefficients
    of copies with different labels hold (y − ȳ)/λ, which at a tiny λ is large and cancels in every
    product; predictions are made from β and lose nothing.

    Args:
        kernel: A token-symmetric kernel, or "precomputed" (then `fit` takes the (n, n) matrix or an
            operator with `shape` and `@`, and `predict` the (n1, n) matrix).
        ridge: λ >= 0, absolute (no factor n); 0 gives the interpolant of least norm.
        method: "auto", "dense", "tables" or "conjugate_gradients".
        tolerance: Relative residual to reach.
        max_iterations: Iterations allowed.
        on_failure: "raise", "warn" or "return" where the tolerance is missed.

    Attributes:
        dual_coef_: α, float64 of shape (n,) or (n, c).
        gram_: The Gram operator of the training samples.
        solution: `Solution` with residual, iterations, stop reason and method.

    Raises:
        ValueError: by `fit`, if a parameter or the labels are out of range.
        ConvergenceError: by `fit`, if the residual stays above `tolerance`.

    References:
        Boix-Adserà et al. (2024), Proposition 3.1 and the lemma on token-symmetric kernels.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.solvers.ridge import KernelRidge
        >>> data = kt.tasks.load("aba_abb", vocab_size=50).sample(200)
        >>> kernel = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(),
        ...     weight_variance=2.0, bias_variance=0.0)
        >>> model = KernelRidge(kernel, ridge=0.1).fit(data)
        >>> model.predict(data.tokens[:3]).shape, model.solution.converged
        ((3,), True)
    """

    _methods = get_args(Method)

    def __init__(
        self,
        kernel: TokenSymmetricKernel | str,
        ridge: Number,
        *,
        method: Any = "auto",
        tolerance: Number = 1e-10,
        max_iterations: Whole = 1000,
        on_failure: Any = "raise",
    ):
        self.kernel = kernel
        self.ridge = ridge
        self.method: Method = method
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.on_failure: OnFailure = on_failure

    def fit(self, dataset: Any, labels: ArrayLike | None = None) -> "KernelRidge":
        """Solve for the dual coefficients.

        Args:
            dataset: A `Dataset`, tokens of shape (n, k), a `GramOperator` of the same kernel, or
                for a precomputed kernel the Gram matrix.
            labels: y of shape (n,) or (n, c); those of the dataset where left out.

        Returns:
            The estimator.
        """
        ridge = as_non_negative("ridge", self.ridge)
        tolerance = as_positive("tolerance", self.tolerance)
        targets = read_targets(self._read(dataset, labels))
        self._shape = np.shape(self._training.labels)[1:]
        system = ridge_system(self.gram_, ridge, targets)
        found = solve_ridge_system(
            system,
            method=self.method,
            tolerance=tolerance,
            max_iterations=int(self.max_iterations),
        )
        self._sums = found.value
        duals = dual_coefficients(system, self.gram_.distinct, targets, self._sums)
        self.dual_coef_ = duals.reshape(len(targets), *self._shape)
        self._solution = replace(found, value=self.dual_coef_)
        report_failure(self.solution, self.on_failure)
        return self

    @property
    def solution(self) -> Solution:
        """How the system was solved."""
        check_fitted(self, "_solution")
        return self._solution

    def predict(self, tokens: Any) -> np.ndarray:
        """f̂ on strings.

        Args:
            tokens: Strings of shape (n1, k) or a `Dataset`; the (n1, n) matrix if precomputed.

        Returns:
            Float64 of shape (n1,) or (n1, c), as exact as the solution.
        """
        check_fitted(self, "dual_coef_")
        values = self._predict_with(tokens, self._sums)
        return values.reshape(len(values), *self._shape)

    def predict_unseen(self) -> np.ndarray:
        """f̂ on every string of each template with unseen symbols, f̂ = N[z, :] Σ_{i in ·} α_i.

        Returns:
            Float64 of shape (r,) or (r, c), one for each template of the task, exact: no sampling.

        Raises:
            ValueError: if the estimator was not fitted on a `Dataset`.
        """
        check_fitted(self, "dual_coef_")
        values = predict_unseen_with(self._training, self._sums)
        return values.reshape(len(values), *self._shape)

    def leave_one_out(self) -> np.ndarray:
        """Predictions for each training sample by the fit without it, y_i − α_i / (K + λI)⁻¹_ii.

        Returns:
            Float64 of the labels' shape; exact, by a dense factorisation of the distinct samples.

        Raises:
            ValueError: if there are more than 12,000 distinct samples, or `ridge` is 0.
        """
        check_fitted(self, "dual_coef_")
        targets = read_targets(self._training)
        system = ridge_system(self.gram_, as_non_negative("ridge", self.ridge), targets)
        inverse = _inverse_diagonal(system, self.gram_)[self.gram_.distinct.index]
        duals = self.dual_coef_.reshape(targets.shape)
        return (targets - duals / inverse[:, None]).reshape(self.dual_coef_.shape)


def _inverse_diagonal(system: RidgeSystem, gram: Any) -> np.ndarray:
    """(K + λI)⁻¹_ii of a sample with w copies: (1 − 1/w)/λ + (K + λ W⁻¹)⁻¹_xx / w²."""
    size = len(system.multiplicity)
    if size > _MAX_DENSE:
        raise ValueError(
            f"leave-one-out errors need a dense factorisation of {size} distinct samples, more "
            f"than {_MAX_DENSE}; predict held-out samples instead."
        )
    if system.ridge == 0:
        raise ValueError("leave-one-out errors need a positive `ridge`; got 0.")
    matrix = gram.core_to_dense()
    matrix[np.diag_indices_from(matrix)] += system.shift
    copies = system.multiplicity
    inverse = np.linalg.inv(matrix).diagonal()
    return (1 - 1 / copies) / system.ridge + inverse / copies**2
