"""What follows from a kernel and a task alone; no samples are drawn."""

from ktrans.theory.certificate import Certificate, verify
from ktrans.theory.conditioning import (
    attention_sigma_map,
    best_conditioned,
    cosine_sigma_map,
    sigma_min,
)
from ktrans.theory.curves.cavity import cavity_learning_curve
from ktrans.theory.curves.eigenlearning import (
    corrected_learning_curve,
    corrected_samples_needed,
    in_distribution_curve,
    learnability,
)
from ktrans.theory.curves.floor import (
    Floor,
    diversity_floor,
    diversity_needed,
    finite_curve,
    floor_constant,
)
from ktrans.theory.curves.next_token import next_token_curve
from ktrans.theory.curves.plain import Curve, learning_curve, samples_needed
from ktrans.theory.enclosure import enclose_spectrum
from ktrans.theory.finite_sample import SampleBound, finite_sample_bound
from ktrans.theory.next_token import (
    NextTokenCertificate,
    enlarged_template_matrix,
    verify_next_token,
)
from ktrans.theory.regions import Region, certify_region
from ktrans.theory.separation import Separation, mlp_groups, separation
from ktrans.theory.spectrum.effective_dimension import population_effective_dimension
from ktrans.theory.spectrum.population import Spectrum, population_spectrum
from ktrans.theory.spectrum.power import population_power
from ktrans.theory.statistics import (
    TemplateStatistics,
    bounded_template_matrix,
    template_matrix,
    template_statistics,
)

__all__ = [
    "Certificate",
    "Curve",
    "Floor",
    "NextTokenCertificate",
    "Region",
    "SampleBound",
    "Separation",
    "Spectrum",
    "TemplateStatistics",
    "attention_sigma_map",
    "best_conditioned",
    "bounded_template_matrix",
    "cavity_learning_curve",
    "certify_region",
    "corrected_learning_curve",
    "corrected_samples_needed",
    "cosine_sigma_map",
    "diversity_floor",
    "diversity_needed",
    "enclose_spectrum",
    "enlarged_template_matrix",
    "finite_curve",
    "finite_sample_bound",
    "floor_constant",
    "in_distribution_curve",
    "learnability",
    "learning_curve",
    "mlp_groups",
    "next_token_curve",
    "population_effective_dimension",
    "population_power",
    "population_spectrum",
    "samples_needed",
    "separation",
    "sigma_min",
    "template_matrix",
    "template_statistics",
    "verify",
    "verify_next_token",
]
