"""Definitions travel to the pages that use them, and folds say what they hold."""

import json
import re

import pytest

import notes

GLOSSARY = """<dl class="simple glossary">
<dt id="term-cliff">cliff<a class="headerlink" href="#term-cliff">#</a></dt><dd><p>A drop:
<a class="reference" href="api.html#x"><code>cliffs</code></a>, <math><mi>k</mi></math>.</p>
</dd>
<dt id="term-AP">AP</dt><dt id="term-average">average</dt><dd><p>Same.</p></dd></dl>"""
FOLD = """<div class="cell tag_hide-cell {tag}docutils container">
<details class="admonition hide {where}">
<summary aria-label="Toggle hidden content">
<p class="collapsed admonition-title">Show code cell content</p>
</summary>
inside</details></div>"""


def test_definitions_are_read_without_their_links():
    known = notes.definitions(GLOSSARY)
    assert set(known) == {"term-cliff", "term-AP", "term-average"}
    assert known["term-cliff"] == (
        "<p>A drop:\n<code>cliffs</code>, <math><mi>k</mi></math>.</p>"
    )
    assert known["term-AP"] == known["term-average"] == "<p>Same.</p>"
    with pytest.raises(ValueError, match="must define terms"):
        notes.definitions("<p>nothing</p>")


def test_a_page_carries_the_definitions_that_it_uses():
    known = notes.definitions(GLOSSARY)
    page = '<body><a href="../reference/glossary.html#term-cliff">cliff</a></body>'
    written = notes.with_definitions(page, known)
    stored = re.search(r"<script[^>]*>(.*?)</script>", written)[1]
    assert json.loads(stored) == {"term-cliff": known["term-cliff"]}
    assert notes.with_definitions(written, known) == written
    assert notes.with_definitions("<body></body>", known) == "<body></body>"


def test_a_fold_keeps_the_name_that_its_cell_gives_it():
    page = FOLD.format(tag="", where="above-input")
    named = page.replace("Show code cell content", "All claims, and their bars")
    written = notes.with_named_folds(named)
    assert "<summary>All claims, and their bars</summary>\ninside</details>" in written
    assert notes.with_named_folds(written) == written


@pytest.mark.parametrize(
    ("tag", "where", "name"),
    [
        ("", "above-input", "Code"),
        ("tag_solution ", "above-input", "Solution"),
        ("", "above-output", "Result"),
    ],
)
def test_folds_are_named_after_what_they_hold(tag, where, name):
    written = notes.with_named_folds(FOLD.format(tag=tag, where=where))
    assert f"<summary>{name}</summary>\ninside</details>" in written
    assert "aria-label" not in written
    assert notes.with_named_folds(written) == written
