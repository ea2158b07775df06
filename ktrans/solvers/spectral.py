"""What gradient flow, gradient descent and ridge paths share: functions of one spectrum."""

import warnings
from typing import Any, Literal, TypeVar

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ktrans._checks import ConvergenceError, Number, Whole, as_array, as_positive, as_reals, shown
from ktrans.gram.base import sum_copies
from ktrans.solvers._estimator import Estimator, check_fitted, predict_unseen_with, read_targets
from ktrans.solvers.linear_system import LARGEST_DENSE
from ktrans.solvers.modes import Modes, find_modes
from ktrans.solvers.solution import ConvergenceWarning, OnFailure

S = TypeVar("S", bound="SpectralEstimator")


class SpectralEstimator(Estimator):
    """Estimators f_t = k(x)ᵀ K̂⁻¹ ψ_t(K̂) y, where t is a time or a ridge.

    ψ_t(λ) is how much of a mode of eigenvalue λ is fitted; the modes are found once, well enough
    for the parameter t that asks most of them.
    """

    method: Literal["auto", "dense", "lanczos"]
    _methods = ("auto", "dense", "lanczos")
    tolerance: Number
    max_iterations: Whole
    on_failure: OnFailure

    def _fitted_share(self, parameter: float, values: np.ndarray) -> np.ndarray:
        """ψ_t(λ)."""
        raise NotImplementedError

    def _hardest(self) -> float:
        """The parameter that asks most of the modes."""
        raise NotImplementedError

    def fit(self: S, dataset: Any, labels: ArrayLike | None = None) -> S:
        """Find the modes of the Gram matrix that the labels excite.

        Args:
            dataset: A `Dataset`, tokens of shape (n, k), a `GramOperator` of the same kernel, or
                for a precomputed kernel the Gram matrix.
            labels: y of shape (n,) or (n, c); those of the dataset where left out.

        Returns:
            The estimator.
        """
        tolerance = as_positive("tolerance", self.tolerance)
        last = self._hardest()
        targets = read_targets(self._read(dataset, labels))
        self._shape = np.shape(self._training.labels)[1:]
        multiplicity = self.gram_.distinct.multiplicity
        self.method_ = _choose(self.method, len(multiplicity))
        self._modes: list[Modes] = find_modes(
            self.gram_,
            sum_copies(self.gram_.distinct, targets) / multiplicity[:, None],
            lambda values: self._fitted_share(last, values),
            method=self.method_,
            tolerance=tolerance,
            max_iterations=int(self.max_iterations),
        )
        self._check_fit()
        self._report(self.error_estimate([last])[0], tolerance)
        return self

    def error_estimate(self, times: Any) -> Float[np.ndarray, "t"]:
        """Estimated error of the training predictions, relative to the labels' norm, at each time.

        0 where all eigenvectors are known (exact to rounding); the change over the last Lanczos
        steps otherwise.
        """
        check_fitted(self, "_modes")
        return np.array(
            [
                max(
                    modes.error(lambda values, t=t: self._fitted_share(t, values))
                    for modes in self._modes
                )
                for t in read_range("times", times).tolist()
            ]
        )

    def _predict(self, tokens: Any, parameters: Float[np.ndarray, "t"]) -> np.ndarray:
        check_fitted(self, "_modes")
        values = self._predict_with(tokens, self._sums(parameters))
        return self._unflatten(values, len(parameters))

    def _predict_unseen(self, parameters: Float[np.ndarray, "t"]) -> np.ndarray:
        check_fitted(self, "_modes")
        values = predict_unseen_with(self._training, self._sums(parameters))
        return self._unflatten(values, len(parameters))

    def _check_fit(self) -> None:
        """What only the spectrum can tell about the parameters."""

    def _sums(self, times: Float[np.ndarray, "t"]) -> Float[np.ndarray, "d tc"]:
        """β = W^½ φ_t(S) W^½ ȳ for all times and columns of labels, times first."""
        root = np.sqrt(self.gram_.distinct.multiplicity)
        columns = [
            root * modes.combine(lambda values, t=t: self._fitted_share(t, values) / values)
            for t in times.tolist()
            for modes in self._modes
        ]
        return np.stack(columns, axis=1)

    def _unflatten(self, values: Float[np.ndarray, "n tc"], count: int) -> np.ndarray:
        by_column = values.T.reshape(count, -1, len(values)).swapaxes(1, 2)
        return by_column.reshape(count, len(values), *self._shape)

    def _report(self, error: float, tolerance: float) -> None:
        if error <= tolerance or self.on_failure == "return":
            return
        message = (
            f"the Lanczos basis of {self.max_iterations} steps or less has estimated error "
            f"{error:.2g} above `tolerance`={tolerance:.2g}; raise "
            "`max_iterations` or `tolerance`, ask for less of the spectrum, or pass "
            'on_failure="return".'
        )
        if self.on_failure == "raise":
            raise ConvergenceError(message)
        warnings.warn(message, ConvergenceWarning, stacklevel=3)


def read_range(
    name: str, values: Any, bound: str = "infinity", largest: float = np.inf
) -> Float[np.ndarray, "t"]:
    """One or more real numbers from 0 to the largest, which is called `bound`."""
    array = as_array(name, values)
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"`{name}` must have shape (t,), t ≥ 1; got {array.shape}.")
    array = as_reals(name, array)
    if np.isnan(array).any() or (array < 0).any() or (array > largest).any():
        raise ValueError(
            f"`{name}` must lie between 0 and `{bound}`={largest}; got {shown(array.tolist())}."
        )
    return array


def _choose(method: str, size: int) -> Literal["dense", "lanczos"]:
    dense = method == "dense" or (method == "auto" and size <= LARGEST_DENSE)
    return "dense" if dense else "lanczos"
