"""The key of the code cache: every file that makes code is in it, and a start reads no more of them than it must."""

import ast
import os
import shutil
import time
from pathlib import Path

import pytest

from edgelstm.compiler import cache


def test_the_key_covers_every_file_that_makes_code():
    package = Path(cache.__file__).parents[1]
    covered = {Path(source) for source in cache.made_from(str(package.parent))}
    made = {path for room in ("compiler", "kernels") for path in (package / room).rglob("*.py")}
    assert made < covered
    assert package / "kernels" / "simd" / "formulas.py" in covered
    assert covered - made == offsets_of(made)


def offsets_of(sources):
    """Files of offsets that these sources import, but for the clocks' and the sensors', which are in a key of their own."""
    trees = [ast.parse(source.read_text()) for source in sources]
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {name.name for node in imports if node.module == "runtime" for name in node.names}
    return {Path(cache.__file__).parents[1] / "runtime" / f"{name}.py" for name in names if not name.endswith(("clock", "sensor_record"))}


def test_offsets_are_part_of_the_key(tmp_path, fresh, monkeypatch):
    place = Path(cache.__file__).parents[2]
    shutil.copytree(place / "edgelstm", tmp_path / "edgelstm", ignore=shutil.ignore_patterns("__pycache__", "importers", "layers"))
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "edgelstm/compiler/cache.py"))
    keys = set()
    for name in ("binding", "many_call"):
        keys.add(cache.makers.__wrapped__())
        source = tmp_path / f"edgelstm/runtime/{name}.py"
        source.write_text(source.read_text() + "\nANOTHER = 8\n")
        keys.add(cache.makers.__wrapped__())
    assert len(keys) == 3


def test_a_change_below_a_room_changes_the_key(tmp_path):
    (tmp_path / "simd").mkdir()
    for name in ("a.py", "simd/b.py", "simd/c.txt"):
        (tmp_path / name).write_text("")
    assert [Path(source).name for source in cache.sources(str(tmp_path))] == ["a.py", "b.py"]


def test_an_installed_wheel_is_known_by_its_record_until_a_file_is_written_to(tmp_path):
    place = str(tmp_path)
    assert cache._record(place, []) == b""
    source, record = tmp_path / "edgelstm/kernels/simd/a.py", tmp_path / "edgelstm-1.0.dist-info/RECORD"
    line = "edgelstm/kernels/simd/a.py,sha256=1,3\n"
    noted = f"edgelstm/__init__.py,sha256=3,3\n{line}edgelstm/stream.py,sha256=2,3\n"
    for path, text in ((source, "one"), (record, noted)):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    os.utime(record, ns=(0, source.stat().st_mtime_ns))
    known = cache._record(place, [str(source)])
    assert known == f"{line}/edgelstm/kernels/simd/a.py".encode()
    assert cache._record(place, []) not in (b"", known)  # a file went
    os.utime(record, ns=(0, source.stat().st_mtime_ns - 1))
    assert cache._record(place, [str(source)]) == b""
    record.write_text("../../../_edgelstm.pth,sha256=1,3\n")  # of an editable install
    assert cache._record(place, [str(source)]) == b""


def test_of_a_record_all_lines_of_a_room_are_taken_in_any_order():
    noted = b"a/x.py,1\nb/x.py,2\na/y.py,3\n"
    assert cache._lines(noted, b"a/") == noted
    assert cache._lines(noted, b"b/") == b"b/x.py,2\n"
    assert cache._lines(noted, b"c/") == b""


@pytest.fixture
def package(tmp_path, fresh):
    """Two sources that were written long ago, as far as the cache can tell, and a cache folder."""
    fresh.mkdir(mode=0o700)
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(f"{name} = 1")
    return tmp_path


def digest_of(package):
    return cache._contents(list(cache.sources(str(package))))


def test_sources_are_read_once(package, monkeypatch):
    monkeypatch.setattr(cache, "_SETTLING", -(10**12))
    first = digest_of(package)

    def opened(path, *given, **options):
        assert isinstance(path, int), "a source is read again"
        return open(path, *given, **options)

    monkeypatch.setattr(cache, "open", opened, raising=False)
    assert digest_of(package) == first
    (package / "a.py").write_text("longer than before")
    with pytest.raises(AssertionError, match="read again"):
        digest_of(package)


def rewritten(path):
    """Another content of the same size, under the same time."""
    times = path.stat()
    path.write_text("a.py = 2")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


CHANGES = {
    "other content under the old time and size": rewritten,
    "gone": Path.unlink,
    "longer": lambda path: path.write_text("a.py = 1 + 1"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_behind_the_note(package, monkeypatch, change):
    monkeypatch.setattr(cache, "_SETTLING", -(10**12))
    first = digest_of(package)
    time.sleep(0.02)  # a file system's clock may tick in hundredths of a second
    CHANGES[change](package / "a.py")
    assert digest_of(package) != first


def test_what_was_just_written_is_not_noted(package, fresh, monkeypatch):
    monkeypatch.setattr(cache, "_SETTLING", 600 * 10**9)
    digest_of(package)
    assert not list(fresh.iterdir())


def test_a_note_of_other_sources_is_not_believed(package, fresh, monkeypatch, caplog):
    monkeypatch.setattr(cache, "_SETTLING", -(10**12))
    first = digest_of(package)
    (note,) = fresh.iterdir()
    note.write_bytes(bytes(len(note.read_bytes())))
    assert digest_of(package) == first
    assert "damaged" in caplog.text
