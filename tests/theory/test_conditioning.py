import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ktrans as kt
from ktrans.theory import conditioning
from tests.coincidence_kernel import CoincidenceKernel
from tests.tolerances import DIFFERENCES, ROUNDING

TASK = kt.tasks.load("same_different", vocab_size=10)
COSINE = kt.Cosine(b1=1.0, b2=0.5)
RTOL = 1e-4  # coarse, to be fast: bounds are stated, and differences see the same rule
MAP = {"betas": [0.3, 0.6, 0.9], "gammas": [0.5], "activation": COSINE, "rtol": RTOL}


def kernel_at(beta, gamma, b1, b2, rtol=RTOL):
    return kt.TransformerKernel(beta, gamma, kt.Cosine(b1=b1, b2=b2), rtol)


def test_sigma_min_is_the_smallest_singular_value_of_the_template_matrix():
    kernel = kernel_at(0.3, 0.5, 1.0, 0.5)
    singular = np.linalg.svd(kt.template_matrix(kernel, TASK), compute_uv=False)
    found = kt.theory.sigma_min(kernel, TASK)
    assert isinstance(found, float)
    assert found == pytest.approx(singular.min(), abs=ROUNDING)


def test_sigma_min_counts_negative_eigenvalues_by_their_size():
    kernel = CoincidenceKernel(weight=-3.0)  # of no use as a kernel, but symmetric
    eigenvalues = np.linalg.eigvalsh(kt.template_matrix(kernel, TASK))
    assert eigenvalues.min() < 0
    assert kt.theory.sigma_min(kernel, TASK) == pytest.approx(
        np.abs(eigenvalues).min(), abs=ROUNDING
    )


def test_gradients_of_sigma_min_match_differences():
    def margin(beta, gamma, b1, b2):
        return kt.theory.sigma_min(kernel_at(beta, gamma, b1, b2, rtol=1e-8), TASK)

    point, step = (0.5, 0.7, 1.2, 0.4), 1e-3
    with jax.enable_x64(True):
        slopes = jax.grad(margin, argnums=(0, 1, 2, 3))(*point)
    for axis, slope in enumerate(slopes):
        shift = step * np.eye(4)[axis]
        # Fourth order: h = 1e-3 leaves rounding of the kernel's 1e-8 as the larger error.
        near, far = (margin(*(point + n * shift)) - margin(*(point - n * shift)) for n in (1, 2))
        assert float(slope) != 0
        assert float(slope) == pytest.approx((8 * near - far) / (12 * step), abs=DIFFERENCES)


def test_a_map_is_pointwise_sigma_min():
    found = kt.theory.attention_sigma_map(TASK, **MAP)
    wanted = [
        [kt.theory.sigma_min(kernel_at(b, g, 1.0, 0.5), TASK) for g in [0.5]] for b in MAP["betas"]
    ]
    assert found.sigma_min.shape == found.bound.shape == found.certified.shape == (3, 1)
    assert np.array_equal(found.rows, MAP["betas"]) and np.array_equal(found.columns, [0.5])
    assert np.allclose(found.sigma_min, wanted, rtol=0, atol=ROUNDING)
    assert np.all((found.bound > 0) & (found.bound < 10 * RTOL))
    assert np.all(found.certified)


def test_a_map_states_the_bound_of_the_certificate():
    found = kt.theory.cosine_sigma_map(TASK, beta=0.3, gamma=0.5, b1=[1.0], b2=[0.5], rtol=RTOL)
    certificate = kt.verify(kernel_at(0.3, 0.5, 1.0, 0.5), TASK)
    assert found.sigma_min[0, 0] == certificate.sigma_min
    assert found.bound[0, 0] == certificate.sigma_min_error


def test_a_map_of_estimates_is_not_certified():
    found = kt.theory.attention_sigma_map(
        TASK, betas=[0.0], gammas=[0.5], activation=kt.Custom(jnp.tanh), rtol=RTOL
    )
    assert not found.certified.any()


def test_an_interrupted_map_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    folder = tmp_path / "rows"
    compute, seen = conditioning.bounded_template_matrix, []

    def interrupted(kernel, task):
        seen.append(kernel.beta)
        if kernel.beta == MAP["betas"][1]:
            raise KeyboardInterrupt
        return compute(kernel, task)

    monkeypatch.setattr(conditioning, "bounded_template_matrix", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kt.theory.attention_sigma_map(TASK, **MAP, checkpoint=folder)
    assert seen == MAP["betas"][:2]

    def recorded(kernel, task):
        seen.append(kernel.beta)
        return compute(kernel, task)

    monkeypatch.setattr(conditioning, "bounded_template_matrix", recorded)
    seen.clear()
    resumed = kt.theory.attention_sigma_map(TASK, **MAP, checkpoint=folder)
    assert seen == MAP["betas"][1:]
    assert resumed == kt.theory.attention_sigma_map(TASK, **MAP)
    assert len(list(folder.iterdir())) == len(MAP["betas"])


@pytest.mark.parametrize(
    "change", [{"gammas": [0.6]}, {"rtol": 1e-5}, {"activation": kt.Cosine(b1=1.0, b2=0.4)}]
)
def test_maps_with_other_parameters_share_a_folder_and_no_rows(tmp_path, change):
    kt.theory.attention_sigma_map(TASK, **MAP, checkpoint=tmp_path)
    found = kt.theory.attention_sigma_map(TASK, **(MAP | change), checkpoint=tmp_path)
    assert found == kt.theory.attention_sigma_map(TASK, **(MAP | change))


def test_the_map_over_cosines_is_pointwise_sigma_min():
    b1, b2 = [0.5, 1.0, 2.0], [0.1, 0.5]
    found = kt.theory.cosine_sigma_map(TASK, beta=0.3, gamma=0.5, b1=b1, b2=b2, rtol=RTOL)
    wanted = [[kt.theory.sigma_min(kernel_at(0.3, 0.5, p, q), TASK) for q in b2] for p in b1]
    assert np.allclose(found.sigma_min, wanted, rtol=0, atol=ROUNDING)
    assert np.array_equal(found.rows, b1) and np.array_equal(found.columns, b2)


def test_an_empty_map_is_empty():
    found = kt.theory.cosine_sigma_map(TASK, beta=0.3, gamma=0.5, b1=[], b2=[0.5], rtol=RTOL)
    assert found.sigma_min.shape == (0, 1)


@pytest.mark.slow
def test_the_best_conditioned_kernel_beats_the_default_one():
    found = kt.theory.best_conditioned(TASK)
    default = kt.verify(kernel_at(1.0, 0.7, 1.0, 0.5, rtol=1e-6), TASK)
    assert found.condition_number <= default.condition_number
    again = kt.verify(found.kernel, TASK)
    assert again.condition_number == pytest.approx(found.condition_number, rel=1e-3)
    assert again.sigma_min == pytest.approx(found.sigma_min, abs=ROUNDING)


def test_the_search_moves_from_the_grid_in_every_parameter(monkeypatch):
    def bowl(task, beta, gamma, b1, b2):
        return float(np.exp(np.sum((np.log([beta, gamma, b1]) - 0.1) ** 2) + (b2 - 0.7) ** 2))

    monkeypatch.setattr(conditioning, "_condition", bowl)
    monkeypatch.setattr(conditioning, "sigma_min", lambda kernel, task: 0.0)
    monkeypatch.setattr(conditioning, "_SEARCH", {"beta": (1.0,), "gamma": (1.0,)})
    monkeypatch.setattr(conditioning, "_SEARCH_COSINES", (np.ones(1), np.ones(1)))
    found = kt.theory.best_conditioned(TASK)
    # The start is off by 0.1, 0.1, 0.1 and 0.3: an objective of 0.12.
    assert 0 <= np.log(found.condition_number) < 0.01


def test_a_task_whose_template_matrix_is_singular_everywhere_is_refused(monkeypatch):
    monkeypatch.setattr(conditioning, "_SEARCH", {"beta": (0.0,), "gamma": (0.5,)})
    with pytest.raises(ValueError, match="`task` must have an N that is nonsingular somewhere"):
        kt.theory.best_conditioned(TASK)
