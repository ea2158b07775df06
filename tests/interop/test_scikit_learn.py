import pickle

import jaxtyping
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC, SVR
from sklearn.utils.estimator_checks import check_estimator

import ktrans as kt
from ktrans.interop.scikit_learn import GaussianProcessKernel, GramFunction, GramTransformer
from tests.gram.small_kernel import SmallKernel
from tests.tolerances import DIFFERENCES, ROUNDING

KERNEL = SmallKernel()
DATA = kt.tasks.load("aba_abb", vocab_size=30).sample(60)
TEST = kt.tasks.load("aba_abb", vocab_size=30).sample(20, seed=1)
RIDGE = 0.1


def precomputed():
    return make_pipeline(GramTransformer(KERNEL), KernelRidge(alpha=RIDGE, kernel="precomputed"))


@pytest.mark.parametrize(
    "model",
    [
        precomputed(),
        KernelRidge(alpha=RIDGE, kernel=GramFunction(KERNEL)),
        GaussianProcessRegressor(GaussianProcessKernel(KERNEL), alpha=RIDGE),
    ],
    ids=["transformer", "callable", "gaussian process"],
)
def test_ridge_regression_of_scikit_learn_is_ours(model):
    ours = kt.KernelRidge(KERNEL, ridge=RIDGE).fit(DATA).predict(TEST)
    theirs = model.fit(DATA.tokens, DATA.labels).predict(TEST.tokens)
    np.testing.assert_allclose(theirs, ours, atol=1e-9)  # duals at residual 1e-10


@pytest.mark.parametrize("machine", [SVC, SVR])
def test_support_vector_machines_take_a_callable_or_the_gram_matrix(machine):
    matrix, cross = KERNEL(DATA.tokens), KERNEL(TEST.tokens, DATA.tokens)
    expected = machine(kernel="precomputed").fit(matrix, DATA.labels).predict(cross)
    model = machine(kernel=GramFunction(KERNEL)).fit(DATA.tokens, DATA.labels)
    np.testing.assert_allclose(model.predict(TEST.tokens), expected, rtol=ROUNDING)


def test_a_callable_takes_strings_and_matrices_of_whole_numbers():
    gram, tokens = GramFunction(KERNEL), DATA.tokens
    np.testing.assert_array_equal(gram(tokens.astype(float)), KERNEL(tokens))
    assert gram(tokens[0], tokens[1]) == KERNEL(tokens[:1], tokens[1:2])[0, 0]
    with pytest.raises(TypeError, match=r"`X` must hold whole numbers, ids of tokens; got 0\.5"):
        gram(np.full((2, 3), 0.5))
    with pytest.raises(TypeError, match="`kernel` must be a token-symmetric kernel; got 'rbf'"):
        GramFunction("rbf")


@pytest.mark.parametrize(
    ("model", "grid"),
    [
        (precomputed(), {"gramtransformer__kernel__scale": [1e-6, 1.0]}),
        (kt.KernelRidge(KERNEL, ridge=RIDGE), {"kernel__scale": [1e-6, 1.0]}),
        (kt.KernelGradientFlow(KERNEL, max_time=1.0), {"max_time": [1e-6, 1.0]}),
        (
            kt.KernelGradientDescent(KERNEL, 1e-3, max_steps=1000),
            {"learning_rate": [1e-9, 1e-3]},
        ),
    ],
    ids=["pipeline", "ridge", "flow", "descent"],
)
def test_hyperparameters_are_searched_by_cross_validation(model, grid):
    found = GridSearchCV(model, grid, cv=3).fit(DATA.tokens, DATA.labels)
    (name, values) = next(iter(grid.items()))
    assert found.best_params_[name] == values[-1]
    assert found.predict(TEST.tokens).shape == (20,)


def test_a_classifier_is_searched_by_cross_validation():
    model = kt.KernelLogisticRegression(KERNEL, ridge=RIDGE)
    found = GridSearchCV(model, {"ridge": [RIDGE, 10.0]}, cv=3).fit(DATA.tokens, DATA.labels)
    assert found.score(TEST.tokens, TEST.labels) > 0.9


def test_a_precomputed_matrix_is_split_along_both_axes():
    search = GridSearchCV(kt.KernelRidge("precomputed", ridge=1.0), {"ridge": [RIDGE, 1e6]}, cv=3)
    assert search.fit(KERNEL(DATA.tokens), DATA.labels).best_params_ == {"ridge": RIDGE}


def test_parameters_below_a_kernel_are_reached_and_checked():
    phi = kt.Cosine(b1=1.0, b2=0.5)
    model = kt.KernelRidge(kt.TransformerKernel(beta=1.0, gamma=0.7, activation=phi), ridge=0.1)
    assert model.get_params()["kernel__activation__b1"] == 1.0
    model.set_params(kernel__beta=2.0, kernel__activation__b2=0.0)
    assert (model.kernel.beta, model.kernel.activation.b2) == (2.0, 0.0)
    with pytest.raises(ValueError, match="`beta` must be a non-negative number"):
        model.set_params(kernel__beta=-1.0)
    with pytest.raises(ValueError, match="`kernel__alpha` is no parameter of KernelRidge"):
        model.set_params(kernel__alpha=1.0)


def test_gradients_of_a_gaussian_process_kernel_agree_with_other_differences():
    kernel = GaussianProcessKernel(
        kt.MLPKernel(
            kind="ntk", depth=2, activation=kt.Erf(), weight_variance=2.0, bias_variance=0.1
        ),
        optimise={"weight_variance": (0.1, 10.0), "bias_variance": (0.01, 1.0)},
    )
    matrix, gradient = kernel(DATA.tokens, eval_gradient=True)
    assert gradient.shape == (60, 60, 2)
    step = 1e-5
    for i, direction in enumerate(np.eye(2)):
        ahead, behind = (
            kernel.clone_with_theta(kernel.theta + s * direction) for s in (step, -step)
        )
        expected = (ahead(DATA.tokens) - behind(DATA.tokens)) / (2 * step)
        np.testing.assert_allclose(gradient[..., i], expected, atol=DIFFERENCES)
    np.testing.assert_allclose(kernel.diag(DATA.tokens), matrix.diagonal(), rtol=ROUNDING)


def test_a_gaussian_process_chooses_hyperparameters():
    given = GaussianProcessKernel(KERNEL, optimise={"scale": (1e-3, 1e3)})
    model = GaussianProcessRegressor(given, alpha=RIDGE).fit(DATA.tokens, DATA.labels)
    likelihood = model.log_marginal_likelihood_value_
    assert likelihood > model.log_marginal_likelihood(given.theta) + 1
    slope = model.log_marginal_likelihood(model.kernel_.theta, eval_gradient=True)[1]
    assert abs(slope[0]) < 1e-2  # where the minimiser stops
    assert given.kernel.scale == 1.0


def test_gaussian_process_kernels_combine_clone_and_pickle():
    combined = ConstantKernel(2.0) * GaussianProcessKernel(KERNEL, {"scale": (0.1, 10.0)})
    whole = combined + WhiteKernel(0.1)
    assert [each.name for each in whole.hyperparameters] == [
        "k1__k1__constant_value",
        "k1__k2__scale",
        "k2__noise_level",
    ]
    for copy in (clone(whole), pickle.loads(pickle.dumps(whole))):
        assert copy == whole
        np.testing.assert_array_equal(copy(DATA.tokens), whole(DATA.tokens))
    expected = 2 * KERNEL(DATA.tokens) + 0.1 * np.eye(60)
    np.testing.assert_allclose(whole(DATA.tokens), expected, rtol=ROUNDING)


def test_gaussian_processes_classify():
    model = GaussianProcessClassifier(GaussianProcessKernel(KERNEL)).fit(DATA.tokens, DATA.labels)
    assert model.score(DATA.tokens, DATA.labels) > 0.95


@pytest.mark.parametrize(
    ("optimise", "sentence"),
    [
        ({"depth": (1, 2)}, "`depth` is None, of agreement, scale"),
        ({"scale": (1, 2)}, "`scale` is 0.0, of agreement, scale"),
    ],
)
def test_only_positive_hyperparameters_are_optimised(optimise, sentence):
    kernel = GaussianProcessKernel(SmallKernel(scale=0.0), optimise)
    with pytest.raises(ValueError, match=f"must name positive hyperparameters.*{sentence}"):
        _ = kernel.theta


def test_the_transformer_passes_the_checks_of_scikit_learn():
    jaxtyping.config.update("jaxtyping_disable", True)  # it is `fit` that refuses odd parameters
    try:
        results = check_estimator(GramTransformer(KERNEL), on_skip=None)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
    assert sum(each["status"] == "passed" for each in results) > 40
    assert {each["check_name"] for each in results if each["status"] == "skipped"} <= {
        "check_array_api_input"
    }
