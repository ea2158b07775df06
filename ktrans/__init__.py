"""Kernels of infinitely wide transformers on template tasks, with error bounds."""

from ktrans import _interrupts, copying, networks, tasks  # noqa: F401  # the first hears Ctrl-C
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
from ktrans.measure.alignment import target_alignment
from ktrans.measure.blocks import block_structure
from ktrans.measure.collisions.graph import collision_graph
from ktrans.measure.comparison import Comparison, compare
from ktrans.measure.density import effective_dimension, spectral_density
from ktrans.measure.rates import compare_with_theorem
from ktrans.solvers.gradient_flow import KernelGradientDescent, KernelGradientFlow
from ktrans.solvers.logistic import KernelLogisticRegression
from ktrans.solvers.next_token import NextTokenRidge
from ktrans.solvers.ridge import KernelRidge
from ktrans.solvers.ridge_path import KernelRidgePath
from ktrans.sweeps import sweep
from ktrans.tasks import Dataset, Template, TemplateTask
from ktrans.theory.certificate import Certificate, verify
from ktrans.theory.conditioning import (
    attention_map,
    best_conditioned,
    cosine_map,
    sigma_min,
)
from ktrans.theory.curves.cavity import cavity_learning_curve
from ktrans.theory.curves.eigenlearning import (
    corrected_learning_curve,
    corrected_samples_needed,
    in_distribution_curve,
    learnability,
)
from ktrans.theory.curves.next_token import next_token_curve
from ktrans.theory.curves.plain import Curve, learning_curve, samples_needed
from ktrans.theory.enclosure import enclose_spectrum
from ktrans.theory.next_token import (
    NextTokenCertificate,
    enlarged_template_matrix,
    verify_next_token,
)
from ktrans.theory.separation import Separation, mlp_groups, separation
from ktrans.theory.spectrum.effective_dimension import population_effective_dimension
from ktrans.theory.spectrum.population import population_spectrum
from ktrans.theory.spectrum.power import population_power
from ktrans.theory.statistics import template_matrix

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
