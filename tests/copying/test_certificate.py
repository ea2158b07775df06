import json

import numpy as np
import pytest

from ktrans.copying import verify


def test_both_theorems_are_confirmed_at_32_tokens_24_seen():
    certificate = verify([128, 2048], num_draws=12)
    assert certificate.holds is True
    assert certificate.verdict_without_b.startswith("Theorem 4.1, confirmed: without b, whatever")
    assert certificate.verdict_with_b.startswith("Theorem 4.2, confirmed: with W_V W_Oᵀ + bI")
    found = certificate.alignment
    assert found.supremum[-1] < 0.05
    assert found.decay.lower > 0.5  # 1 in the limit, 0.9 from 128 to 2048
    assert json.loads(json.dumps(certificate.to_dict(), allow_nan=False))["holds"] is True


@pytest.mark.slow
def test_the_ratios_have_the_stated_values_at_every_dimension():
    found = verify([32, 128, 512, 2048, 8192]).alignment
    np.testing.assert_allclose(found.of("b"), 1.0, atol=0.1)
    assert (found.supremum[found.embedding_dims >= 2048] < 0.05).all()
    assert (found.supremum_interval[found.embedding_dims >= 2048, 1] < 0.05).all()
    assert found.decay.lower < found.decay_closed_form.exponent < found.decay.upper + 0.05


def test_small_dimensions_leave_the_first_theorem_open():
    certificate = verify([128, 256], num_draws=12)
    assert certificate.fails_without_b is None
    assert certificate.holds is None
    assert "a larger d_emb would decide" in certificate.verdict_without_b


def test_without_decay_the_first_theorem_is_not_confirmed():
    certificate = verify([16], num_draws=12)
    assert certificate.fails_without_b is False
    assert certificate.verdict_without_b.startswith("Theorem 4.1, not confirmed at this scale")


def test_few_draws_leave_the_second_theorem_open():
    certificate = verify([16], num_draws=12)
    assert certificate.copies_with_b is None
    assert "more draws" in certificate.verdict_with_b


def test_untied_embeddings_do_not_satisfy_the_second_theorem():
    certificate = verify([64], num_draws=32, tied=False)
    assert certificate.copies_with_b is False
    assert "as the embeddings are not tied" in certificate.verdict_with_b
