"""Parts of a result are computed once for a configuration, whatever stops the run between them."""

from dataclasses import dataclass

import pytest

from ktrans._store import at_once, kept_in


@dataclass(frozen=True)
class Config:
    size: int


def compute(keep, fail_at=None):
    """Two parts, one of which may be interrupted; and which of them were computed."""
    done = []

    def work(name):
        if name == fail_at:
            raise KeyboardInterrupt
        done.append(name)
        return {"name": name, "third": 1 / 3}

    found = [keep(["part", name], lambda name=name: work(name)) for name in ("a", "b")]
    return found, done


def test_a_run_that_was_stopped_goes_on_behind_its_last_part(tmp_path):
    wanted, _ = compute(at_once)
    with pytest.raises(KeyboardInterrupt):
        compute(kept_in(tmp_path, Config(1)), fail_at="b")
    assert compute(kept_in(tmp_path, Config(1))) == (wanted, ["b"])
    assert compute(kept_in(tmp_path, Config(1))) == (wanted, [])


def test_parts_of_another_configuration_are_its_own(tmp_path):
    compute(kept_in(tmp_path, Config(1)))
    _, done = compute(kept_in(tmp_path, Config(2)))
    assert done == ["a", "b"]


def test_a_damaged_part_is_named_and_computed_again(tmp_path):
    wanted, _ = compute(kept_in(tmp_path, Config(1)))
    path = min((tmp_path / "parts").iterdir())
    for content in (b"", b"{}"):
        path.write_bytes(content)
        with pytest.warns(UserWarning, match=rf"{path.name}' is damaged, and its result is comp"):
            found, done = compute(kept_in(tmp_path, Config(1)))
        assert found == wanted
        assert len(done) == 1
