import json
import sys

import numpy as np
import pytest

from ktrans.networks import tokens
from ktrans.networks.text import Text
from ktrans.networks.tokens import END, TextData, load_tokenizer, tokenize, train_tokenizer

WORDS = "to be, or not to be:\n\n  that is the question — α ≠ β\r\n\tWhether 'tis nobler\n"
TEXT = Text((WORDS * 3, "else:\n"), (WORDS,), ("or not\n",))


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXT, 280)


def test_tokens_are_the_text_again_with_a_token_behind_each_document(tokenizer):
    data = tokenize(TEXT, tokenizer)
    assert tokenizer.decode(data.train, skip_special_tokens=False) == END.join([*TEXT.train, ""])
    assert data.num_tokens == tokenizer.get_vocab_size() == 280
    assert data.train.dtype == np.uint16
    assert np.count_nonzero(data.train == tokenizer.token_to_id(END)) == 2
    # Pairs were merged, in text that was not trained on too.
    assert len(data.validation) < len(WORDS.encode())


def test_training_is_deterministic(tokenizer):
    assert train_tokenizer(TEXT, 280).to_str() == tokenizer.to_str()


@pytest.mark.parametrize("form", ["file", "folder", "GPT-2"])
def test_a_tokenizer_comes_back_from_disk(tokenizer, tmp_path, form):
    if form == "GPT-2":
        tokenizer.model.save(str(tmp_path))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["merges.txt", "vocab.json"]
    else:
        tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = load_tokenizer(tmp_path / "tokenizer.json" if form == "file" else tmp_path)
    assert again.encode(WORDS).ids == tokenizer.encode(WORDS).ids
    np.testing.assert_array_equal(tokenize(TEXT, again).train, tokenize(TEXT, tokenizer).train)


@pytest.mark.parametrize("size", [1, 7, 40])
def test_where_a_long_document_is_cut_changes_no_token(tokenizer, monkeypatch, size):
    whole = tokenizer.encode(TEXT.train[0]).ids
    monkeypatch.setattr(tokens, "_PIECE", size)
    monkeypatch.setattr(tokens, "_BATCH", 2)
    assert len(list(tokens._pieces(TEXT.train[0]))) > 5
    pieces = tokenize(Text((TEXT.train[0],), (), ()), tokenizer).train
    assert pieces[:-1].tolist() == whole


def test_cached_tokens_are_mapped_and_not_computed_again(tokenizer, tmp_path, monkeypatch):
    first = tokenize(TEXT, tokenizer, cache=tmp_path)
    monkeypatch.setattr(tokens, "_encode", None)
    again = tokenize(TEXT, tokenizer, cache=tmp_path)
    assert isinstance(again.train, np.memmap)
    assert (
        again.fingerprint() == first.fingerprint() == tokenize_without_cache(tokenizer, monkeypatch)
    )
    assert len(list(tmp_path.iterdir())) == 3


def tokenize_without_cache(tokenizer, monkeypatch):
    monkeypatch.undo()
    return tokenize(TEXT, tokenizer).fingerprint()


def test_other_documents_or_another_tokenizer_have_a_cache_of_their_own(tokenizer, tmp_path):
    tokenize(TEXT, tokenizer, cache=tmp_path)
    # The same text in other documents.
    other = TEXT._replace(train=(WORDS * 2, WORDS + "else:\n"))
    assert not np.array_equal(
        tokenize(other, tokenizer, cache=tmp_path).train,
        tokenize(TEXT, tokenizer, cache=tmp_path).train,
    )
    smaller = train_tokenizer(TEXT, 260)
    assert tokenize(TEXT, smaller, cache=tmp_path).train.max() < 260


def test_dying_while_tokens_are_written_leaves_none(tokenizer, tmp_path, monkeypatch):
    def dies(stream, ids):
        stream.write(b"half a file")
        raise KeyboardInterrupt("killed")

    monkeypatch.setattr(np, "save", dies)
    with pytest.raises(KeyboardInterrupt, match="killed"):
        tokenize(TEXT, tokenizer, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_large_vocabularies_have_wider_ids(tokenizer, tmp_path):
    content = json.loads(tokenizer.to_str())
    words = {f"word{i}": i for i in range(280, 2**16 + 1)}
    content["model"]["vocab"] |= words
    path = tmp_path / "large.json"
    path.write_text(json.dumps(content))
    assert tokenize(TEXT, load_tokenizer(path)).train.dtype == np.uint32


def test_what_is_no_tokenizer_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has neither 'tokenizer.json' nor both"):
        load_tokenizer(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"There is no '.*tokenizer.json'"):
        load_tokenizer(tmp_path / "tokenizer.json")
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match="holds no tokenizer"):
        load_tokenizer(path)


def test_impossible_vocabularies_are_refused():
    with pytest.raises(ValueError, match="`vocab_size` must be at least 257; got 256"):
        train_tokenizer(TEXT, 256)
    with pytest.raises(ValueError, match=r"`vocab_size` must be at most \d+, .* got 5000"):
        train_tokenizer(TEXT, 5000)


def test_impossible_ids_are_refused():
    ids = np.arange(9)
    with pytest.raises(ValueError, match="`test` must hold token ids from 0 to 7; got 0 to 8"):
        TextData(ids[:8], ids[:8], ids, num_tokens=8)
    with pytest.raises(TypeError, match=r"`train` must be an array \(n,\) of integer token ids"):
        TextData(ids.astype(float), ids, ids, num_tokens=9)
    with pytest.raises(TypeError, match="`validation` must be an array"):
        TextData(ids, ids[None], ids, num_tokens=9)


def test_without_the_library_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match=r"install it, or ktrans\[gpt2\]"):
        train_tokenizer(TEXT, 280)
