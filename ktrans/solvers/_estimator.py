"""scikit-learn habits shared by the estimators, and what they accept."""

import numbers
import sys
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import equinox as eqx
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ktrans._checks import as_array, as_int, check_word, shown
from ktrans._results import Result
from ktrans._tables import TextTable, short
from ktrans.gram.base import AbstractSquareGram
from ktrans.gram.dense import ForeignGram, PrecomputedGram
from ktrans.gram.operator import GramOperator
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.solvers._inputs import check_width, read_matrix, read_strings
from ktrans.solvers._parameters import Parametrised
from ktrans.solvers.solution import OnFailure
from ktrans.tasks import Dataset, TemplateTask

_MOST_ITERATIONS = 2**31 - 1


class Training(NamedTuple):
    """What an estimator was given: the Gram matrix, the labels as given, and the task if any."""

    gram: AbstractSquareGram
    labels: np.ndarray
    task: TemplateTask | None


class Estimator(Parametrised, Result):
    """What all estimators do with the data they are given, and what scikit-learn asks of them."""

    kernel: Any
    _kind: ClassVar[Literal["regressor", "classifier"]] = "regressor"
    _methods: ClassVar[tuple[str, ...]] = ()
    _training: Training

    @property
    def n_features_in_(self) -> int:
        """Positions of the strings, or columns of a precomputed matrix, that `fit` was given."""
        check_fitted(self, "_training")
        return _width(self.gram_)

    def _read(self, data: Any, labels: ArrayLike | None) -> Training:
        self._check_settings()
        self._training = read_training(self.kernel, data, labels)
        return self._training

    @property
    def gram_(self) -> AbstractSquareGram:
        """The Gram matrix of the training samples."""
        check_fitted(self, "_training")
        return self._training.gram

    def table(self) -> TextTable:
        """The parameters, and how the fit went."""
        settings = self.get_params(deep=False)
        rows = [[name, short(value)] for name, value in settings.items()]
        solution = getattr(self, "_solution", None)
        rows += [] if solution is None else list(solution.table().rows[1:])
        return TextTable([[type(self).__name__, ""], *rows])

    def _check_settings(self) -> None:
        settings = self.get_params(deep=False)
        as_int("max_iterations", settings["max_iterations"], 1, _MOST_ITERATIONS)
        check_word("on_failure", settings["on_failure"], get_args(OnFailure))
        if "method" in settings:
            check_word("method", settings["method"], self._methods)

    def _predict_with(self, data: Any, sums: Float[np.ndarray, "d c"]) -> Float[np.ndarray, "n1 c"]:
        """Σ_x K(z, x) β_x over the distinct training samples x, for strings or matrix rows z."""
        if isinstance(self.gram_, GramOperator):
            return self.gram_.core_cross(self._read_test_strings(data)) @ sums
        if not _is_array(data) and hasattr(data, "__matmul__"):
            return np.asarray(data @ sums)
        rows = read_matrix(data)
        meaning = f"be the matrix of shape (n1, {len(sums)}) between test and training samples"
        check_width(rows, len(sums), type(self).__name__, meaning)
        return rows @ sums

    def _read_test_strings(self, data: Any) -> np.ndarray:
        strings = data.tokens if isinstance(data, Dataset) else read_strings(data)
        check_width(strings, self.n_features_in_, type(self).__name__, "be as long as in training")
        return strings

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_training")

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn should know; called by it alone, so that we need not import it."""
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        is_regressor, is_precomputed = self._kind == "regressor", isinstance(self.kernel, str)
        return Tags(
            estimator_type=self._kind,
            target_tags=TargetTags(required=True, multi_output=is_regressor),
            regressor_tags=RegressorTags() if is_regressor else None,
            classifier_tags=None if is_regressor else ClassifierTags(),
            input_tags=InputTags(
                categorical=not is_precomputed, pairwise=is_precomputed, sparse=is_precomputed
            ),
        )


class Regressor(Estimator):
    """An estimator that predicts one number, or one row of numbers, for each string."""

    def predict(self, tokens: Any) -> np.ndarray:
        """Predictions of the labels' shape."""
        raise NotImplementedError

    def score(self, tokens: Any, y: ArrayLike) -> float:
        """Coefficient of determination R² of the predictions for labels y, as in scikit-learn."""
        predicted = self.predict(tokens)
        truth = _real_labels("y", as_array("y", y))
        check_truth("y", truth, predicted)
        error = np.sum((truth - predicted) ** 2)
        return float(1 - error / np.sum((truth - truth.mean(0)) ** 2))


def check_truth(name: str, truth: np.ndarray, predicted: np.ndarray) -> None:
    """Refuse labels to compare with that are not one for each prediction."""
    if truth.shape != predicted.shape:
        raise ValueError(
            f"`{name}` must have the shape {predicted.shape} of the predictions; got {truth.shape}."
        )


def read_training(
    kernel: TokenSymmetricKernel | str, data: Any, labels: ArrayLike | None
) -> Training:
    """The Gram matrix and labels of `fit(dataset)`, `fit(tokens, labels)` or `fit(K, labels)`."""
    task = data.task if isinstance(data, Dataset | GramOperator) else None
    if labels is None:
        if not isinstance(data, Dataset):
            raise ValueError(
                "`labels` must be given unless `fit` gets a Dataset: it requires y to be passed, "
                "but the target y is None."
            )
        labels = data.labels
    array = _finite_labels("labels", as_array("labels", labels))
    gram = _read_gram(kernel, data)
    if array.ndim == 0 or len(array) != gram.shape[0]:
        raise ValueError(
            f"`labels` must have one entry for each of the {gram.shape[0]} samples; got shape "
            f"{array.shape}."
        )
    return Training(gram, array, task)


def read_targets(training: Training) -> Float[np.ndarray, "n c"]:
    """Labels of a regression as float64 columns."""
    if training.task is not None and isinstance(training.task.labels, tuple):
        raise ValueError(
            "`labels` of this task are tokens, not numbers; use KernelLogisticRegression, or pass "
            "`fit(tokens, labels)` with numbers."
        )
    labels = _real_labels("labels", training.labels)
    if labels.ndim > 2:
        raise ValueError(f"`labels` must have shape (n,) or (n, c); got {labels.shape}.")
    return labels.reshape(len(labels), -1)


def check_fitted(estimator: Estimator, attribute: str) -> None:
    """Refuse to predict before `fit`, with scikit-learn's own exception where that is in use."""
    if not hasattr(estimator, attribute):
        exceptions = sys.modules.get("sklearn.exceptions")
        kind = ValueError if exceptions is None else exceptions.NotFittedError
        raise kind(f"this {type(estimator).__name__} is not fitted yet; call `fit` first.")


def predict_unseen_with(
    training: Training, sums: Float[np.ndarray, "d c"]
) -> Float[np.ndarray, "r c"]:
    """Σ_g K(z, g) Σ_{x in g} β_x for the task's templates z on unseen symbols, g refined ones."""
    gram = training.gram
    if training.task is None or not isinstance(gram, GramOperator):
        raise ValueError(
            "`predict_unseen` needs the templates; fit a Dataset with a token-symmetric kernel, or "
            "call `predict` on strings with unseen tokens."
        )
    group = gram.refinement.group[gram.distinct.first]
    # Sums of slices are pairwise; bincount would lose digits at ten million samples.
    by_group = [sums[group == g].sum(0) for g in range(len(gram.refinement.codes))]
    return gram.unseen(training.task.fresh_strings()[0]) @ np.stack(by_group)


def _finite_labels(name: str, labels: np.ndarray) -> np.ndarray:
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError(
            f"`{name}` must be finite; got {labels[~np.isfinite(labels)][0]}: leave such out."
        )
    return labels


def _real_labels(name: str, labels: np.ndarray) -> np.ndarray:
    """Labels as float64, also Python numbers in an array of objects, as data frames hold them."""
    is_real = labels.dtype.kind in "fiub" or (
        labels.dtype.kind == "O" and all(isinstance(each, numbers.Real) for each in labels.flat)
    )
    if not is_real:
        raise TypeError(f"`{name}` must be real numbers; got dtype {labels.dtype}.")
    return _finite_labels(name, labels.astype(np.float64))


def _read_gram(kernel: TokenSymmetricKernel | str, data: Any) -> AbstractSquareGram:
    if isinstance(kernel, TokenSymmetricKernel):
        if isinstance(data, GramOperator):
            return _of_kernel(data, kernel)
        return GramOperator(kernel, data if isinstance(data, Dataset) else read_strings(data))
    if isinstance(kernel, str) and kernel == "precomputed":
        if isinstance(data, AbstractSquareGram):
            return data
        return PrecomputedGram(read_matrix(data)) if _is_array(data) else ForeignGram(data)
    raise TypeError(
        f'`kernel` must be a token-symmetric kernel or "precomputed"; got {shown(kernel)}.'
    )


def _of_kernel(gram: GramOperator, kernel: TokenSymmetricKernel) -> GramOperator:
    if gram.kernel is not kernel and not eqx.tree_equal(gram.kernel, kernel):
        raise ValueError(
            f"`dataset` must be an operator of the estimator's `kernel`, {shown(kernel)}; got one "
            f"of {shown(gram.kernel)}."
        )
    return gram


def _width(gram: AbstractSquareGram) -> int:
    return gram.tokens.shape[1] if isinstance(gram, GramOperator) else gram.shape[0]


def _is_array(data: Any) -> bool:
    return isinstance(data, np.ndarray | list | tuple) or hasattr(data, "__array__")
