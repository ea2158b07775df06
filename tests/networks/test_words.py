import json
import string

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

import ktrans as kt
from ktrans.networks.bert import load_bert
from ktrans.networks.words import BAG, Sentences, single_token_words, word_features
from tests.data import bert_hugging_face as reference

WORDS = [a + b + "oo" for a in string.ascii_lowercase for b in "aeiou"]
VOCABULARY = ["[PAD]", "[CLS]", "[SEP]", "the", "words", "##oo", "Ab", *WORDS]
TASK = kt.tasks.load("aba_abb", vocab_size=60)


@pytest.fixture
def tokenizer():
    ids = {word: i for i, word in enumerate(VOCABULARY)}
    found = Tokenizer(models.WordLevel(ids, unk_token="[PAD]"))
    found.pre_tokenizer = pre_tokenizers.Whitespace()
    found.enable_padding(length=9)  # as that of MiniLM has
    return found


@pytest.fixture
def encoder(tmp_path):
    tensors = reference.weights()
    rows = np.random.default_rng(1).standard_normal((len(VOCABULARY), 24)).astype(np.float32)
    tensors["embeddings.word_embeddings.weight"] = rows
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(reference.SIZES))
    return load_bert(tmp_path)


def test_words_are_what_is_one_token_of_small_letters(tokenizer):
    assert single_token_words(tokenizer) == ("the", "words", *WORDS)


@pytest.mark.parametrize(
    ("frame", "shown"),
    [
        ("{}", "[CLS] X Y X [SEP]"),
        ("the words {}", "[CLS] the words X Y X [SEP]"),
        ("{} the {} words {} the", "[CLS] X the Y words X the [SEP]"),
    ],
)
def test_a_frame_is_filled_with_the_words(tokenizer, frame, shown):
    sentences = Sentences(task=TASK, tokenizer=tokenizer, frame=frame)
    (ids,) = sentences(np.array([[3, 5, 3, TASK.cls_id]]))
    words = {"X": VOCABULARY[sentences.ids[3]], "Y": VOCABULARY[sentences.ids[5]]}
    assert [VOCABULARY[i] for i in ids] == [words.get(x, x) for x in shown.split()]


def test_each_token_has_a_word_of_its_own(tokenizer):
    sentences = Sentences(task=TASK, tokenizer=tokenizer)
    ids = np.delete(sentences.ids, TASK.cls_id)
    assert len(set(ids)) == TASK.num_tokens - 1
    assert sentences.ids[TASK.cls_id] == -1
    other = Sentences(task=TASK, tokenizer=tokenizer, seed=1)
    assert (ids != np.delete(other.ids, TASK.cls_id)).any()


def test_regular_tokens_are_words_themselves(tokenizer):
    task = kt.TemplateTask.from_templates({("?x", "the"): 1, ("?x", "words"): -1}, vocab_size=20)
    sentences = Sentences(task=task, tokenizer=tokenizer)
    found = {VOCABULARY[sentences.ids[i]] for i in task.regular_token_ids.values()}
    assert found == {"the", "words"}


def test_features_are_means_over_positions_of_the_states(tokenizer, encoder):
    sentences = Sentences(task=TASK, tokenizer=tokenizer, frame="the {}")
    tokens = TASK.sample(300).tokens
    found = word_features(encoder, sentences)(tokens)
    assert list(found) == [BAG, "embeddings", "layer 1", "layer 2", "layer 3"]
    ids = sentences(tokens)
    states = np.asarray(jax.vmap(encoder.states)(ids))
    np.testing.assert_allclose(found["layer 2"], states[:, 2].mean(axis=1), atol=1e-5)
    first = word_features(encoder, sentences, read_out="first")(tokens)
    np.testing.assert_allclose(first["layer 2"], states[:, 2, 0], atol=1e-5)
    table = np.asarray(encoder.token_embedding)
    np.testing.assert_allclose(found[BAG], table[ids[:, 2:5]].sum(axis=1), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"frame": "no slot"}, r"`frame` must have one \{\}, or 3"),
        ({"frame": "{} {}"}, r"`frame` must have one \{\}, or 3"),
        ({"words": ["aaoo"]}, "at most 1 tokens, the words that are one token"),
        ({"words": [*WORDS, "zz"] * 3, "seed": -1}, "`seed` must be at least 0"),
        ({"words": ["unknown"] * 200}, "'unknown' is not"),
    ],
)
def test_bad_sentences_are_refused(tokenizer, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        Sentences(task=TASK, tokenizer=tokenizer, **options)


def test_an_unknown_read_out_is_refused(tokenizer, encoder):
    with pytest.raises(ValueError, match="`read_out` must be one of"):
        word_features(encoder, Sentences(task=TASK, tokenizer=tokenizer), read_out="last")
