"""Bad input to Gram operators, solvers and what they make: each is refused in one sentence."""

import numpy as np
import pytest

import ktrans as kt
from ktrans.measure import measure_unseen, spectrum_curves
from ktrans.measure.alignment import cumulative_power
from ktrans.measure.collisions.geometry import collision_design
from ktrans.measure.density import SpectralDensity
from ktrans.measure.unseen import Plan
from ktrans.tasks.diversity import with_vocabulary
from ktrans.theory.separation import Separation
from ktrans.theory.statistics import template_statistics
from tests.robustness.one_sentence import check_refusal, refused
from tests.robustness.small import (
    COSINE,
    DATA,
    MANY,
    MLP,
    SYMBOLIC,
    TASK,
    TRANSFORMER,
    gram,
    spectrum,
    task_of,
)

X, Y = DATA.tokens, np.asarray(DATA.labels)
SYMBOLS = SYMBOLIC.sample(8, seed=0)
NAMING = kt.NextTokenKernel(TRANSFORMER, 1.0)
nan, inf = float("nan"), float("inf")
RAGGED = [[0, 1], [2]]
DENSITY = SpectralDensity(np.ones((2, 1)), np.ones((2, 1)), 1, 1)
SEPARATION = Separation(("αβα", "αββ"), ((0,), (1,)), None)


def ridge(value=0.1, **options):
    return kt.KernelRidge(MLP, value, **options)


def flow():
    return kt.KernelGradientFlow(MLP).fit(DATA)


def plan(**options):
    base = {"num_samples": (8,), "vocab_sizes": (20,), "seeds": (0,), "ridge": 0.1}
    return Plan(**base | options)


ROWS = [
    refused("operator kernel", lambda: kt.GramOperator(3, DATA), TypeError, "`kernel`", "got int"),
    refused(
        "operator empty",
        lambda: kt.GramOperator(MLP, np.zeros((0, 3), int)),
        ValueError,
        "`dataset`",
        "none",
    ),
    refused(
        "operator floats",
        lambda: kt.GramOperator(MLP, np.ones((2, 3))),
        TypeError,
        "`dataset`",
        "float64",
    ),
    refused("product length", lambda: gram() @ np.ones(3), ValueError, "`vectors`", "(3,)"),
    refused("product text", lambda: gram() @ ["a"] * 12, TypeError, "`vectors`", "<U1"),
    refused("cross length", lambda: gram().cross([[0, 1]]), ValueError, "`tokens`", "2"),
    refused(
        "cross floats", lambda: gram().cross([[0.5, 1, 2, 3]]), TypeError, "`tokens`", "float64"
    ),
    refused(
        "dense huge operator",
        lambda: kt.GramOperator(MLP, MANY).to_dense(),
        ValueError,
        "dense matrix",
        "74.5 GiB",
        "GramOperator",
    ),
    refused(
        "regular tokens",
        lambda: kt.GramOperator(MLP, DATA, regular_tokens=[0.5]),
        TypeError,
        "`regular_tokens`",
        "0.5",
    ),
    refused("ridge negative", lambda: ridge(-1.0).fit(DATA), ValueError, "`ridge`", "-1.0"),
    refused("ridge nan", lambda: ridge(nan).fit(DATA), ValueError, "`ridge`", "nan"),
    refused("ridge text", lambda: ridge("0.1").fit(DATA), TypeError, "`ridge`", "0.1"),
    refused("ridge none", lambda: ridge(None).fit(DATA), TypeError, "`ridge`", "None"),
    refused("ridge bool", lambda: ridge(True).fit(DATA), TypeError, "`ridge`", "True"),
    refused(
        "ridge kernel", lambda: kt.KernelRidge("rbf", 0.1).fit(DATA), TypeError, "`kernel`", "rbf"
    ),
    refused("method", lambda: ridge(method="lu").fit(DATA), ValueError, "`method`", "lu"),
    refused("tolerance", lambda: ridge(tolerance=0.0).fit(DATA), ValueError, "`tolerance`", "0.0"),
    refused(
        "iterations", lambda: ridge(max_iterations=0).fit(DATA), ValueError, "`max_iterations`", "0"
    ),
    refused(
        "iterations float",
        lambda: ridge(max_iterations=1.5).fit(DATA),
        TypeError,
        "`max_iterations`",
        "1.5",
    ),
    refused(
        "on failure",
        lambda: ridge(on_failure="ignore").fit(DATA),
        ValueError,
        "`on_failure`",
        "ignore",
    ),
    refused("labels missing", lambda: ridge().fit(X), ValueError, "`labels`", "None"),
    refused("labels count", lambda: ridge().fit(X, Y[:3]), ValueError, "`labels`", "3"),
    refused("labels nan", lambda: ridge().fit(X, np.full(12, nan)), ValueError, "`labels`", "nan"),
    refused("labels inf", lambda: ridge().fit(X, np.full(12, inf)), ValueError, "`labels`", "inf"),
    refused(
        "labels text", lambda: ridge().fit(X, ["a"] * 12), TypeError, "`labels`", "got dtype <U1"
    ),
    refused("labels complex", lambda: ridge().fit(X, Y + 1j), TypeError, "`labels`", "complex"),
    refused(
        "labels none entries",
        lambda: ridge().fit(X, [None] * 12),
        TypeError,
        "`labels`",
        "got dtype object",
    ),
    refused(
        "labels three-dimensional",
        lambda: ridge().fit(X, np.zeros((12, 1, 1))),
        ValueError,
        "`labels`",
        "(12, 1, 1)",
    ),
    refused("symbolic labels", lambda: ridge().fit(SYMBOLS), ValueError, "`labels`"),
    refused(
        "fit empty",
        lambda: ridge().fit(np.zeros((0, 3), int), []),
        ValueError,
        "`dataset`",
        "got none",
    ),
    refused("fit text", lambda: ridge().fit("abc", [1.0]), ValueError, "`tokens`", "got shape ()"),
    refused(
        "fit ragged",
        lambda: ridge().fit([[0, 1], [2]], [1.0, 2.0]),
        ValueError,
        "`tokens`",
        "length",
    ),
    refused(
        "predict length", lambda: ridge().fit(DATA).predict([[0, 1]]), ValueError, "`tokens`", "2"
    ),
    refused(
        "predict floats",
        lambda: ridge().fit(DATA).predict(np.full((2, 4), 0.5)),
        TypeError,
        "`tokens`",
        "got dtype float64",
    ),
    refused(
        "unseen of arrays",
        lambda: ridge().fit(X, Y).predict_unseen(),
        ValueError,
        "`predict_unseen`",
        "Dataset",
    ),
    refused(
        "path empty", lambda: kt.KernelRidgePath(MLP, []).fit(DATA), ValueError, "`ridges`", "[]"
    ),
    refused(
        "path negative",
        lambda: kt.KernelRidgePath(MLP, [0.1, -1.0]).fit(DATA),
        ValueError,
        "`ridges`",
        "-1.0",
    ),
    refused(
        "path text", lambda: kt.KernelRidgePath(MLP, "0.1").fit(DATA), ValueError, "`ridges`", "0.1"
    ),
    refused(
        "path nan", lambda: kt.KernelRidgePath(MLP, [nan]).fit(DATA), ValueError, "`ridges`", "nan"
    ),
    refused(
        "flow time",
        lambda: kt.KernelGradientFlow(MLP, max_time=-1.0).fit(DATA),
        ValueError,
        "`max_time`",
        "-1.0",
    ),
    refused(
        "flow times negative",
        lambda: kt.KernelGradientFlow(MLP).fit(DATA).predict(X, [-1.0]),
        ValueError,
        "`times`",
        "-1.0",
    ),
    refused(
        "flow times nan",
        lambda: kt.KernelGradientFlow(MLP).fit(DATA).predict_unseen([nan]),
        ValueError,
        "`times`",
        "nan",
    ),
    refused(
        "flow times text",
        lambda: kt.KernelGradientFlow(MLP).fit(DATA).predict_unseen("1"),
        ValueError,
        "`times`",
        "got ()",
    ),
    refused(
        "descent rate",
        lambda: kt.KernelGradientDescent(MLP, 0.0).fit(DATA),
        ValueError,
        "`learning_rate`",
        "0.0",
    ),
    refused(
        "descent rate huge",
        lambda: kt.KernelGradientDescent(MLP, 1e9).fit(DATA),
        ValueError,
        "`learning_rate`",
        "1000000000.0",
    ),
    refused(
        "descent steps",
        lambda: kt.KernelGradientDescent(MLP, 0.01).fit(DATA).predict_unseen([1.5]),
        TypeError,
        "steps",
        "got dtype float64",
    ),
    refused(
        "logistic classes",
        lambda: kt.KernelLogisticRegression(MLP, 0.1).fit(X, np.arange(12) * 0 + 1),
        ValueError,
        "`labels`",
        "1",
    ),
    refused(
        "logistic ridge",
        lambda: kt.KernelLogisticRegression(MLP, 0.0).fit(DATA),
        ValueError,
        "`ridge`",
        "0.0",
    ),
    refused(
        "template matrix task",
        lambda: kt.template_matrix(MLP, "aba_abb"),
        TypeError,
        "`task`",
        "got str",
    ),
    refused(
        "template matrix kernel", lambda: kt.template_matrix("K", TASK), TypeError, "`kernel`", "K"
    ),
    refused(
        "template matrix swapped",
        lambda: kt.template_matrix(TASK, MLP),
        TypeError,
        "`kernel` must stand before `task`",
        "got a task",
    ),
    refused(
        "verify swapped",
        lambda: kt.verify(TASK, MLP),
        TypeError,
        "`kernel` must stand before `task`",
        "got a task",
    ),
    refused(
        "compare swapped",
        lambda: kt.compare(TASK, {"mlp": MLP}, num_samples=[8], num_seeds=1, ridge=0.1),
        TypeError,
        "`kernels` must stand before `task`",
        "got a task",
    ),
    refused(
        "verify ridge", lambda: kt.verify(MLP, TASK, ridge=-1.0), ValueError, "`ridge`", "-1.0"
    ),
    refused(
        "separation kernel", lambda: kt.theory.separation(None, TASK), TypeError, "`kernel`", "None"
    ),
    refused("groups task", lambda: kt.theory.mlp_groups([1]), TypeError, "`task`", "got list"),
    refused(
        "map betas negative",
        lambda: kt.theory.attention_sigma_map(TASK, betas=[-1.0], gammas=[1.0], activation=COSINE),
        ValueError,
        "`beta`",
        "-1.0",
    ),
    refused(
        "map gammas text",
        lambda: kt.theory.attention_sigma_map(TASK, betas=[1.0], gammas="1", activation=COSINE),
        ValueError,
        "`gammas`",
        "1",
    ),
    refused(
        "map checkpoint folder",
        lambda: kt.theory.attention_sigma_map(
            TASK, betas=[0.0], gammas=[1.0], activation=COSINE, checkpoint=__file__
        ),
        ValueError,
        "`checkpoint`",
        "test_solvers_and_results.py",
    ),
    refused(
        "cosine map b1",
        lambda: kt.theory.cosine_sigma_map(TASK, beta=1.0, gamma=1.0, b1=[nan], b2=[0.0]),
        ValueError,
        "`b1`",
        "nan",
    ),
    refused(
        "best conditioned",
        lambda: kt.theory.best_conditioned("aba"),
        TypeError,
        "`task`",
        "got str",
    ),
    refused("enclose", lambda: kt.theory.enclose_spectrum(MLP, 3), TypeError, "`task`", "got int"),
    refused(
        "curve counts nan",
        lambda: kt.learning_curve(MLP, TASK, num_samples=[nan], ridge=0.1),
        ValueError,
        "`num_samples`",
        "nan",
    ),
    refused(
        "curve counts text",
        lambda: kt.learning_curve(MLP, TASK, num_samples="many", ridge=0.1),
        TypeError,
        "`num_samples`",
        "many",
    ),
    refused(
        "curve neither",
        lambda: kt.learning_curve(MLP, TASK, num_samples=[10]),
        TypeError,
        "`ridge`",
        "got ridge=None and time=None",
    ),
    refused(
        "curve both",
        lambda: kt.learning_curve(MLP, TASK, num_samples=[10], ridge=0.1, time=1.0),
        TypeError,
        "`ridge`",
        "got ridge=0.1 and time=1.0",
    ),
    refused(
        "curve symbols",
        lambda: kt.learning_curve(MLP, SYMBOLIC, num_samples=[10], ridge=0.1),
        ValueError,
        "labels",
    ),
    refused(
        "needed mse",
        lambda: kt.samples_needed(MLP, TASK, mse=-1.0, ridge=0.1),
        ValueError,
        "`mse`",
        "-1.0",
    ),
    refused(
        "needed mse nan",
        lambda: kt.theory.corrected_samples_needed(MLP, TASK, mse=nan, ridge=0.1),
        ValueError,
        "`mse`",
        "nan",
    ),
    refused(
        "cavity seed",
        lambda: kt.theory.cavity_learning_curve(MLP, TASK, num_samples=[8], ridge=0.1, seed=-1),
        ValueError,
        "`seed`",
        "-1",
    ),
    refused(
        "in distribution",
        lambda: kt.theory.in_distribution_curve(MLP, TASK, num_samples=[1], ridge=-0.1),
        ValueError,
        "`ridge`",
        "-0.1",
    ),
    refused(
        "theorem delta",
        lambda: kt.measure.compare_with_theorem(None, delta=0.1),
        TypeError,
        "`measured`",
        "got None",
    ),
    refused(
        "compare kernels list",
        lambda: kt.compare([MLP], TASK, num_samples=[8], num_seeds=1, ridge=0.1),
        ValueError,
        "`kernels`",
        "[MLPKernel",
    ),
    refused(
        "compare kernels empty",
        lambda: kt.compare({}, TASK, num_samples=[8], num_seeds=1, ridge=0.1),
        ValueError,
        "`kernels`",
        "{}",
    ),
    refused(
        "compare seeds",
        lambda: kt.compare({"mlp": MLP}, TASK, num_samples=[8], num_seeds=0, ridge=0.1),
        ValueError,
        "`num_seeds`",
        "0",
    ),
    refused(
        "compare test",
        lambda: kt.compare({"mlp": MLP}, TASK, num_samples=[8], num_seeds=1, ridge=0.1, num_test=0),
        ValueError,
        "`num_test`",
        "0",
    ),
    refused(
        "spectrum zipf",
        lambda: kt.population_spectrum(MLP, task_of(substitution="zipf")),
        ValueError,
        "`task`",
        "Zipf(exponent=1.0)",
    ),
    refused(
        "blocks array",
        lambda: kt.measure.block_structure(MLP, X),
        TypeError,
        "`dataset`",
        "got array",
    ),
    refused(
        "collisions array",
        lambda: kt.measure.collision_graph(MLP, X),
        TypeError,
        "`dataset`",
        "got array",
    ),
    refused(
        "density operator",
        lambda: kt.measure.spectral_density(MLP),
        TypeError,
        "`operator`",
        "MLPKernel",
    ),
    refused(
        "density probes",
        lambda: kt.measure.spectral_density(gram(), num_probes=0),
        ValueError,
        "`num_probes`",
        "0",
    ),
    refused(
        "density steps",
        lambda: kt.measure.spectral_density(gram(), num_steps=-1),
        ValueError,
        "`num_steps`",
        "-1",
    ),
    refused(
        "density seed",
        lambda: kt.measure.spectral_density(gram(), seed=-1),
        ValueError,
        "`seed`",
        "-1",
    ),
    refused(
        "learnability spectrum",
        lambda: kt.theory.learnability(MLP, num_samples=[8], ridge=0.1),
        TypeError,
        "`spectrum`",
        "MLPKernel",
    ),
    refused(
        "learnability ridge",
        lambda: kt.theory.learnability(spectrum(), num_samples=8, ridge=-1.0),
        ValueError,
        "`ridge`",
        "-1.0",
    ),
    refused(
        "power task", lambda: kt.theory.population_power(MLP, None), TypeError, "`task`", "None"
    ),
    refused(
        "alignment labels",
        lambda: kt.measure.target_alignment(gram(), [1.0]),
        ValueError,
        "`labels`",
        "1",
    ),
    refused(
        "alignment zero",
        lambda: kt.measure.target_alignment(gram(), np.zeros(12)),
        ValueError,
        "`labels`",
        "got shape (12,)",
    ),
    refused(
        "dimension density",
        lambda: kt.measure.effective_dimension(MLP, ridge=1.0),
        TypeError,
        "`density`",
        "MLPKernel",
    ),
    refused(
        "next-token numbers",
        lambda: kt.theory.verify_next_token(NAMING, TASK),
        ValueError,
        "`task`",
    ),
    refused(
        "next-token ridge",
        lambda: kt.NextTokenRidge(NAMING, -1.0).fit(SYMBOLS),
        ValueError,
        "`ridge`",
        "-1.0",
    ),
    refused(
        "next-token numbers fit",
        lambda: kt.NextTokenRidge(NAMING, 0.1).fit(DATA),
        ValueError,
        "`dataset`",
    ),
    refused(
        "next-token negatives",
        lambda: kt.NextTokenRidge(NAMING, 0.1, negatives=-1).fit(SYMBOLS),
        ValueError,
        "`negatives`",
        "-1",
    ),
    refused(
        "next-token curve",
        lambda: kt.theory.next_token_curve(NAMING, SYMBOLIC, num_samples=[-1], ridge=0.1),
        ValueError,
        "`num_samples`",
        "-1",
    ),
    refused("product ragged", lambda: gram() @ RAGGED, ValueError, "`vectors`", "length"),
    refused(
        "operator values",
        lambda: kt.GramOperator(MLP, DATA, values=3),
        TypeError,
        "`values`",
        "PairValues",
    ),
    refused(
        "operator of another kernel",
        lambda: kt.KernelRidge(TRANSFORMER, 0.1).fit(gram(), Y),
        ValueError,
        "`dataset`",
        "MLPKernel",
    ),
    refused("method array", lambda: ridge(method=np.zeros(2)).fit(DATA), ValueError, "`method`"),
    refused("labels ragged", lambda: ridge().fit(X, RAGGED), ValueError, "`labels`", "length"),
    refused(
        "tokens of objects",
        lambda: ridge().fit(np.array([[None, 0]]), [1.0]),
        TypeError,
        "`tokens`",
        "objects",
    ),
    refused(
        "iterations huge",
        lambda: kt.KernelLogisticRegression(MLP, 0.1, max_iterations=10**30).fit(DATA),
        ValueError,
        "`max_iterations`",
    ),
    refused(
        "rows of a number",
        lambda: kt.KernelRidge("precomputed", 0.1).fit(np.eye(2), [1.0, 2.0]).predict(3),
        ValueError,
        "`tokens`",
        "()",
    ),
    refused(
        "score column", lambda: ridge().fit(DATA).score(X, Y[:, None]), ValueError, "`y`", "(12, 1)"
    ),
    refused("score one", lambda: ridge().fit(DATA).score(X, [1.0]), ValueError, "`y`", "(1,)"),
    refused("score nan", lambda: ridge().fit(DATA).score(X, 0 * Y + nan), ValueError, "`y`", "nan"),
    refused(
        "score of classes",
        lambda: kt.KernelLogisticRegression(MLP, 0.1).fit(DATA).score(X, [1.0]),
        ValueError,
        "`y`",
        "(1,)",
    ),
    refused(
        "path ragged",
        lambda: kt.KernelRidgePath(MLP, RAGGED).fit(DATA),
        ValueError,
        "`ridges`",
        "length",
    ),
    refused("times none", lambda: flow().predict(X, []), ValueError, "`times`", "(0,)"),
    refused("times words", lambda: flow().predict(X, ["a"]), TypeError, "`times`", "a"),
    refused("times truths", lambda: flow().predict_unseen([True]), TypeError, "`times`", "True"),
    refused("times of errors", lambda: flow().error_estimate([nan]), ValueError, "`times`", "nan"),
    refused(
        "descent half steps",
        lambda: kt.KernelGradientDescent(MLP, 0.01, max_steps=1.5).fit(DATA),
        TypeError,
        "`max_steps`",
        "1.5",
    ),
    refused(
        "curve counts ragged",
        lambda: kt.learning_curve(MLP, TASK, num_samples=RAGGED, ridge=0.1),
        ValueError,
        "`num_samples`",
        "length",
    ),
    refused(
        "map ragged",
        lambda: kt.theory.attention_sigma_map(TASK, betas=RAGGED, gammas=[1.0], activation=COSINE),
        ValueError,
        "`betas`",
        "length",
    ),
    refused(
        "compare counts set",
        lambda: kt.compare({"mlp": MLP}, TASK, num_samples={8}, num_seeds=1, ridge=0.1),
        TypeError,
        "`num_samples`",
        "{8}",
    ),
    refused("plan count", lambda: plan(num_samples=("8",)), TypeError, "`num_samples`", "'8'"),
    refused("plan half", lambda: plan(vocab_sizes=(9.5,)), TypeError, "`vocab_sizes`", "9.5"),
    refused("plan seeds twice", lambda: plan(seeds=(1, 1)), ValueError, "`seeds`", "[1, 1]"),
    refused(
        "measure plan",
        lambda: measure_unseen(MLP, TASK, {"seeds": 1}),
        TypeError,
        "`plan`",
        "seeds",
    ),
    refused(
        "spectra of half a token",
        lambda: spectrum_curves(
            MLP, TASK, vocab_sizes=[20.5], num_samples=8, sampled_sizes=[20], seed=0
        ),
        TypeError,
        "`vocab_sizes`",
        "20.5",
    ),
    refused("vocabulary", lambda: with_vocabulary(TASK, 1.5), TypeError, "`vocab_size`", "1.5"),
    refused("blocks in order", lambda: template_statistics(MLP, "aba"), TypeError, "`task`", "str"),
    refused(
        "design of half samples",
        lambda: collision_design(TASK, 7.5, diversity=2.0, geometry="star"),
        TypeError,
        "`n`",
        "7.5",
    ),
    refused(
        "alignment nan",
        lambda: kt.measure.target_alignment(gram(), Y + nan),
        ValueError,
        "`labels`",
    ),
    refused(
        "power operator",
        lambda: cumulative_power(MLP, Y, count=1),
        TypeError,
        "`operator`",
        "MLPKernel",
    ),
    refused(
        "power count",
        lambda: cumulative_power(gram(), Y, count=1.5),
        TypeError,
        "`count`",
        "1.5",
    ),
    refused(
        "dimension spectrum",
        lambda: kt.theory.population_effective_dimension(MLP, num_samples=8, ridge=0.1),
        TypeError,
        "`spectrum`",
        "MLPKernel",
    ),
    refused(
        "dimension of fewer than none",
        lambda: kt.theory.population_effective_dimension(spectrum(), num_samples=-1, ridge=0.1),
        ValueError,
        "`num_samples`",
        "-1",
    ),
    refused(
        "density width", lambda: DENSITY.density([1.0], width=-0.1), ValueError, "`width`", "-0.1"
    ),
    refused(
        "density at zero", lambda: DENSITY.cumulative([0.0], width=0.1), ValueError, "`values`", "0"
    ),
    refused("follows nan", lambda: SEPARATION.follows([nan, 1.0]), ValueError, "`labels`", "nan"),
    refused(
        "next-token candidates",
        lambda: kt.NextTokenRidge(NAMING, 0.1).fit(SYMBOLS).scores(SYMBOLS, [0.5]),
        TypeError,
        "`candidates`",
        "0.5",
    ),
]


@pytest.mark.parametrize("row", ROWS)
def test_it_is_refused_in_one_sentence(row):
    check_refusal(row)
