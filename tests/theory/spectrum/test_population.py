import math
import time

import numpy as np
import pytest

import ktrans as kt
from ktrans.measure.spectrum_curves import spectrum_curves
from ktrans.theory.spectrum.population import mean_template_matrix, population_operator
from tests.all_strings import all_strings, dense_eigenvalues
from tests.gram.small_kernel import SmallKernel

SPECTRAL = 1e-10  # asked of the eigenvalues of a matrix of up to 2016 strings, each below one
KERNEL = SmallKernel()
TRANSFORMER = kt.TransformerKernel(beta=1.0, gamma=0.7, activation=kt.Cosine(b1=1.0, b2=0.5))

# Templates, m, weights: 1 to 4 wildcards, unequal ones, 1 to 4 templates; small m, where some
# representations are not there, or where all wildcards use all tokens up.
TASKS = [
    ("αβα αββ", 9, None),
    ("αβα αββ ααβ", 6, [0.5, 0.3, 0.2]),
    ("α A", 5, None),
    ("αβγ ααβ", 6, [0.7, 0.3]),
    ("αβγα αβγβ", 5, None),
    ("αβγα αβγβ", 4, [0.2, 0.8]),
    ("αβγα αβγβ", 3, [0.2, 0.8]),
    ("αAβ αβA ααA AAα", 6, [1, 2, 3, 4]),
    ("αβ", 2, None),
    ("αβγ αAB αβA", 7, None),
    ("αβγδ ααβγ", 5, None),
    ("αβγα αβαγ ααβγ", 7, [3, 2, 1]),
    ("AB BA", 4, [0.9, 0.1]),
]  # fmt: skip


def build(specs: str, m: int, weights: object = None, **options: object) -> kt.TemplateTask:
    templates = {spec: float(i) for i, spec in enumerate(specs.split())}
    return kt.TemplateTask.from_templates(templates, vocab_size=m, weights=weights, **options)


@pytest.mark.parametrize(("specs", "m", "weights"), TASKS)
def test_it_is_the_spectrum_of_the_gram_matrix_of_all_strings(specs, m, weights):
    task = build(specs, m, weights)
    spectrum = kt.population_spectrum(KERNEL, task)
    found = np.sort(np.repeat(spectrum.eigenvalues, spectrum.multiplicities))
    np.testing.assert_allclose(found, dense_eigenvalues(KERNEL, task), atol=SPECTRAL)


def test_it_is_the_spectrum_of_the_transformer_kernel_too():
    task = build("αβα αββ", 7, [0.6, 0.4])
    spectrum = kt.population_spectrum(TRANSFORMER, task)
    found = np.sort(np.repeat(spectrum.eigenvalues, spectrum.multiplicities))
    np.testing.assert_allclose(found, dense_eigenvalues(TRANSFORMER, task), atol=SPECTRAL)


def test_the_gram_operator_of_all_strings_has_it():
    task = build("αβγα αAββ", 5)
    strings, weights = all_strings(task)
    root = np.sqrt(weights)
    product = root[:, None] * (kt.GramOperator(KERNEL, strings) @ np.diag(root))
    spectrum = kt.population_spectrum(KERNEL, task)
    found = np.sort(np.repeat(spectrum.eigenvalues, spectrum.multiplicities))
    np.testing.assert_allclose(found, np.linalg.eigvalsh(product), atol=SPECTRAL)


def test_two_templates_of_two_wildcards_have_ten_constituents():
    m = 9
    spectrum = kt.population_spectrum(KERNEL, build("αβα αββ", m))
    counts = {label: spectrum.labels.count(label) for label in dict.fromkeys(spectrum.labels)}
    assert counts == {"trivial": 2, "(m-1,1)": 4, "(m-2,2)": 2, "(m-2,1,1)": 2}
    sizes = dict(zip(spectrum.labels, spectrum.multiplicities.tolist(), strict=True))
    assert sizes == {
        "trivial": 1,
        "(m-1,1)": m - 1,
        "(m-2,2)": m * (m - 3) // 2,
        "(m-2,1,1)": (m - 1) * (m - 2) // 2,
    }


@pytest.mark.parametrize("m", [3, 30, 10**6])
def test_multiplicities_count_all_strings_and_the_trace_is_the_mean_diagonal(m):
    task = build("αβγα αβAβ ABAB", m, [0.5, 0.3, 0.2])
    spectrum = kt.population_spectrum(KERNEL, task)
    strings = math.perm(m, 3) + math.perm(m, 2) + 1
    assert sum(map(int, spectrum.multiplicities)) == strings
    wanted = task.weights @ KERNEL.diagonal(task.fresh_strings()[0])
    np.testing.assert_allclose(spectrum.trace, wanted, rtol=SPECTRAL)


def test_multiplicities_beyond_64_bits_stay_exact():
    spectrum = kt.population_spectrum(KERNEL, build("αβγδα αβγδβ", 10**6))
    assert sum(spectrum.multiplicities.tolist()) == 2 * math.perm(10**6, 4)
    np.testing.assert_allclose(
        spectrum.trace, KERNEL.diagonal([[0, 1, 2, 3, 0, 4]])[0], rtol=SPECTRAL
    )


def test_a_million_tokens_take_as_long_as_ten():
    task = build("αβγα αβγβ αβγγ", 10**6)
    start = time.perf_counter()
    kt.population_spectrum(KERNEL, task)
    assert time.perf_counter() - start < 5.0  # seconds, the requirement


def test_the_trivial_representation_tends_to_the_template_matrix():
    weights = np.array([0.7, 0.3])
    matrix = kt.template_matrix(KERNEL, build("αβα αββ", 5))
    limit = np.linalg.eigvalsh(np.sqrt(np.outer(weights, weights)) * matrix)[::-1]
    gaps = []
    for m in (10**2, 10**4, 10**6):
        spectrum = kt.population_spectrum(KERNEL, build("αβα αββ", m, weights))
        gaps.append(np.abs(spectrum.eigenvalues[:2] - limit).max())
    # The first correction is of order 1/m, and so is what ρ = m/2 means.
    np.testing.assert_allclose(np.array(gaps[:-1]) / gaps[1:], 100.0, rtol=0.1)


def test_the_mean_template_matrix_is_the_mean_over_pairs_of_strings():
    task = build("αβα Aββ", 6)  # 30 strings and 6
    values = np.asarray(KERNEL(all_strings(task)[0]))
    parts = [slice(0, 30), slice(30, None)]
    wanted = [[values[rows, columns].mean() for columns in parts] for rows in parts]
    found = mean_template_matrix(population_operator(KERNEL, task))
    np.testing.assert_allclose(found, wanted, rtol=SPECTRAL)


def test_orders_count_the_arguments_of_eigenfunctions():
    spectrum = kt.population_spectrum(KERNEL, build("αβα αββ", 9))
    assert spectrum.orders.tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2]


def test_unequal_token_weights_are_refused():
    task = build("αβα αββ", 9, substitution="zipf")
    with pytest.raises(ValueError, match="`task` must have uniform substitution"):
        kt.population_spectrum(KERNEL, task)


def test_regular_tokens_among_the_substitution_tokens_are_refused():
    task = kt.TemplateTask.from_templates({"Aα": 1.0, "αα": 2.0}, substitution_tokens=list("ABCD"))
    with pytest.raises(ValueError, match="regular tokens that are no substitution tokens; 'A' is"):
        kt.population_spectrum(KERNEL, task)


def test_other_kernels_and_tasks_are_refused():
    with pytest.raises(TypeError, match="`kernel` must be a token-symmetric kernel"):
        kt.population_spectrum(len, build("α", 3))
    with pytest.raises(TypeError, match="`task` must be a TemplateTask"):
        kt.population_spectrum(KERNEL, "aba_abb")


def test_curves_need_a_vocabulary_in_which_every_representation_exists():
    with pytest.raises(ValueError, match="none below twice the number of wildcards, 4; got"):
        spectrum_curves(
            KERNEL, build("αβα αββ", 9), vocab_sizes=[3, 9], num_samples=10, sampled_sizes=[]
        )
