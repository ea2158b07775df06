import gzip

import pytest

from ktrans.networks.documentation import read_documentation

PAGE = """<html><head><title>t</title></head><body><p>A &amp; B</p>
<script>no()</script><p>C</p></body></html>"""


@pytest.fixture
def root(tmp_path):
    kernel = tmp_path / "linux-doc-6.1" / "Documentation" / "admin"
    book = tmp_path / "debian-handbook" / "html" / "en-US"
    for folder in (kernel, book):
        folder.mkdir(parents=True)
    for i in range(8):
        (kernel / f"{i}.rst.gz").write_bytes(gzip.compress(f"Chapter {i}\n=========\n".encode()))
    (kernel / "plain.rst").write_text("plain\n")
    (kernel / "again.rst").symlink_to(kernel / "plain.rst")
    (kernel / "picture.svg").write_text("<svg/>")
    (book / "index.html").write_text(PAGE)
    return tmp_path


def test_sources_and_pages_are_read_once_each(root):
    text = read_documentation(root)
    documents = sorted(sum(text, ()))
    assert documents == [
        "A & B\nC\n", *(f"Chapter {i}\n=========\n" for i in range(8)), "plain\n"
    ]  # fmt: skip
    assert [len(part) for part in text] == [8, 1, 1]
    assert read_documentation(root) == text
    assert read_documentation(root, seed=1) != text


def test_nothing_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"install linux-doc or debian-handbook, or give"):
        read_documentation(tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (gzip.compress(b"cut" * 99)[:-9], r"9.rst.gz' is damaged"),
        (b"not packed", r"9.rst.gz' is damaged"),
        (gzip.compress(b"\xff"), r"9.rst.gz' is not UTF-8 at byte 0"),
    ],
    ids=["cut", "not packed", "not text"],  # what is packed holds the time
)
def test_damaged_files_are_named(root, content, sentence):
    (root / "linux-doc-6.1" / "Documentation" / "9.rst.gz").write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        read_documentation(root)


def test_an_impossible_share_is_refused(root):
    with pytest.raises(ValueError, match=r"`held_out` must be above 0 and below 0\.5; got 0\.5"):
        read_documentation(root, held_out=0.5)
