"""Kernels of infinitely wide transformers on template tasks, with error bounds."""

from ktrans import _interrupts, copying, networks, tasks  # noqa: F401  # the first hears Ctrl-C
from ktrans.analysis.alignment import population_power, target_alignment
from ktrans.analysis.blocks import block_structure
from ktrans.analysis.cavity import cavity_learning_curve
from ktrans.analysis.certificate import Certificate, verify
from ktrans.analysis.collision_graph import collision_graph
from ktrans.analysis.comparison import Comparison, compare
from ktrans.analysis.conditioning import (
    attention_map,
    best_conditioned,
    cosine_map,
    sigma_min,
)
from ktrans.analysis.effective_dimension import effective_dimension, population_effective_dimension
from ktrans.analysis.eigenlearning import (
    corrected_learning_curve,
    corrected_samples_needed,
    in_distribution_curve,
    learnability,
)
from ktrans.analysis.enclosure import enclose_spectrum
from ktrans.analysis.learning_curve import Curve, learning_curve, samples_needed
from ktrans.analysis.next_token import (
    NextTokenCertificate,
    enlarged_template_matrix,
    verify_next_token,
)
from ktrans.analysis.next_token_curve import next_token_curve
from ktrans.analysis.population import population_spectrum
from ktrans.analysis.rates import compare_with_theorem
from ktrans.analysis.separation import Separation, mlp_groups, separation
from ktrans.analysis.spectral_density import spectral_density
from ktrans.analysis.template_matrix import template_matrix
from ktrans.gram.operator import GramOperator
from ktrans.kernels.activations import GELU, Cosine, Custom, Erf, Identity, ReLU, Sine
from ktrans.kernels.attention.kernel import AttentionKernel
from ktrans.kernels.attention.modified import (
    ModifiedAttentionKernel,
    ModifiedTransformerKernel,
)
from ktrans.kernels.attention.separating_order import first_separating_order
from ktrans.kernels.attention.series import attention_series
from ktrans.kernels.attention.series_polynomial import attention_series_polynomial
from ktrans.kernels.attention.tied import TiedAttentionKernel
from ktrans.kernels.base import Bounded, Estimate, TokenSymmetricKernel
from ktrans.kernels.incidence_mlp import IncidenceMLPKernel
from ktrans.kernels.mlp import MLPKernel
from ktrans.kernels.next_token import NextTokenKernel
from ktrans.kernels.transformer import TransformerKernel
from ktrans.measure.probe import Probe, probe
from ktrans.solvers.gradient_flow import KernelGradientDescent, KernelGradientFlow
from ktrans.solvers.logistic import KernelLogisticRegression
from ktrans.solvers.next_token import NextTokenRidge
from ktrans.solvers.ridge import KernelRidge
from ktrans.solvers.ridge_path import KernelRidgePath
from ktrans.sweeps import sweep
from ktrans.tasks import Dataset, Template, TemplateTask

__all__ = [
    "GELU",
    "AttentionKernel",
    "Bounded",
    "Certificate",
    "Comparison",
    "Cosine",
    "Curve",
    "Custom",
    "Dataset",
    "Erf",
    "Estimate",
    "GramOperator",
    "Identity",
    "IncidenceMLPKernel",
    "KernelGradientDescent",
    "KernelGradientFlow",
    "KernelLogisticRegression",
    "KernelRidge",
    "KernelRidgePath",
    "MLPKernel",
    "ModifiedAttentionKernel",
    "ModifiedTransformerKernel",
    "NextTokenCertificate",
    "NextTokenKernel",
    "NextTokenRidge",
    "Probe",
    "ReLU",
    "Separation",
    "Sine",
    "Template",
    "TemplateTask",
    "TiedAttentionKernel",
    "TokenSymmetricKernel",
    "TransformerKernel",
    "attention_map",
    "attention_series",
    "attention_series_polynomial",
    "best_conditioned",
    "block_structure",
    "cavity_learning_curve",
    "collision_graph",
    "compare",
    "compare_with_theorem",
    "copying",
    "corrected_learning_curve",
    "corrected_samples_needed",
    "cosine_map",
    "effective_dimension",
    "enclose_spectrum",
    "enlarged_template_matrix",
    "first_separating_order",
    "in_distribution_curve",
    "learnability",
    "learning_curve",
    "mlp_groups",
    "networks",
    "next_token_curve",
    "population_effective_dimension",
    "population_power",
    "population_spectrum",
    "probe",
    "samples_needed",
    "separation",
    "sigma_min",
    "spectral_density",
    "sweep",
    "target_alignment",
    "tasks",
    "template_matrix",
    "verify",
    "verify_next_token",
]
