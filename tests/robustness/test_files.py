"""Files that are read back: whole, or refused by name, or computed again; nothing else is lost."""

import functools
import io
import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from safetensors.numpy import save_file

from experiments import _figures
from experiments._figures import Figure, Found, Published
from ktrans import _store
from ktrans._files import check_size, read_arrays, read_json, refuse_damage
from ktrans._provenance import versions
from ktrans._store import Store
from ktrans.networks import checkpoint, gpt2, load_gpt2, load_tokenizer, tokens
from ktrans.networks.text import Text
from ktrans.networks.tokens import tokenize, train_tokenizer
from tests.data import gpt2_hugging_face as reference
from tests.robustness.one_sentence import check_sentence

ROOT = Path(__file__).parents[2]
WORDS = "to be, or not to be: that is the question\n"
TEXT = Text((WORDS,), (WORDS[:20],), (WORDS[20:],))


class Run(NamedTuple):
    """The state of a run: weights, and a history that grows."""

    weights: Any
    losses: Any


def run_of(evaluations):
    return Run(np.ones(3, np.float32), np.ones((1, evaluations, 3), np.float32))


def state(folder):
    checkpoint.save(folder, run_of(5))
    return folder / checkpoint.ARRAYS, lambda: checkpoint.load(folder, run_of(1), ".losses", 1)


def configuration(folder):
    mine = {"network": {"depth": 2}}
    checkpoint.open_run(folder, mine)
    return folder / checkpoint.CONFIGURATION, lambda: checkpoint.open_run(folder, mine)


class Listed(Figure):
    """A figure with one number."""

    def configuration(self, kind):
        return {"size": kind}


def results(folder):
    number = Published("a number", 1.0, lambda record: Found(record["found"]["mean"], "1"))
    record = {"configuration": {"size": "quick"}, "versions": versions(), "found": {"mean": 1.0}}
    path = folder / "results.json"
    path.write_text(json.dumps(record | {"seconds": 1.0}))
    figure = Listed("some", "it is so", 1, "an hour", (number,))
    return path, lambda: figure.results(folder, "quick")


@functools.cache
def trained():
    return train_tokenizer(TEXT, 270)


def cache(folder):
    def read():
        return tokenize(TEXT, trained(), cache=folder).train.tolist()

    read()
    (path,) = folder.glob("train-*.npy")
    return path, read


def tokenizer(folder):
    path = folder / "tokenizer.json"
    trained().save(str(path))
    return path, lambda: load_tokenizer(path).to_str()


def vocabulary(folder):
    trained().model.save(str(folder))
    return folder / "vocab.json", lambda: load_tokenizer(folder).to_str()


def merges(folder):
    trained().model.save(str(folder))
    return folder / "merges.txt", lambda: load_tokenizer(folder).to_str()


def weights(folder):
    return saved_weights(folder, reference.weights())


def saved_weights(folder, tensors):
    path = folder / "model.safetensors"
    save_file(tensors, path)
    return path, lambda: load_gpt2(path, heads=reference.SIZES["n_head"])


JSON = (configuration, results)
ARCHIVES = (state,)
KINDS = (*JSON, *ARCHIVES, cache, tokenizer, vocabulary, weights)
LIMITS = {
    state: checkpoint.MAX_HISTORY + 2**20,
    configuration: checkpoint.MAX_CONFIGURATION,
    results: _figures.MAX_BYTES,
    tokenizer: tokens.MAX_TOKENIZER,
    vocabulary: tokens.MAX_TOKENIZER,
    merges: tokens.MAX_TOKENIZER,
    weights: gpt2.MAX_BYTES,
}


def cut(share: float) -> Callable[[bytes], bytes]:
    return lambda whole: whole[: int(share * len(whole))]


def random(whole: bytes) -> bytes:
    return np.random.default_rng(0).bytes(len(whole))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "one byte": lambda whole: whole[:1],
    "a quarter": cut(0.25),
    "half": cut(0.5),
    "nine tenths": cut(0.9),
    "random": random,
    "zeros": lambda whole: bytes(len(whole)),
    "a line before it": lambda whole: b"\n" + whole[:-2],
    "a pickle": lambda _: b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00K\x01K\x02\x86\x94.",
    "a list": lambda _: b"[1, 2, 3]",
    "null": lambda _: b"null\n",
    "a number": lambda _: b"3",
    "deep": lambda _: b"[" * 100_000,
    "no UTF-8": lambda _: b'{"\xff\xfe": 1}',
}


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def check_refused(path, read):
    """One sentence that names the file; and all files are what they were."""
    before = contents(path.parent)
    with pytest.raises(ValueError, match=re.escape(repr(str(path)))) as caught:
        read()
    assert caught.type is ValueError
    check_sentence(str(caught.value), ())
    assert str(caught.value).isprintable()
    assert contents(path.parent) == before


@pytest.mark.parametrize("make", [*KINDS, merges])
def test_a_whole_file_is_read(tmp_path, make):
    _, read = make(tmp_path)
    read()


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("make", KINDS)
def test_a_damaged_file_is_refused_by_name(tmp_path, make, damage):
    path, read = make(tmp_path)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    check_refused(path, read)


@pytest.mark.parametrize("make", LIMITS)
def test_a_file_above_the_limit_is_refused_unread(tmp_path, make, monkeypatch):
    path, read = make(tmp_path)
    os.truncate(path, LIMITS[make] + 1)  # takes no room
    monkeypatch.setattr(Path, "read_bytes", pytest.fail)
    monkeypatch.setattr(zipfile, "ZipFile", pytest.fail)
    with pytest.raises(ValueError, match=r"must have at most \d+ bytes; it has \d+: ") as caught:
        read()
    check_sentence(str(caught.value), (str(path),))


@pytest.mark.parametrize("make", [*JSON, *ARCHIVES, cache])
def test_a_folder_in_its_place_is_refused(tmp_path, make):
    path, read = make(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match="must be a file; move away what is there") as caught:
        read()
    check_sentence(str(caught.value), (str(path),))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
@pytest.mark.parametrize("make", [*JSON, *ARCHIVES, cache])
def test_a_file_without_permission_is_named(tmp_path, make):
    path, read = make(tmp_path)
    path.chmod(0)
    with pytest.raises(PermissionError, match=re.escape(str(path))):
        read()


def entries(path):
    with np.load(path) as arrays:
        return dict(arrays)


def without(name):
    return lambda arrays: {key: value for key, value in arrays.items() if key != name}


def changed(name, change):
    return lambda arrays: arrays | {name: change(arrays[name])}


PICKLED = functools.partial(np.array, [{"a": 1}], dtype=object)
ENTRIES = [
    (state, without(".weights"), "it lacks '.weights'"),
    (state, without(".losses"), "it lacks '.losses'"),
    (state, changed(".weights", lambda w: w.astype(float)), "float64 of shape (3,), not float32"),
    (state, changed(".weights", lambda w: w[:2]), "shape (2,), not float32 of (3,)"),
    (state, changed(".weights", lambda _: np.float32(1)), "shape ()"),
    (state, changed(".losses", lambda x: x[:, :0]), "its histories are empty"),
    (state, changed(".losses", lambda x: x[:, :, :2]), "not float32 of (1, any, 3)"),
    (state, changed(".losses", lambda _: PICKLED()), "cannot be loaded"),
]


@pytest.mark.parametrize(("make", "change", "words"), ENTRIES)
def test_an_archive_with_other_arrays_is_refused(tmp_path, make, change, words):
    path, read = make(tmp_path)
    np.savez(path, **change(entries(path)))
    check_refused(path, read)
    with pytest.raises(ValueError, match=re.escape(words)):
        read()


@pytest.mark.parametrize("make", ARCHIVES)
def test_a_flipped_byte_is_found_or_changes_nothing(tmp_path, make):
    """The checksums are over the arrays, not over dates and flags of the archive."""
    path, _ = make(tmp_path)
    whole, refused = path.read_bytes(), 0
    wanted = read_arrays(path, max_bytes=2**20)
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            found = read_arrays(path, max_bytes=2**20)
        except ValueError as error:
            check_sentence(str(error), (str(path), "is damaged"))
            refused += 1
            continue
        arrays = {name: array for name, array in found.items() if name in wanted}
        assert all(np.array_equal(arrays[name], wanted[name]) for name in arrays)
    assert refused > len(whole) / 6


def test_what_would_be_large_when_unpacked_is_refused(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("found.npy", bytes(2**20))
    assert path.stat().st_size < 2**12
    with pytest.raises(ValueError, match="more than 4096 bytes when unpacked"):
        read_arrays(path, max_bytes=2**12)


def test_an_array_that_claims_more_than_it_has_is_refused(tmp_path):
    packed = io.BytesIO()
    np.save(packed, np.ones(10))
    text = packed.getvalue().replace(b"(10,)", b"(10000000000,)").replace(b" " * 9 + b"\n", b"\n")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("found.npy", text)
    with pytest.raises(ValueError, match=r"shorter than an array of shape \(10000000000,\)"):
        read_arrays(tmp_path / "x.npz", max_bytes=2**20)


RECORDS = [
    (configuration, lambda _: {"network": {"depth": 3}}, "holds a run with network.depth = 3"),
    (configuration, lambda _: {}, "holds a run with network.depth = None"),
    (results, without("found"), "it lacks 'found'"),
    (results, lambda r: r | {"found": {}}, "it lacks 'mean'"),
    (results, lambda r: r | {"found": []}, "is damaged"),
    (results, lambda r: r | {"seconds": "long"}, "'seconds' is no number"),
    (results, lambda r: r | {"versions": {}}, "it lacks 'ktrans'"),
    (results, lambda r: r | {"versions": None}, "is damaged"),
]


@pytest.mark.parametrize(("make", "change", "words"), RECORDS)
def test_a_record_with_other_entries_is_refused(tmp_path, make, change, words):
    path, read = make(tmp_path)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        read()
    assert str(tmp_path) in str(caught.value)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("key", ["configuration", "versions", "seconds"])
def test_results_that_are_not_there_in_full_are_none(tmp_path, key):
    path, read = results(tmp_path)
    assert read()["found"] == {"mean": 1.0}
    path.write_text(json.dumps(without(key)(json.loads(path.read_text()))))
    assert read() is None


IDS = {
    "of another type": np.arange(3, dtype=np.float32),
    "of another size": np.arange(3, dtype=np.uint32),
    "with two axes": np.zeros((2, 3), np.uint16),
    "with no axis": np.array(1, np.uint16),
    "above the vocabulary": np.array([270], np.uint16),
    "of objects": PICKLED(),
}


@pytest.mark.parametrize("ids", IDS)
def test_cached_ids_that_are_none_are_refused(tmp_path, ids):
    path, read = cache(tmp_path)
    np.save(path, IDS[ids], allow_pickle=True)
    check_refused(path, read)


@pytest.mark.parametrize(
    "text", [b"\xff\xfe\n", b"#version: 0.2\nt\n", "#version: 0.2\nα β\n".encode()]
)
def test_merges_that_do_not_fit_are_refused(tmp_path, text):
    path, read = merges(tmp_path)
    path.write_bytes(text)
    check_refused(path, read)


@pytest.mark.parametrize("content", [{}, {"a": "b"}, {"a": -1}, {"a": 1.5}])
def test_a_vocabulary_that_is_none_is_refused(tmp_path, content):
    path, read = vocabulary(tmp_path)
    path.write_text(json.dumps(content))
    check_refused(path, read)


TENSORS = [
    (changed("wte.weight", lambda x: x[0]), "floats with 2 axes; got float32 of shape (24,)"),
    (changed("wpe.weight", lambda x: x.reshape(-1)), "'wpe.weight' as floats with 2 axes"),
    (changed("wte.weight", lambda x: x.astype(int)), "got int64"),
    (changed("h.0.ln_1.weight", lambda x: x > 0), "'h.0.ln_1.weight' as floats"),
    (changed("ln_f.bias", lambda x: x[:1]), "'ln_f.bias' with shape (24,); got (1,)"),
    (without("h.1.mlp.c_fc.bias"), "lacks the tensor 'h.1.mlp.c_fc.bias'"),
]


@pytest.mark.parametrize(("change", "words"), TENSORS)
def test_weights_of_another_kind_are_refused(tmp_path, change, words):
    path, read = saved_weights(tmp_path, change(reference.weights()))
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        read()
    assert str(path) in str(caught.value)


VALUES = {"unseen_mse": 0.25}


def kept_cells(folder):
    """A store with two results; what it says, and the file of the first."""
    said = []
    kept = Store(folder, said.append)
    kept.prepare()
    path = kept.write({"seed": 0}, VALUES)
    kept.write({"seed": 1}, VALUES)
    return kept, path, said


@pytest.mark.parametrize("damage", [*DAMAGES, "a flipped byte"])
def test_a_damaged_result_of_a_sweep_is_said_and_missing(tmp_path, damage):
    kept, path, said = kept_cells(tmp_path)
    flip = {"a flipped byte": lambda whole: whole.replace(b"0.25", b"0.35")}
    path.write_bytes((DAMAGES | flip)[damage](path.read_bytes()))
    assert kept.read({"seed": 0}) is None
    assert said == [f"'{path}' is damaged, and its result is computed again."]
    assert kept.read({"seed": 1}) == VALUES
    kept.write({"seed": 0}, VALUES)
    assert kept.read({"seed": 0}) == VALUES


def test_a_result_of_a_sweep_above_the_limit_is_computed_again_unread(tmp_path, monkeypatch):
    kept, path, said = kept_cells(tmp_path)
    os.truncate(path, _store.MAX_BYTES + 1)
    monkeypatch.setattr(Path, "read_bytes", pytest.fail)
    assert kept.read({"seed": 0}) is None
    assert len(said) == 1


def test_a_folder_in_the_place_of_a_result_is_named(tmp_path):
    kept, path, _ = kept_cells(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(IsADirectoryError, match=re.escape(str(path))):
        kept.write({"seed": 0}, VALUES)


def test_a_want_of_memory_is_no_damage(tmp_path):
    def fail():
        raise MemoryError("too much")

    with pytest.raises(MemoryError, match="too much"), refuse_damage(tmp_path / "x"):
        fail()


def test_a_file_that_is_not_there_is_named(tmp_path):
    for read in (check_size, lambda path, max_bytes: read_json(path, max_bytes=max_bytes)):
        with pytest.raises(FileNotFoundError, match=r"nothing\.json"):
            read(tmp_path / "nothing.json", 1)
