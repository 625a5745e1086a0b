"""The snippets of docs/python.md are one session that runs as it stands."""

import re
from pathlib import Path

import carescope as cs

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
SLOW, QUICK = "minutes=5", "steps=2, batch_size=2, patch_px=32"


def test_the_page_runs(stack, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cs.save(Path("retina.ome.tif"), stack)
    snippets = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    source = "\n".join(snippets)
    assert SLOW in source
    exec(compile(source.replace(SLOW, QUICK), PAGE.name, "exec"), {"__name__": "page"})
    said = capsys.readouterr().out
    assert "ZYX (16, 96, 112) uint16 (0.8, 0.2, 0.2)" in said
    assert "values clipped" in said
    assert cs.open("iso.ome.tif").shape == cs.open("streamed.ome.tif").shape == (61, 96, 112)
