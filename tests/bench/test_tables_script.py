"""Tables of pages are sorted and filtered in a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib import resources

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

ROWS = [
    ("core", "1,200", "0.5 %"),
    ("multi", "-", "12 %"),
    ("highs", "90", "3 %"),
    *((f"solver {k}", str(k), "0") for k in range(1, 12)),
]


ENTER = "new KeyboardEvent('keydown', {key: 'Enter'})"
SORTED = {
    "heads[1].click()": ("solver 1", "multi"),
    "heads[1].click(), heads[1].click()": ("core", "multi"),
    "heads[2].click(), heads[2].click()": ("multi", "solver 11"),
    "heads[0].click()": ("core", "solver 11"),
    "for (const _ of 'abc') heads[1].click()": ("core", "solver 11"),
    f"heads[1].dispatchEvent({ENTER})": ("solver 1", "multi"),
    "heads[1].click(), heads[0].click(), heads[0].click()": ("solver 11", "core"),
}
FILTERED = {"HIGHS 90": ["highs"], "no such row": [], "": [row[0] for row in ROWS]}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """First cells of the rows that are seen in a table after some steps, by the steps."""
    script = resources.files("bitknap.bench.report").joinpath("tables.js").read_text("utf-8")
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in ROWS)
    table = (
        "<div class='scroll'><table><thead><tr><th>solver<th>ms<th>gap</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )
    typed = {f"type({json.dumps(words)})": words for words in FILTERED}
    steps = [*SORTED, *typed]
    runs = "".join(
        f"""{{
          const table = document.querySelectorAll("table")[{k}], heads = table.tHead.rows[0].cells;
          const box = table.parentElement.previousElementSibling;
          const type = text => {{ box.value = text; box.dispatchEvent(new Event("input")); }};
          {step};
          found.push([...table.tBodies[0].rows].filter(row => !row.hidden)
            .map(row => row.cells[0].textContent));
        }}"""
        for k, step in enumerate(steps)
    )
    page = tmp_path_factory.mktemp("tables") / "page.html"
    page.write_text(
        f"{table * len(steps)}<pre></pre><script>{script}</script><script>const found = [];{runs}"
        "document.querySelector('pre').textContent = JSON.stringify(found);</script>"
    )
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    run = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=60)
    found = json.loads(run.stdout.split("<pre>")[1].split("</pre>")[0])
    return dict(zip([*SORTED, *typed.values()], found, strict=True))


@pytest.mark.parametrize("steps", SORTED)
def test_a_heading_sorts_by_its_column(steps: str, seen: dict[str, list[str]]) -> None:
    names = seen[steps]
    assert sorted(names) == sorted(row[0] for row in ROWS)
    assert (names[0], names[-1]) == SORTED[steps]


@pytest.mark.parametrize("words", FILTERED)
def test_words_filter_the_rows(words: str, seen: dict[str, list[str]]) -> None:
    assert seen[words] == FILTERED[words]
