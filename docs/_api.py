"""The API page: every public name, in groups. A missing or undocumented name is an error."""

import importlib
import types
from pathlib import Path

GROUPS = {
    "Tasks": ("ktrans", "Template TemplateTask Dataset"),
    "Named tasks": ("ktrans.tasks", "load names describe Wildcard Zipf"),
    "Kernels": (
        "ktrans",
        "TokenSymmetricKernel AttentionKernel TransformerKernel MLPKernel IncidenceMLPKernel "
        "ModifiedAttentionKernel ModifiedTransformerKernel NextTokenKernel Bounded Estimate",
    ),
    "Activations": ("ktrans", "Cosine Sine ReLU Erf GELU Tanh Identity Custom"),
    "Special kernels, and kernels as tables": (
        "ktrans.kernels",
        "TiedAttentionKernel kernel_from_dict kernel_to_dict register_kernel",
    ),
    "Power series": ("ktrans", "attention_series"),
    "Polynomials in β and γ": (
        "ktrans.kernels",
        "attention_series_polynomial first_separating_order",
    ),
    "Gram matrices and solvers": (
        "ktrans",
        "GramOperator KernelRidge KernelRidgePath KernelGradientFlow KernelGradientDescent "
        "KernelLogisticRegression NextTokenRidge",
    ),
    "Certificates and curves": (
        "ktrans",
        "template_matrix verify Certificate learning_curve samples_needed Curve compare Comparison "
        "population_spectrum",
    ),
    "Results": ("ktrans", "plot save"),
    "Results from files": ("ktrans", "load"),
    "Template matrix": (
        "ktrans.theory",
        "bounded_template_matrix template_statistics TemplateStatistics separation mlp_groups "
        "Separation sigma_min attention_sigma_map cosine_sigma_map best_conditioned "
        "enclose_spectrum certify_region Region",
    ),
    "Finite diversity": (
        "ktrans.theory",
        "diversity_floor Floor diversity_needed floor_constant finite_curve finite_sample_bound "
        "SampleBound",
    ),
    "Learning curves": (
        "ktrans.theory",
        "corrected_learning_curve corrected_samples_needed cavity_learning_curve "
        "in_distribution_curve learnability",
    ),
    "Spectra": (
        "ktrans.theory",
        "Spectrum population_power population_effective_dimension",
    ),
    "Labels that are symbols": (
        "ktrans.theory",
        "enlarged_template_matrix next_token_curve verify_next_token NextTokenCertificate",
    ),
    "What samples show": (
        "ktrans.measure",
        "measure_unseen compare_with_theorem block_structure BlockStructure collision_graph "
        "spectral_density effective_dimension target_alignment spectrum_curves SpectrumCurves",
    ),
    "Sweeps": ("ktrans.sweeps", "sweep run_sweep read_sweep read_grid Grid"),
    "Copying": (
        "ktrans.copying",
        "verify CopyingCertificate alignment Alignment Decay closed_form_ratios limiting_ratios "
        "CopyingNetwork train Schedule TrainingPath collapse threshold SUCCESS",
    ),
    "Finite networks": (
        "ktrans.networks",
        "RandomFeatures Transformer TransformerConfig MLP MLPConfig train TrainingConfig "
        "TrainingResult draw_task_data TaskData Strings",
    ),
    "Trained networks": (
        "ktrans.networks",
        "head_identities HeadIdentities load_bert Encoder Sentences word_features "
        "single_token_words",
    ),
    "What features know": ("ktrans", "probe Probe"),
    "A public encoder": ("ktrans.interop.minilm", "unpack is_installed"),
    "torch models": ("ktrans.interop.torch_features", "torch_features"),
    "Language models": (
        "ktrans.networks",
        "gpt2_config draw_gpt2 load_gpt2 num_parameters read_text read_documentation Text "
        "train_tokenizer "
        "load_tokenizer tokenize TextData train_language_model LanguageTraining LanguageResult "
        "History perplexity Perplexity",
    ),
    "scikit-learn": (
        "ktrans.interop.scikit_learn",
        "GramFunction GramTransformer GaussianProcessKernel",
    ),
    "neural-tangents": ("ktrans.interop.neural_tangents", "load"),
    "Kernel functions": (
        "ktrans.interop.kernel_functions",
        "from_neural_tangents to_neural_tangents",
    ),
    "Kernels from files": ("ktrans.interop.kernel_files", "kernel_from_file"),
}

_ROOMS = tuple(
    f"ktrans{room}"
    for room in (
        "",
        ".tasks",
        ".kernels",
        ".theory",
        ".measure",
        ".copying",
        ".networks",
        ".sweeps",
    )
)
_HEAD = """# API

Data are positional, everything else is given by keyword. Results are NumPy float64 arrays; a
docstring says whether a number is exact, certified or estimated ([numerics](numerics.md)).
"""


def write_api(page: Path) -> None:
    """Write the page.

    Raises:
        ValueError: if a public name has no place in it, or no docstring.
    """
    missing = _public() - {name for _, names in GROUPS.values() for name in names.split()}
    if missing:
        raise ValueError(f"docs/_api.py has no place for {', '.join(sorted(missing))}.")
    sections = [_section(group, *GROUPS[group]) for group in GROUPS]
    page.write_text("\n".join([_HEAD, *sections]), "utf-8")


def _public() -> set[str]:
    """Names in `__all__` of the rooms; the rooms themselves are no names."""
    rooms = map(importlib.import_module, _ROOMS)
    found = {(room, name) for room in rooms for name in room.__all__}
    return {name for room, name in found if not isinstance(getattr(room, name), types.ModuleType)}


def _section(title: str, module: str, names: str) -> str:
    entries = "\n".join(_entry(module, name) for name in names.split())
    return f"## {title}\n\n```{{eval-rst}}\n.. currentmodule:: {module}\n\n{entries}```\n"


def _entry(module: str, name: str) -> str:
    value = _load(module, name)
    if not isinstance(value, type) and not callable(value):
        return f".. autodata:: {name}\n"
    if not (value.__doc__ or "").strip():
        raise ValueError(f"{module}.{name} is public and has no docstring.")
    kind = "autoclass" if isinstance(value, type) else "autofunction"
    return f".. {kind}:: {name}\n"


def _load(module: str, name: str) -> object:
    return getattr(importlib.import_module(module), name)
