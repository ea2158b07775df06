"""scikit-learn habits shared by the estimators, and what they accept."""

import inspect
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ktrans.gram.base import AbstractSquareGram
from ktrans.gram.dense import ForeignGram, PrecomputedGram
from ktrans.gram.operator import GramOperator
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.tasks import Dataset, TemplateTask

E = TypeVar("E", bound="Estimator")


class Training(NamedTuple):
    """What an estimator was given: the Gram matrix, the labels as given, and the task if any."""

    gram: AbstractSquareGram
    labels: np.ndarray
    task: TemplateTask | None


class Estimator:
    """Hyperparameters as scikit-learn keeps them: stored as given, checked by `fit`."""

    kernel: Any

    @classmethod
    def _parameter_names(cls) -> list[str]:
        return list(inspect.signature(cls).parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The hyperparameters by name; kernels are values and have no parameters below."""
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self: E, **params: Any) -> E:
        """Change hyperparameters; returns the estimator."""
        for name, value in params.items():
            if name not in self._parameter_names():
                known = ", ".join(self._parameter_names())
                raise ValueError(
                    f"`{name}` is no parameter of {type(self).__name__}; it has {known}."
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        parameters = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({parameters})"


def read_training(kernel: Any, data: Any, labels: ArrayLike | None) -> Training:
    """The Gram matrix and labels of `fit(dataset)`, `fit(tokens, labels)` or `fit(K, labels)`."""
    task = data.task if isinstance(data, Dataset | GramOperator) else None
    if labels is None:
        if not isinstance(data, Dataset):
            raise ValueError("`labels` must be given unless `fit` gets a Dataset; got None.")
        labels = data.labels
    gram = _read_gram(kernel, data)
    array = np.asarray(labels)
    if array.ndim == 0 or len(array) != gram.shape[0]:
        raise ValueError(
            f"`labels` must have one entry for each of the {gram.shape[0]} samples; got shape "
            f"{array.shape}."
        )
    return Training(gram, array, task)


def read_targets(training: Training) -> Float[np.ndarray, "n c"]:
    """Labels of a regression as float64 columns."""
    labels = training.labels
    if training.task is not None and isinstance(training.task.labels, tuple):
        raise ValueError(
            "`labels` of this task are tokens, not numbers; use KernelLogisticRegression, or pass "
            "`fit(tokens, labels)` with numbers."
        )
    if labels.dtype.kind not in "fiub":
        raise TypeError(f"`labels` must be real numbers; got dtype {labels.dtype}.")
    if labels.ndim > 2:
        raise ValueError(f"`labels` must have shape (n,) or (n, c); got {labels.shape}.")
    if not np.isfinite(labels).all():
        raise ValueError("`labels` must be finite; they hold NaN or infinite entries.")
    return labels.astype(np.float64).reshape(len(labels), -1)


def read_non_negative(name: str, value: Any) -> float:
    """A finite number >= 0."""
    number = read_number(name, value)
    if number < 0:
        raise ValueError(f"`{name}` must be non-negative; got {number}.")
    return number


def read_positive(name: str, value: Any) -> float:
    """A finite number > 0."""
    number = read_number(name, value)
    if number <= 0:
        raise ValueError(f"`{name}` must be positive; got {number}.")
    return number


def read_number(name: str, value: Any) -> float:
    """A finite real number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"`{name}` must be a number; got {value!r}.")
    if not np.isfinite(value):
        raise ValueError(f"`{name}` must be finite; got {value}.")
    return float(value)


def check_fitted(estimator: Estimator, attribute: str) -> None:
    """Refuse to predict before `fit`."""
    if not hasattr(estimator, attribute):
        raise ValueError(f"this {type(estimator).__name__} is not fitted yet; call `fit` first.")


def predict_with(
    gram: AbstractSquareGram, data: Any, sums: Float[np.ndarray, "d c"]
) -> Float[np.ndarray, "n1 c"]:
    """Σ_x K(z, x) β_x over the distinct training samples x, for strings or matrix rows z."""
    if isinstance(gram, GramOperator):
        return gram.core_cross(data.tokens if isinstance(data, Dataset) else data) @ sums
    if hasattr(data, "__matmul__") and not isinstance(data, np.ndarray):
        return np.asarray(data @ sums)
    rows = np.asarray(data, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(sums):
        raise ValueError(
            f"`tokens` must be the matrix of shape (n1, {len(sums)}) between test and training "
            f"samples where the kernel is precomputed; got {rows.shape}."
        )
    return rows @ sums


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


def _read_gram(kernel: Any, data: Any) -> AbstractSquareGram:
    if isinstance(kernel, TokenSymmetricKernel):
        return data if isinstance(data, GramOperator) else GramOperator(kernel, data)
    if isinstance(kernel, str) and kernel == "precomputed":
        if isinstance(data, AbstractSquareGram):
            return data
        return PrecomputedGram(data) if _is_array(data) else ForeignGram(data)
    raise TypeError(f'`kernel` must be a token-symmetric kernel or "precomputed"; got {kernel!r}.')


def _is_array(data: Any) -> bool:
    return isinstance(data, np.ndarray | list | tuple) or hasattr(data, "__array__")
