"""Chapter 6's stored evidence: made again for one seed, and what its tables say."""

import pytest
import torch

from entk_book.studies import transformer, transformer_overlaps, transformer_records
from entk_book.studies.transformer_records import AVERAGE, GRAM, LAYERS, MEAN, THREE, WHOLE
from entk_lib import Spectrum
from entk_lib.toys.tasks import modular_addition
from entk_lib.toys.tasks.frequencies import waves_at

STORED = transformer_records.stored_kernels()
SUM, SYMMETRIC = (transformer_overlaps.FAMILIES.index(f) for f in ("sum", "symmetric"))


def planted(steep):
    """A spectrum of the sum's waves at frequency 3, with a cliff behind if it is steep."""
    torch.manual_seed(0)
    waves = waves_at(29, [3])["sum"]
    rest = torch.linalg.qr(torch.cat([waves, torch.randn(841, 38).double()], 1)).Q
    values = torch.linspace(2, 1, 40).double()
    values[:2] = 1e3 if steep else values[:2]
    return Spectrum(values, rest, float(values.sum()))


def some(share, cliffs=()):
    """What one layer holds: one share of each family in both blocks."""
    return {"cliffs": list(cliffs), "shares": [[share, 0.1, share / 2, 0.0], [0.2] * 4]}


def one(share, cliffs=()):
    """A network's entry."""
    layers = {layer: some(share, cliffs if layer == "query" else ()) for layer in LAYERS}
    read, averaged = ({layer: some(share / i) for layer in THREE} for i in (4, 8))
    whole = {
        way: {"sum": share / i, "symmetric": 1 - share / i}
        for i, way in enumerate(WHOLE.values(), 1)
    }
    return {
        "keys": [3, 5],
        "trained": layers,
        "untrained": {layer: some(0.0) for layer in LAYERS},
        "unused": {layer: some(0.3) for layer in LAYERS},
        GRAM: read,
        AVERAGE: averaged,
        "whole": whole,
    }


KERNELS = transformer_records.NineKernels({4: one(0.8, [4]), 7: one(0.6, [4, 9])})


def test_a_look_finds_cliffs_beyond_the_first_and_the_planted_family():
    keys = [3]
    found = transformer_records.look({"steep": planted(True), "flat": planted(False)}, keys)
    assert found["steep"]["cliffs"] == [2]
    assert found["flat"]["cliffs"] == []
    assert found["steep"]["shares"][0][SUM] == pytest.approx(1)
    assert found["steep"]["shares"][1][SUM] == pytest.approx(0, abs=1e-9)


def test_one_kernel_that_is_computed_again_holds_what_is_stored():
    x = modular_addition.tokens(modular_addition.all_pairs(29), 29)
    model = transformer.network(5)
    keys = transformer.frequencies_of(model).frequencies
    assert list(keys) == STORED.found[5]["keys"]
    spectra = transformer.layer_spectra(model, x, ["query", "unembedding"])
    now = transformer_records.look(spectra, keys)
    for layer in spectra:
        kept = STORED.found[5]["trained"][layer]
        assert now[layer]["cliffs"] == kept["cliffs"]
        for row, stored_row in zip(now[layer]["shares"], kept["shares"], strict=True):
            assert row == pytest.approx(stored_row, abs=2e-3)


@pytest.mark.sweep
def test_a_network_that_is_looked_at_again_gives_its_whole_entry():
    now, kept = transformer_records.of_one(11), STORED.found[11]
    assert now.keys() == kept.keys()
    for look in ("trained", "untrained", "unused", GRAM, AVERAGE):
        for layer in now[look]:
            shares = torch.tensor([now[look][layer]["shares"], kept[look][layer]["shares"]])
            assert float((shares[0] - shares[1]).abs().max()) < 5e-3, (look, layer)
    for way, by_family in now["whole"].items():
        assert by_family == pytest.approx(kept["whole"][way], abs=5e-3)


def test_all_stored_networks_are_there():
    assert list(STORED.found) == transformer.SEEDS


def test_cliffs_are_counted_over_networks():
    assert KERNELS.cliffs("trained", "query") == {4: 2, 9: 1}
    told = KERNELS.cliffs_told("trained")
    assert told == "query after 4 in 2 of 2, query after 9 in 1 of 2"
    assert KERNELS.cliffs_told("untrained") == "none"


def test_rows_are_picked_by_layer_block_and_family():
    assert KERNELS.row("unembedding, leading: sum") == [0.8, 0.6]
    assert KERNELS.row("unembedding, next: symmetric") == [0.2, 0.2]
    assert KERNELS.row("MLP out, leading: symmetric", "unused") == [0.15, 0.15]
    assert KERNELS.of([7]).row("unembedding, leading: sum") == [0.6]


def test_medians_and_the_largest():
    medians = KERNELS.medians("trained")
    assert medians.shape == (9, 2, 4)
    assert KERNELS.of([4]).medians("trained")[0, 0, SUM] == pytest.approx(0.8)
    assert KERNELS.most(["key"]) == pytest.approx(0.8)
    assert KERNELS.most(["key"], ["antisymmetric"]) == pytest.approx(0.2)


def test_three_ways_are_told_apart():
    found = KERNELS.symmetric()
    assert found[MEAN]["value"] == [0.4, 0.3]
    assert found[GRAM]["value"] == [0.1, 0.075]
    assert found[AVERAGE]["value"] == [0.05, 0.0375]


def test_ways_are_rows_with_ranges_over_networks():
    rows = KERNELS.of([4]).ways_table().rows
    assert [row[1:4] for row in rows] == [("0.10",) * 3, ("0.40",) * 3, ("0.05",) * 3]
    assert [row[4:] for row in rows] == [
        ("0.20", "0.80"),
        ("0.60", "0.40"),
        ("0.73", "0.27"),
    ]
    assert KERNELS.ways_table().rows[0][5] == "0.60 to 0.80"


def test_gains_of_the_rival_are_beyond_the_kernel_s():
    gains = KERNELS.of([4]).rival_gains()
    assert gains["sum"] == pytest.approx([0.8 - 0.4])
    assert gains["symmetric"] == pytest.approx([0.2 - 0.6])


def test_rows_stand_beside_other_networks_and_nulls():
    made = transformer_records.published_table(KERNELS, KERNELS.of([7]))
    assert made.columns[:4] == ("chance 0.006", "published", "generalise", "less far")
    assert made.rows[0][1:] == ("0.99", "0.60 to 0.80", "0.60", "0.00", "0.30")
    assert made.rows[2][1:] == ("", "0.30 to 0.40", "0.30", "0.00", "0.15")
    assert KERNELS.six_rows("unused")["MLP out, leading: symmetric"] == [0.15, 0.15]


def test_quantities_are_split_and_ordered_by_accuracy():
    points = torch.tensor([[0.1, 0.6, 0.0], [0.3, 0.2, 0.05], [0.9, 0.7, 1.0]])
    made = transformer_overlaps.order_table(points)
    assert made.columns[0] == "3 snapshots"
    assert made.rows[0][1:] == ("0.10 to 0.30", "0.90 to 0.90", "100 %")
    assert made.rows[1][1:] == ("0.20 to 0.60", "0.70 to 0.70", "100 %")
