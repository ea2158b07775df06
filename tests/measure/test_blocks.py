import numpy as np
import pytest

import ktrans as kt
from ktrans.measure.blocks import block_structure, ordered_gram
from ktrans.theory.statistics import template_statistics
from tests.gram.small_kernel import SmallKernel
from tests.tolerances import ROUNDING

KERNEL = SmallKernel()
LANCZOS = 1e-5  # eigenvalues asked to 1e-6 relative


@pytest.mark.parametrize("n", [300, 900])
@pytest.mark.parametrize("specs", ["αβα αββ", "αβγα αβAA Aααα"])
def test_it_is_what_the_dense_matrix_says(specs, n):
    templates = {spec: float(i) for i, spec in enumerate(specs.split())}
    task = kt.TemplateTask.from_templates(templates, vocab_size=40)
    data = task.sample(n, seed=2)
    dense, matrix = np.asarray(KERNEL(data.tokens)), kt.template_matrix(KERNEL, task)
    excess = dense - matrix[np.ix_(data.template_ids, data.template_ids)]
    found = block_structure(KERNEL, data)
    wanted = ordered_gram(template_statistics(KERNEL, task), n, seed=2).share_of_limit
    np.testing.assert_allclose(found.share_equal, wanted, rtol=ROUNDING)
    np.testing.assert_allclose(found.frobenius, np.linalg.norm(excess) / n, rtol=1e-9)
    np.testing.assert_allclose(found.operator_norm, np.linalg.norm(excess, 2) / n, rtol=LANCZOS)
    top = np.linalg.eigvalsh(dense)[::-1][: len(templates)] / n
    np.testing.assert_allclose(found.eigenvalues, top, rtol=LANCZOS)
    assert (np.abs(found.eigenvalues - top) <= found.residuals + ROUNDING).all()


def test_weyl_bounds_the_distance_from_the_limits():
    data = kt.tasks.load("aba_abb", vocab_size=100).sample(500)
    found = block_structure(KERNEL, data)
    gap = np.abs(found.eigenvalues - found.limits)
    assert 0 < gap.max() <= found.operator_norm


def test_everything_tends_to_its_limit_as_diversity_grows():
    rows = [
        block_structure(KERNEL, kt.tasks.load("aba_abb", vocab_size=m).sample(2000))
        for m in (20, 200, 2000)
    ]
    assert np.all(np.diff([row.share_equal for row in rows]) > 0)
    assert np.all(np.diff([row.frobenius for row in rows]) < 0)
    assert np.all(np.diff([row.operator_norm for row in rows]) < 0)
    assert np.all(np.diff([row.angles.max() for row in rows]) < 0)
    gaps = [np.abs(row.eigenvalues - row.limits).max() for row in rows]
    assert np.all(np.diff(gaps) < 0)


def test_the_steps_are_named_for_a_progress_bar():
    seen: list[str] = []

    def progress(names, _):
        seen.extend(names)
        return seen

    block_structure(KERNEL, kt.tasks.load("aba_abb", vocab_size=9).sample(50), progress=progress)
    assert seen == ["collisions", "norm of E", "eigenvalues"]


def test_a_template_that_does_not_occur_is_named():
    data = kt.tasks.load("aba_abb", vocab_size=9).sample(50)
    with pytest.raises(ValueError, match="must hold each template; it has no sample of 'αββ'"):
        block_structure(KERNEL, data.subset(data.template_ids == 0))


def test_too_many_wildcards_are_refused():
    templates = {"αβγδεζηθ": 1.0, "ααβγδεζη": 2.0}
    task = kt.TemplateTask.from_templates(templates, vocab_size=8)
    with pytest.raises(ValueError, match="`dataset` has too many wildcards or collisions"):
        block_structure(KERNEL, task.sample(100))


def test_an_operator_serves_in_place_of_its_kernel():
    data = kt.tasks.load("aba_abb", vocab_size=30).sample(100)
    operator = kt.GramOperator(KERNEL, data)
    found, again = block_structure(operator, data), block_structure(KERNEL, data)
    np.testing.assert_array_equal(found.eigenvalues, again.eigenvalues)
    assert found.to_dict() == again.to_dict()
    with pytest.raises(ValueError, match="operator of the dataset's 50 samples; got one of 100"):
        block_structure(operator, data.subset(slice(50)))
