"""Kernels of infinitely wide transformers on template tasks, with error bounds.

The everyday names stand here; specialised ones stand in rooms, loaded when they are asked for:

    kt.tasks       named tasks, task files, tasks at another diversity
    kt.kernels     series, registry and kernels for special purposes
    kt.theory      what follows from a kernel and a task alone: certificates, spectra, curves
    kt.measure     what is found on samples: unseen errors, comparisons, blocks, densities
    kt.networks    networks of finite width and their training, GPT-2
    kt.copying     the theorems about next-token tasks
    kt.sweeps      many tasks and kernels over a grid
    kt.plotting    figures of results
    kt.interop     scikit-learn, neural-tangents, kernels from files

A kernel stands before a task in every function: `kt.verify(kernel, task)`. Every result prints as a
table and has `to_dataset`; `kt.plot` draws it, `kt.save` writes it and `kt.load` gives it back.
"""

from typing import TYPE_CHECKING

from ktrans import _interrupts  # the first hears Ctrl-C
from ktrans._lazy import attach

if TYPE_CHECKING:
    from ktrans import (
        copying,
        interop,
        kernels,
        measure,
        networks,
        plotting,
        sweeps,
        tasks,
        theory,
    )
    from ktrans._saving import load, save
    from ktrans.gram.operator import GramOperator
    from ktrans.kernels.activations import GELU, Cosine, Custom, Erf, Identity, ReLU, Sine, Tanh
    from ktrans.kernels.attention.kernel import AttentionKernel
    from ktrans.kernels.attention.modified import (
        ModifiedAttentionKernel,
        ModifiedTransformerKernel,
    )
    from ktrans.kernels.attention.series import attention_series
    from ktrans.kernels.base import Bounded, Estimate, TokenSymmetricKernel
    from ktrans.kernels.incidence_mlp import IncidenceMLPKernel
    from ktrans.kernels.mlp import MLPKernel
    from ktrans.kernels.next_token import NextTokenKernel
    from ktrans.kernels.transformer import TransformerKernel
    from ktrans.measure.comparison import Comparison, compare
    from ktrans.measure.probe import Probe, probe
    from ktrans.plotting.results import plot
    from ktrans.solvers.gradient_flow import KernelGradientDescent, KernelGradientFlow
    from ktrans.solvers.logistic import KernelLogisticRegression
    from ktrans.solvers.next_token import NextTokenRidge
    from ktrans.solvers.ridge import KernelRidge
    from ktrans.solvers.ridge_path import KernelRidgePath
    from ktrans.sweeps.run import sweep
    from ktrans.tasks.task import Dataset, TemplateTask
    from ktrans.tasks.templates import Template
    from ktrans.theory.certificate import Certificate, verify
    from ktrans.theory.curves.plain import Curve, learning_curve, samples_needed
    from ktrans.theory.spectrum.population import population_spectrum
    from ktrans.theory.statistics import template_matrix

# Where each name stands: loaded when it is asked for, so that importing ktrans costs nothing.
_NAMES = {
    "_saving": "load save",
    "gram.operator": "GramOperator",
    "kernels.activations": "GELU Cosine Custom Erf Identity ReLU Sine Tanh",
    "kernels.attention.kernel": "AttentionKernel",
    "kernels.attention.modified": "ModifiedAttentionKernel ModifiedTransformerKernel",
    "kernels.attention.series": "attention_series",
    "kernels.base": "Bounded Estimate TokenSymmetricKernel",
    "kernels.incidence_mlp": "IncidenceMLPKernel",
    "kernels.mlp": "MLPKernel",
    "kernels.next_token": "NextTokenKernel",
    "kernels.transformer": "TransformerKernel",
    "measure.comparison": "Comparison compare",
    "measure.probe": "Probe probe",
    "plotting.results": "plot",
    "solvers.gradient_flow": "KernelGradientDescent KernelGradientFlow",
    "solvers.logistic": "KernelLogisticRegression",
    "solvers.next_token": "NextTokenRidge",
    "solvers.ridge": "KernelRidge",
    "solvers.ridge_path": "KernelRidgePath",
    "sweeps.run": "sweep",
    "tasks.task": "Dataset TemplateTask",
    "tasks.templates": "Template",
    "theory.certificate": "Certificate verify",
    "theory.curves.plain": "Curve learning_curve samples_needed",
    "theory.spectrum.population": "population_spectrum",
    "theory.statistics": "template_matrix",
}
_ROOMS = "copying interop kernels measure networks plotting sweeps tasks theory"

__getattr__, __dir__, __all__ = attach(__name__, _NAMES, _ROOMS)
