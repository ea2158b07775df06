"""What the benchmarks of scaling share: clocks, memory, the kernel, and their page in the docs."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import ktrans as kt

PAGE = Path("docs/scaling.md")
PICTURE = Path("docs/images/scaling.png")


def default_kernel() -> Any:
    """The transformer kernel of the theorem's example."""
    activation = kt.Cosine(b1=1.0, b2=0.5)
    return kt.TransformerKernel(beta=1.0, gamma=0.7, activation=activation)


def sample(size: int) -> kt.Dataset:
    """αβα against αββ, with a tenth as many tokens as samples."""
    return kt.tasks.load("aba_abb", vocab_size=size // 10).sample(size)


def best_seconds(function: Callable[[], Any], repeats: int) -> float:
    """The least of a few times, after one that is not counted."""
    seconds = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])


def copy_seconds(num_bytes: int, repeats: int) -> float:
    """Seconds of a copy that moves so many bytes: half are read and half are written."""
    source = np.ones(max(1, num_bytes // 16))
    target = np.empty_like(source)
    return best_seconds(lambda: np.copyto(target, source), repeats)


def peak_gigabytes() -> float:
    """The most memory this process has held so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def in_own_process(module: str, *arguments: str) -> str:
    """What `python -m module …` prints: peaks of memory are those of one task each."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def machine() -> str:
    """The machine in words that name nobody's."""
    cores = len(os.sched_getaffinity(0))
    return f"{cores} CPU cores, float64"


def write_between(name: str, text: str, page: Path = PAGE) -> None:
    """Replace what stands between the markers `<!-- name -->` and `<!-- /name -->` of a page.

    Raises:
        ValueError: if the page lacks the markers.
    """
    start, stop = f"<!-- {name} -->", f"<!-- /{name} -->"
    old = page.read_text(encoding="utf-8")
    if start not in old or stop not in old:
        raise ValueError(f"{page} lacks the markers {start} and {stop}.")
    head, rest = old.split(start, 1)
    tail = rest.split(stop, 1)[1]
    page.write_text(f"{head}{start}\n{text}\n{stop}{tail}", encoding="utf-8")
