"""The next-token theorems: gradient alignment at initialisation, and trained networks that copy."""

from ktrans.copying.alignment import Alignment, alignment
from ktrans.copying.certificate import CopyingCertificate, verify
from ktrans.copying.closed_form import closed_form_ratios, limiting_ratios
from ktrans.copying.collapse import collapse
from ktrans.copying.decay import Decay
from ktrans.copying.network import CopyingNetwork
from ktrans.copying.threshold import SUCCESS, threshold
from ktrans.copying.training import Schedule, TrainingPath, train

__all__ = [
    "SUCCESS",
    "Alignment",
    "CopyingCertificate",
    "CopyingNetwork",
    "Decay",
    "Schedule",
    "TrainingPath",
    "alignment",
    "closed_form_ratios",
    "collapse",
    "limiting_ratios",
    "threshold",
    "train",
    "verify",
]
