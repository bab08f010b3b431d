"""What a user gets: the wheel, the versions, the README's figures, links that lead somewhere, and files that name no machine."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from golden_files import HERE, PACKAGED, PINNED

import edgelstm as el
from edgelstm.cli import VERBS
from edgelstm.gallery.result import read
from edgelstm.layers.record import Layer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CI = ROOT / ".ci" / "run"

#: Folders that are made in a checkout and do not belong to it.
MADE = {".git", *re.findall(r"^(\S+)/$", (ROOT / ".gitignore").read_text(encoding="utf-8"), re.MULTILINE)}

#: What `edgelstm demo` reads.
PLAYED = ("activity.pt", "held_out.npz")

#: Results in the form of the three measurements.
COMPARED = {
    "machine": {"cpu": "CPU X", "system": "Linux 6", "python": "CPython 3.13", "date": "2026-01-01"},
    "pinned": "core 1",
    "clock_ghz": 3.0,
    "versions": {"edgelstm": "0.1.0"},
    "rows": {
        row: {
            "limit": {"ns": 5.0},
            "contenders": {
                "edgelstm process()": {"native": True, "median_ns": 10.0 * scale, "min_ns": 10.0 * scale},
                "edgelstm step(x)": {"native": False, "median_ns": 20.0 * scale, "min_ns": 20.0 * scale},
                "C panel kernel": {"native": True, "median_ns": 30.0 * scale, "min_ns": 30.0 * scale},
                "Peer": {"native": False, "median_ns": 12_345.0, "min_ns": 12_345.0},
            },
        }
        for row, scale in (("1,8,1", 1), ("6,32,1", 2))
    },
}
LAUNCHED = {"machine": COMPARED["machine"], "programs": {"warm": {"median_ms": 51.2, "min_ms": 49.0, "max_ms": 60.0, "median_VmRSS": 2048}}}
POINTS = {"p50": 85.0, "p99": 120.0, "p99.9": 1240.0, "max": 2e6, "count": 100_000}
BENCHED = {
    "model": "some/folder/gesture.elstm",
    "rate_hz": 100.0,
    "deadline_misses": 3,
    "machine": {"cpu": "CPU X", "governor": "performance", "system": "Linux 6", "python": "3.13.0"},
    **dict.fromkeys(("full_speed_ns", "paced_ns", "response_ns"), POINTS),
}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def figures(monkeypatch):
    """tools/readme_figures.py as a module."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("readme_figures", ROOT / "tools" / "readme_figures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wheel_file(tmp_path_factory):
    builder = pytest.importorskip("hatchling.builders.wheel")
    (path,) = builder.WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    return Path(path)


@pytest.fixture(scope="module")
def wheel(wheel_file):
    """Names and texts of the wheel's files."""
    with zipfile.ZipFile(wheel_file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_the_package_its_types_and_the_demo(wheel):
    assert "edgelstm/py.typed" in wheel
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "edgelstm").rglob("*.py")}
    assert sources <= set(wheel)
    assert {name for name in wheel if name.startswith("edgelstm/_activity/")} == {f"edgelstm/_activity/{name}" for name in PLAYED}
    results = {f"edgelstm/_examples/{path.parent.name}/result.json" for path in (ROOT / "examples").glob("*/result.json")}
    assert results <= set(wheel)
    assert {name.split("/")[0] for name in wheel} == {"edgelstm", f"edgelstm-{el.__version__}.dist-info"}


def shipped():
    """The examples that the wheel runs."""
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    return [name.split("/")[1] for name in included if name.endswith("/run.py")]


@pytest.mark.parametrize("name", shipped())
def test_what_the_wheel_runs_is_there(wheel, name):
    """Every module beside `run.py` that it reads, or that one of those reads, and all data."""
    folder, modules = ROOT / "examples" / name, ["run"]
    for module in modules:  # which grows
        text = (folder / f"{module}.py").read_text(encoding="utf-8")
        beside = {word for word in re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE) if (folder / f"{word}.py").is_file()}
        modules += sorted(beside - set(modules))
    data = [str(path.relative_to(folder)) for path in (folder / "data").rglob("*") if path.is_file()]
    assert {f"edgelstm/_examples/{name}/{file}" for file in (*(f"{module}.py" for module in modules), *data)} <= set(wheel)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stock", "water"])
def test_demo_runs_it_out_of_the_wheel(wheel_file, name, tmp_path):
    with zipfile.ZipFile(wheel_file) as archive:
        archive.extractall(tmp_path)
    command = [sys.executable, "-m", "edgelstm", "demo"]
    done = subprocess.run([*command, name], capture_output=True, text=True, check=True, cwd=tmp_path)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["the", "network", *" ".join(read(ROOT / "examples" / name).cells()[0][1:]).split()] in rows
    refused = subprocess.run([*command, "text"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "which has activity, game, stock and water: run `python examples/text/run.py`" in refused.stderr


def test_the_wheel_needs_no_framework(wheel, wheel_file):
    metadata = next(text for name, text in wheel.items() if name.endswith("METADATA")).decode()
    needed = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", metadata, re.MULTILINE)
    assert sorted(needed) == ["click", "llvmlite", "numba", "numpy", "rich", "safetensors"]
    assert wheel_file.stat().st_size < 1_750_000  # what is downloaded
    assert sum(map(len, wheel.values())) < 4_400_000  # what lies on a board's disk


def test_one_version():
    changes = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert PROJECT["project"]["version"] == el.__version__ == changes[0]


def test_one_list_of_packages_with_golden_models():
    pinned = [f"{name}=={version}" for name, version in PINNED.items()]
    assert PROJECT["project"]["optional-dependencies"]["test-models"] == pinned
    assert {package for package, _ in PACKAGED.values()} == set(PINNED)
    assert "tests/golden/packages.txt" in README
    assert sum(path.stat().st_size for path in HERE.rglob("*")) < 1_600_000


def test_ci_runs_the_commands_of_the_readme():
    """`.ci/run` takes them out of the README by their endings; each must find one line, and no such line may be left out."""
    script = CI.read_text(encoding="utf-8")
    endings = re.findall(r"\$\(readme_command '(.+?)'\)", script)
    assert endings == ["edgelstm demo", "python -m pytest -n auto --dist worksteal"]
    shown = [line for text in blocks("sh") for line in text.splitlines() if line.startswith("python3 -m venv ")]
    taken = [line for end in endings for line in README.splitlines() if re.fullmatch(f"python3 -m venv .*{end}", line)]
    assert taken == shown
    assert os.access(CI, os.X_OK)


def test_the_readme_names_every_layer_and_verb():
    records = [name for name in el.__all__ if isinstance(value := getattr(el, name), type) and issubclass(value, Layer)]
    assert [name for name in records if f"`{name}`" not in README] == []
    assert [verb for verb in VERBS if f"edgelstm {verb}" not in README] == []


@pytest.mark.parametrize("path", ["README.md", *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md")))])
def test_links_lead_somewhere(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    targets = [target.partition("#")[0] for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text)]
    assert [target for target in targets if target and not ((ROOT / path).parent / target).exists()] == []


def test_the_picture_is_small_and_fetches_nothing():
    picture = (ROOT / "docs" / "demo.svg").read_text(encoding="utf-8")
    assert len(picture) < 200_000
    assert "url(http" not in picture
    assert "BADMINTON" not in picture  # the live view draws it in blocks


def test_no_file_names_a_machine_or_a_registry():
    places = re.compile(r"(?<![\w.$}])/(home|root|Users|opt|work|tmp)/\w|(pypi|pythonhosted|npmjs|conda|ghcr)\.(org|com|io)")
    found = []
    for path in sorted(ROOT.rglob("*")):
        within = path.relative_to(ROOT)
        if path.is_file() and not MADE & set(within.parts) and not any(part.endswith(".egg-info") for part in within.parts):
            found += [f"{within}: {match[0]}" for match in places.finditer(path.read_bytes().decode("utf-8", "replace"))]
    assert found == []


def test_the_readmes_figures_are_those_measured(figures):
    results = [json.loads(path.read_text()) for path in sorted((ROOT / "benchmarks" / "results").rglob("*.json"))]
    assert figures.filled(README, figures.figures(results)) == README


def test_figures_tell_machine_ratio_cold_start_and_tail(figures):
    told = figures.figures([BENCHED, LAUNCHED, COMPARED])
    lines = told.splitlines()
    assert "| **edgelstm step(x)** | **20** | **40** |  |" in lines
    assert "| C panel kernel | 30 | 60 | 3.00 × `process()` |" in lines
    assert f"| Peer | 12.3k | 12.3k | {12_345 / (20 * 40) ** 0.5:.2f} × `step(x)` |" in lines
    assert "| warm | 51 | 49 | 60 | 2.0 |" in lines
    assert "| step, paced at 100 Hz | 85 ns | 120 ns | 1.24 µs | 2 ms | 100,000 |" in lines
    assert told.index("Nanoseconds a step") < told.index("Cold start") < told.index("The tail")
    assert told.count("CPU X") == 3
    assert "3 deadline misses" in told
    assert "some/folder" not in told


def test_figures_replace_what_stood_there(figures):
    text = f"before\n{figures.BEGIN}\nold\n{figures.END}\nafter\n"
    once = figures.filled(text, "new")
    assert once == f"before\n{figures.BEGIN}\n\nnew\n\n{figures.END}\nafter\n"
    assert figures.filled(once, "new") == once
    for broken in ("no comments", text + text):
        with pytest.raises(SystemExit, match="once each"):
            figures.filled(broken, "new")
    with pytest.raises(SystemExit, match="1 of the results"):
        figures.figures([COMPARED, {"else": 1}])
