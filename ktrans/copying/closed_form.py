"""The gradient ratios in closed form: at every d_emb for small logits, and as d_emb → ∞."""

from typing import Any

from ktrans._checks import check_kind
from ktrans.copying.network import IDENTITY, SYMBOLS, CopyingNetwork


def closed_form_ratios(network: Any) -> dict[str, float]:
    """E⟨∇_g L_train, ∇_g L_test⟩ / E‖∇_g L_train‖² at b = 0, for logits that are nearly zero.

    With m tokens, n of them seen, g = 1 − 1/m and c = g² + 1/m², tied embeddings:

        R_{W_V} = R_{W_O} = c / (d g/n + 2 g²/n + c (1 − 1/n)),
        R_{W_E} = 1/m² / (d g/n + g²/n + (1 − 1/n)/m²),
        R_b = (g² + 1/(d m²)) / (g² + (g + g²)/(n d) + (1 − 1/n)/(d m²)),

    d = d_emb, so R_b → 1 and the others fall like 1/d. Derivation: the softmax is uniform, so the
    derivative by logits has rows q_x/n for seen and q_y/(m − n) for unseen tokens, q_x = 1/m − e_x.
    G = W_E W_Eᵀ has E G_ab G_cd = δ_ab δ_cd + (δ_ac δ_bd + δ_ad δ_bc)/d, and E[W_V W_Vᵀ] and
    E[W_O W_Oᵀ] are multiples of I. The products for W_V and W_O are means over pairs of tokens of
    E[G_xy q_xᵀ G q_y], which is c/d if x ≠ y and g + 2 g²/d if x = y; that for b is a mean of
    E[(q_xᵀ G e_x)(q_yᵀ G e_y)]. For W_E only E[A²] of A = W_V W_Oᵀ connects seen and unseen
    tokens, a factor d smaller than E[A Aᵀ]. Where embeddings are not tied, G of the two sides are
    independent and every ratio is 0, also R_b.

    Args:
        network: Its sizes; the initial scale and the head sizes do not enter.

    Returns:
        The ratio for each group by symbol; exact as init_scale → 0 at b = 0. At init_scale = 1 the
        logits are of size d_emb^(−1/2), and so is what is neglected, at most.

    Example:
        >>> network = CopyingNetwork(
        ...     embedding_dim=2048, vocab_size=32, num_seen=24, num_heads=4, head_dim=16
        ... )
        >>> {name: round(value, 4) for name, value in closed_form_ratios(network).items()}
        {'W_E': 0.0, 'W_V': 0.0112, 'W_O': 0.0112, 'b': 1.0}
    """
    check_kind("network", network, CopyingNetwork)
    if not network.tied:
        return dict.fromkeys(SYMBOLS, 0.0)
    m, n, d = network.vocab_size, network.num_seen, network.embedding_dim
    g, others = 1 - 1 / m, (1 - 1 / n) / m**2
    c = g**2 + 1 / m**2
    low_rank = c / (d * g / n + 2 * g**2 / n + c * (1 - 1 / n))
    return {
        "W_E": 1 / m**2 / (d * g / n + g**2 / n + others),
        "W_V": low_rank,
        "W_O": low_rank,
        "b": (g**2 + 1 / (d * m**2)) / (g**2 + (g + g**2) / (n * d) + others / d),
    }


def limiting_ratios(network: Any) -> dict[str, float]:
    """The limits d_emb → ∞ at standard scale, where logits vanish: 0, and 1 for b if tied.

    Args:
        network: Its embedding dimension does not matter.

    Returns:
        The limit for each group by symbol, exact.
    """
    check_kind("network", network, CopyingNetwork)
    names = [name for name in SYMBOLS if not (network.tied and name == "W_U")]
    return {name: float(network.tied and name == IDENTITY) for name in names}
