import dataclasses
import json

import numpy as np
import pytest

from experiments import language_model
from experiments.language_model import MODIFIED, PLAIN, Config, compute
from ktrans.networks.language_optimisation import LanguageTraining
from ktrans.plotting import paper_style
from ktrans.plotting.language_model import language_model_figure
from ktrans.plotting.svg import write_figure


@pytest.mark.slow
def test_gpt2_learns_source_code_and_moves_its_scalars(tmp_path):
    config = Config.quick()
    results = compute(config)
    runs, difference = results["runs"], results["difference"]
    layers_heads = (config.depth, config.heads)
    for kind in (PLAIN, MODIFIED):
        for run in runs[kind]:
            assert run["perplexity"][0] > 0.9 * config.vocab_size  # nearly uniform at first
            assert run["perplexity"][-1] + 5 * run["perplexity_stderr"][-1] < results["unigram"] / 2
            assert run["test_perplexity"] + 5 * run["test_stderr"] < results["unigram"] / 2
    for plain, modified in zip(runs[PLAIN], runs[MODIFIED], strict=True):
        assert modified["parameters"] - plain["parameters"] == 2 * config.depth * config.heads
        assert plain["perplexity"][0] == modified["perplexity"][0]
        for name in ("a", "b"):
            assert np.shape(modified[name])[1:] == layers_heads
            assert not np.any(plain[name]) and not np.any(modified[name][0])
            # Ten steps of Adam at the full rate.
            assert np.abs(modified[name][-1]).max() > 10 * config.training.learning_rate
    # At this size and this early the scalars help: measured −0.27 ± 0.03 over five seeds.
    assert 0 < max(difference["test_stderr_over_text"]) < 0.03
    assert 0 < difference["test_stderr"] < 0.1
    low, high = difference["test_interval"]
    assert low < difference["test_mean"] < high < 0
    json.dumps(results, allow_nan=False)
    with paper_style():
        path = write_figure(tmp_path / "figure.svg", language_model_figure(results))
    assert b"<svg" in path.read_bytes()


@pytest.fixture
def folder(tmp_path):
    for i in range(6):
        (tmp_path / f"{i}.txt").write_text(f"the {i} of some text, and more of the text\n" * 20)
    return tmp_path


@pytest.mark.slow
def test_any_folder_is_text_and_what_was_trained_is_kept(folder, tmp_path, monkeypatch):
    training = LanguageTraining(
        steps=2, batch_size=2, warmup=1, evaluate_every=1, max_windows=4, learning_rate=0.01
    )
    small = dict(context_length=8, depth=1, heads=2, dim=4, training=training)
    config = dataclasses.replace(
        Config.quick(), **small, vocab_size=260, seeds=(0, 1), text=str(folder), files="*.txt"
    )
    first = compute(config, tmp_path / "kept")
    monkeypatch.setattr("ktrans.networks.language_model.take_step", None)
    again = compute(config, tmp_path / "kept")
    del first["runs"], again["runs"]  # seconds differ
    assert first == again
    assert len(first["difference"]["test"]) == 2
    assert first["verdict"][-1].startswith("Loss on the test text with aI and bI minus without: ")


def test_options_of_the_command_line_reach_the_configuration(monkeypatch):
    argv = ["x", "--quick", "--text", "folder", "--tokenizer", "t.json", "--precision", "bfloat16"]
    monkeypatch.setattr("sys.argv", argv)
    config = language_model._configuration(language_model._read_arguments())
    assert (config.text, config.files, config.tokenizer) == ("folder", "**/*", "t.json")
    assert config.training.precision == "bfloat16"
    monkeypatch.setattr("sys.argv", ["x"])
    assert language_model._configuration(language_model._read_arguments()) == Config.paper()
