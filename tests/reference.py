"""Slow NumPy versions of the formulas, from the paper's definitions; nothing of ktrans is used."""

import itertools

import numpy as np


def softmax(logits):
    """exp(u) / Σ exp(u) over the first axis."""
    weights = np.exp(logits - logits.max(axis=0))
    return weights / weights.sum(axis=0)


def attention_integrand(x, y, beta, gamma, omega, p):
    """smax(βu)ᵀ (X Yᵀ + γ² I) smax(βv) for given ω (a dict of arrays) and p (k arrays)."""
    k = len(x)
    u, v = ([beta * (omega[z[i]] + gamma * p[i]) for i in range(k)] for z in (x, y))
    logits = np.array(np.broadcast_arrays(*u, *v))
    s, t = softmax(logits[:k]), softmax(logits[k:])
    total = gamma**2 * np.sum(s * t, axis=0)
    for i, j in itertools.product(range(k), repeat=2):
        if x[i] == y[j]:
            total = total + s[i] * t[j]
    return total


def attention_by_grid(x, y, beta, gamma, step=0.55, radius=6.6):
    """K_attn by the trapezoid rule over every ω and p at once (k + number of tokens dimensions)."""
    tokens = sorted({*x, *y})
    grid = np.arange(-radius, radius + step / 2, step)
    weight = np.exp(-(grid**2) / 2)
    weight /= weight.sum()
    axes = len(tokens) + len(x)
    total = 0.0
    for value, w in zip(grid, weight, strict=True):  # one axis in a loop, to save memory
        shapes = [[-1 if a == b else 1 for b in range(axes - 1)] for a in range(axes - 1)]
        rest = [grid.reshape(shape) for shape in shapes]
        omega = dict(zip(tokens, [np.full((1,) * (axes - 1), value), *rest], strict=False))
        p = rest[len(tokens) - 1 :]
        values = attention_integrand(x, y, beta, gamma, omega, p)
        for _ in range(axes - 1):
            values = np.tensordot(values, weight, axes=([0], [0]))
        total += w * float(values)
    return total


def attention_by_sampling(x, y, beta, gamma, num_samples, seed):
    """K_attn by Monte Carlo: mean and standard error."""
    rng = np.random.default_rng(seed)
    omega = {token: rng.standard_normal(num_samples) for token in sorted({*x, *y})}
    values = attention_integrand(
        x, y, beta, gamma, omega, rng.standard_normal((len(x), num_samples))
    )
    return values.mean(), values.std(ddof=1) / np.sqrt(num_samples)


def cosine_dual(a, b, c, b1, b2):
    """E[cos(b₁u + b₂) cos(b₁v + b₂)] as written in the theorem's appendix."""
    same = np.exp(-(b1**2) * (a + b - 2 * c) / 2)
    opposite = np.exp(-(b1**2) * (a + b + 2 * c) / 2)
    return (same + np.cos(2 * b2) * opposite) / 2


def joint_strings(k):
    """One pair of strings for each joint equality pattern of 2k symbols."""

    def extend(prefix, used):
        if len(prefix) == 2 * k:
            yield tuple(prefix[:k]), tuple(prefix[k:])
            return
        for symbol in range(used + 1):
            yield from extend([*prefix, symbol], max(used, symbol + 1))

    return extend([], 0)
