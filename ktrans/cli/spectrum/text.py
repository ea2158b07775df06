"""Spectra, blocks and collisions as rows of text."""

import numpy as np

from ktrans.measure.blocks import BlockStructure
from ktrans.measure.collisions.graph import CollisionClass, CollisionGraph
from ktrans.theory.spectrum.population import Spectrum

SHOWN_ROWS, SHOWN_CLASSES, SHOWN_NUMBERS = 3, 4, 6  # the JSON has all


def spectrum_rows(spectrum: Spectrum) -> list[list[str]]:
    """The largest eigenvalues of each representation; all of them are in the JSON."""
    rows = [["representation", "multiplicity", "eigenvalue"]]
    for label in dict.fromkeys(spectrum.labels):
        mine = [i for i, each in enumerate(spectrum.labels) if each == label]
        count = str(int(spectrum.multiplicities[mine[0]]))
        rows += [[label, count, f"{spectrum.eigenvalues[i]:.10e}"] for i in mine[:SHOWN_ROWS]]
        if len(mine) > SHOWN_ROWS:
            rows.append(["", "", f"and {len(mine) - SHOWN_ROWS} more"])
    return rows


def block_rows(blocks: BlockStructure) -> list[list[str]]:
    """How far K̂ is from its blocks, and its leading eigenvalues."""
    return [
        ["entries equal to N", f"{blocks.share_equal:.6%}"],
        ["‖E‖_F / n, ‖E‖₂ / n", f"{blocks.frobenius:.4e}, {blocks.operator_norm:.4e}"],
        ["leading eigenvalues of K̂/n", _numbers(blocks.eigenvalues)],
        ["those of D^½ N D^½", _numbers(blocks.limits)],
        ["principal angles (rad)", _numbers(blocks.angles)],
    ]


def target_rows(target: dict[str, float] | None) -> list[list[str]]:
    """The alignment of kernel and labels, where there is one."""
    return [] if target is None else [["kernel–target alignment", f"{target['alignment']:.6g}"]]


def collision_rows(graph: CollisionGraph) -> list[list[str]]:
    """The collision graph, and the kinds of collisions that weigh most."""
    rows = [
        ["edges", f"{graph.num_edges}"],
        ["degree: mean, largest", f"{graph.mean_degree:.4g}, {graph.max_degree}"],
        ["components; largest", f"{graph.num_components}; {graph.largest_component} samples"],
        ["‖E‖_F² on the diagonal", f"{graph.diagonal_share:.2%}"],
    ]
    rows += [[f"   {_class(each)}", _weight(each)] for each in graph.classes[:SHOWN_CLASSES]]
    more = len(graph.classes) - SHOWN_CLASSES
    return rows + ([["", f"and {more} more classes"]] if more > 0 else [])


def _class(each: CollisionClass) -> str:
    return " · ".join(each.templates) + ": " + ", ".join(f"{a}={b}" for a, b in each.matching)


def _weight(each: CollisionClass) -> str:
    kernel = f"K = {each.value:.6g} against N = {each.limit:.6g}"
    return f"{each.share:.2%} of ‖E‖_F², {each.edges} edges, {kernel}"


def dimension_rows(dimensions: list[dict[str, float]]) -> list[list[str]]:
    """Of K̂, as all strings let expect it, and its bound, for each λ."""
    rows = [["λ", "of K̂", "expected from all strings", "bound"]]
    for each in dimensions:
        found = f"{each['mean']:.6g} ± {each['stderr']:.1g}"
        others = (f"{each[name]:.6g}" for name in ("expected", "bound"))
        rows.append([f"{each['ridge']:g}", found, *others])
    return rows


def _numbers(values: np.ndarray) -> str:
    shown = " ".join(f"{value:.6g}" for value in values[:SHOWN_NUMBERS])
    return shown + (
        f" and {len(values) - SHOWN_NUMBERS} more" if len(values) > SHOWN_NUMBERS else ""
    )
