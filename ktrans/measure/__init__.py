"""What is found on samples: unseen errors, comparisons, rates, blocks, collisions, densities."""

from ktrans.measure.alignment import target_alignment
from ktrans.measure.blocks import BlockStructure, block_structure
from ktrans.measure.collisions.graph import collision_graph
from ktrans.measure.comparison import Comparison, compare
from ktrans.measure.density import effective_dimension, spectral_density
from ktrans.measure.probe import Probe, probe
from ktrans.measure.rates import compare_with_theorem
from ktrans.measure.spectrum_curves import SpectrumCurves, spectrum_curves
from ktrans.measure.unseen import measure_unseen

__all__ = [
    "BlockStructure",
    "Comparison",
    "Probe",
    "SpectrumCurves",
    "block_structure",
    "collision_graph",
    "compare",
    "compare_with_theorem",
    "effective_dimension",
    "measure_unseen",
    "probe",
    "spectral_density",
    "spectrum_curves",
    "target_alignment",
]
