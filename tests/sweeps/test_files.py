"""Sweeps in TOML files: what is read, and what is refused with file, key and remedy."""

import pytest

import ktrans as kt
from ktrans.kernels.registry import kernel_to_dict
from ktrans.sweeps import read_sweep

AXES = "vocab_sizes = [20]\nnum_samples = [5]\nridges = [0.1]\nseeds = 2\n"
TASK = '[[tasks]]\nname = "aba_abb"\n'
KERNEL = (
    '[[kernels]]\ntype = "mlp"\nkind = "nngp"\ndepth = 1\nactivation = "relu"\n'
    "weight_variance = 2.0\nbias_variance = 0.0\n"
)


def write(folder, axes=AXES, tasks=TASK, kernels=KERNEL, rest=""):
    path = folder / "sweep.toml"
    path.write_text(f"{rest}[sweep]\n{axes}{tasks}{kernels}", "utf-8")
    return path


def test_a_file_gives_the_grid_it_describes(tmp_path):
    own = kt.tasks.load("regular_cue", vocab_size=7)
    (tmp_path / "own.toml").write_text(own.to_toml(), "utf-8")
    tasks = (
        '[[tasks]]\nname = "noisy"\nload = "aba_abb"\nnoise_std = 0.5\nsubstitution = "zipf"\n'
        '[[tasks]]\nfile = "own.toml"\n'
        '[[tasks]]\nname = "here"\ntemplates = { "αα" = 2.0, "αβ" = -1 }\n'
        '[[tasks]]\nname = "random_templates"\nnum_templates = 3\nseed = 1\n'
    )
    kernels = KERNEL + (
        '[[kernels]]\nname = "T"\ntype = "transformer"\nbeta = 1\ngamma = 0.5\n'
        'activation = { type = "cos", b1 = 1.0, b2 = 0.5 }\n'
    )
    grid = read_sweep(write(tmp_path, tasks=tasks, kernels=kernels))
    assert list(grid.tasks) == ["noisy", "regular_cue", "here", "random_templates"]
    noisy = grid.tasks_by_size["noisy", 20]
    assert (noisy.noise_std, noisy.vocab_size, noisy.is_uniform) == (0.5, 20, False)
    assert grid.tasks_by_size["regular_cue", 20].templates == own.templates
    assert grid.tasks["here"].labels.tolist() == [2.0, -1.0]
    assert grid.tasks["random_templates"].num_templates == 3
    assert list(grid.kernels) == ["mlp", "T"]
    cosine = {"type": "cos", "b1": 1.0, "b2": 0.5}
    assert kernel_to_dict(grid.kernels["T"])["activation"] == cosine
    assert grid.seeds == (0, 1) and grid.ridges == (0.1,)


def axes(**changed):
    values = {"vocab_sizes": "[20]", "num_samples": "[5]", "ridges": "[0.1]", "seeds": "2"}
    return "".join(f"{key} = {value}\n" for key, value in (values | changed).items())


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"rest": "[other]\n"}, "unknown key 'other' in the file; known: sweep, tasks"),
        ({"tasks": ""}, "the key `tasks` is missing; add it"),
        ({"rest": "tasks = []\n", "tasks": ""}, "`tasks` must have at least one entry"),
        ({"rest": "kernels = 3\n", "kernels": ""}, "`kernels` in the file must be a list; got 3"),
        ({"rest": "kernels = [3]\n", "kernels": ""}, r"\[\[kernels\]\] number 1 must be a table"),
        ({"axes": axes() + "ridge = 3\n"}, r"'ridge' in \[sweep\].*did you mean 'ridges'\?"),
        ({"axes": "seeds = 2\n"}, "the key `vocab_sizes` is missing"),
        ({"axes": axes(seeds="0")}, "`seeds` must be from 1 to 100000, or a list; got 0"),
        ({"axes": axes(seeds='"2"')}, r"`seeds` in \[sweep\] must be an integer or a list"),
        ({"axes": axes(ridges="0.1")}, r"`ridges` in \[sweep\] must be a list; got 0.1"),
        ({"axes": axes(ridges="[-1.0]")}, "`ridge` must be non-negative; got -1.0"),
        ({"axes": axes(vocab_sizes="[1]")}, "`vocab_size` must leave a token"),
        ({"tasks": '[[tasks]]\nname = "aba_abc"\n'}, "number 1: There is no task 'aba_abc'; did"),
        ({"tasks": "[[tasks]]\nnoise_std = 1.0\n"}, "the key `name` is missing"),
        ({"tasks": TASK + "noise = 1.0\n"}, r"'noise' in \[\[tasks\]\] number 1.*'noise_std'\?"),
        ({"tasks": TASK + "noise_std = -1.0\n"}, "number 1: `noise_std` must be non-negative"),
        ({"tasks": TASK + "length = 3\n"}, "number 1: task 'aba_abb' has no option `length`"),
        (
            {"tasks": '[[tasks]]\nname = "random_templates"\nlength = 1000000000\n'},
            "`length` must be at most 256 in a file",
        ),
        ({"tasks": TASK + TASK}, "number 2: another one is called 'aba_abb'; set `name`"),
        ({"tasks": TASK + 'load = "x"\nfile = "y"\n'}, "unknown key 'load'"),
        ({"tasks": '[[tasks]]\nname = "t"\ntemplates = {}\n'}, "`templates` must"),
        ({"tasks": '[[tasks]]\nname = "t"\ntemplates = { "αα" = [1] }\n'}, "number 1: .*label"),
        (
            {"tasks": f'[[tasks]]\nname = "t"\ntemplates = {{ "{"α" * 257}" = 1 }}\n'},
            "at most 256 symbols",
        ),
        ({"kernels": KERNEL + "name = 3\n"}, r"`name` in \[\[kernels\]\] number 1 must be a str"),
        ({"kernels": KERNEL + "deph = 3\n"}, "number 1: .*has no `deph`; .*'depth'"),
        ({"kernels": '[[kernels]]\nname = "k"\n'}, "number 1: `kernel` must be a table with a `t"),
        ({"kernels": 101 * KERNEL}, "at most 100 kernels may stand in a file; got 101"),
    ],
)
def test_files_that_are_no_sweep_are_refused(tmp_path, parts, message):
    path = write(tmp_path, **parts)
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        read_sweep(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[sweep", "not valid TOML"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b"a = " + b"[" * 50_000, "nested too deeply|not valid TOML"),
        (b"#" * (2**20 + 1), "a sweep file must have at most 1048576 bytes"),
    ],
)
def test_what_is_no_toml_is_refused(tmp_path, text, message):
    path = tmp_path / "sweep.toml"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=message):
        read_sweep(path)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no sweep file"):
        read_sweep(tmp_path / "sweep.toml")
    with pytest.raises(FileNotFoundError, match="There is no task file"):
        read_sweep(write(tmp_path, tasks='[[tasks]]\nfile = "missing.toml"\n'))
