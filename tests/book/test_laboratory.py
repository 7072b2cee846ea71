"""The laboratory in Python: its numbers, its address, and what goes into a page."""

import base64
import json
import re
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

import entk_lib as entk
from entk_book.studies import laboratory as study
from entk_lib.toys.tasks import superposition

explorers = pytest.importorskip("entk_book.explorers")
from entk_book.explorers import laboratory  # ruff: ignore[module-import-not-at-top-of-file]

ROOT = Path(__file__).parents[2]
FIRST = study.Settings()


def test_the_generator_is_that_of_the_page():
    # As JavaScript prints them.
    assert list(islice(study.uniforms(1), 3)) == [
        0.6270739405881613,
        0.002735721180215478,
        0.5274470399599522,
    ]
    # Seeds are 32-bit numbers, without a sign.
    assert list(islice(study.uniforms(4_000_000_000), 2)) == [
        0.6919068221468478,
        0.5511944761965424,
    ]


def test_data_are_as_sparse_as_they_should_be_and_uniform():
    x = study.data(replace(FIRST, sparsity=0.7, features=12))
    present = x[x > 0]
    assert x.shape == (1000, 12)
    assert len(present) / x.numel() == pytest.approx(0.3, abs=0.015)
    assert float(present.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(present.square().mean()) == pytest.approx(1 / 3, abs=0.02)
    assert torch.equal(x, study.data(replace(FIRST, sparsity=0.7, features=12)))
    other = study.data(replace(FIRST, sparsity=0.7, features=12, start=7))
    assert not torch.equal(x, other)
    assert bool((study.data(replace(FIRST, sparsity=0)) > 0).all())


def test_shuffling_keeps_each_feature_s_values_and_parts_them():
    settings = replace(FIRST, sparsity=0)
    x = study.data(settings)
    mixed = study.shuffled(x, settings)
    assert torch.equal(mixed.sort(0).values, x.sort(0).values)
    correlations = torch.corrcoef(torch.cat([x, mixed], 1).T)[:5, 5:]
    assert float(correlations.abs().max()) < 0.15
    # No two features go to the same samples.
    places = [
        (mixed[:, i, None] == x[None, :, i]).double().argmax(1).tolist() for i in range(5)
    ]
    assert all(a != b for i, a in enumerate(places) for b in places[:i])


def test_the_start_is_xavier_normal():
    weights = [
        study.network(replace(FIRST, features=12, hidden=4, start=s)).weight
        for s in range(30)
    ]
    drawn = torch.stack(weights).detach()
    assert float(drawn.std()) == pytest.approx((2 / 16) ** 0.5, rel=0.05)
    assert abs(float(drawn.mean())) < 0.03
    assert study.network(FIRST).weight.dtype == torch.float64


@pytest.mark.parametrize("name", study.DIALS)
def test_settings_go_into_an_address_and_come_back(name):
    for value in study.DIALS[name]:
        settings = replace(FIRST, **{name: value})
        address = f"file:///book/intro.html#{settings.address()}"
        assert study.Settings.from_address(address) == settings


@pytest.mark.parametrize(
    "address",
    ["", "#", "#fig-front", "#features=4&hidden=x&rate=", "#sparsity=nan&start=1e9"],
)
def test_what_is_on_no_dial_is_as_at_first(address):
    assert study.Settings.from_address(address) == FIRST
    assert study.Settings.from_address(f"{address}&decay=0.8").decay in {1, 0.8}


def test_a_value_that_no_dial_has_is_refused():
    with pytest.raises(ValueError, match=r"hidden must be one of 2, 3, 4, got 5"):
        study.Settings(hidden=5)
    with pytest.raises(ValueError, match="sparsity must be one of"):
        explorers.Laboratory(sparsity=0.91)


def test_the_dials_are_those_of_the_page():
    words = (
        Path(laboratory.__file__).parent / "static" / "laboratory_words.js"
    ).read_text()
    lists = dict(re.findall(r'(\w+): \{ label: "[\w ]+", values: (\[[\d., ]+\])', words))
    for name, values in lists.items():
        assert tuple(json.loads(values)) == study.DIALS[name]
    assert set(lists) == set(study.DIALS) - {"start"}
    found = re.search(r"const FIRST = \{ (.*) \};", words)
    assert found is not None
    assert found[1].replace(": ", "=").replace(", ", "&") == FIRST.address()


def test_what_is_said_of_the_still_picture_is_true():
    x = study.data(FIRST)
    network = study.trained(FIRST, laboratory.STEPS)
    spectrum = entk.ntk_spectrum(network, x, outputs="flatten")
    before = entk.ntk_spectrum(study.network(FIRST), x, outputs="flatten")
    assert [cliff.stop for cliff in entk.find_cliffs(spectrum.eigenvalues)] == [7]
    assert entk.find_cliffs(before.eigenvalues) == []
    assert network.n_reconstructed() == 5
    columns = network.weight.detach()
    turns = torch.atan2(columns[1], columns[0]).sort().values
    gaps = torch.diff(turns, append=turns[:1] + 2 * torch.pi)
    assert gaps.tolist() == pytest.approx([2 * torch.pi / 5] * 5, abs=0.15)
    # Each of the first five eigenvectors finds a feature of its own.
    top = spectrum.eigenvectors[:, :5]
    aligned = entk.feature_alignment(top, superposition.feature_indicators(x))
    assert sorted(aligned.argmax(0).tolist()) == [0, 1, 2, 3, 4]
    assert float(aligned.amax(0).min()) > 0.5
    mixed = superposition.feature_indicators(study.shuffled(x, FIRST))
    assert float(entk.feature_alignment(top, mixed).max()) < 0.5


def test_the_laboratory_is_shown_with_its_still_picture():
    shown = explorers.Laboratory(features=6, hidden=3)
    data, _ = shown._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == repr(shown)
    assert "hidden=3" in repr(shown)
    assert shown.spec["settings"]["features"] == 6
    assert "application/vnd.jupyter.widget-view+json" in data
    json.dumps(shown.spec)


def test_the_page_s_script_is_small_classic_and_leaves_no_names():
    script = laboratory.page_script()
    assert len(script.encode()) < 60_000
    assert not re.search(r"^\s*(import|export)\b", script, re.M)
    assert script.startswith("(() => {")
    assert script.endswith("})();\n")
    assert explorers.Laboratory._esm.count("export default") == 1
    still = (ROOT / "book" / "_static" / "laboratory.svg").read_text()
    assert 5_000 < len(still) < 100_000
    assert not list((ROOT / "book" / "_static").glob("laboratory*.js"))
