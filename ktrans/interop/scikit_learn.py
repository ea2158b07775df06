"""Kernels on strings in scikit-learn's own estimators.

How each of them takes a kernel:

    SVC, SVR                     `SVC(kernel=GramFunction(kernel))`, called with all strings at once
    KernelRidge, KernelPCA, …    `make_pipeline(GramTransformer(kernel), KernelRidge(
                                 kernel="precomputed"))`; a callable they call for each pair of rows
    GaussianProcess…             `GaussianProcessRegressor(GaussianProcessKernel(kernel))`
    anything "precomputed"       `kernel(tokens)` to fit, `kernel(test_tokens, tokens)` to predict

The estimators of ktrans keep scikit-learn's habits by themselves and need nothing from here.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel
from sklearn.utils.validation import check_is_fitted, validate_data

from ktrans._checks import as_array, shown
from ktrans.kernels.base import TokenSymmetricKernel, as_token_pair
from ktrans.kernels.coefficients import PairValues
from ktrans.patterns.classes import PairClasses, as_tokens, pair_classes
from ktrans.solvers._parameters import Parametrised, fields_below, with_field

# Central differences of fourth order in the logarithm of a hyperparameter: at this step their error
# h⁴/30 balances a kernel's own error over h.
_STEP = 0.02
_STENCIL = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}


class GramFunction:
    """A kernel as the function `kernel=` of SVC, SVR, KernelPCA, `pairwise_kernels`, ….

    scikit-learn turns strings into floating-point numbers on the way: whole numbers are taken back
    as tokens. Values are remembered by the kind of pair, so that calls row by row cost no
    evaluations, but still one call of Python for each pair; prefer `GramTransformer` there.

    Args:
        kernel: A token-symmetric kernel.

    Raises:
        TypeError: if the kernel is none, or, when called, if the entries are no whole numbers.

    Example:
        >>> import ktrans as kt
        >>> from sklearn.svm import SVC
        >>> data = kt.tasks.load("aba_abb", vocab_size=50).sample(60)
        >>> kernel = kt.MLPKernel(kind="ntk", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> SVC(kernel=GramFunction(kernel), C=100.0).fit(data.tokens, data.labels).score(
        ...     data.tokens, data.labels)
        1.0
    """

    def __init__(self, kernel: TokenSymmetricKernel | str):
        self.kernel = _check_kernel(kernel)
        self._values = PairValues(self.kernel)

    def __call__(self, X: ArrayLike, Y: ArrayLike | None = None) -> Any:
        """K(x_i, y_j).

        Args:
            X: Strings of shape (n1, k), or one string of shape (k,).
            Y: Strings of shape (n2, k), or one string; X where left out.

        Returns:
            Float64 of shape (n1, n2), as exact as the kernel; a number for two single strings.
        """
        first = as_array("X", X)
        second = first if Y is None else as_array("Y", Y)
        matrix = self._values.matrix(*_read_pair(np.atleast_2d(first), np.atleast_2d(second)))
        return float(matrix[0, 0]) if first.ndim == second.ndim == 1 else matrix

    def __repr__(self) -> str:
        return f"GramFunction({self.kernel!r})"


class GramTransformer(Parametrised, TransformerMixin, BaseEstimator):
    """From strings to their Gram matrix with the training strings, for `kernel="precomputed"`.

    In cross-validation the strings are split before the matrix is made, so a pipeline that begins
    with this transformer takes strings, and is not pairwise itself.

    Args:
        kernel: A token-symmetric kernel; its hyperparameters are `kernel__beta` and so on.

    Attributes:
        tokens_: The training strings, shape (n, k).

    Raises:
        TypeError: by `fit`, if the kernel is none or the entries are no whole numbers.

    Example:
        >>> import ktrans as kt
        >>> from sklearn.kernel_ridge import KernelRidge
        >>> from sklearn.pipeline import make_pipeline
        >>> data = kt.tasks.load("aba_abb", vocab_size=50).sample(60)
        >>> kernel = kt.MLPKernel(kind="ntk", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> model = make_pipeline(GramTransformer(kernel), KernelRidge(kernel="precomputed"))
        >>> model.fit(data.tokens, data.labels).predict(data.tokens[:3]).shape
        (3,)
    """

    def __init__(self, kernel: TokenSymmetricKernel | str):
        self.kernel = kernel

    def fit(self, X: Any, y: Any = None) -> "GramTransformer":
        """Keep the training strings, shape (n, k)."""
        self._gram = GramFunction(self.kernel)
        self.tokens_ = self._read(X, reset=True)
        return self

    def transform(self, X: Any) -> Float[np.ndarray, "n1 n"]:
        """K(x_i, z_j) with the training strings z, float64 of shape (n1, n)."""
        check_is_fitted(self)
        return self._gram(self._read(X, reset=False), self.tokens_)

    def _read(self, X: Any, *, reset: bool) -> Int[np.ndarray, "n k"]:
        return _read_tokens(validate_data(self, X, reset=reset))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []
        return tags


class GaussianProcessKernel(Kernel):
    """A kernel for GaussianProcessRegressor and GaussianProcessClassifier.

    Combines with scikit-learn's kernels by + and *, for example with a `ConstantKernel` for the
    amplitude and a `WhiteKernel` for the noise.

    Args:
        kernel: A token-symmetric kernel.
        optimise: Hyperparameters of the kernel to be chosen by marginal likelihood, with their
            bounds: `{"beta": (0.1, 10.0), "activation__b1": (0.5, 2.0)}`. They are positive, and
            searched on a logarithmic scale. Left out, the kernel is fixed.

    Raises:
        TypeError: when used, if the kernel is none or the entries are no whole numbers.
        ValueError: when used, if `optimise` names something that is no positive hyperparameter.

    Example:
        >>> import ktrans as kt
        >>> from sklearn.gaussian_process import GaussianProcessRegressor
        >>> data = kt.tasks.load("aba_abb", vocab_size=50, noise_std=0.3).sample(40)
        >>> kernel = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.1)
        >>> given = GaussianProcessKernel(kernel, optimise={"weight_variance": (0.01, 100.0)})
        >>> model = GaussianProcessRegressor(given, alpha=0.1).fit(data.tokens, data.labels)
        >>> round(model.kernel_.kernel.weight_variance, 2)
        2.18
    """

    def __init__(self, kernel: TokenSymmetricKernel | str, optimise: Any = None):
        self.kernel = kernel
        self.optimise = optimise

    @property
    def hyperparameters(self) -> list[Hyperparameter]:
        """What is optimised, with bounds."""
        chosen = self.optimise or {}
        return [Hyperparameter(name, "numeric", bounds) for name, bounds in chosen.items()]

    @property
    def theta(self) -> Float[np.ndarray, "p"]:
        """Logarithms of the optimised hyperparameters."""
        return np.log(np.array([self._positive(name) for name in self.optimise or {}]))

    @theta.setter
    def theta(self, theta: ArrayLike) -> None:
        values = np.exp(np.asarray(theta)).tolist()
        for name, value in zip(self.optimise or {}, values, strict=True):
            self.kernel = with_field(self.kernel, name, value)

    def __call__(
        self, X: ArrayLike, Y: ArrayLike | None = None, eval_gradient: bool = False
    ) -> Any:
        """K(x_i, y_j), and if asked for its gradient in theta.

        Args:
            X: Strings of shape (n1, k).
            Y: Strings of shape (n2, k); X where left out.
            eval_gradient: Whether to give the gradient too, for Y left out.

        Returns:
            Float64 of shape (n1, n2), as exact as the kernel; with it ∂K/∂θ of shape (n1, n1, p),
            by central differences of fourth order, to about 1e-7.
        """
        if eval_gradient and Y is not None:
            raise ValueError("Gradient can only be evaluated when Y is None; leave `Y` out.")
        classes = pair_classes(*_read_pair(X, X if Y is None else Y))
        matrix = _values(_check_kernel(self.kernel), classes)[classes.index]
        return (matrix, self._gradient(classes)) if eval_gradient else matrix

    def diag(self, X: ArrayLike) -> Float[np.ndarray, "n"]:
        """K(x_i, x_i)."""
        return np.asarray(_check_kernel(self.kernel).diagonal(_read_tokens(X)))

    def is_stationary(self) -> bool:
        """Strings have no translations."""
        return False

    def __repr__(self) -> str:
        return f"GaussianProcessKernel({self.kernel!r})"

    def _gradient(self, classes: PairClasses) -> Float[np.ndarray, "n n p"]:
        columns = [self._derivative(name, classes) for name in self.optimise or {}]
        stacked = np.stack(columns, axis=-1) if columns else np.zeros((len(classes.tokens1), 0))
        return stacked[classes.index]

    def _derivative(self, name: str, classes: PairClasses) -> Float[np.ndarray, "c"]:
        """∂K/∂ln of one hyperparameter, for each class of pairs."""
        here = self._positive(name)
        moved = {
            step: with_field(self.kernel, name, here * float(np.exp(step * _STEP)))
            for step in _STENCIL
        }
        parts = [weight * _values(moved[step], classes) for step, weight in _STENCIL.items()]
        return np.sum(parts, axis=0) / _STEP

    def _positive(self, name: str) -> float:
        known = dict(fields_below(_check_kernel(self.kernel)))
        value = known.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
            raise ValueError(
                f"`optimise` must name positive hyperparameters of the kernel; `{name}` is "
                f"{shown(value)}, of {', '.join(known)}."
            )
        return float(value)


def _values(kernel: TokenSymmetricKernel, classes: PairClasses) -> Float[np.ndarray, "c"]:
    return np.asarray(kernel.evaluate_pairs(classes.tokens1, classes.tokens2).value)


def _check_kernel(kernel: TokenSymmetricKernel | str) -> TokenSymmetricKernel:
    if not isinstance(kernel, TokenSymmetricKernel):
        raise TypeError(f"`kernel` must be a token-symmetric kernel; got {shown(kernel)}.")
    return kernel


def _read_tokens(strings: ArrayLike) -> Int[np.ndarray, "n k"]:
    """Strings of whole numbers, which scikit-learn may hold as floating-point ones."""
    array = as_array("X", strings)
    if array.dtype.kind == "f":
        whole = array.astype(np.int64)
        if not (whole == array).all():
            raise TypeError(
                f"`X` must hold whole numbers, ids of tokens; got {array[whole != array][0]}."
            )
        return whole
    return as_tokens(array, "X")


def _read_pair(
    first: ArrayLike, second: ArrayLike
) -> tuple[Int[np.ndarray, "n1 k"], Int[np.ndarray, "n2 k"]]:
    return as_token_pair(_read_tokens(first), _read_tokens(second))
