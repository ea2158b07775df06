"""Coverage-guided fuzzing of what reads text from others, outside of CI.

    pip install atheris
    python scripts/fuzz.py template|task|sweep|kernel [-max_total_time=60] [options of libFuzzer]

Whatever is read gives a value, or a TypeError, ValueError or OSError of one sentence; anything else
is a finding, which atheris prints with the input that makes it. Without atheris,
`tests/robustness/test_fuzz.py` draws from grammars in place of being guided.
"""

import json
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

REFUSALS = (TypeError, ValueError, OSError)


def read_template(data: bytes) -> None:
    """The characters as a template, and as tokens parted by blanks."""
    from ktrans import Template

    text = data.decode("utf-8", "replace")
    for spec in (text, text.split(" ")):
        _either(lambda spec=spec: Template(Template(spec).spec))


def read_task(data: bytes) -> None:
    """A task file."""
    from ktrans import TemplateTask

    _either(lambda: TemplateTask.from_file(_file(data)).to_toml())


def read_sweep(data: bytes) -> None:
    """A sweep file."""
    from ktrans.sweeps import read_sweep as read

    _either(lambda: read(_file(data)))


def read_kernel(data: bytes) -> None:
    """A kernel's table, in TOML or JSON."""
    from ktrans.kernels.registry import kernel_from_dict, kernel_to_dict

    text = data.decode("utf-8", "replace")
    for parse in (tomllib.loads, json.loads):
        try:
            table = parse(text)
        except (ValueError, RecursionError):
            continue
        _either(lambda table=table: kernel_to_dict(kernel_from_dict(table)))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "template": read_template,
    "task": read_task,
    "sweep": read_sweep,
    "kernel": read_kernel,
}


def _either(read: Callable[[], object]) -> None:
    """A value, or a refusal in one line."""
    try:
        read()
    except REFUSALS as error:
        said = str(error)
        if not said or "\n" in said:
            raise AssertionError(f"no sentence: {said!r}") from error


def _file(data: bytes) -> Path:
    path = Path(tempfile.gettempdir()) / "ktrans_fuzz.toml"
    path.write_bytes(data)
    return path


def main() -> None:
    """Fuzz the target that is named."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"Name what to fuzz, one of {', '.join(TARGETS)}; got {sys.argv[1:2]}.")
    try:
        import atheris
    except ModuleNotFoundError:
        sys.exit("Fuzzing needs atheris: `pip install atheris`.")
    target = TARGETS[sys.argv[1]]
    with atheris.instrument_imports(include=["ktrans"]):
        import ktrans.sweeps  # noqa: F401
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
