"""What a kernel does with a task: the template matrix, certificates, learning curves."""

from ktrans.analysis.alignment import population_power, target_alignment
from ktrans.analysis.blocks import BlockStructure, block_structure
from ktrans.analysis.cavity import cavity_learning_curve
from ktrans.analysis.certificate import Certificate, verify
from ktrans.analysis.collision_graph import collision_graph
from ktrans.analysis.effective_dimension import effective_dimension, population_effective_dimension
from ktrans.analysis.eigenlearning import (
    corrected_learning_curve,
    corrected_samples_needed,
    in_distribution_curve,
    learnability,
)
from ktrans.analysis.learning_curve import Curve, learning_curve, samples_needed
from ktrans.analysis.next_token import (
    NextTokenCertificate,
    enlarged_template_matrix,
    verify_next_token,
)
from ktrans.analysis.next_token_curve import next_token_curve
from ktrans.analysis.population import Spectrum, population_spectrum
from ktrans.analysis.rates import compare_with_theorem
from ktrans.analysis.separation import Separation, mlp_groups, separation
from ktrans.analysis.spectral_density import spectral_density
from ktrans.analysis.spectrum_curves import SpectrumCurves, spectrum_curves
from ktrans.analysis.template_matrix import bounded_template_matrix, template_matrix
from ktrans.analysis.unseen_errors import measure_unseen

__all__ = [
    "BlockStructure",
    "Certificate",
    "Curve",
    "NextTokenCertificate",
    "Separation",
    "Spectrum",
    "SpectrumCurves",
    "block_structure",
    "bounded_template_matrix",
    "cavity_learning_curve",
    "collision_graph",
    "compare_with_theorem",
    "corrected_learning_curve",
    "corrected_samples_needed",
    "effective_dimension",
    "enlarged_template_matrix",
    "in_distribution_curve",
    "learnability",
    "learning_curve",
    "measure_unseen",
    "mlp_groups",
    "next_token_curve",
    "population_effective_dimension",
    "population_power",
    "population_spectrum",
    "samples_needed",
    "separation",
    "spectral_density",
    "spectrum_curves",
    "target_alignment",
    "template_matrix",
    "verify",
    "verify_next_token",
]
