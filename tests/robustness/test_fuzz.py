"""Random input to what reads text from others: a value, or one sentence; never anything else."""

import ast
import importlib.util
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import ktrans as kt
from tests.robustness.test_command_line import SWEEP

ROOT = Path(kt.__file__).parent
SCRIPT = ROOT.parent / "scripts" / "fuzz.py"
MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

TASK = '[task]\nvocab_size = 20\n[[templates]]\ntemplate = "αβα"\nlabel = 1.0\n'
KERNEL = '{"type": "transformer", "beta": 1.0, "gamma": 1.0, "activation": "relu"}'
SCRAPS = st.sampled_from(
    ["[", "]", '"', "=", "\n", "{", "}", "-", "1e999", "nan", "inf", "true", "?", "α", "\x00",
     "\u202e", "[task]", "[[templates]]", "vocab_size", "99999999999999999999", "''", "#", ","]
)  # fmt: skip


@pytest.fixture(scope="module")
def fuzz():
    """The targets of scripts/fuzz.py, which are the same."""
    spec = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@st.composite
def mutants(draw, text):
    """The text with some pieces cut out and others put in."""
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(SCRAPS | st.text(max_size=4)) + text[end:]
    return text.encode("utf-8", "surrogatepass")


@MANY
@given(st.binary(max_size=40) | st.text(max_size=40).map(lambda s: s.encode("utf-8", "replace")))
@example(b"? ?x")
@example("α\u0301".encode())
def test_any_bytes_are_a_template_or_are_refused(fuzz, data):
    fuzz.read_template(data)


@MANY
@given(mutants(TASK) | st.binary(max_size=80))
def test_any_file_is_a_task_or_is_refused(fuzz, data):
    fuzz.read_task(data)


@MANY
@given(mutants(SWEEP))
def test_any_file_is_a_sweep_or_is_refused(fuzz, data):
    fuzz.read_sweep(data)


@MANY
@given(mutants(KERNEL))
def test_any_table_is_a_kernel_or_is_refused(fuzz, data):
    fuzz.read_kernel(data)


def test_a_finding_is_raised(fuzz):
    def breaks():
        raise KeyError("x")

    with pytest.raises(KeyError):
        fuzz._either(breaks)
    with pytest.raises(AssertionError, match="no sentence"):
        fuzz._either(lambda: (_ for _ in ()).throw(ValueError("two\nlines")))


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda f: str(f.relative_to(ROOT)))
def test_nothing_that_is_read_is_executed(file):
    """No pickle, no eval: what a file says is data. A kernel file is the user's own program."""
    tree = ast.parse(file.read_text("utf-8"))
    called = {node.func.id for node in ast.walk(tree) if _is_call_of_name(node)}
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    source = file.read_text("utf-8")
    assert called & {"eval", "exec", "compile"} == set()
    assert imported & {"pickle", "cloudpickle", "dill", "shelve", "marshal"} == set()
    assert "allow_pickle=True" not in source
    assert "joblib.load" not in source
    assert "yaml.load" not in source


def _is_call_of_name(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
