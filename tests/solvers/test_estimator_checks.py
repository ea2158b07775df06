"""scikit-learn's own checks of our estimators, on strings and on precomputed Gram matrices."""

import warnings

import jaxtyping
import pytest
from sklearn.utils._testing import SkipTest
from sklearn.utils.estimator_checks import estimator_checks_generator

import ktrans as kt
from tests.gram.small_kernel import SmallKernel

MAKERS = {
    "ridge": lambda kernel: kt.KernelRidge(kernel, ridge=1.0),
    "flow": lambda kernel: kt.KernelGradientFlow(kernel, max_time=1.0),
    "descent": lambda kernel: kt.KernelGradientDescent(kernel, 5e-7, max_steps=10**6),
    "logistic": lambda kernel: kt.KernelLogisticRegression(kernel, ridge=1.0),
    "path": lambda kernel: kt.KernelRidgePath(kernel, ridges=[1.0, 10.0]),
}
KERNELS = {"strings": SmallKernel(), "matrix": "precomputed"}

# Checks that cannot apply, by estimator and kind of input, and why. All others have to pass, and
# these have to fail.
EVERYWHERE = {"check_fit_score_takes_y": "`fit` has `labels` as its second argument, not `y`"}
STRINGS = {"check_estimators_dtypes": "floating-point X is refused: tokens are integers"}
ROWS = "`predict` has a row for each ridge"
CANNOT_APPLY = {
    ("ridge", "strings"): STRINGS,
    ("flow", "strings"): STRINGS,
    ("descent", "strings"): STRINGS,
    ("logistic", "strings"): STRINGS
    | {
        "check_supervised_y_2d": "labels of shape (n, 1) are refused, not flattened",
        "check_decision_proba_consistency": "its X is floating-point whatever the tags say",
    },
    ("path", "strings"): STRINGS
    | {
        "check_regressor_multioutput": ROWS,
        "check_methods_sample_order_invariance": ROWS,
        "check_methods_subset_invariance": ROWS,
        "check_regressors_train": ROWS,
    },
    ("ridge", "matrix"): {
        "check_positive_only_tag_during_fit": "its matrix is indefinite, the mean taken off",
        "check_estimators_dtypes": "its matrix is indefinite, truncated to integers",
    },
    ("flow", "matrix"): {},
    ("descent", "matrix"): {},
    ("logistic", "matrix"): {
        "check_supervised_y_2d": "labels of shape (n, 1) are refused, not flattened",
        "check_decision_proba_consistency": "its matrix is not square whatever the tags say",
    },
    ("path", "matrix"): {
        "check_regressor_multioutput": ROWS,
        "check_methods_sample_order_invariance": ROWS,
        "check_methods_subset_invariance": ROWS,
        "check_regressors_train": ROWS,
        "check_estimator_sparse_array": ROWS,
        "check_estimator_sparse_matrix": ROWS,
    },
}
# A hundred equality patterns of ten positions each make a hundred thousand groups of pairs.
SLOW_ON_STRINGS = (
    "check_dtype_object",
    "check_regressor_data_not_an_array",
    "check_regressors_train",
)


@pytest.fixture(autouse=True)
def _without_the_hook():
    """scikit-learn gives parameters that are of no kind we know: it is `fit` that refuses them."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def name_of(check):
    return name_of(check.func) if hasattr(check, "func") else check.__name__


def listed():
    """All checks of all estimators, with the excuse for each that has one."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not inherit from `sklearn.base")
        return [
            (key, subject, check, (EVERYWHERE | unfit).get(name_of(check)))
            for key, unfit in CANNOT_APPLY.items()
            for subject, check in estimator_checks_generator(MAKERS[key[0]](KERNELS[key[1]]))
        ]


LISTED = listed()


def parameters():
    for i, ((name, kind), subject, check, excuse) in enumerate(LISTED):
        called = name_of(check)
        is_slow = name == "logistic" or (kind == "strings" and called in SLOW_ON_STRINGS)
        marks = [pytest.mark.slow] * is_slow
        marks += [pytest.mark.xfail(reason=excuse)] if excuse else []
        yield pytest.param(subject, check, marks=marks, id=f"{name}-{kind}-{called}-{i}")


@pytest.mark.parametrize(("estimator", "check"), list(parameters()))
def test_the_checks_that_apply_pass(estimator, check):
    try:
        check(estimator)
    except SkipTest as reason:
        pytest.skip(str(reason))


def test_every_excuse_is_for_a_check_that_exists():
    known = {(key, name_of(check)) for key, _, check, _ in LISTED}
    excused = {(key, name) for key, unfit in CANNOT_APPLY.items() for name in EVERYWHERE | unfit}
    assert excused <= known
