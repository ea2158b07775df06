import numpy as np
import pytest

from ktrans.theory.curves.filters import FlowFilter, RidgeFilter, read_filter

QUADRATURE = 1e-12  # sixteen poles in each half-plane
EIGENVALUES = np.array([0.0, 1e-9, 1e-3, 1.0, 1e3, 1e9])


def as_sum(applied):
    ridges, weights = applied.resolvents()
    return np.sum(weights / (EIGENVALUES[:, None] + ridges), axis=1)


@pytest.mark.parametrize("time", [1e-6, 0.1, 1.0, 1e3, 1e9])
def test_gradient_flow_is_a_sum_of_ridge_regressions(time):
    applied = FlowFilter(time)
    found = as_sum(applied)
    np.testing.assert_allclose(found.imag, 0.0, atol=QUADRATURE * time)
    np.testing.assert_allclose(found.real, applied(EIGENVALUES), rtol=QUADRATURE)


def test_ridge_regression_is_one_ridge_regression():
    applied = read_filter(0.3, None)
    np.testing.assert_array_equal(as_sum(applied), applied(EIGENVALUES))
    assert applied == RidgeFilter(0.3)


def test_what_has_no_eigenvalue_is_fitted_at_the_rate_of_time():
    assert FlowFilter(7.0)(np.zeros(1)).tolist() == [7.0]


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ((None, None), TypeError, "exactly one of `ridge` and `time`; got ridge=None and time=N"),
        ((0.1, 1.0), TypeError, r"exactly one of `ridge` and `time`; got ridge=0\.1 and time=1\.0"),
        ((None, 0.0), ValueError, r"`time` must be positive; got 0\.0"),
        ((None, np.inf), ValueError, "`time` must be finite; got inf"),
        ((-1.0, None), ValueError, r"`ridge` must be non-negative; got -1\.0"),
    ],
)
def test_bad_rules_are_refused(given, error, sentence):
    with pytest.raises(error, match=sentence):
        read_filter(*given)
