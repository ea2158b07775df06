"""The hyperbolic tangent, whose dual is a trapezoid sum with an error that is proved beforehand.

**The sum.** With a ≥ b (else u and v change places), m = c/√a and s = √(b − c²/a),

    E[f(u)g(v)] = ∫∫ f(√a x) g(m x + s y) n(x) n(y) dx dy,    n the standard normal density,

is summed over the nodes x = ih₁ and y = jh₂ up to a distance of `REACH`, with weights h n.

**Lemma T** (Trefethen and Weideman, SIAM Review 2014, Theorem 5.1). For F analytic in |Im z| < d
with ∫|F(x + iη)| dx ≤ M for |η| < d the trapezoid sum of step h errs by at most 2M/(e^{2πd/h} − 1).

**The strip.** tanh has its poles at ±iπ/2, so f(√a z) is analytic for √a|Im z| < π/2, and

    |tanh(x + iθ)|² = (sinh²x + sin²θ)/(sinh²x + cos²θ) ≤ T(θ)²,    T(θ) = max(1, tan θ),
    |tanh'(x + iθ)| = 1/|cosh(x + iθ)|² = 1/(sinh²x + cos²θ) ≤ 1/cos²θ,
    |tanh(x + iθ)| ≤ (|x| + θ)/cos²θ    (the integral of tanh' from 0, first up, then across),
    |n(x + iη)| = n(x) e^{η²/2}.

*First x, y still being an integral:* the shift η moves u by i√a η and v by imη, so that M is at
most e^{η²/2} B(√a η, |m|η), where for tanh and for tanh' (Cauchy–Schwarz, ‖u‖ = √a, ‖v‖ = √b)

    B(θ, ϑ) = min[T(θ)T(ϑ), (√a + θ)(√b + ϑ)/(cos²θ cos²ϑ)],    B′(θ, ϑ) = 1/(cos²θ cos²ϑ).

*Then y, for x at its nodes*, whose weights have S ≥ Σw, Σwx²: the shift η moves v by isη alone, and
M ≤ e^{η²/2} S min[T(sη), √a(|m| + s + sη)/cos²(sη)], for tanh' e^{η²/2} S/cos²(sη).
Any η within the strip is right; the least of a few bounds is taken, and the steps from it.

**Truncation.** Terms are at most w w′ min(1, √(ab)(3x² + y²)/2) since |u||v| ≤ √a|x|·√b(|x| + |y|),
and Σ w x² over |x| > R is at most 2∫_R^∞ x² n = 2(R n(R) + ∫_R^∞ n) ≤ 2 n(R)(R + 1/R), as x² n(x)
decreases there. What lies outside the square is at most min(1, √(ab)) times twice that times 2S.

**Rounding.** Nodes and their squares are exact (steps are 2⁻ᵖ or 3·2⁻ᵖ), weights correctly
rounded. √a x is off by 2u of itself, hence tanh of it by 2u more than by its own error of e ulps,
2eu; tanh' = 4E/(1 + E)², E = e^{−2|x|}, by (2e + 2(e + 1) + 2)u. m is good to 3u, s to 5u and
√2 u√b (the determinant errs by 2u of itself and 2u²ab), so mx + sy to Δ = 10u√b(|x| + |y|), the
addition included; both functions have slopes of at most 1. Sums are by halves, in as many roundings
as halvings. So with Σww′|f g| ≤ S² min(1, 2√(ab)), and = the sum itself for tanh', and Σww′|f|Δ at
most 10u√b·min(1, √a)·2S², √a absent for tanh', the rounding is bounded. Underflow adds `TINY`.

**Other covariances** within (da, db, dc): by the mean value theorem in the cone (`ClosedForm`), as
|E[φ'(u)φ'(v)]| ≤ E φ'(u) ≤ min(1, ∫φ'/√(2πa)) ≤ min(1, 0.8/√a), the same for b, and
½|E[φ''(u)φ(v)]| ≤ min(½max|φ''|, ½∫|φ''|/√(2πa), ½E 2|u||v|) ≤ min(0.385, 0.4/√a, √(ab)). For the
dual of tanh': |E[φ''(u)φ''(v)]| ≤ (4/√27)² ≤ 0.6 and ½|E[φ'''(u)φ'(v)]| ≤ ½ max|φ'''| = 1.
"""

import decimal
import functools
import math
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.polynomial import Polynomial

from ktrans._rounding import ELEMENTARY_ULPS, TINY, UNIT, round_up
from ktrans.kernels._activation import Activation, by_price
from ktrans.kernels._balls import quietly, sqrt
from ktrans.kernels._closed_form import into_cone
from ktrans.kernels._gaussian import Reals, Values, normalised, safe_inverse, spread

REACH = 9.5  # n(9.5) = 1e-20
_STEPS = tuple(k * 2.0**-p for p in range(1, 7) for k in (1.0, 0.75))  # from 1/2 to 3/256
_TARGET = 2.0**-56  # of the scale, for the error of a sum: half of a rounding
_SHARES = np.linspace(0.2, 0.98, 14)  # of the strip, tried as shifts
_CHUNK = 1 << 20  # terms at once
_TRACED_STEP = 0.125

_MARGIN = 1.001  # for the roundings of the bounds, and S, which is 1 + 1e-30 by Poisson's formula
_ROOT_OF_TWO_PI = decimal.Decimal("2.50662827463100050241576528481")

# 2n(R)(R + 1/R), of the sum of w x² beyond the reach; rounded up by half.
_TAIL = 3 * math.exp(-(REACH**2) / 2) / math.sqrt(2 * math.pi) * (REACH + 1 / REACH)


class Tanh(Activation):
    """φ(t) = tanh t.

    E[φ(u)φ(v)] and E[φ'(u)φ'(v)] have no closed form. They are trapezoid sums whose steps follow
    from a proven bound on their error, to rounding for variances up to about 100; beyond, steps
    stay as they are and the bound, still proved, grows. Under a JAX transformation the step is 1/8
    (to rounding for variances up to 4, to 1e-8 up to 16).

    References:
        Trefethen and Weideman, The exponentially convergent trapezoidal rule, SIAM Review 2014.

    Example:
        >>> from ktrans.kernels.activations import Tanh
        >>> print(f"{Tanh().dual(1.0, 1.0, 0.5):.12f}")
        0.186324413203
    """

    proved: ClassVar[bool] = True

    def __call__(self, t: ArrayLike) -> jax.Array:
        """tanh t."""
        return jnp.tanh(jnp.asarray(t))

    def dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """E[tanh u tanh v]."""
        return _moment(0, a, b, c)

    def derivative_dual_formula(self, a: Reals, b: Reals, c: Reals) -> Reals:
        """E[tanh'u tanh'v]."""
        return _moment(1, a, b, c)

    @quietly
    def dual_error_formula(
        self, a: Values, b: Values, c: Values, da: Values, db: Values, dc: Values
    ) -> Values:
        """See the module. The dual is at most 1 and √(ab) in size."""
        inner, moved = into_cone(a, b, c, dc)
        value, summed = _summed(0, a, b, inner)
        least, most = np.maximum(np.array([a - da, b - db]), 0.0), np.array([a + da, b + db])
        slope_c = np.fmin(1.0, 0.8 / np.sqrt(least.max(axis=0)))
        slope_a, slope_b = np.fmin(np.fmin(0.385, 0.4 / np.sqrt(least)), np.sqrt(most[0] * most[1]))
        error = summed + slope_a * da + slope_b * db + slope_c * moved
        largest = np.fmin(1.0, np.sqrt(most[0] * most[1]))
        return _apart(
            np.asarray(self.dual_formula(a, b, c)), value, np.fmin(error, np.abs(value) + largest)
        )

    @quietly
    def derivative_dual_error_formula(
        self, a: Values, b: Values, c: Values, da: Values, db: Values, dc: Values
    ) -> Values:
        """See the module. The dual lies between 0 and 1."""
        inner, moved = into_cone(a, b, c, dc)
        value, summed = _summed(1, a, b, inner)
        error = np.fmin(summed + da + db + 0.6 * moved, np.abs(value) + 1)
        return _apart(np.asarray(self.derivative_dual_formula(a, b, c)), value, error)


def _apart(computed: Values, value: Values, error: Values) -> Values:
    return round_up(np.abs(computed - value) + error)


class _Forms(NamedTuple):
    """u = root·x and v = slope·x + rest·y; the standard deviations of u and v."""

    root: Values
    slope: Values
    rest: Values
    std1: Values
    std2: Values


def _moment(order: int, a: Reals, b: Reals, c: Reals) -> Reals:
    if any(isinstance(x, jax.Array) for x in (a, b, c)):
        return _traced_moment(order, order)(*map(jnp.asarray, (a, b, c)))
    one, other, across = map(np.asarray, (a, b, c))
    inner, _ = into_cone(one, other, across, np.zeros_like(across))
    return _summed(order, one, other, inner)[0]


@quietly
def _summed(order: int, a: Values, b: Values, c: Values) -> tuple[Values, Values]:
    """The sum for each covariance, and a bound on its error."""
    forms = _forms(a, b, c)
    scale = _scale(order, forms)
    first, error1 = _step(functools.partial(_first_bound, order, forms), forms.root, scale)
    second, error2 = _step(functools.partial(_second_bound, order, forms), forms.rest, scale)
    value = _sums(order, forms, first, second)
    rounding = _rounding(order, value, forms, _halvings(first, second))
    return value, round_up(error1 + error2 + 4 * _TAIL * scale + rounding)


def _forms(a: Values, b: Values, c: Values) -> _Forms:
    """Those of the covariance, the larger variance first; normalised, its determinant is safe."""
    large, small = np.maximum(a, b), np.minimum(a, b)
    one, other, across, (power1, power2) = normalised(large, small, c)
    root, inverse = np.sqrt(one), safe_inverse(np.sqrt(one))
    slope, rest = (np.ldexp(x * inverse, power2) for x in (across, spread(one, other, across)))
    return _Forms(np.ldexp(root, power1), slope, rest, np.sqrt(large), np.sqrt(small))


def _scale(order: int, forms: _Forms) -> Values:
    """A bound on the sizes of the dual: min(1, √(ab)) of tanh, 1 of tanh'."""
    product = forms.std1 * forms.std2
    return np.fmin(1.0, product) if order == 0 else np.ones_like(product)


def _step(
    bound: Callable[[Values], Values], width: Values, scale: Values
) -> tuple[np.ndarray, np.ndarray]:
    """The longest step with an error of at most the target, else the shortest, and that error."""
    errors = np.array([_lemma_t(bound, width, step) for step in _STEPS])
    good = errors <= _TARGET * scale
    index = np.where(good.any(axis=0), good.argmax(axis=0), len(_STEPS) - 1)
    return index, np.take_along_axis(errors, index[None], axis=0)[0]


def _lemma_t(bound: Callable[[Values], Values], width: Values, step: float) -> Values:
    """The least of 2M/(e^{2πη/h} − 1) over a few shifts η, M being e^{η²/2} times the bound."""
    shifts = _SHARES[:, None] * np.fmin(np.pi / 2 / width, 2 * np.pi / step)
    turns = 2 * np.pi * shifts / step
    errors = 2 * bound(shifts) * np.exp(shifts**2 / 2 - turns) / -np.expm1(-turns)
    return _MARGIN * np.fmin.reduce(errors, axis=0)


def _first_bound(order: int, forms: _Forms, shift: Values) -> Values:
    """B(√a η, |m|η) and B′."""
    one, other = forms.root * shift, np.abs(forms.slope) * shift
    cosines = (np.cos(one) * np.cos(other)) ** 2
    if order == 1:
        return 1 / cosines
    small = (forms.std1 + one) * (forms.std2 + other) / cosines
    return np.fmin(_steepness(one) * _steepness(other), small)


def _second_bound(order: int, forms: _Forms, shift: Values) -> Values:
    """S min[T(sη), √a(|m| + s + sη)/cos²(sη)] and S/cos²(sη)."""
    turn = forms.rest * shift
    square = np.cos(turn) ** 2
    if order == 1:
        return _MARGIN / square
    small = forms.root * (np.abs(forms.slope) + forms.rest + turn) / square
    return _MARGIN * np.fmin(_steepness(turn), small)


def _steepness(angle: Values) -> Values:
    """T, for angles below π/2."""
    return np.maximum(1.0, np.tan(angle))


def _rounding(order: int, value: Values, forms: _Forms, halvings: np.ndarray) -> Values:
    """See the module; the products and the weights are five roundings more."""
    e = ELEMENTARY_ULPS
    moved = 20 * forms.std2 * (np.fmin(1.0, forms.std1) if order == 0 else 1.0)
    if order == 0:
        terms = (4 * e + 2 + 5 + halvings) * np.fmin(1.0, 2 * forms.std1 * forms.std2)
    else:
        terms = 2 + (2 * (4 * e + 8) + 5 + halvings) * np.abs(value)
    return _MARGIN * (UNIT * (terms + moved) + TINY)


def _sums(order: int, forms: _Forms, first: np.ndarray, second: np.ndarray) -> Values:
    """The sums, those of equal steps together."""
    value = np.empty(forms.root.shape)
    for one, other in sorted({*zip(first.tolist(), second.tolist(), strict=True)}):
        rows = np.flatnonzero((first == one) & (second == other))
        terms = _half(_STEPS[one]).size * _half(_STEPS[other]).size * 2
        for some in np.array_split(rows, min(len(rows), math.ceil(len(rows) * terms / _CHUNK))):
            chosen = _Forms(*(part[some] for part in forms))
            value[some] = _sum(order, chosen, _STEPS[one], _STEPS[other])
    return value


def _sum(order: int, forms: _Forms, step1: float, step2: float) -> Values:
    """Σ w f(√a x) Σ w′ f(mx + sy), x ≥ 0 only: (−x, −y) has the same term."""
    function = (np.tanh, _squared_sech)[order]
    x, y = _half(step1), _full(step2)
    twice = np.where(x > 0, 2.0, 1.0) * _weights(step1)
    v = (forms.slope[:, None] * x)[:, :, None] + forms.rest[:, None, None] * y
    inner = _by_halves(function(v) * np.concatenate([_weights(step2)[:0:-1], _weights(step2)]))
    return _by_halves(twice * function(forms.root[:, None] * x) * inner)


def _squared_sech(x: Values) -> Values:
    """1/cosh²x, relatively exact in the tails."""
    tail = np.exp(-2 * np.abs(x))
    return 4 * tail / (1 + tail) ** 2


def _by_halves(terms: np.ndarray) -> np.ndarray:
    """The sum over the last axis, in as many roundings as halvings."""
    while terms.shape[-1] > 1:
        half = (terms.shape[-1] + 1) // 2
        rest = terms[..., half:]
        terms = terms[..., :half].copy()
        terms[..., : rest.shape[-1]] += rest
    return terms[..., 0]


def _halvings(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How often the sums over y and over x are halved."""
    counts = [math.ceil(math.log2(2 * _half(step).size)) for step in _STEPS]
    return np.array(counts)[first] - 1 + np.array(counts)[second]


@functools.cache
def _half(step: float) -> np.ndarray:
    """The nodes 0, h, 2h, … to the reach or just beyond; they are exact."""
    return step * np.arange(math.ceil(REACH / step) + 1)


@functools.cache
def _full(step: float) -> np.ndarray:
    return np.concatenate([-_half(step)[:0:-1], _half(step)])


@functools.cache
def _weights(step: float) -> np.ndarray:
    """h n(x) at the nodes of `_half`, from thirty decimal digits."""
    with decimal.localcontext(prec=30):
        factor = decimal.Decimal(step) / _ROOT_OF_TWO_PI
        exponents = (-(decimal.Decimal(float(x)) ** 2) / 2 for x in _half(step))
        return np.array([float(factor * exponent.exp()) for exponent in exponents])


@functools.cache
def _traced_moment(i: int, j: int) -> Callable[[Reals, Reals, Reals], Reals]:
    """E[φ⁽ⁱ⁾(u)φ⁽ʲ⁾(v)] in JAX; ∂/∂c raises both orders by one, ∂/∂a the first by two, halved."""

    def slopes(a: Reals, b: Reals, c: Reals) -> tuple[Reals, Reals, Reals]:
        return (
            _traced_moment(i + 2, j)(a, b, c) / 2,
            _traced_moment(i, j + 2)(a, b, c) / 2,
            _traced_moment(i + 1, j + 1)(a, b, c),
        )

    return by_price(functools.partial(_traced_sum, i, j), slopes)


def _traced_sum(i: int, j: int, a: Reals, b: Reals, c: Reals) -> Reals:
    weights, swap = _weights(_TRACED_STEP), b > a
    x, y = _half(_TRACED_STEP), _full(_TRACED_STEP)
    inverse = safe_inverse(sqrt(jnp.where(swap, b, a)))
    one = jnp.where(swap, b, a)[..., None, None] * inverse[..., None, None] * x[:, None]
    other = (c * inverse)[..., None, None] * x[:, None]
    other = other + (spread(a, b, c) * inverse)[..., None, None] * y
    flag = swap[..., None, None]
    terms = _derivative(i, jnp.where(flag, other, one)) * _derivative(
        j, jnp.where(flag, one, other)
    )
    twice = np.where(x > 0, 2.0, 1.0) * weights
    return jnp.sum(
        terms * twice[:, None] * np.concatenate([weights[:0:-1], weights]), axis=(-2, -1)
    )


def _derivative(order: int, t: Reals) -> Reals:
    """φ⁽ⁿ⁾, a polynomial in tanh t."""
    return jnp.polyval(jnp.asarray(_polynomial(order).coef[::-1]), jnp.tanh(t))


@functools.cache
def _polynomial(order: int) -> Polynomial:
    """P₀ = X, Pₙ₊₁ = Pₙ′·(1 − X²)."""
    if order == 0:
        return Polynomial([0.0, 1.0])
    return _polynomial(order - 1).deriv() * Polynomial([1.0, 0.0, -1.0])
