"""A value for each kind of pair of strings; the everyday kernels stand in `ktrans` itself."""

from typing import TYPE_CHECKING

from ktrans._lazy import attach

if TYPE_CHECKING:
    from ktrans.kernels.attention.separating_order import first_separating_order
    from ktrans.kernels.attention.series_polynomial import attention_series_polynomial
    from ktrans.kernels.attention.tied import TiedAttentionKernel
    from ktrans.kernels.registry import kernel_from_dict, kernel_to_dict, register_kernel

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "attention.separating_order": "first_separating_order",
        "attention.series_polynomial": "attention_series_polynomial",
        "attention.tied": "TiedAttentionKernel",
        "registry": "kernel_from_dict kernel_to_dict register_kernel",
    },
)
