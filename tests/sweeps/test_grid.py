"""What a sweep covers, and what is refused before anything is computed."""

import numpy as np
import pytest

import ktrans as kt
from ktrans.sweeps import read_grid
from ktrans.sweeps.grid import Cell
from tests.sweeps.small_sweep import SmallKernel, small_grid

TASK = kt.tasks.load("aba_abb")
GOOD = {
    "tasks": {"ABA": TASK},
    "kernels": {"small": SmallKernel()},
    "vocab_sizes": [20],
    "num_samples": [5],
    "ridges": [0.1],
    "seeds": [0],
}


def test_cells_come_in_the_order_of_the_dimensions():
    grid = small_grid()
    cells = list(grid.cells())
    assert len(cells) == grid.num_cells == np.prod(grid.shape) == 64
    assert cells[0] == Cell("ABA", "small", 20, 20, 1e-3, 0)
    assert cells[1].seed == 1 and cells[-1] == Cell("noisy", "steep", 300, 250, 0.1, 1)


def test_a_result_depends_on_what_tasks_and_kernels_are_not_on_their_place():
    one, other = small_grid(), read_grid(**GOOD)
    cell = next(other.cells())
    shared = cell._replace(num_samples=20, ridge=1e-3)
    renamed = read_grid(**GOOD | {"kernels": {"mine": SmallKernel()}})
    assert one.record_of(shared) != other.record_of(cell)
    assert renamed.record_of(cell._replace(kernel="mine")) == other.record_of(cell)
    assert one.record_of(shared) != one.record_of(shared._replace(vocab_size=300))
    assert one.record_of(shared) != one.record_of(shared._replace(kernel="steep"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": TASK}, "`tasks` must be a mapping from names"),
        ({"tasks": {}}, "`tasks` must have at least one entry; got none"),
        ({"tasks": {"a": 3}}, "`task` must be a TemplateTask"),
        ({"tasks": {"c": kt.tasks.load("copy")}}, "those of 'copy' are symbols"),
        ({"kernels": {"": SmallKernel()}}, "printable strings of 1 to 256 characters; got ''"),
        ({"kernels": {3: SmallKernel()}}, "printable strings of 1 to 256 characters; got 3"),
        ({"kernels": {"k": "transformer"}}, "`kernel` must be a token-symmetric kernel"),
        ({"vocab_sizes": 20}, "`vocab_sizes` must be a sequence of numbers; got 20"),
        ({"vocab_sizes": []}, "`vocab_sizes` must have at least one entry"),
        ({"vocab_sizes": [1]}, "`vocab_size` must leave a token for each wildcard"),
        ({"vocab_sizes": [10**8]}, "`vocab_sizes` must be at most 10000000; got 100000000"),
        ({"num_samples": [0]}, "`num_samples` must be at least 1; got 0"),
        ({"num_samples": [2.5]}, "`num_samples` must be an integer; got 2.5"),
        ({"num_samples": "12"}, "`num_samples` must be a sequence of numbers; got '12'"),
        ({"ridges": [-1.0]}, "`ridge` must be non-negative; got -1.0"),
        ({"ridges": [float("nan")]}, "`ridge` must be finite; got nan"),
        ({"ridges": [0.1, 0.1]}, "`ridges` must be distinct; 0.1 occurs 2 times"),
        ({"seeds": [-1]}, "`seeds` must be at least 0; got -1"),
        ({"seeds": [2**31]}, "`seeds` must be at most 2147483647"),
        ({"seeds": [True]}, "`seeds` must be an integer; got True"),
        ({"seeds": range(10**9)}, "`seeds` must have at most 1000000 entries; got 1000000000"),
        (
            {"seeds": range(2000), "num_samples": range(1, 1001)},
            "at most 1000000 cells; got 2000000",
        ),
    ],
)
def test_what_cannot_be_swept_is_refused(change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        read_grid(**GOOD | change)


def test_a_kernel_without_a_name_is_refused():
    class Unknown(SmallKernel):
        pass

    with pytest.raises(TypeError, match=r"got Unknown: .*register_kernel"):
        read_grid(**GOOD | {"kernels": {"u": Unknown()}})


def test_named_tokens_fix_the_vocabulary():
    task = kt.tasks.load("same_different", substitution_tokens=["a", "b", "c"])
    read_grid(**GOOD | {"tasks": {"t": task}, "vocab_sizes": [3]})
    with pytest.raises(ValueError, match="`vocab_size` cannot become 20"):
        read_grid(**GOOD | {"tasks": {"t": task}})
