import pytest

from ktrans.networks.text import read_text

FORMS = [".tokens", ".raw"]


@pytest.fixture
def folder(tmp_path):
    def make(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return make


def modules(count=20):
    return {f"package/m{i:02}.py": f"# module {i}\n" for i in range(count)}


@pytest.mark.parametrize("form", FORMS)
def test_wikitext_keeps_its_own_parts(folder, form):
    files = {f"wiki.{part}{form}": f" = {part} = \n" for part in ("train", "valid", "test")}
    text = read_text(folder(files | {"README.txt": "not text\n"}))
    assert text == ((" = train = \n",), (" = valid = \n",), (" = test = \n",))


@pytest.mark.parametrize("form", FORMS)
def test_a_missing_part_of_wikitext_is_named(folder, form):
    root = folder({f"wiki.{part}{form}": "text\n" for part in ("train", "test")})
    with pytest.raises(FileNotFoundError, match=rf"but lacks 'wiki.valid{form}'"):
        read_text(root)


def test_files_are_dealt_out_whole_and_once_and_in_order(folder):
    files = modules()
    text = read_text(folder(files), files="**/*.py")
    assert [len(part) for part in text] == [16, 2, 2]
    assert sorted(sum(text, ())) == sorted(files.values())
    for part in text:
        assert list(part) == sorted(part, key=lambda document: int(document.split()[-1]))


def test_the_seed_alone_decides_the_parts(folder):
    root = folder(modules())
    assert read_text(root, seed=3) == read_text(root, seed=3)
    assert read_text(root, seed=3).test != read_text(root, seed=4).test


def test_other_hidden_empty_and_excluded_files_are_left_out(folder):
    extra = {".git/a.py": "no", "tests/b.py": "no", "c.txt": "no", "package/d.py": ""}
    text = read_text(folder(modules() | extra), files="**/*.py", exclude=["tests"])
    assert sorted(sum(text, ())) == sorted(modules().values())


def test_a_single_file_is_cut_at_line_ends(folder):
    lines = [f"line {i}\n" for i in range(10)]
    text = read_text(folder({"some.txt": "".join(lines)}) / "some.txt", held_out=0.2)
    assert text == (("".join(lines[:6]),), ("".join(lines[6:8]),), ("".join(lines[8:]),))


def test_a_large_share_leaves_something_to_train_on(folder):
    text = read_text(folder(modules(3)), held_out=0.49)
    assert [len(part) for part in text] == [1, 1, 1]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"has 0 files that match `files` and are not empty; at least 3"),
        ({"a.txt": "", "b.txt": "", "c.txt": ""}, "has 0 files"),
        ({"a": "α", "b": "β", "c": "γ".encode("utf-16")}, r"c' is not UTF-8 at byte 0; convert"),
    ],
)
def test_folders_without_text_are_refused(folder, files, message):
    with pytest.raises(ValueError, match=message):
        read_text(folder(files))


def test_impossible_arguments_are_refused(folder):
    root = folder({"one.txt": "one line\n"})
    with pytest.raises(ValueError, match=r"one.txt' has 1 lines; at least 3 are needed"):
        read_text(root / "one.txt")
    with pytest.raises(FileNotFoundError, match=r"There is no '.*nothing'"):
        read_text(root / "nothing")
    with pytest.raises(ValueError, match=r"`held_out` must be above 0 and below 0.5; got 0.5"):
        read_text(root, held_out=0.5)
