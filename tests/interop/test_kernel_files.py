import sys

import numpy as np
import pytest

from ktrans.interop.kernel_files import kernel_from_file
from ktrans.interop.kernel_functions import from_neural_tangents


def written(folder, text, name="some kernel.py"):
    path = folder / name
    path.write_text(text, "utf-8")
    return path


STAX = """
from dataclasses import dataclass
from ktrans.interop import neural_tangents

stax, _ = neural_tangents.load()
_, _, kernel_fn = stax.serial(stax.Dense(1), stax.Relu(), stax.Dense(1))

@dataclass
class Linear:
    scale: "float"

    def __call__(self, x1, x2, get):
        return self.scale * (x1 @ x2.T)

linear = Linear(2.0)
"""


def test_a_file_gives_the_function_that_is_named(tmp_path):
    path, sizes = written(tmp_path, STAX), {"context_length": 2, "vocab_size": 4}
    network = from_neural_tangents(kernel_from_file(path), get="ntk", **sizes)
    linear = from_neural_tangents(kernel_from_file(str(path), "linear"), get="ntk", **sizes)
    assert network([[0, 1]]).shape == (1, 1)
    assert np.array_equal(linear([[0, 1], [1, 1]]), [[4.0, 2.0], [2.0, 4.0]])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file '.*none\.py'; give the path"):
        kernel_from_file(tmp_path / "none.py")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = 1", r"some kernel\.py: there is no `kernel_fn`; define it, or say what it is called"),
        ("kernel_fn = 1", "`kernel_fn` must be a function; got int"),
        ("\n1 / 0", "running it raised ZeroDivisionError at line 2: division by zero"),
        ("\n\ndef f(:", "running it raised SyntaxError at line 3: invalid syntax"),
        ("raise SystemExit", "running it raised SystemExit at line 1: no message"),
        (
            "import neural_tangents",
            "ModuleNotFoundError at line 1: .*'tensorflow'; on current JAX get its parts by `from",
        ),
    ],
)
def test_a_file_that_fails_is_reported_in_one_sentence(tmp_path, text, sentence):
    modules = set(sys.modules)
    with pytest.raises(ValueError, match=sentence):
        kernel_from_file(written(tmp_path, text))
    left = {name for name in set(sys.modules) - modules if "kernel_file" in name}
    assert left <= {"_ktrans_kernel_file_some kernel"}
