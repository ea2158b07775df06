import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from ktrans.kernels.attention.exact import exact_values
from ktrans.kernels.attention.multigraph import pair_graph
from ktrans.kernels.attention.separating_order import first_separating_order
from ktrans.kernels.attention.series import (
    attention_series,
    series_value,
)
from ktrans.kernels.attention.series_polynomial import attention_series_polynomial

PAIRS = [("aab", "aba"), ("abc", "bad"), ("abca", "cbda"), ("aabbc", "ababd")]


def random_pairs(number, length, seed=0):
    tokens = np.random.default_rng(seed).integers(0, 4, (number, 2, length))
    return [(tuple(x), tuple(y)) for x, y in tokens.tolist()]


# A slow oracle from the definition: softmax by long division of power series in β whose
# coefficients are polynomials in (ω, p), then the moments of independent normal variables.


def times(one, other, degree):
    result = {}
    for (e, a), (f, b) in itertools.product(one.items(), other.items()):
        key = tuple(i + j for i, j in zip(e, f, strict=True))
        if sum(key) <= degree:
            result[key] = result.get(key, 0) + a * b
    return result


def slow_softmax(string, names, degree):
    """Polynomials in (ω, p), the degree being the power of β."""
    k, size = len(string), len(names) + len(string)
    unit = [tuple(int(i == j) for i in range(size)) for j in range(size)]
    exponentials = []
    for a, token in enumerate(string):
        u = {unit[names.index(token)]: Fraction(1), unit[len(names) + a]: Fraction(1)}
        term, total = {(0,) * size: Fraction(1)}, {}
        for n in range(degree + 1):
            for e, c in term.items():
                total[e] = total.get(e, 0) + c / math.factorial(n)
            term = times(term, u, degree)
        exponentials.append(total)
    excess = {}  # 1 − mean of the exponentials
    for total in exponentials:
        for e, c in total.items():
            if sum(e):
                excess[e] = excess.get(e, 0) - c / k
    inverse, power = {}, {(0,) * size: Fraction(1)}
    for _ in range(degree + 1):
        for e, c in power.items():
            inverse[e] = inverse.get(e, 0) + c
        power = times(power, excess, degree)
    return [{e: c / k for e, c in times(some, inverse, degree).items()} for some in exponentials]


def slow_series(x, y, order):
    names, b, g = sorted(set(x + y)), *order
    s, t = (slow_softmax(string, names, b) for string in (x, y))
    total = Fraction(0)
    for i, j in itertools.product(range(len(x)), repeat=2):
        for wanted, coupled in ((g, x[i] == y[j]), (g - 2, i == j)):
            for (e, a), (f, c) in itertools.product(s[i].items(), t[j].items()) if coupled else ():
                n = [p + q for p, q in zip(e, f, strict=True)]
                if sum(n) == b and sum(n[len(names) :]) == wanted and not any(d % 2 for d in n):
                    total += a * c * math.prod(math.prod(range(d - 1, 0, -2)) for d in n)
    return total * math.factorial(b) * math.factorial(g)


# A second one: differences of Gauss–Hermite quadrature in extended precision.


def cholesky(covariance):
    """Of a positive semi-definite matrix, in the precision it comes in."""
    work, n = covariance.copy(), len(covariance)
    factor = np.zeros_like(work)
    for i in range(n):
        if work[i, i] > 1e-12:
            factor[:, i] = work[:, i] / np.sqrt(work[i, i])
            work -= np.outer(factor[:, i], factor[:, i])
    return factor


def hermite(number):
    """Nodes polished by Newton steps on the normalised polynomial, in extended precision."""
    node = np.polynomial.hermite_e.hermegauss(number)[0].astype(np.longdouble)

    def last_two(t):
        before, now = np.zeros_like(t), np.ones_like(t)
        for n in range(number):
            before, now = (
                now,
                (t * now - np.sqrt(np.longdouble(n)) * before) / np.sqrt(np.longdouble(n + 1)),
            )
        return before, now

    for _ in range(3):
        before, now = last_two(node)
        node = node - now / (np.sqrt(np.longdouble(number)) * before)
    weight = 1 / (number * last_two(node)[0] ** 2)
    return node, weight / weight.sum()


def quadrature(x, y, beta, gamma, number=16):
    """K_attn by Gauss–Hermite in the differences u_a − u_k, v_a − v_k."""
    k = len(x)
    both = np.array([*x, *y])
    covariance = (both[:, None] == both[None, :]).astype(np.longdouble)
    covariance += np.longdouble(gamma) ** 2 * np.tile(np.eye(k), (2, 2))
    difference = np.kron(np.eye(2), np.eye(k) - np.eye(k)[-1]).astype(np.longdouble)
    difference = np.delete(difference, [k - 1, 2 * k - 1], axis=0)
    factor = cholesky(difference @ covariance @ difference.T)
    factor = factor[:, np.any(factor != 0, axis=0)]
    node, weight = hermite(number)
    dimension = factor.shape[1]
    grid = np.stack(np.meshgrid(*[node] * dimension, indexing="ij")).reshape(dimension, -1)
    weights = np.ones(1, np.longdouble)
    for _ in range(dimension):
        weights = np.multiply.outer(weights, weight).ravel()
    logits = np.longdouble(beta) * (factor @ grid)
    s, t = (
        np.concatenate([np.exp(part), np.ones((1, part.shape[1]), np.longdouble)])
        for part in np.split(logits, 2)
    )
    coupling = covariance[:k, k:]
    return np.sum(weights * np.sum(s * (coupling @ t), axis=0) / (s.sum(0) * t.sum(0)))


def difference_weights(nodes, derivative):
    """Weights that give a Taylor coefficient at 0 of the polynomial through the nodes."""
    exact = [Fraction(float(t)) for t in nodes]
    weights = []
    for i, t in enumerate(exact):
        polynomial = [Fraction(1)]
        for other in exact[:i] + exact[i + 1 :]:
            shifted = [Fraction(0), *polynomial]
            polynomial = [
                (a - other * b) / (t - other)
                for a, b in zip(shifted, [*polynomial, Fraction(0)], strict=True)
            ]
        weights.append(np.longdouble(float(polynomial[derivative])))
    return np.array(weights)


def differentiated(x, y, order, step=0.2, number=9):
    """K_attn is a function of β² and γ²; interpolate in both, with γ² of low degree."""
    squares = [step**2 * (1 - np.cos(np.pi * (np.arange(n) + 0.5) / n)) / 2 for n in (number, 6)]
    values = np.array(
        [
            [
                quadrature(x, y, np.sqrt(np.longdouble(b)), np.sqrt(np.longdouble(g)))
                for g in squares[1]
            ]
            for b in squares[0]
        ]
    )
    rows, columns = (
        difference_weights(nodes, d // 2) for nodes, d in zip(squares, order, strict=True)
    )
    return float(rows @ values @ columns) * math.prod(map(math.factorial, order))


@pytest.mark.parametrize(("x", "y"), PAIRS)
def test_orders_known_in_closed_form(x, y):
    k = len(x)
    s11 = sum(a == b for a in x for b in y)
    agreements = sum(a == b for a, b in zip(x, y, strict=True))
    assert attention_series(x, y, order=(0, 0)) == Fraction(s11, k**2)
    assert attention_series(x, y, order=(0, 2)) == Fraction(2, k)
    assert attention_series(x, y, order=(2, 2)) == Fraction(8 * agreements, k**2) - Fraction(
        8 * s11, k**3
    )


@pytest.mark.parametrize("order", [(1, 0), (2, 1), (3, 3), (2, 6), (0, 4)])
def test_odd_orders_and_too_high_orders_in_gamma_vanish(order):
    assert attention_series("aab", "aba", order=order) == 0


@pytest.mark.parametrize("order", [(2, 0), (4, 0), (4, 2), (4, 4), (2, 4)])
def test_series_agree_with_the_definition_expanded_term_by_term(order):
    for x, y in random_pairs(2, 2):
        assert attention_series(x, y, order=order) == slow_series(x, y, order)


@pytest.mark.slow
@pytest.mark.parametrize("order", [(4, 2), (6, 4)])
def test_series_of_longer_strings_agree_with_the_definition(order):
    for x, y in random_pairs(1, 3):
        assert attention_series(x, y, order=order) == slow_series(x, y, order)


@pytest.mark.slow
@pytest.mark.parametrize("order", [(4, 0), (4, 2), (6, 4)])
@pytest.mark.parametrize(("x", "y"), [("aab", "aba"), ("abc", "bad"), *random_pairs(2, 3)])
def test_series_agree_with_differences_of_the_quadrature(x, y, order):
    # interpolation of degree 8 in β² and 5 in γ² leaves about 0.2⁸ of the terms that follow
    scale = max(abs(float(attention_series(x, y, order=order))), 1.0)
    error = differentiated(x, y, order) - float(attention_series(x, y, order=order))
    assert abs(error) < 1e-4 * scale


@pytest.mark.parametrize(("x", "y"), PAIRS[:2])
def test_the_truncated_series_agrees_with_the_exact_engine(x, y):
    truth = exact_values([pair_graph(x, y)], 0.15, 0.15, 1e-9).value[0]
    # the first term left out has order 14: 0.15¹⁴ = 3e-12, times coefficients of some tens
    assert abs(series_value(x, y, 0.15, 0.15, order=12) - truth) < 1e-9


@pytest.mark.parametrize("order", [(0, 0), (2, 2), (4, 2), (4, 4), (6, 4)])
def test_polynomials_agree_with_the_numbers(order):
    polynomial = attention_series_polynomial(order=order)
    for x, y in [*PAIRS, ("a", "a"), ("abcd", "efgh")]:
        assert polynomial.evaluate(x, y) == attention_series(x, y, order=order)


def test_polynomials_print_in_the_notation_of_the_paper():
    assert str(attention_series_polynomial(order=(0, 0))) == "S_11/k^2"
    assert str(attention_series_polynomial(order=(2, 2))) == "8·tr(XYᵀ)/k^2 - 8·S_11/k^3"
    assert str(attention_series_polynomial(order=(2, 1))) == "0"


def test_the_trace_the_proof_rests_on_first_appears_at_order_six_four():
    for order in [(b, g) for b in range(0, 8, 2) for g in range(0, 8, 2) if b + g <= 10]:
        text = str(attention_series_polynomial(order=order))
        assert ("17280·tr(XXᵀYYᵀ)/k^4 " in text) == (order == (6, 4))
        assert ("tr(XXᵀYYᵀ)" in text) == (order == (6, 4))


def test_tokens_of_any_kind_and_renaming_do_not_matter():
    value = attention_series("aab", "aba", order=(4, 2))
    assert value == attention_series([7, 7, (1, 2)], [7, (1, 2), 7], order=(4, 2))
    assert value == attention_series("aba", "aab", order=(4, 2))


def test_templates_that_only_the_trace_tells_apart_separate_at_order_ten():
    strings = ["aabb", "abab"], ["ccdd", "cdcd"]
    assert first_separating_order(strings) == 10
    assert first_separating_order(strings, max_order=8) is None


@pytest.mark.parametrize("end", ["", "#"])
def test_templates_with_tokens_of_unequal_counts_separate_at_order_six(end):
    strings = ["aba" + end, "abb" + end], ["cdc" + end, "cdd" + end]
    assert first_separating_order(strings) == 6


@pytest.mark.slow
def test_the_smallest_eigenvalue_falls_with_the_separating_order():
    (x, x_), (y, y_) = ["aba", "abb"], ["cdc", "cdd"]
    pairs = [pair_graph(*pair) for pair in ((x, y), (x, y_), (x_, y_))]

    def smallest(epsilon):
        a, c, b = exact_values(pairs, epsilon, epsilon, 1e-12).value
        return np.linalg.eigvalsh([[a, c], [c, b]])[0]

    # eigenvalues of some 1e-7, known to 1e-13; the next order bends the slope
    assert abs(np.log2(smallest(0.4) / smallest(0.2)) - 6) < 0.5


def test_coinciding_templates_are_never_separated():
    assert first_separating_order((["ab", "cd"], ["ef", "gh"])) is None


def test_impossible_arguments_are_named():
    with pytest.raises(ValueError, match="equal length; got lengths 2 and 3"):
        attention_series("ab", "abc", order=(0, 0))
    with pytest.raises(ValueError, match="`order` must be non-negative; got -2"):
        attention_series("ab", "ab", order=(-2, 0))
    with pytest.raises(TypeError, match=r"`order` must be made of whole numbers; got 2\.0"):
        attention_series("ab", "ab", order=(2.0, 0))
    with pytest.raises(TypeError, match="`order` must be two whole numbers"):
        attention_series("ab", "ab", order=4)
