import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ktrans.copying import CopyingNetwork, Schedule, collapse, threshold, train
from ktrans.copying.network import Parameters, accuracies, logits, losses
from tests.copying.reference import gradients


def network(dim=16, seen=8, unseen=4, **changes):
    sizes = {"vocab_size": seen + unseen, "num_seen": seen, "num_heads": 1, "head_dim": dim}
    return CopyingNetwork(embedding_dim=dim, **(sizes | changes))


def adam(**changes):
    settings = {"optimizer": "adam", "learning_rate": 0.025, "steps": 200, "records": 2}
    return Schedule(**(settings | changes))


def test_a_step_of_gradient_flow_moves_each_group_at_its_rate():
    net, rate = network(initial_b=0.2), 0.1
    schedule = Schedule(
        optimizer="gradient_flow", learning_rate=rate, embedding_rate=0.5, identity_rate=2.0,
        steps=1, records=1,
    )  # fmt: skip
    path = train(net, schedule, num_seeds=1, seed=5)
    drawn = net.initialise(jax.random.split(jax.random.key(5), 1)[0])
    by_hand = gradients(*map(np.asarray, drawn[:3]), 0.2, np.arange(8))
    rates = {"W_E": 0.5, "W_V": 1.0, "W_O": 1.0, "b": 2.0}
    moved = Parameters(
        *(
            jnp.asarray(old - rate * rates[g] * by_hand[g])
            for old, g in zip(drawn[:4], rates, strict=True)
        )
    )
    expected = losses(moved, net.tokens())
    found = path.train_loss[0, -1], path.test_loss[0, -1]
    np.testing.assert_allclose(found, expected, rtol=1e-5)  # float32
    np.testing.assert_allclose(path.identity[0, -1], moved.identity, rtol=1e-5)


def test_gradient_flow_descends_all_the_way():
    schedule = Schedule(optimizer="gradient_flow", learning_rate=0.5, steps=200, records=10)
    path = train(network(), schedule, num_seeds=3)
    assert (np.diff(path.train_loss, axis=1) < 0).all()
    assert path.step.tolist() == list(range(0, 201, 20))


def test_with_b_few_tokens_teach_copying_and_without_b_they_do_not():
    net = network(dim=64, seen=8, unseen=8, init_scale=0.1)
    without = train(net, adam(identity_rate=0.0), num_seeds=3)
    with_b = train(net, adam(), num_seeds=3)
    assert (without.train_loss[:, -1] < 0.05).all()
    assert (with_b.train_loss[:, -1] < 0.05).all()
    assert without.relative_test_loss > 0.7
    assert with_b.relative_test_loss < 0.1
    assert (with_b.test_accuracy[:, -1] == 1.0).all()
    assert (without.identity == 0.0).all()


def test_unseen_unembeddings_collapse_where_the_embedding_moves():
    net = network(dim=64, seen=8, unseen=8, init_scale=0.1)
    frozen = train(net, adam(embedding_rate=0.0, identity_rate=0.0), num_seeds=3)
    moving = train(net, adam(embedding_rate=3.0, identity_rate=0.0), num_seeds=3)
    np.testing.assert_allclose(frozen.mean_cosine[:, -1], frozen.mean_cosine[:, 0], atol=1e-6)
    # Eight random directions in 64 dimensions have a mean cosine of ±0.02.
    assert (moving.mean_cosine[:, -1] > 0.3).all()
    assert (moving.effective_rank[:, -1] < 0.7 * moving.effective_rank[:, 0]).all()


def test_rows_that_are_no_tokens_change_nothing():
    net = network()
    wide = net.initialise(jax.random.key(0), 20)
    cut = wide._replace(embedding=wide.embedding[:12])
    for measure in (losses, accuracies):
        # Sums of 20 and of 12 terms, in float32.
        np.testing.assert_allclose(
            measure(wide, net.tokens(20)), measure(cut, net.tokens()), rtol=1e-6
        )
    slope = jax.grad(lambda each: losses(each, net.tokens(20))[0])(wide)
    assert not np.asarray(slope.embedding)[12:].any()
    assert np.isfinite(slope.embedding).all()
    np.testing.assert_allclose(logits(wide)[:12, :12], logits(cut), atol=1e-5)


@pytest.mark.slow
def test_an_untied_unembedding_is_trained_too():
    path = train(network(tied=False, init_scale=0.1), adam(), num_seeds=2)
    assert (path.train_loss[:, -1] < 0.05).all()


def test_one_unseen_token_has_no_cosine():
    cosine, rank = collapse(jnp.array([[3.0, 4.0]]))
    assert np.isnan(cosine)
    assert rank == pytest.approx(1.0)


def test_collapse_is_the_mean_over_pairs():
    rows = np.random.default_rng(0).normal(size=(5, 3))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = [unit[i] @ unit[j] for i in range(5) for j in range(5) if i != j]
    eigenvalues = np.linalg.eigvalsh(unit @ unit.T)
    expected = np.mean(cosines), eigenvalues.sum() ** 2 / np.sum(eigenvalues**2)
    np.testing.assert_allclose(collapse(jnp.asarray(rows)), expected, rtol=1e-5)  # float32


def test_the_threshold_is_beyond_the_last_failure():
    counts = np.array([1.0, 2.0, 4.0, 8.0])
    assert threshold(counts, np.array([0.4, 0.6, 0.4, 0.3])) == pytest.approx(2 * 2**0.5)
    assert threshold(counts, np.array([0.4, 0.3, 0.2, 0.1])) == 1.0
    assert threshold(counts, np.array([0.4, 0.3, 0.2, 0.6])) == np.inf


def test_a_loss_that_diverges_is_said():
    schedule = Schedule(optimizer="gradient_flow", learning_rate=1e30, steps=4, records=1)
    with pytest.raises(FloatingPointError, match="`learning_rate` must be smaller than 1e"):
        train(network(), schedule, num_seeds=1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"optimizer": "sgd"}, '`optimizer` must be one of "adam", "gradient_flow"; got \'sgd\'.'),
        ({"learning_rate": 0.0}, "`learning_rate` must be positive; got 0.0."),
        ({"steps": 0}, "`steps` must be at least 1; got 0."),
        ({"records": 3}, "`records` must divide `steps` = 200; got 3."),
        ({"identity_rate": -1.0}, "`identity_rate` must be non-negative; got -1.0."),
    ],
)
def test_bad_schedules_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        adam(**changes)


def test_a_capacity_below_the_vocabulary_is_refused():
    with pytest.raises(ValueError, match="`capacity` must be at least `vocab_size` = 12; got 11"):
        train(network(), adam(), num_seeds=1, capacity=11)
