import numpy as np
import pytest

import ktrans as kt
from ktrans.networks import draw_task_data


@pytest.fixture(scope="module")
def data():
    task = kt.tasks.load("aba_abb", vocab_size=16)
    return draw_task_data(task, num_samples=16, seeds=[3, 5], num_unseen=100)


def alphabet(strings):
    return set(np.unique(strings.tokens[:, :, :-1]).tolist())


def test_the_three_alphabets_are_disjoint_and_in_the_embedding(data):
    train, validation, test = (alphabet(part) for part in data.parts)
    assert not (train & validation or train & test or validation & test)
    assert max(train | validation | test) < data.num_tokens == 3 * 16 + 1
    assert len(validation) == len(test) == 16


def test_every_seed_has_strings_of_its_own(data):
    for part in data.parts:
        assert not np.array_equal(part.tokens[0], part.tokens[1])
    assert not np.array_equal(data.validation.tokens - 16, data.test.tokens)


def test_labels_stay_with_their_templates(data):
    for part in data.parts:
        aba = part.tokens[:, :, 0] == part.tokens[:, :, 2]
        np.testing.assert_array_equal(part.labels, np.where(aba, 1.0, -1.0))
    assert data.train.tokens.shape == (2, 16, 4)
    assert not data.is_symbolic


def test_symbolic_labels_move_to_the_alphabet_of_their_strings():
    task = kt.TemplateTask.from_templates({"αβα": "β", "αββ": "C"}, vocab_size=9)
    data = draw_task_data(task, num_samples=9, seeds=[0], num_unseen=50)
    for part in data.parts:
        aba = part.tokens[:, :, 0] == part.tokens[:, :, 2]
        wanted = np.where(aba, part.tokens[:, :, 1], task.regular_token_ids["C"])
        np.testing.assert_array_equal(part.labels, wanted)
    assert data.is_symbolic


def test_impossible_arguments_are_refused():
    task = kt.tasks.load("aba_abb", vocab_size=16)
    with pytest.raises(TypeError, match="`task` must be a TemplateTask; got 'aba_abb'"):
        draw_task_data("aba_abb", num_samples=4, seeds=[0])
    with pytest.raises(ValueError, match="`num_samples` must be at least 1; got 0"):
        draw_task_data(task, num_samples=0, seeds=[0])
    with pytest.raises(ValueError, match="`seeds` must be one or more distinct integers"):
        draw_task_data(task, num_samples=4, seeds=[1, 1])
