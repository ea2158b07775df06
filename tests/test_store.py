"""Results in files: whole, checked, and named by what they depend on."""

import json

import pytest

from ktrans._store import Store

RECORD = {"measured": "x", "ridge": 0.1}
VALUES = {"a": 0.1 + 0.2, "b": 3}


@pytest.fixture
def said():
    return []


@pytest.fixture
def store(tmp_path, said):
    store = Store(tmp_path / "deep" / "folder", said.append)
    store.prepare()
    return store


def test_a_result_comes_back_to_the_last_bit(store, said):
    assert store.read(RECORD) is None and not store.has(RECORD)
    path = store.write(RECORD, VALUES | {"bad": float("nan")})
    assert store.read(RECORD) == VALUES | {"bad": None} and store.has(RECORD)
    first = path.read_bytes()
    assert store.write(RECORD, VALUES | {"bad": float("inf")}).read_bytes() == first
    assert said == []


def test_another_record_or_version_is_another_result(store):
    store.write(RECORD, VALUES)
    assert store.read(RECORD | {"ridge": 0.2}) is None
    newer = Store(store.folder, versions=store.versions | {"jax": "99"})
    assert newer.read(RECORD) is None


DAMAGES = {
    "empty": lambda text: "",
    "half": lambda text: text[: len(text) // 2],
    "another digit": lambda text: text.replace("0.30000000000000004", "0.30000000000000001"),
    "not a number": lambda text: text.replace("0.30000000000000004", "NaN"),
    "no check": lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k < "d"}),
    "no values": lambda text: json.dumps({"check": json.loads(text)["check"]}),
    "a list": lambda text: f"[{text}]",
    "deep": lambda text: "[" * 100_000,
    "no text": lambda text: "\udcff",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_said(store, said, damage):
    path = store.write(RECORD, VALUES)
    text = DAMAGES[damage](path.read_text())
    assert text != path.read_text()
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert not store.has(RECORD) and said == []
    assert store.read(RECORD) is None
    assert said == [f"'{path}' is damaged, and its result is computed again."]


def test_a_result_under_the_name_of_another_is_not_believed(store, said):
    path = store.write(RECORD, VALUES)
    other = RECORD | {"ridge": 0.2}
    store.path(other).write_bytes(path.read_bytes())
    assert store.read(other) is None and len(said) == 1
