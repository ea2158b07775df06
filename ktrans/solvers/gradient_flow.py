"""Kernel gradient flow, and gradient descent as the same thing in steps."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ktrans._checks import Number, Whole, as_array, as_int, as_positive, as_real
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.solvers._estimator import Regressor
from ktrans.solvers.spectral import SpectralEstimator, read_range


class EarlyStop(NamedTuple):
    """The time of least held-out error, that error, and the errors at all times."""

    time: float
    error: float
    errors: Float[np.ndarray, "t"]


class _TimedEstimator(SpectralEstimator, Regressor):
    """Predictions at several times at once."""

    def _read_times(self, times: Any) -> Float[np.ndarray, "t"]:
        raise NotImplementedError

    def predict(self, tokens: Any, times: Any = None) -> np.ndarray:
        """f_t on strings.

        Args:
            tokens: Strings of shape (n1, k) or a `Dataset`; the (n1, n) matrix if precomputed.
            times: Times (or numbers of steps), shape (t,); infinity is allowed. Left out, as
                scikit-learn does: the one that the estimator was built for, its last.

        Returns:
            Float64 of shape (t, n1), or (t, n1, c) for c columns of labels; without the axis of
            times where these are left out.
        """
        if times is None:
            return self._predict(tokens, np.array([self._hardest()]))[0]
        return self._predict(tokens, self._read_times(times))

    def predict_unseen(self, times: Any) -> np.ndarray:
        """f_t on every string of each template with unseen symbols; no sampling.

        Returns:
            Float64 of shape (t, r), or (t, r, c) for c columns of labels.

        Raises:
            ValueError: if the estimator was not fitted on a `Dataset`.
        """
        return self._predict_unseen(self._read_times(times))

    def early_stopping(self, times: Any) -> EarlyStop:
        """The time whose mean squared error on unseen symbols, templates weighted, is least.

        Args:
            times: Candidate times, shape (t,).

        Raises:
            ValueError: if the estimator was not fitted on a `Dataset` with one label a sample.
        """
        predictions = self.predict_unseen(times)
        task = self._training.task
        if task is None or self._shape:
            raise ValueError("early stopping needs a `Dataset` with one label for each sample.")
        squares = (predictions - np.asarray(task.labels)) ** 2
        errors = squares @ np.asarray(task.weights)
        best = int(np.argmin(errors))
        return EarlyStop(float(np.asarray(times)[best]), float(errors[best]), errors)


class KernelGradientFlow(_TimedEstimator):
    """Gradient flow on the squared loss from zero, df/dt = −K̂(f − y): f_t = k K̂⁻¹(I − e^{−tK̂}) y.

    The loss is ½ Σ_i (f(x_i) − y_i)², summed and not averaged over samples; time is in units of the
    learning rate.

    Args:
        kernel: A token-symmetric kernel, or "precomputed".
        max_time: The largest time that will be asked for; one Krylov basis serves all times.
        method: "dense" (all eigenvectors), "lanczos", or "auto" by the number of distinct samples.
        tolerance: Estimated error to reach, relative to the labels' norm.
        max_iterations: Lanczos steps allowed.
        on_failure: "raise", "warn" or "return" where the tolerance is missed.

    Attributes:
        gram_: The Gram operator of the training samples.
        method_: "dense" (exact to rounding) or "lanczos" (`error_estimate` tells its error).

    References:
        Boix-Adserà et al. (2024), Proposition 3.1.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.solvers.gradient_flow import KernelGradientFlow
        >>> data = kt.tasks.load("aba_abb", vocab_size=50).sample(200)
        >>> kernel = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(),
        ...     weight_variance=2.0, bias_variance=0.0)
        >>> flow = KernelGradientFlow(kernel).fit(data)
        >>> flow.predict(data.tokens[:3], times=[0.0, 1.0]).shape
        (2, 3)
    """

    def __init__(
        self,
        kernel: TokenSymmetricKernel | str,
        *,
        max_time: Any = np.inf,
        method: Any = "auto",
        tolerance: Number = 1e-9,
        max_iterations: Whole = 400,
        on_failure: Any = "raise",
    ):
        self.kernel = kernel
        self.max_time = max_time
        self.method = method
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.on_failure = on_failure

    def _fitted_share(self, time: float, values: np.ndarray) -> np.ndarray:
        return -np.expm1(-time * values)

    def _hardest(self) -> float:
        if isinstance(self.max_time, float) and self.max_time == np.inf:
            return np.inf
        return as_positive("max_time", self.max_time)

    def _read_times(self, times: Any) -> Float[np.ndarray, "t"]:
        return read_range("times", times, "max_time", self._hardest())


class KernelGradientDescent(_TimedEstimator):
    """Gradient descent, f ← f − η K̂(f − y) from zero: f_s = k K̂⁻¹(I − (I − ηK̂)^s) y after s steps.

    Args:
        kernel: A token-symmetric kernel, or "precomputed".
        learning_rate: η > 0, below 2 over the largest eigenvalue of K̂.
        max_steps: The largest number of steps that will be asked for.
        method: "dense", "lanczos" or "auto".
        tolerance: Estimated error to reach, relative to the labels' norm.
        max_iterations: Lanczos steps allowed.
        on_failure: "raise", "warn" or "return" where the tolerance is missed.

    Raises:
        ValueError: by `fit`, if the learning rate is so large that descent diverges.

    Example:
        >>> import numpy as np
        >>> from ktrans.solvers.gradient_flow import KernelGradientDescent
        >>> descent = KernelGradientDescent("precomputed", learning_rate=0.5, max_steps=10)
        >>> descent.fit(np.eye(2), [1.0, -1.0]).predict(np.eye(2), times=[1, 2])
        array([[ 0.5 , -0.5 ],
               [ 0.75, -0.75]])
    """

    def __init__(
        self,
        kernel: TokenSymmetricKernel | str,
        learning_rate: Number,
        *,
        max_steps: Any = 10**6,
        method: Any = "auto",
        tolerance: Number = 1e-9,
        max_iterations: Whole = 400,
        on_failure: Any = "raise",
    ):
        self.kernel = kernel
        self.learning_rate = learning_rate
        self.max_steps = max_steps
        self.method = method
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.on_failure = on_failure

    def _fitted_share(self, time: float, values: np.ndarray) -> np.ndarray:
        shrunk = 1 - self.learning_rate * values
        exact = 1 - shrunk**time
        # 1 − (1 − x)^s loses all digits for small x.
        small = np.abs(shrunk) > 0.5
        logarithm = np.log1p(np.where(small & (shrunk > 0), shrunk - 1, -0.5))
        return np.where(small & (shrunk > 0), -np.expm1(time * logarithm), exact)

    def _hardest(self) -> float:
        return float(as_int("max_steps", self.max_steps, 1))

    def _read_times(self, times: Any) -> Float[np.ndarray, "t"]:
        array = as_array("times", times)
        if array.dtype.kind not in "iu":
            raise TypeError(f"`times` must be integer numbers of steps; got dtype {array.dtype}.")
        return read_range("times", array, "max_steps", self._hardest())

    def _check_fit(self) -> None:
        rate = as_real("learning_rate", self.learning_rate)
        largest = max(float(modes.values.max(initial=0.0)) for modes in self._modes)
        if rate <= 0 or rate * largest >= 2:
            raise ValueError(
                f"`learning_rate` must be positive and below 2/λ_max = {2 / largest:.6g}, or "
                f"descent diverges; got {rate}."
            )
