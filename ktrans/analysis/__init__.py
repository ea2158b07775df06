"""What a kernel does with a task: the template matrix, certificates, learning curves."""

from ktrans.analysis.blocks import BlockStructure, block_structure
from ktrans.analysis.cavity import cavity_learning_curve
from ktrans.analysis.certificate import Certificate, verify
from ktrans.analysis.eigenlearning import (
    corrected_learning_curve,
    corrected_samples_needed,
    in_distribution_curve,
    learnability,
)
from ktrans.analysis.learning_curve import Curve, learning_curve, samples_needed
from ktrans.analysis.population import Spectrum, population_spectrum
from ktrans.analysis.rates import compare_with_theorem
from ktrans.analysis.spectrum_curves import SpectrumCurves, spectrum_curves
from ktrans.analysis.template_matrix import bounded_template_matrix, template_matrix
from ktrans.analysis.unseen_errors import measure_unseen

__all__ = [
    "BlockStructure",
    "Certificate",
    "Curve",
    "Spectrum",
    "SpectrumCurves",
    "block_structure",
    "bounded_template_matrix",
    "cavity_learning_curve",
    "compare_with_theorem",
    "corrected_learning_curve",
    "corrected_samples_needed",
    "in_distribution_curve",
    "learnability",
    "learning_curve",
    "measure_unseen",
    "population_spectrum",
    "samples_needed",
    "spectrum_curves",
    "template_matrix",
    "verify",
]
