"""README's map of the code shows the folders that are there."""

import re
from pathlib import Path

import pytest
from documents import ROOT

LINE = re.compile(r"( *)(\w+)/ +(\S.*)")


def drawn(text):
    """The folders of a map, as paths; every line must be a folder and what it holds."""
    lines = text.split("<!-- map:begin -->")[1].split("<!-- map:end -->")[0].strip().splitlines()[1:-1]
    folders, above = [], []
    for line in lines:
        found = LINE.fullmatch(line)
        assert found, f"no folder with its contents: {line}"
        above = [*above[: len(found[1]) // 2], found[2]]
        folders.append("/".join(above))
    return folders


def there(package):
    """The folders of the package that hold a file."""
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.parent.relative_to(package.parent)) for path in files}


def test_the_map_shows_the_folders():
    shown = drawn((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(shown) == len(set(shown))
    assert set(shown) == there(ROOT / "edgelstm")


@pytest.mark.parametrize("folder", ["edgelstm/cellar", "edgelstm/kernels/simd"])
def test_a_folder_that_only_one_side_has_is_seen(tmp_path, folder):
    """The control, both ways: a folder that the map lacks, and one that the disk lacks."""
    shown = set(drawn((ROOT / "README.md").read_text(encoding="utf-8")))
    for name in shown ^ {folder}:
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "file.py").touch()
    assert there(Path(tmp_path) / "edgelstm") ^ shown == {folder}
