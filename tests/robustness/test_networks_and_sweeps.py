"""Bad input to networks, copying, sweeps and interop: each is refused in one sentence."""

import functools

import jax
import numpy as np
import pytest

from ktrans import copying, networks
from ktrans.interop.kernel_files import kernel_from_file
from ktrans.interop.kernel_functions import from_neural_tangents, to_neural_tangents
from ktrans.interop.scikit_learn import GramFunction, GramTransformer
from ktrans.sweeps import read_grid, read_sweep, run_sweep
from tests.robustness.one_sentence import check_refusal, refused
from tests.robustness.small import COSINE, DATA, MLP, TASK

nan = float("nan")


def features(**options):
    sizes = {"heads": 2, "head_dim": 2, "mlp_width": 4}
    base = {"beta": 1.0, "gamma": 1.0, "activation": COSINE}
    return networks.RandomFeatures(**base | sizes | options)


def transformer(**options):
    base = {"num_tokens": 9, "context_length": 4, "depth": 1, "heads": 2, "dim": 8}
    return networks.TransformerConfig(**base | options)


def reader():
    """A language model over nine tokens."""
    return transformer(read_out="tied", causal=True).build(jax.random.key(0))


def mlp(**options):
    base = {"num_tokens": 9, "context_length": 4, "depth": 1, "width": 8}
    return networks.MLPConfig(**base | options)


def training(**options):
    return networks.TrainingConfig(**{"learning_rate": 1e-3, "steps": 2} | options)


def language(**options):
    return networks.LanguageTraining(**{"steps": 2} | options)


@functools.cache
def strings():
    return networks.draw_task_data(TASK, num_samples=4, seeds=[0], num_unseen=4)


def copier(**options):
    base = {"embedding_dim": 8, "vocab_size": 8, "num_seen": 4, "num_heads": 2, "head_dim": 2}
    return copying.CopyingNetwork(**base | options)


def alignment(**options):
    base = {"vocab_size": 8, "num_seen": 4, "num_heads": 2, "head_dim": 2, "num_draws": 2}
    return copying.alignment(**{"embedding_dims": [8]} | base | options)


def schedule(**options):
    return copying.Schedule(**{"optimizer": "adam", "learning_rate": 0.1, "steps": 20} | options)


def grid(tasks=None, kernels=None, **options):
    base = {"vocab_sizes": [20], "num_samples": [8], "ridges": [0.1], "seeds": [0]}
    named = {"aba": TASK} if tasks is None else tasks
    return read_grid(named, {"mlp": MLP} if kernels is None else kernels, **base | options)


def foreign(function=lambda x1, x2, get: None, **options):
    base = {"get": "ntk", "context_length": 3, "vocab_size": 5}
    return from_neural_tangents(function, **base | options)


ROWS = [
    refused("features heads", lambda: features(heads=0), ValueError, "`heads`", "0"),
    refused("features width", lambda: features(mlp_width=2.5), TypeError, "`mlp_width`", "2.5"),
    refused("features beta", lambda: features(beta=-1.0), ValueError, "`beta`", "-1.0"),
    refused(
        "features activation", lambda: features(activation="cos"), TypeError, "`activation`", "cos"
    ),
    refused("features seed", lambda: features(seed=-1), ValueError, "`seed`", "-1"),
    refused(
        "features tokens", lambda: features().features([[0.5]]), TypeError, "`tokens`", "float64"
    ),
    refused("transformer depth", lambda: transformer(depth=0), ValueError, "`depth`", "0"),
    refused("transformer dim text", lambda: transformer(dim="8"), TypeError, "`dim`", "8"),
    refused(
        "transformer heads divide", lambda: transformer(heads=3, dim=8), ValueError, "`heads`", "3"
    ),
    refused(
        "transformer identities",
        lambda: transformer(identities="c"),
        ValueError,
        "`identities`",
        "c",
    ),
    refused(
        "transformer read-out",
        lambda: transformer(read_out="mean"),
        ValueError,
        "`read_out`",
        "mean",
    ),
    refused(
        "transformer multiplier",
        lambda: transformer(multiplier=nan),
        ValueError,
        "`multiplier`",
        "nan",
    ),
    refused(
        "transformer init scale",
        lambda: transformer(init_scale=-1.0),
        ValueError,
        "`init_scale`",
        "-1.0",
    ),
    refused("mlp width", lambda: mlp(width=-8), ValueError, "`width`", "-8"),
    refused("mlp inputs", lambda: mlp(inputs="bits"), ValueError, "`inputs`", "bits"),
    refused(
        "training rate", lambda: training(learning_rate=-1.0), ValueError, "`learning_rate`", "-1.0"
    ),
    refused(
        "training rate nan",
        lambda: training(learning_rate=nan),
        ValueError,
        "`learning_rate`",
        "nan",
    ),
    refused("training steps", lambda: training(steps=0), ValueError, "`steps`", "0"),
    refused("training batch", lambda: training(batch_size=1.5), TypeError, "`batch_size`", "1.5"),
    refused(
        "training trainable", lambda: training(trainable="some"), ValueError, "`trainable`", "some"
    ),
    refused(
        "training precision",
        lambda: training(precision="float8"),
        ValueError,
        "`precision`",
        "float8",
    ),
    refused(
        "train network",
        lambda: networks.train("mlp", strings(), training()),
        TypeError,
        "`network`",
        "mlp",
    ),
    refused(
        "train data",
        lambda: networks.train(mlp(), DATA, training()),
        TypeError,
        "`data`",
        "Dataset",
    ),
    refused(
        "train training",
        lambda: networks.train(mlp(), strings(), {"steps": 2}),
        TypeError,
        "`training`",
        "steps",
    ),
    refused(
        "train tokens",
        lambda: networks.train(mlp(num_tokens=3), strings(), training()),
        ValueError,
        "num_tokens",
        "3",
    ),
    refused(
        "data samples",
        lambda: networks.draw_task_data(TASK, num_samples=0, seeds=[0]),
        ValueError,
        "`num_samples`",
        "0",
    ),
    refused(
        "data task",
        lambda: networks.draw_task_data("aba_abb", num_samples=1, seeds=[0]),
        TypeError,
        "`task`",
        "aba_abb",
    ),
    refused(
        "data seeds",
        lambda: networks.draw_task_data(TASK, num_samples=1, seeds=[]),
        ValueError,
        "`seeds`",
        "got []",
    ),
    refused(
        "data seed negative",
        lambda: networks.draw_task_data(TASK, num_samples=1, seeds=[-1]),
        ValueError,
        "`seeds`",
        "-1",
    ),
    refused(
        "gpt2 identities",
        lambda: networks.gpt2_config(identities="x"),
        ValueError,
        "`identities`",
        "x",
    ),
    refused("gpt2 heads", lambda: networks.gpt2_config(heads=7), ValueError, "`heads`", "7"),
    refused(
        "gpt2 file",
        lambda: networks.load_gpt2("/nowhere/model.safetensors"),
        FileNotFoundError,
        "'/nowhere/model.safetensors'",
    ),
    refused("parameters of", lambda: networks.num_parameters(3), TypeError, "`config`", "3"),
    refused(
        "text folder",
        lambda: networks.read_text("/nowhere/at/all"),
        FileNotFoundError,
        "'/nowhere/at/all'",
    ),
    refused(
        "tokenizer size",
        lambda: networks.train_tokenizer(networks.Text(("a b",), ("a",), ("b",)), 0),
        ValueError,
        "`vocab_size`",
        "0",
    ),
    refused(
        "tokenizer file",
        lambda: networks.load_tokenizer("/nowhere/tokenizer.json"),
        FileNotFoundError,
        "'/nowhere/tokenizer.json'",
    ),
    refused("language steps", lambda: language(steps=0), ValueError, "`steps`", "0"),
    refused("language clipping", lambda: language(clipping=-1.0), ValueError, "`clipping`", "-1.0"),
    refused("language warmup", lambda: language(warmup=-1), ValueError, "`warmup`", "-1"),
    refused(
        "perplexity stride",
        lambda: networks.perplexity(
            reader(),
            np.arange(8),
            stride=0,
        ),
        ValueError,
        "`stride`",
        "0",
    ),
    refused(
        "copying dims", lambda: alignment(embedding_dims=[]), ValueError, "`embedding_dims`", "[]"
    ),
    refused(
        "copying dims text",
        lambda: alignment(embedding_dims="8"),
        TypeError,
        "`embedding_dims`",
        "8",
    ),
    refused("copying seen", lambda: alignment(num_seen=9), ValueError, "`num_seen`", "9"),
    refused("copying vocabulary", lambda: alignment(vocab_size=1), ValueError, "`vocab_size`", "1"),
    refused("copying draws", lambda: alignment(num_draws=1), ValueError, "`num_draws`", "1"),
    refused("copying seed", lambda: alignment(seed=-1), ValueError, "`seed`", "-1"),
    refused("copying scale", lambda: copier(init_scale=nan), ValueError, "`init_scale`", "nan"),
    refused("copying heads", lambda: copier(num_heads=0), ValueError, "`num_heads`", "0"),
    refused(
        "copying wide heads",
        lambda: copier(num_heads=100, head_dim=100),
        ValueError,
        "`allow_wide_heads`",
        "got 100",
    ),
    refused(
        "copying closed form", lambda: copying.closed_form_ratios(3), TypeError, "`network`", "3"
    ),
    refused(
        "copying train network",
        lambda: copying.train(3, schedule(), num_seeds=1),
        TypeError,
        "`network`",
        "3",
    ),
    refused(
        "copying seeds",
        lambda: copying.train(copier(), schedule(), num_seeds=0),
        ValueError,
        "`num_seeds`",
        "0",
    ),
    refused(
        "schedule optimizer", lambda: schedule(optimizer="lion"), ValueError, "`optimizer`", "lion"
    ),
    refused(
        "schedule rate", lambda: schedule(learning_rate=-0.1), ValueError, "`learning_rate`", "-0.1"
    ),
    refused("schedule steps", lambda: schedule(steps=0), ValueError, "`steps`", "0"),
    refused(
        "threshold lengths",
        lambda: copying.threshold(np.array([1.0]), np.array([1.0, 2.0])),
        ValueError,
        "`relative`",
        "2",
    ),
    refused("grid tasks", lambda: grid(tasks=3), TypeError, "`tasks`", "3"),
    refused("grid tasks empty", lambda: grid(tasks={}), ValueError, "`tasks`", "got none"),
    refused("grid kernels", lambda: grid(kernels=3), TypeError, "`kernels`", "3"),
    refused("grid kernel", lambda: grid(kernels={"mlp": "mlp"}), TypeError, "`kernel`", "got str"),
    refused("grid vocabularies", lambda: grid(vocab_sizes=[0]), ValueError, "`vocab_sizes`", "0"),
    refused("grid samples", lambda: grid(num_samples=[1.5]), TypeError, "`num_samples`", "1.5"),
    refused(
        "grid samples twice", lambda: grid(num_samples=[8, 8]), ValueError, "`num_samples`", "8"
    ),
    refused("grid ridges", lambda: grid(ridges=[-1.0]), ValueError, "`ridge`", "-1.0"),
    refused("grid ridges nan", lambda: grid(ridges=[nan]), ValueError, "`ridge`", "nan"),
    refused("grid seeds", lambda: grid(seeds=[-1]), ValueError, "`seeds`", "-1"),
    refused(
        "grid huge",
        lambda: grid(num_samples=list(range(1, 2000)), ridges=[0.1 * i for i in range(1, 2000)]),
        ValueError,
        "at most 1000000 cells",
        "got 3996001",
    ),
    refused(
        "sweep jobs", lambda: run_sweep(grid(), "never_made", jobs=0), ValueError, "`jobs`", "0"
    ),
    refused(
        "sweep backend",
        lambda: run_sweep(grid(), "never_made", backend="mpi"),
        ValueError,
        "`backend`",
        "mpi",
    ),
    refused(
        "sweep grid", lambda: run_sweep({"tasks": 1}, "never_made"), TypeError, "`grid`", "tasks"
    ),
    refused("sweep folder", lambda: run_sweep(grid(), 3), TypeError, "`folder`", "3"),
    refused(
        "sweep file",
        lambda: read_sweep("/nowhere/sweep.toml"),
        FileNotFoundError,
        "'/nowhere/sweep.toml'",
    ),
    refused("gram function kernel", lambda: GramFunction(3), TypeError, "`kernel`", "3"),
    refused(
        "gram function tokens",
        lambda: GramFunction(MLP)(np.array([[0.5]]), None),
        TypeError,
        "tokens",
        "0.5",
    ),
    refused(
        "transformer kernel",
        lambda: GramTransformer(3).fit(DATA.tokens),
        TypeError,
        "`kernel`",
        "3",
    ),
    refused("neural tangents function", lambda: foreign(3), TypeError, "`kernel_fn`", "3"),
    refused("neural tangents get", lambda: foreign(get="cov"), ValueError, "`get`", "cov"),
    refused(
        "neural tangents length",
        lambda: foreign(context_length=0),
        ValueError,
        "`context_length`",
        "0",
    ),
    refused(
        "neural tangents vocabulary", lambda: foreign(vocab_size=1), ValueError, "`vocab_size`", "1"
    ),
    refused(
        "neural tangents encoding",
        lambda: foreign(encoding="bits"),
        ValueError,
        "`encoding`",
        "bits",
    ),
    refused(
        "neural tangents scale",
        lambda: foreign(input_scale=nan),
        ValueError,
        "`input_scale`",
        "nan",
    ),
    refused("to neural tangents", lambda: to_neural_tangents(3), TypeError, "`kernel`", "3"),
    refused(
        "kernel file",
        lambda: kernel_from_file("/nowhere/kernel.py"),
        FileNotFoundError,
        "'/nowhere/kernel.py'",
    ),
    refused("features seed huge", lambda: features(seed=10**30), ValueError, "`seed`"),
    refused("features no heads", lambda: features(heads=None), TypeError, "`heads`", "None"),
    refused(
        "features of two last tokens",
        lambda: features().kernel([[0, 1]], [[0, 2]]),
        ValueError,
        "`tokens`",
        "2 last tokens",
    ),
    refused("transformer no depth", lambda: transformer(depth=None), TypeError, "`depth`", "None"),
    refused("transformer causal", lambda: transformer(causal="no"), TypeError, "`causal`", "'no'"),
    refused("transformer key", lambda: transformer().build(0), TypeError, "`key`", "int"),
    refused("mlp no width", lambda: mlp(width=None), TypeError, "`width`", "None"),
    refused("training no steps", lambda: training(steps=None), TypeError, "`steps`", "None"),
    refused("language no steps", lambda: language(steps=None), TypeError, "`steps`", "None"),
    refused(
        "data one seed",
        lambda: networks.draw_task_data(TASK, num_samples=1, seeds=0),
        TypeError,
        "`seeds`",
        "got 0",
    ),
    refused(
        "data seed huge",
        lambda: networks.draw_task_data(TASK, num_samples=1, seeds=[2**40]),
        ValueError,
        "`seeds`",
        "4294967295",
    ),
    refused(
        "perplexity of halves",
        lambda: networks.perplexity(reader(), np.full(9, 0.5)),
        TypeError,
        "`tokens`",
        "0.5",
    ),
    refused(
        "perplexity of unknown tokens",
        lambda: networks.perplexity(reader(), np.arange(90)),
        ValueError,
        "`tokens`",
        "89",
    ),
    refused("perplexity network", lambda: networks.perplexity(3, [1]), TypeError, "`network`", "3"),
    refused("copying tied", lambda: copier(tied="no"), TypeError, "`tied`", "'no'"),
    refused("copying seed huge", lambda: alignment(seed=10**30), ValueError, "`seed`"),
    refused(
        "threshold unknown loss",
        lambda: copying.threshold([1.0, 2.0], [nan, 0.1]),
        ValueError,
        "`relative`",
        "nan",
    ),
    refused(
        "threshold out of order",
        lambda: copying.threshold([2.0, 1.0], [0.9, 0.1]),
        ValueError,
        "`counts`",
        "[2.0, 1.0]",
    ),
    refused(
        "schedule optimizers",
        lambda: schedule(optimizer=np.array(["adam", "lion"])),
        ValueError,
        "`optimizer`",
    ),
    refused(
        "gram function ragged",
        lambda: GramFunction(MLP)([[0, 1], [2]]),
        ValueError,
        "`X`",
        "length",
    ),
    refused(
        "gram function lengths",
        lambda: GramFunction(MLP)([[0, 1, 2, 3]], [[0]]),
        ValueError,
        "`tokens2`",
        "4 and 1",
    ),
]


@pytest.mark.parametrize("row", ROWS)
def test_it_is_refused_in_one_sentence(row):
    check_refusal(row)
