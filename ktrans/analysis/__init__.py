"""What a kernel does with a task: the template matrix, certificates, learning curves."""

from ktrans.analysis.certificate import Certificate, verify
from ktrans.analysis.learning_curve import Curve, learning_curve, samples_needed
from ktrans.analysis.template_matrix import bounded_template_matrix, template_matrix

__all__ = [
    "Certificate",
    "Curve",
    "bounded_template_matrix",
    "learning_curve",
    "samples_needed",
    "template_matrix",
    "verify",
]
