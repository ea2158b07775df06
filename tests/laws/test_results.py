"""What every result can do: print, compare, become a dataset, be drawn, be saved and given back."""

import importlib
import inspect
import json
import pkgutil
import tempfile
from dataclasses import is_dataclass
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import ktrans as kt
from ktrans._results import Result, equal
from ktrans.kernels.incidence_mlp import IncidenceMLPKernel
from ktrans.measure.comparison import Comparison
from ktrans.measure.exploration import ExplorerSetting, explore
from ktrans.measure.report import investigate
from ktrans.measure.unseen import Plan, measure_unseen
from tests.coincidence_kernel import CoincidenceKernel
from tests.networks import weight_files as files

KERNEL = kt.TransformerKernel(beta=0.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
MLP = kt.MLPKernel(
    kind="ntk", depth=1, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.0
)
TASK = kt.tasks.load("aba_abb", vocab_size=8)
COPY = kt.tasks.load("copy", vocab_size=8)
NEXT = kt.NextTokenKernel(kt.AttentionKernel(beta=0.0, gamma=0.7), b_variance=1.0)
DATA = TASK.sample(12)
PLAN = Plan(num_samples=(4, 8), vocab_sizes=(6, 12, 24), seeds=(0, 1), ridge=0.1)
CURVE = {"num_samples": [2, 20], "ridge": 0.1}
ROOMS = ("copying", "gram", "kernels", "measure", "networks", "solvers", "tasks", "theory")
# What a reader never gets in hand, or what is a setting and not a result.
NOT_RESULTS = {
    "Ball", "Configuration", "CopyingNetwork", "Design", "ExplorerSetting", "LanguageTraining",
    "MLPConfig", "NetworkConfig", "Plan", "Schedule", "Sentences", "Template", "TrainingConfig",
    "TransformerConfig", "Wildcard", "Zipf",
}  # fmt: skip


def report():
    return investigate({"transformer": KERNEL, "MLP": MLP}, TASK, PLAN)


def unseen():
    return measure_unseen(KERNEL, TASK, PLAN)


def comparison() -> Comparison:
    return kt.compare({"a": KERNEL, "b": MLP}, TASK, num_samples=[4], num_seeds=1, ridge=0.1)


def rates():
    return kt.measure.compare_with_theorem(unseen())


def spectrum_curves():
    return kt.measure.spectrum_curves(
        KERNEL, TASK, vocab_sizes=[8, 16], num_samples=8, sampled_sizes=[8]
    )


def sigma_map():
    return kt.theory.attention_sigma_map(
        TASK, betas=[0.0], gammas=[0.5, 1.0], activation=KERNEL.activation
    )


def network():
    config = kt.networks.MLPConfig(
        num_tokens=25, context_length=4, depth=1, width=4, inputs="incidence"
    )
    data = kt.networks.draw_task_data(TASK, num_samples=6, seeds=(0,))
    training = kt.networks.TrainingConfig(learning_rate=1e-2, steps=2, evaluate_every=1)
    return kt.networks.train(config, data, training)


def copying():
    net = kt.copying.CopyingNetwork(
        embedding_dim=4, vocab_size=6, num_seen=4, num_heads=1, head_dim=4
    )
    schedule = kt.copying.Schedule(optimizer="adam", steps=4, records=2, learning_rate=0.01)
    return kt.copying.train(net, schedule, num_seeds=1)


def head_identities():
    with tempfile.TemporaryDirectory() as folder:
        file = files.save(Path(folder), files.llama(files.draw()), num_attention_heads=files.HEADS)
        return kt.networks.head_identities(file, permutations=9)


MAKERS = {
    "Certificate": lambda: kt.verify(KERNEL, TASK),
    "NextTokenCertificate": lambda: kt.theory.verify_next_token(NEXT, COPY),
    "NextTokenCurve": lambda: kt.theory.next_token_curve(NEXT, COPY, **CURVE),
    "Curve": lambda: kt.learning_curve(KERNEL, TASK, **CURVE),
    "Floor": lambda: kt.theory.diversity_floor(KERNEL, TASK),
    "SampleBound": lambda: kt.theory.finite_sample_bound(
        IncidenceMLPKernel(
            kind="nngp",
            depth=1,
            activation=kt.ReLU(),
            weight_variance=2.0,
            bias_variance=0.0,
            scale=1.0,
        ),
        TASK,
        num_samples=[10, 100],
        ridge=0.1,
        delta=0.1,
    ),
    "InDistribution": lambda: kt.theory.in_distribution_curve(KERNEL, TASK, **CURVE),
    "Learnability": lambda: kt.theory.learnability(
        kt.population_spectrum(KERNEL, TASK), num_samples=5, ridge=0.1
    ),
    "Separation": lambda: kt.theory.separation(MLP, TASK),
    "Spectrum": lambda: kt.population_spectrum(KERNEL, kt.tasks.load("aba_abb", vocab_size=10**8)),
    "PopulationPower": lambda: kt.theory.population_power(KERNEL, TASK),
    "Region": lambda: kt.theory.certify_region(
        kt.AttentionKernel(1.0, 0.7), TASK, beta=(0.5, 0.51), gamma=(0.5, 0.51)
    ),
    "TemplateStatistics": lambda: kt.theory.template_statistics(KERNEL, TASK),
    "SigmaMap": sigma_map,
    "Report": report,
    "Measurement": lambda: report().measured["MLP"],
    "DiversitySpectrum": lambda: report().spectrum,
    "OrderedGram": lambda: report().grams[0],
    "UnseenErrors": unseen,
    "Comparison": comparison,
    "KernelComparison": lambda: comparison().kernels["b"],
    "Curves": lambda: comparison().kernels["a"].curves,
    "SpectrumCurves": spectrum_curves,
    "BlockStructure": lambda: kt.measure.block_structure(KERNEL, DATA),
    "CollisionGraph": lambda: kt.measure.collision_graph(KERNEL, DATA),
    "SpectralDensity": lambda: kt.measure.spectral_density(
        kt.GramOperator(KERNEL, DATA), num_probes=2, num_steps=4
    ),
    "View": lambda: explore(TASK, ExplorerSetting(beta=0.0, vocab_size=8, num_samples=8)),
    "TemplateTask": lambda: kt.tasks.load("copy", vocab_size=9),
    "Dataset": lambda: DATA,
    "Solution": lambda: kt.KernelRidge(MLP, ridge=0.1).fit(DATA).solution,
    "KernelRidge": lambda: kt.KernelRidge(MLP, ridge=0.1).fit(DATA),
    "KernelRidgePath": lambda: kt.KernelRidgePath(MLP, ridges=[0.1, 1.0]).fit(DATA),
    "KernelGradientFlow": lambda: kt.KernelGradientFlow(MLP).fit(DATA),
    "KernelGradientDescent": lambda: kt.KernelGradientDescent(MLP, learning_rate=0.05).fit(DATA),
    "KernelLogisticRegression": lambda: kt.KernelLogisticRegression(MLP, ridge=0.1).fit(
        COPY.sample(9)
    ),
    "NextTokenRidge": lambda: kt.NextTokenRidge(NEXT, ridge=0.1).fit(COPY.sample(6)),
    "UnseenScores": lambda: kt.NextTokenRidge(NEXT, ridge=0.1).fit(COPY.sample(6)).predict_unseen(),
    "TransformerKernel": lambda: KERNEL,
    "MLPKernel": lambda: MLP,
    "HeadIdentities": head_identities,
    "Probe": lambda: kt.probe(
        np.sin, kt.tasks.load("aba_abb", vocab_size=60), num_samples=[4], substitutions=8
    ),
    "TrainingResult": network,
    "TaskData": lambda: kt.networks.draw_task_data(TASK, num_samples=6, seeds=(0,)),
    "TrainingPath": copying,
}
# Each of these holds what another maker makes, or takes minutes to be made.
ELSEWHERE = {
    "Alignment", "BestConditioned", "CopyingCertificate", "FittedBound", "GeometryMargins",
    "FiniteCurve", "LanguageResult", "PowerLaw", "Rates", "TextData",
}  # fmt: skip
_MADE = {}


@pytest.fixture(params=MAKERS)
def result(request):
    if request.param not in _MADE:
        _MADE[request.param] = MAKERS[request.param]()
    return _MADE[request.param]


def result_classes():
    """Every public class of results, and every dataclass of the rooms that should be one."""
    for room in ROOMS:
        package = importlib.import_module(f"ktrans.{room}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            for name, kind in inspect.getmembers(module, inspect.isclass):
                if kind.__module__ == found.name and not name.startswith("_"):
                    yield kind


def is_kernel_or_model(kind):
    bases = {base.__name__ for base in kind.__mro__}
    return bool(bases & {"Module", "Estimator", "Configuration"})


def test_no_class_of_results_is_left_out():
    data = {
        kind
        for kind in result_classes()
        if is_dataclass(kind) and not is_kernel_or_model(kind) and kind.__name__ not in NOT_RESULTS
    }
    assert {kind.__name__ for kind in data if not issubclass(kind, Result)} == set()
    assert {kind.__name__ for kind in data} <= MAKERS.keys() | ELSEWHERE


def test_it_prints_as_a_table_and_shows_itself_in_a_notebook(result):
    text = str(result)
    assert 0 < len(text) < 20_000
    assert "array(" not in text
    assert "<table>" in result._repr_html_()


def test_it_becomes_a_dataset_that_says_what_it_holds(result):
    dataset = result.to_dataset()
    assert dataset.attrs["type"] == type(result).__name__
    assert dataset.attrs["title"]
    for variable in dataset.data_vars.values():
        assert variable.attrs["units"] == "1"
        assert variable.attrs["long_name"]


def test_it_is_given_back_equal(result, tmp_path):
    path = kt.save(result, tmp_path / "result.json")
    again = kt.load(path)
    assert type(again) is type(result)
    assert again == result
    assert hash(again) == hash(result)
    assert str(again) == str(result)
    json.loads(path.read_text(), parse_constant=pytest.fail)


def test_it_is_drawn(result):
    assert isinstance(kt.plot(result), Figure)


def test_a_changed_result_is_not_equal():
    curve, other = (kt.learning_curve(MLP, TASK, num_samples=[n], ridge=0.1) for n in (4, 5))
    assert curve != other
    assert equal(float("nan"), float("nan"))
    assert not equal(np.array([1.0]), np.array([1]))


def test_infinite_missing_and_undefined_numbers_are_kept_apart(tmp_path):
    found = kt.verify(MLP, TASK)
    assert (found.condition_number, found.witness) == (float("inf"), None)
    again = kt.load(kt.save(found, tmp_path / "c.json"))
    assert (again.condition_number, again.witness) == (float("inf"), None)


def test_a_model_that_was_loaded_predicts_the_same(tmp_path):
    model = MAKERS["KernelRidge"]()
    again = kt.load(kt.save(model, tmp_path / "model.json"))
    np.testing.assert_array_equal(again.predict(DATA), model.predict(DATA))
    np.testing.assert_array_equal(again.predict_unseen(), model.predict_unseen())


def test_what_a_file_cannot_hold_is_refused(tmp_path):
    with pytest.raises(TypeError, match="holds what a file cannot"):
        kt.save(kt.KernelRidge(MLP, ridge=lambda: 0), tmp_path / "x.json")
    with pytest.raises(TypeError, match="register_kernel names a kernel class"):
        kt.save(CoincidenceKernel(), tmp_path / "x.json")


@pytest.mark.parametrize(
    "content", ['{"ktrans": 9}', '{"ktrans": 1, "result": {"type": "os.system", "fields": {}}}']
)
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"x\.json' (is not a file of|is damaged)"):
        kt.load(path)
