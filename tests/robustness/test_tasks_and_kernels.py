"""Bad input to tasks and kernels: each is refused in one sentence."""

from dataclasses import replace

import numpy as np
import pytest

import ktrans as kt
from ktrans.kernels.registry import kernel_from_dict, kernel_to_dict, register_kernel
from ktrans.patterns.matchings import count_matchings, partial_matchings
from tests.robustness.one_sentence import check_refusal, refused
from tests.robustness.small import ATTENTION, COSINE, DATA, MANY, MLP, TASK, TRANSFORMER, task_of

RAGGED = [[0, 1], [2]]


def mlp(**options):
    base = {"kind": "ntk", "depth": 1, "activation": kt.ReLU()}
    variances = {"weight_variance": 2.0, "bias_variance": 0.0}
    return kt.MLPKernel(**base | variances | options)


def incidence(scale):
    return kt.IncidenceMLPKernel(
        kind="ntk",
        depth=1,
        activation=kt.ReLU(),
        weight_variance=2.0,
        bias_variance=0.0,
        scale=scale,
    )


def modified(**options):
    base = {"beta": 0.5, "gamma": 0.7, "a": 1.0, "activation": COSINE, "readout": "cls"}
    return kt.ModifiedTransformerKernel(**base | options)


def table(**options):
    cosine = {"type": "cos", "b1": 1.0, "b2": 0.5}
    return {"type": "transformer", "beta": 1.0, "gamma": 1.0, "activation": cosine} | options


ROWS = [
    refused("template number", lambda: kt.Template(3), TypeError, "`spec`", "3"),
    refused("template none", lambda: kt.Template(None), TypeError, "`spec`", "None"),
    refused("template empty", lambda: kt.Template(""), ValueError, "`spec`", "got 0"),
    refused("template empty list", lambda: kt.Template([]), ValueError, "`spec`", "[]"),
    refused(
        "template bare question mark",
        lambda: kt.Template(["?"]),
        ValueError,
        "template ['?']",
        "position 0",
    ),
    refused(
        "template of numbers",
        lambda: kt.Template([1, 2]),
        TypeError,
        "template [1, 2]",
        "position 0",
    ),
    refused(
        "template empty token",
        lambda: kt.Template(["?x", ""]),
        ValueError,
        "template ['?x', '']",
        "position 1",
    ),
    refused(
        "template is too long", lambda: kt.Template("α" * 10**6), ValueError, "`spec`", "1000000"
    ),
    refused(
        "template bytes", lambda: kt.Template(b"ab"), TypeError, "template b'ab'", "position 0"
    ),
    refused(
        "substitute not injective",
        lambda: kt.Template("αβ").substitute({"α": "x", "β": "x"}),
        ValueError,
        "`mapping`",
        "x",
    ),
    refused(
        "substitute missing",
        lambda: kt.Template("αβ").substitute({"α": "x"}),
        ValueError,
        "`mapping`",
        "β",
    ),
    refused("meets other type", lambda: kt.Template("αβ").meets("αβ"), TypeError, "`other`", "αβ"),
    refused("templates none", lambda: task_of({}), ValueError, "`templates`", "got none"),
    refused("templates list", lambda: task_of(["αβα"]), TypeError, "`templates`", "got ['αβα']"),
    refused(
        "templates lengths",
        lambda: task_of({"αβ": 1.0, "αβα": 2.0}),
        ValueError,
        "`templates`",
        "length",
    ),
    refused("label nan", lambda: task_of({"αβ": float("nan")}), ValueError, "label", "nan"),
    refused("label complex", lambda: task_of({"αβ": 1j}), TypeError, "label", "1j"),
    refused("label none", lambda: task_of({"αβ": None}), TypeError, "label", "None"),
    refused("label mixed", lambda: task_of({"αβ": 1.0, "αα": "α"}), ValueError, "labels", "α"),
    refused("label foreign wildcard", lambda: task_of({"αβ": "γ"}), ValueError, "label", "γ"),
    refused("vocab zero", lambda: task_of(vocab_size=0), ValueError, "`vocab_size`", "0"),
    refused("vocab negative", lambda: task_of(vocab_size=-5), ValueError, "`vocab_size`", "-5"),
    refused("vocab float", lambda: task_of(vocab_size=10.5), TypeError, "`vocab_size`", "10.5"),
    refused("vocab bool", lambda: task_of(vocab_size=True), TypeError, "`vocab_size`", "True"),
    refused(
        "vocab huge",
        lambda: task_of(vocab_size=10**12),
        ValueError,
        "`vocab_size`",
        "1000000000000",
    ),
    refused("vocab text", lambda: task_of(vocab_size="20"), TypeError, "`vocab_size`", "20"),
    refused("noise negative", lambda: task_of(noise_std=-1.0), ValueError, "`noise_std`", "-1"),
    refused("noise nan", lambda: task_of(noise_std=float("nan")), ValueError, "`noise_std`", "nan"),
    refused("noise text", lambda: task_of(noise_std="x"), TypeError, "`noise_std`", "x"),
    refused("weights unknown", lambda: task_of(weights={"αα": 1.0}), ValueError, "`weights`", "αα"),
    refused(
        "weights negative",
        lambda: task_of(weights={"αβα": -1.0, "αββ": 2.0}),
        ValueError,
        "`weights`",
        "-1",
    ),
    refused(
        "weights inf",
        lambda: task_of(weights={"αβα": np.inf, "αββ": 2.0}),
        ValueError,
        "weight of 'αβα'",
        "inf",
    ),
    refused(
        "weights zero",
        lambda: task_of(weights={"αβα": 0.0, "αββ": 0.0}),
        ValueError,
        "`weights`",
        "0",
    ),
    refused(
        "substitution length",
        lambda: task_of(substitution=(0.5, 0.5)),
        ValueError,
        "`substitution`",
        "2",
    ),
    refused(
        "substitution negative",
        lambda: task_of(substitution=(-1.0,) + (1.0,) * 19),
        ValueError,
        "substitution",
        "-1",
    ),
    refused("zipf negative", lambda: kt.tasks.Zipf(-1.0), ValueError, "`exponent`", "-1"),
    refused("zipf nan", lambda: kt.tasks.Zipf(float("nan")), ValueError, "`exponent`", "nan"),
    refused("zipf text", lambda: kt.tasks.Zipf("1"), TypeError, "`exponent`", "1"),
    refused(
        "substitution tokens duplicates",
        lambda: task_of(substitution_tokens=["a"] * 20),
        ValueError,
        "`substitution_tokens`",
        "a",
    ),
    refused(
        "substitution tokens count",
        lambda: task_of(substitution_tokens=["a"]),
        ValueError,
        "`substitution_tokens`",
        "1",
    ),
    refused("name type", lambda: task_of(name=3), TypeError, "`name`", "3"),
    refused("load unknown", lambda: kt.tasks.load("ñandú"), ValueError, "There is no task 'ñandú'"),
    refused("load type", lambda: kt.tasks.load(3), ValueError, "There is no task 3"),
    refused("load option", lambda: kt.tasks.load("aba_abb", colour=3), TypeError, "`colour`"),
    refused(
        "describe unknown",
        lambda: kt.tasks.describe("nothing"),
        ValueError,
        "There is no task 'nothing'",
    ),
    refused("sample negative", lambda: TASK.sample(-1), ValueError, "`n`", "-1"),
    refused("sample float", lambda: TASK.sample(2.5), TypeError, "`n`", "2.5"),
    refused("sample huge", lambda: TASK.sample(10**15), ValueError, "`n`", "1000000000000000"),
    refused("sample none", lambda: TASK.sample(None), TypeError, "`n`", "None"),
    refused("seed negative", lambda: TASK.sample(3, seed=-1), ValueError, "`seed`", "-1"),
    refused("seed float", lambda: TASK.sample(3, seed=0.5), TypeError, "`seed`", "0.5"),
    refused("seed text", lambda: TASK.sample_unseen(3, seed="0"), TypeError, "`seed`", "0"),
    refused("subset outside", lambda: DATA.subset([99]), ValueError, "`indices`", "99"),
    refused("subset floats", lambda: DATA.subset([0.5]), ValueError, "`indices`", "0.5"),
    refused(
        "beta negative",
        lambda: kt.AttentionKernel(beta=-1.0, gamma=0.0),
        ValueError,
        "`beta`",
        "-1.0",
    ),
    refused(
        "beta nan", lambda: kt.AttentionKernel(beta=np.nan, gamma=0.0), ValueError, "`beta`", "nan"
    ),
    refused(
        "beta text", lambda: kt.AttentionKernel(beta="1", gamma=0.0), ValueError, "`beta`", "1"
    ),
    refused(
        "beta none", lambda: kt.AttentionKernel(beta=None, gamma=0.0), ValueError, "`beta`", "None"
    ),
    refused(
        "beta complex", lambda: kt.AttentionKernel(beta=1j, gamma=0.0), ValueError, "`beta`", "1j"
    ),
    refused(
        "beta bool", lambda: kt.AttentionKernel(beta=True, gamma=0.0), ValueError, "`beta`", "True"
    ),
    refused(
        "gamma inf",
        lambda: kt.TransformerKernel(beta=1.0, gamma=np.inf, activation=COSINE),
        ValueError,
        "`gamma`",
        "inf",
    ),
    refused(
        "rtol zero",
        lambda: kt.AttentionKernel(beta=1.0, gamma=1.0, rtol=0.0),
        ValueError,
        "`rtol`",
        "0.0",
    ),
    refused(
        "rtol large",
        lambda: kt.AttentionKernel(beta=1.0, gamma=1.0, rtol=2.0),
        ValueError,
        "`rtol`",
        "2.0",
    ),
    refused(
        "method unknown",
        lambda: kt.AttentionKernel(beta=1.0, gamma=1.0, method="magic"),
        ValueError,
        "`method`",
        "magic",
    ),
    refused(
        "activation function",
        lambda: kt.TransformerKernel(beta=1.0, gamma=1.0, activation=np.tanh),
        TypeError,
        "`activation`",
        "tanh",
    ),
    refused("activation text", lambda: mlp(activation="relu"), TypeError, "`activation`", "relu"),
    refused("cosine nan", lambda: kt.Cosine(b1=np.nan, b2=0.0), ValueError, "`b1`", "nan"),
    refused("cosine text", lambda: kt.Cosine(b1=1.0, b2="0"), TypeError, "`b2`", "0"),
    refused("custom number", lambda: kt.Custom(3), TypeError, "`fn`", "3"),
    refused(
        "custom derivative",
        lambda: kt.Custom(np.tanh, derivative=3),
        TypeError,
        "`derivative`",
        "3",
    ),
    refused(
        "custom nodes", lambda: kt.Custom(np.tanh, num_nodes=0), ValueError, "`num_nodes`", "0"
    ),
    refused(
        "custom nodes huge",
        lambda: kt.Custom(np.tanh, num_nodes=10**9),
        ValueError,
        "`num_nodes`",
        "1000000000",
    ),
    refused("kind", lambda: mlp(kind="gp"), ValueError, "`kind`", "'gp'"),
    refused("depth zero", lambda: mlp(depth=0), ValueError, "`depth`", "0"),
    refused("depth float", lambda: mlp(depth=1.5), TypeError, "`depth`", "1.5"),
    refused("depth huge", lambda: mlp(depth=10**9), ValueError, "`depth`", "1000000000"),
    refused(
        "weight variance",
        lambda: mlp(weight_variance=-1.0),
        ValueError,
        "`weight_variance`",
        "-1.0",
    ),
    refused(
        "bias variance", lambda: mlp(bias_variance=np.nan), ValueError, "`bias_variance`", "nan"
    ),
    refused("incidence scale", lambda: incidence(scale=-1.0), ValueError, "`scale`", "-1.0"),
    refused("modified a", lambda: modified(a=np.inf), ValueError, "`a`", "inf"),
    refused("modified readout", lambda: modified(readout="mean"), ValueError, "`readout`", "mean"),
    refused(
        "modified attention a text",
        lambda: kt.ModifiedAttentionKernel(1.0, 1.0, "1", "cls"),
        ValueError,
        "`a`",
        "1",
    ),
    refused(
        "tied readout",
        lambda: kt.kernels.TiedAttentionKernel(1.0, 1.0, COSINE, "mean"),
        ValueError,
        "`readout`",
        "mean",
    ),
    refused(
        "tied beta",
        lambda: kt.kernels.TiedAttentionKernel(-1.0, 1.0, COSINE, "cls"),
        ValueError,
        "`beta`",
        "-1.0",
    ),
    refused(
        "next-token base",
        lambda: kt.NextTokenKernel(base=3, b_variance=1.0),
        TypeError,
        "`base`",
        "3",
    ),
    refused(
        "next-token b",
        lambda: kt.NextTokenKernel(base=TRANSFORMER, b_variance=-1.0),
        ValueError,
        "`b_variance`",
        "-1.0",
    ),
    refused(
        "tokens floats", lambda: MLP(np.array([[0.5, 1.0]])), TypeError, "`tokens1`", "float64"
    ),
    refused("tokens ragged", lambda: MLP([[0, 1], [2]]), ValueError, "`tokens1`", "length"),
    refused("tokens text", lambda: MLP("abc"), TypeError, "`tokens1`", "<U3"),
    refused("tokens one-dimensional", lambda: MLP([0, 1, 2]), ValueError, "`tokens1`", "(3,)"),
    refused(
        "tokens empty strings",
        lambda: MLP(np.zeros((2, 0), int)),
        ValueError,
        "`tokens1`",
        "(2, 0)",
    ),
    refused("tokens lengths", lambda: MLP([[0, 1]], [[0, 1, 2]]), ValueError, "`tokens2`", "3"),
    refused("tokens complex", lambda: MLP(np.array([[1j]])), TypeError, "`tokens1`", "complex"),
    refused("tokens bool", lambda: ATTENTION([[True, False]]), TypeError, "`tokens1`", "bool"),
    refused("diagonal", lambda: MLP.diagonal([[0.5]]), TypeError, "`tokens`", "float64"),
    refused(
        "dense huge", lambda: MLP(MANY), ValueError, "dense matrix", "74.5 GiB", "GramOperator"
    ),
    refused(
        "estimate samples",
        lambda: ATTENTION.estimate(DATA.tokens, num_samples=0),
        ValueError,
        "`num_samples`",
        "0",
    ),
    refused(
        "estimate seed",
        lambda: ATTENTION.estimate(DATA.tokens, num_samples=10, seed=-1),
        ValueError,
        "`seed`",
        "-1",
    ),
    refused("table none", lambda: kernel_from_dict(None), TypeError, "table", "None"),
    refused("table empty", lambda: kernel_from_dict({}), TypeError, "`type`", "got {}"),
    refused(
        "table unknown",
        lambda: kernel_from_dict({"type": "nothing"}),
        ValueError,
        "type",
        "nothing",
    ),
    refused(
        "table field",
        lambda: kernel_from_dict(
            {
                "type": "transformer",
                "beta": 1.0,
                "gamma": 1.0,
                "delta": 2,
                "activation": {"type": "cosine", "b1": 1.0, "b2": 0.5},
            }
        ),
        ValueError,
        "`delta`",
    ),
    refused(
        "table value",
        lambda: kernel_from_dict(
            {
                "type": "transformer",
                "beta": "one",
                "gamma": 1.0,
                "activation": {"type": "cosine", "b1": 1.0, "b2": 0.5},
            }
        ),
        ValueError,
        "no activation of type 'cosine'",
    ),
    refused("to dict", lambda: kernel_to_dict(3), TypeError, "`kernel`", "got int"),
    refused(
        "register class", lambda: register_kernel("mine", int), TypeError, "`kernel_class`", "int"
    ),
    refused(
        "series order text",
        lambda: kt.attention_series("ab", "ab", order="2"),
        TypeError,
        "`order`",
        "2",
    ),
    refused(
        "series lengths",
        lambda: kt.attention_series("ab", "abc", order=(2, 2)),
        ValueError,
        "`y`",
        "3",
    ),
    refused(
        "series empty",
        lambda: kt.attention_series("", "", order=(2, 2)),
        ValueError,
        "`x`",
        "got lengths 0 and 0",
    ),
    refused(
        "polynomial order",
        lambda: kt.kernels.attention_series_polynomial(order=(-2, 0)),
        ValueError,
        "`order`",
        "got -2",
    ),
    refused(
        "separating templates",
        lambda: kt.kernels.first_separating_order(3),
        TypeError,
        "`templates`",
        "3",
    ),
    refused(
        "separating order",
        lambda: kt.kernels.first_separating_order(TASK, max_order=-2),
        ValueError,
        "`max_order`",
        "-2",
    ),
    refused("wildcard letter", lambda: kt.tasks.Wildcard("x"), ValueError, "`name`", "x"),
    refused(
        "substitute number",
        lambda: kt.Template("α").substitute({"α": 1}),
        TypeError,
        "`mapping`",
        "got 1",
    ),
    refused("subset none", lambda: DATA.subset(None), ValueError, "`indices`", "None"),
    refused("subset one number", lambda: DATA.subset(3), ValueError, "`indices`", "3"),
    refused(
        "subset ragged",
        lambda: DATA.subset([[0, 1], [2]]),
        ValueError,
        "`indices`",
        "[[0, 1], [2]]",
    ),
    refused(
        "data set of other lengths",
        lambda: replace(DATA, labels=np.zeros(3)),
        ValueError,
        "`labels`",
        "(3,)",
    ),
    refused("data set task", lambda: replace(DATA, task=None), TypeError, "`task`", "None"),
    refused("task by hand vocabulary", lambda: replace(TASK, vocab_size=-1), ValueError, "-1"),
    refused("task by hand noise", lambda: replace(TASK, noise_std=-1.0), ValueError, "`noise_std`"),
    refused(
        "task by hand labels",
        lambda: replace(TASK, labels=np.zeros(3)),
        ValueError,
        "`labels`",
        "3",
    ),
    refused(
        "task by hand weights",
        lambda: replace(TASK, weights=np.array([1.0, np.nan])),
        ValueError,
        "weight of 'αββ'",
        "nan",
    ),
    refused("weights bytes", lambda: task_of(weights=b"ab"), TypeError, "`weights`", "b'ab'"),
    refused("zipf of no tokens", lambda: kt.tasks.Zipf(1.0).weights(0), ValueError, "`vocab_size`"),
    refused("matchings", lambda: partial_matchings(-1, 2), ValueError, "`wildcards1`", "-1"),
    refused("matchings float", lambda: count_matchings(2, 1.5), TypeError, "`wildcards2`", "1.5"),
    refused("variance ragged", lambda: mlp(weight_variance=RAGGED), TypeError, "`weight_variance`"),
    refused("variance huge", lambda: mlp(bias_variance=10**400), ValueError, "`bias_variance`"),
    refused(
        "beta of one entry",
        lambda: kt.AttentionKernel(beta=np.array([1.0]), gamma=0.0),
        ValueError,
        "`beta`",
        "array([1.])",
    ),
    refused(
        "beta several lines",
        lambda: kt.AttentionKernel(beta=np.zeros((2, 2)), gamma=0.0),
        ValueError,
        "`beta`",
        "array([[0., 0.]",
    ),
    refused(
        "tied beta text",
        lambda: kt.kernels.TiedAttentionKernel("1", 1.0, COSINE, "cls"),
        ValueError,
        "`beta`",
        "'1'",
    ),
    refused("dual nan", lambda: COSINE.dual(np.nan, 1.0, 0.0), ValueError, "`a`", "nan"),
    refused("dual inf", lambda: COSINE.dual(1.0, 1.0, np.inf), ValueError, "`c`", "inf"),
    refused(
        "dual error negative",
        lambda: COSINE.dual_error(1.0, 1.0, 0.5, dc=-1.0),
        ValueError,
        "`dc`",
        "-1.0",
    ),
    refused("agreements", lambda: MLP.by_agreement(0), ValueError, "`length`", "0"),
    refused(
        "intervals delta",
        lambda: ATTENTION.confidence_intervals(DATA.tokens, delta="x", num_samples=2),
        TypeError,
        "`delta`",
        "'x'",
    ),
    refused(
        "next-token attention empty",
        lambda: kt.NextTokenKernel(TRANSFORMER, 1.0, attention=[]),
        TypeError,
        "`attention`",
        "[]",
    ),
    refused(
        "register name", lambda: register_kernel(3, kt.MLPKernel), TypeError, "`name`", "got 3"
    ),
    refused(
        "series number",
        lambda: kt.attention_series(3, "ab", order=(2, 2)),
        TypeError,
        "`x`",
        "got 3",
    ),
    refused(
        "series unhashable",
        lambda: kt.attention_series([[0]], [[1]], order=(2, 2)),
        TypeError,
        "`x`",
        "hashable",
    ),
]


@pytest.mark.parametrize("row", ROWS)
def test_it_is_refused_in_one_sentence(row):
    check_refusal(row)
