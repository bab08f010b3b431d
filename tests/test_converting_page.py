"""docs/converting.md: what it shows runs, and gives PyTorch's numbers."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from cli_calls import call

import edgelstm as el
from edgelstm.importers import chain

torch = pytest.importorskip("torch")
PAGE = (Path(__file__).parents[1] / "docs" / "converting.md").read_text(encoding="utf-8")


def test_what_the_page_shows_runs_and_gives_the_networks_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for kind, file, text in re.findall(r"```(python|sh|toml)(?: (\S+))?\n(.*?)```", PAGE, re.DOTALL):
        if kind == "python":
            exec(compile(text, "docs/converting.md", "exec"), names)
            continue
        if kind == "toml":
            Path(file).write_text(text)
            continue
        for line in text.splitlines():
            command, _, target = line.partition(" > ")
            result = call(*shlex.split(command)[1:])
            assert result.exit_code == 0, result.stderr
            if target:
                Path(target).write_text(result.stdout)
    xs = np.random.default_rng(0).normal(size=(50, 1)).astype(np.float32)
    with torch.no_grad():
        expected = names["amplifier"](torch.from_numpy(xs)).numpy()
    for model in (names["model"], names["again"], el.load("amplifier.elstm")):
        np.testing.assert_allclose(el.Stream(model).process(xs), expected, atol=1e-5)
    assert "# W (1, 64)" in Path("draft.toml").read_text()
    rec, first = names["amplifier"].rec, names["amplifier"].head[0]
    with torch.no_grad():
        hidden = torch.relu(rec(torch.from_numpy(xs))[0] @ first.weight.T).numpy()
    np.testing.assert_allclose(el.Stream(el.load("research.elstm")).process(xs), hidden, atol=1e-5)


def test_the_page_has_every_word():
    words = PAGE.partition("| word |")[2].partition("\n\n")[0]
    assert [word for word in (*chain.FUNCTIONS, *chain.ROLES, chain.ADD) if word not in words] == []
