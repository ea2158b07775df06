"""Kernel ridge regression for many ridges at once."""

from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from ktrans._checks import Number, Numbers, Whole, as_array, as_positive, shown
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.solvers.solution import OnFailure
from ktrans.solvers.spectral import SpectralEstimator


class KernelRidgePath(SpectralEstimator):
    """Ridge regression f̂_λ(x) = k(x)ᵀ (K̂ + λI)⁻¹ y for many λ from one basis of modes.

    The shifted systems share their Krylov space: one Lanczos run, long enough for the smallest
    ridge, serves all of them, as one eigendecomposition does where that is cheap.

    Args:
        kernel: A token-symmetric kernel, or "precomputed".
        ridges: The values of λ > 0, shape (l,).
        method: "dense", "lanczos" or "auto".
        tolerance: Estimated error of the training predictions to reach, relative to the labels.
        max_iterations: Lanczos steps allowed.
        on_failure: "raise", "warn" or "return" where the tolerance is missed.

    Attributes:
        gram_: The Gram operator of the training samples.
        method_: "dense" (exact to rounding) or "lanczos" (its error: `error_estimate(ridges)`).

    Example:
        >>> import numpy as np
        >>> path = KernelRidgePath("precomputed", ridges=[1.0, 3.0]).fit(np.eye(2), [4.0, -4.0])
        >>> path.predict(np.eye(2))
        array([[ 2., -2.],
               [ 1., -1.]])
    """

    def __init__(
        self,
        kernel: TokenSymmetricKernel | str,
        ridges: Numbers,
        *,
        method: Any = "auto",
        tolerance: Number = 1e-9,
        max_iterations: Whole = 400,
        on_failure: Any = "raise",
    ):
        self.kernel = kernel
        self.ridges = ridges
        self.method: Literal["auto", "dense", "lanczos"] = method
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.on_failure: OnFailure = on_failure

    def predict(self, tokens: Any) -> np.ndarray:
        """f̂_λ on strings: shape (l, n1), or (l, n1, c) for c columns of labels."""
        return self._predict(tokens, self._read_ridges())

    def predict_unseen(self) -> np.ndarray:
        """f̂_λ of each template on unseen symbols, shape (l, r) or (l, r, c); no sampling.

        Raises:
            ValueError: if the estimator was not fitted on a `Dataset`.
        """
        return self._predict_unseen(self._read_ridges())

    def _fitted_share(self, parameter: float, values: np.ndarray) -> np.ndarray:
        return values / (values + parameter)

    def _hardest(self) -> float:
        return float(self._read_ridges().min())

    def _read_ridges(self) -> Float[np.ndarray, "l"]:
        ridges = as_array("ridges", self.ridges)
        if ridges.ndim != 1 or len(ridges) == 0:
            raise ValueError(
                f"`ridges` must be a sequence of one or more numbers; got {shown(self.ridges)}."
            )
        return np.array([as_positive("ridges", ridge) for ridge in self.ridges])
