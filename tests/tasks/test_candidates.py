import numpy as np
import pytest

import ktrans as kt
from ktrans.tasks.candidates import candidate_pairs, enlarged_templates

TASK = kt.TemplateTask.from_templates({"aαβ": "β", "bαα": "s"}, vocab_size=20)


def test_enlarged_templates_hold_every_kind_of_candidate():
    found = enlarged_templates(TASK)
    of_first = [s for s, z in zip(found.symbols, found.template_ids, strict=True) if z == 0]
    assert of_first == ["α", "β", "a", "b", "s", "[CLS]", "other"]
    assert [found.label_place(z) for z in (0, 1)] == [1, 3]
    np.testing.assert_array_equal(found.tokens1[:2, -1], found.tokens1[0, [1, 2]])


def test_fresh_strings_share_regular_tokens_only():
    found = enlarged_templates(TASK)
    common = set(found.tokens1.ravel().tolist()) & set(found.tokens2.ravel().tolist())
    assert common == {*TASK.regular_token_ids.values(), TASK.cls_id}
    outside = [i for i, symbol in enumerate(found.symbols) if symbol == "other"]
    for i in outside:
        assert found.tokens1[i, -1] not in found.tokens1[:, :-1]


@pytest.mark.parametrize("negatives", [0, 3, 20])
def test_every_string_has_its_candidates_once_and_one_label(negatives):
    data = TASK.sample(30)
    pairs = candidate_pairs(data, negatives, 0)
    assert len(np.unique(pairs.tokens, axis=0)) == len(
        np.unique(np.column_stack([pairs.tokens, pairs.labels]), axis=0)
    )
    assert pairs.labels.sum() == 30
    labelled = pairs.tokens[pairs.labels == 1]
    np.testing.assert_array_equal(labelled[:, -1], data.labels)
    regular = len(TASK.regular_token_ids) + 1
    wildcards = np.where(data.template_ids == 0, 2, 1)
    expected = 30 * regular + (30 * 20 if negatives == 20 else wildcards.sum())
    assert len(pairs.tokens) == expected or (negatives == 3 and len(pairs.tokens) > expected)


def test_numbers_as_labels_have_no_enlarged_templates():
    with pytest.raises(ValueError, match="`task` must have symbols as labels"):
        enlarged_templates(kt.tasks.load("aba_abb", vocab_size=10))
