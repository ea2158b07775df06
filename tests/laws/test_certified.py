"""What is certified is decided where a value is made: certified implies that all parts are."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ktrans as kt
from ktrans.kernels.activations import Activation
from ktrans.theory.statistics import bounded_template_matrix
from tests.laws.public import activation_classes
from tests.laws.test_kernels import ESTIMATED, KERNELS, OTHERS, TOKENS

# At β = 0 no method is used, the value being in closed form.
CERTIFIED = {
    name: kernel
    for name, kernel in KERNELS.items()
    if name not in ESTIMATED and getattr(kernel, "beta", 1) != 0
}
TASK = kt.tasks.load("aba_abb", vocab_size=20)
LENGTH_TWO = kt.tasks.load("same_different", vocab_size=20)


class Unproved(Activation):
    """An activation of which nobody says that it is proved."""

    phi: Activation

    def __call__(self, t):
        return self.phi(t)

    def dual_formula(self, a, b, c):
        return self.phi.dual_formula(a, b, c)

    def derivative_dual_formula(self, a, b, c):
        return self.phi.derivative_dual_formula(a, b, c)


def estimate_of(phi):
    """The same function without a proof; by quadrature for the cosine, to have that too."""
    return kt.Custom(phi, num_nodes=24) if isinstance(phi, kt.Cosine) else Unproved(phi)


def weakened(kernel):
    """The kernel with one of its parts, at whatever depth, replaced by an estimate of the same."""
    for field in dataclasses.fields(kernel):
        value = getattr(kernel, field.name)
        others = []
        if isinstance(value, Activation):
            others = [estimate_of(value)]
        elif field.name == "method":
            others = ["quasi-monte-carlo"]
        elif isinstance(value, kt.TokenSymmetricKernel):
            others = [other for _, other in weakened(value)]
        for other in others:
            yield field.name, dataclasses.replace(kernel, **{field.name: other})


WEAKENED = [
    pytest.param(other, id=f"{name}: {field} {number}")
    for name, kernel in CERTIFIED.items()
    for number, (field, other) in enumerate(weakened(kernel))
]


@pytest.mark.parametrize("kernel", WEAKENED)
def test_a_part_that_is_an_estimate_makes_the_whole_one(kernel):
    assert not kernel.bounded(TOKENS, OTHERS).certified


def test_every_kernel_with_parts_was_weakened():
    assert len(WEAKENED) > len(CERTIFIED) / 2


class Given(kt.TokenSymmetricKernel):
    """A kernel of the user's, with whatever he says of it."""

    flag: bool = False
    factor: float = 1.0
    bound: float = 1e-12

    def evaluate_pairs(self, tokens1, tokens2):
        value = self.factor * (1.0 + np.sum(tokens1 == tokens2, axis=1))
        repeated = [tokens[:, :1] == tokens for tokens in (tokens1, tokens2)]
        value = value + self.factor * np.sum(repeated[0] & repeated[1], axis=1)
        bound = np.full(len(value), self.bound)
        return kt.Bounded(value, bound, True) if self.flag else kt.Bounded(value, bound)


def test_a_kernel_of_the_users_is_an_estimate_unless_it_says_otherwise():
    assert not Given().bounded(TOKENS).certified
    assert Given(flag=True).bounded(TOKENS).certified
    assert kt.verify(Given(), LENGTH_TWO).nonsingular is None
    assert kt.verify(Given(flag=True), LENGTH_TWO).nonsingular is True


@pytest.mark.parametrize(
    "base",
    [
        Given(),
        kt.TransformerKernel(0.5, 0.7, kt.Custom(jnp.tanh, num_nodes=24), 1e-3),
        kt.TransformerKernel(0.5, 0.7, kt.Cosine(b1=1.0, b2=0.5), 1e-3, "quasi-monte-carlo"),
        kt.ModifiedTransformerKernel(0.5, 0.7, 1.0, kt.Custom(jnp.sin, num_nodes=24), "cls", 1e-3),
    ],
    ids=["own", "custom", "sampled", "modified"],
)
def test_wrapping_an_estimate_in_candidates_certifies_nothing(base):
    kernel = kt.NextTokenKernel(base, b_variance=0.0)
    assert not kernel.bounded(TOKENS).certified
    assert kt.verify(kernel, TASK).nonsingular is None
    copied = kt.tasks.load("copy", vocab_size=20)
    certificate = kt.theory.verify_next_token(kernel, copied)
    assert not certificate.certified and certificate.nonsingular is None
    pytest.importorskip("flint")
    with pytest.raises(ValueError, match="must have certified values"):
        kt.theory.enclose_spectrum(kernel, LENGTH_TWO)


class Doubled(kt.TransformerKernel):
    def evaluate_pairs(self, tokens1, tokens2):
        value, bound, _ = super().evaluate_pairs(tokens1, tokens2)
        return kt.Bounded(2 * value, 2 * bound)


def test_a_subclass_that_computes_anew_is_an_estimate():
    assert not Doubled(0.0, 0.7, kt.ReLU()).bounded(TOKENS).certified


class Own(Activation):
    def __call__(self, t):
        return 2 * jnp.asarray(t)

    def dual_formula(self, a, b, c):
        return 4 * c

    def derivative_dual_formula(self, a, b, c):
        return 4 * jnp.ones_like(c)


class Proved(Own):
    proved = True

    def dual_error_formula(self, a, b, c, da, db, dc):
        return 4 * dc * (1 + 1e-15)

    def derivative_dual_error_formula(self, a, b, c, da, db, dc):
        return np.zeros_like(c)


class Shifted(kt.Cosine):
    def dual_formula(self, a, b, c):
        return super().dual_formula(a, b, c) + 1


def mlp(activation):
    return kt.MLPKernel(
        kind="ntk", depth=2, activation=activation, weight_variance=1.5, bias_variance=0.1
    )


@pytest.mark.parametrize(
    ("activation", "proved"),
    [
        (Own(), False),
        (Proved(), True),
        (Shifted(b1=1.0, b2=0.0), False),
        (kt.Custom(jnp.sin, num_nodes=24), False),
        (kt.Sine(), True),
    ],
    ids=["own", "own with bounds", "changed", "quadrature", "closed form"],
)
def test_activations_say_whether_their_duals_are_proved(activation, proved):
    assert activation.proved is proved
    kernels = [
        mlp(activation),
        kt.TransformerKernel(0.0, 0.7, activation),
        kt.ModifiedTransformerKernel(0.0, 0.7, 1.0, activation, "pooled"),
        kt.kernels.TiedAttentionKernel(1.0, 0.7, activation, "cls"),
    ]
    for kernel in kernels:
        assert kernel.bounded(TOKENS).certified is proved
        assert kt.NextTokenKernel(kernel, 0.0).bounded(TOKENS).certified is proved
        assert bounded_template_matrix(kernel, TASK).certified is proved


def test_the_bound_of_a_users_activation_is_used():
    exact, own = (mlp(activation).bounded(TOKENS) for activation in (kt.Identity(), Proved()))
    assert own.certified and np.all(own.bound < 1e-13 * own.value.max())
    assert not np.allclose(own.value, exact.value)


def test_activations_of_the_package_are_proved_but_for_quadrature():
    assert {kind.__name__ for kind in activation_classes() if not kind.proved} == {"Custom"}


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("field", ["factor", "bound"])
def test_what_is_not_a_number_is_never_certified(field, number):
    kernel = Given(flag=True, **{field: number})
    assert not kernel.bounded(TOKENS).certified
    assert not kt.NextTokenKernel(kernel, 0.0).bounded(TOKENS).certified
    matrix = bounded_template_matrix(kernel, LENGTH_TWO)
    assert not matrix.certified
    certificate = kt.verify(kernel, LENGTH_TWO)
    assert certificate.nonsingular is None and not certificate.certified
    assert certificate.sigma_min_error == np.inf


def test_underflow_is_never_certified():
    found = kt.AttentionKernel(1.0, 1e-163).bounded(TOKENS)
    assert np.isfinite(found.value).all() or not found.certified


def test_a_function_that_is_not_positive_semidefinite_is_reported():
    certificate = kt.verify(Given(flag=True, factor=-1.0), LENGTH_TWO)
    assert certificate.indefinite and certificate.nonsingular is None
    assert certificate.verdict.startswith("Not covered: N has an eigenvalue that is certified neg")
    assert certificate.follows_labels is None
    assert not kt.verify(Given(factor=-1.0), LENGTH_TWO).indefinite  # an estimate
    pytest.importorskip("flint")
    enclosure = kt.theory.enclose_spectrum(Given(flag=True, factor=-1.0), LENGTH_TWO)
    assert enclosure.indefinite and enclosure.nonsingular is None


def test_bounded_keeps_its_flag_only_for_numbers():
    one = np.ones(3)
    assert not kt.Bounded(one, one).certified
    assert kt.Bounded(one, one, True).certified is True
    assert kt.Bounded(one, one, certified=np.True_).certified is True
    for value, bound in [(np.nan, 0.0), (1.0, np.inf), (1.0, -1e-9), (None, 1.0), ("one", 1.0)]:
        assert not kt.Bounded(value, bound, True).certified
    assert not kt.Bounded(one, one, True)._replace(value=np.full(3, np.nan)).certified
    assert kt.Bounded(one, one, True)._replace(bound=2 * one).certified
    assert kt.Bounded._fields == ("value", "bound", "certified")


def test_bounded_is_a_tree_whose_traced_values_are_not_certified():
    doubled = jax.tree.map(lambda leaf: 2 * leaf, kt.Bounded(np.ones(2), np.zeros(2), True))
    assert isinstance(doubled, kt.Bounded) and doubled.certified
    seen = []

    def function(value):
        seen.append(kt.Bounded(value, jnp.zeros(2), True).certified)
        return value

    jax.jit(function)(jnp.ones(2))
    assert seen == [False]
