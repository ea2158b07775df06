"""The kernels the theorems are about, and how far a solution truly is from its system."""

import numpy as np

import ktrans as kt

TRANSFORMER = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))
MLP = kt.MLPKernel(
    kind="ntk", depth=2, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.1
)
KERNELS = [TRANSFORMER, MLP]
NAMES = ["transformer", "mlp"]

TEN_TEMPLATES = {
    spec: float(i % 3 - 1)
    for i, spec in enumerate(
        ["αααα", "αααβ", "ααβα", "αβαα", "αβββ", "ααββ", "αβαβ", "αββα", "αβγα", "αβγδ"]
    )
}


def ten_templates(vocab_size: int) -> kt.TemplateTask:
    """Ten templates without regular tokens: an MLP kernel sees the same in all fresh strings."""
    return kt.TemplateTask.from_templates(TEN_TEMPLATES, vocab_size=vocab_size)


def true_residual(kernel, tokens, labels, ridge, duals) -> float:
    """‖(K + λI) α − y‖ / ‖y‖ with the matrix itself."""
    error = kernel(tokens) @ duals + ridge * duals - labels
    return float(np.linalg.norm(error) / np.linalg.norm(labels))
