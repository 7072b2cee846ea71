"""Chapter 5's stored evidence: made again for one seed, and what its tables say."""

import copy

import pytest

import entk_lib as entk
from entk_book.studies import layer_evidence, layer_records, layerwise
from entk_book.studies.adders import train_adders
from entk_book.studies.layer_evidence import Evidence

STORED = layer_evidence.stored_evidence()


@pytest.fixture(scope="module")
def adder():
    (one,) = train_adders([3])
    return one


def found(second_after, others):
    """Evidence over two seeds that differ in how much the second layer changes."""

    def layer(shared):
        return {
            "cliffs": [57],
            "ratio": 3.0,
            "shared": {block: [5.0, 6.0, *shared] for block in layerwise.BLOCKS},
        }

    def state(shared):
        return {
            "energies": [[0.1] * 6, [0.05] * 6, [0.15] * 6],
            "adds_up": True,
            **{name: layer(shared) for name in layerwise.LAYERS},
        }

    networks = [
        {"accuracy": 1.0, "untrained": state([0.0, 1.0]), "trained": state([after, 1.0])}
        for after in second_after
    ]
    changed = [
        {
            "known": 1.0,
            "others": o,
            "shared": [9, 9, 1, 2],
            "own": [9, 9, 3, 4],
            "ratio": 2.0,
        }
        for o in others
    ]
    return {
        "networks": networks,
        "changed": dict.fromkeys(layer_records.CHANGES, changed),
        "rivals": {
            "kernel": {"both": 1, "ratio": [1.5, 1.6], "shared": [[0, 0, 3.0, 4.0]]}
        },
        "parts": [
            {
                "kept": 20,
                **{
                    state: {part: {"share": 0.25, "aligned": n} for part in layerwise.PARTS}
                    for state, n in (("untrained", 0), ("trained", 19))
                },
            }
        ],
    }


class TestTheRecord:
    def test_a_network_that_is_trained_again_holds_the_same(self, adder):
        now, kept = layer_records.of_one(adder), STORED.found["networks"][3]
        assert now["accuracy"] == pytest.approx(kept["accuracy"], abs=0.01)
        for state in layer_records.STATES:
            for row, stored in zip(
                now[state]["energies"], kept[state]["energies"], strict=True
            ):
                assert row == pytest.approx(stored, abs=2e-3)
            for layer in layerwise.LAYERS:
                one, other = now[state][layer], kept[state][layer]
                assert one["ratio"] == pytest.approx(other["ratio"], rel=0.03)
                for block in layerwise.BLOCKS:
                    assert one["shared"][block] == pytest.approx(
                        other["shared"][block], abs=0.3
                    )

    def test_and_what_is_left_of_it_when_a_layer_is_set_back(self, adder):
        (now,) = layer_records.changed("second layer reset", [adder])
        kept = STORED.found["changed"]["second layer reset"][3]
        assert now["known"] == pytest.approx(kept["known"], abs=0.01)
        assert now["own"] == pytest.approx(kept["own"], abs=0.3)
        assert now["ratio"] == pytest.approx(kept["ratio"], rel=0.05)

    @pytest.mark.sweep
    def test_an_autoencoder_that_is_trained_again_aligns_as_well(self):
        (now,) = layer_records.of_parts([0])
        kept = STORED.found["parts"][0]
        assert abs(now["kept"] - kept["kept"]) <= 1
        for part in layerwise.PARTS:
            one, other = now["trained"][part], kept["trained"][part]
            assert one["share"] == pytest.approx(other["share"], abs=0.01)
            assert abs(one["aligned"] - other["aligned"]) <= 1
            assert now["untrained"][part]["aligned"] == 0

    def test_it_is_of_the_seeds_that_the_chapter_names(self):
        assert (STORED.n_seeds, STORED.n_learned) == (10, 10)
        assert STORED.adds_up
        assert {len(rows) for rows in STORED.found["changed"].values()} == {5}
        assert len(STORED.found["parts"]) == 3

    def test_freezing_and_resetting_are_told_apart(self, monkeypatch):
        calls = []
        monkeypatch.setattr(
            layerwise, "frozen", lambda layer, _, seeds: calls.append((layer, seeds))
        )
        with pytest.raises(AttributeError):  # no outcome to read
            layer_records.changed("first layer frozen", train_adders([7], steps=1))
        assert calls == [("first", [7])]


class TestTheTables:
    evidence = Evidence(found([24.0, 23.0], [0.31, 0.2]))

    def test_families_are_counted_together_over_seeds(self):
        block = "modes 1 to 56"
        assert self.evidence.shared("trained", "second", block, 2, 3) == [25, 24]
        table = self.evidence.family_table()
        assert table.rows[1] == ("second", *["11 → 11", "1 → 24 to 25"] * 2)
        assert table.rows[-1] == ("chance", *["3.7"] * 4)

    def test_cliffs_are_counted(self):
        assert self.evidence.cliffs("trained", "whole") == {57: 2, 113: 0}
        row = self.evidence.cliff_table().rows[0]
        assert row == ("first", "2 → 2", "3.0 → 3.0", "0 → 0")

    def test_energies_are_medians_in_percent(self):
        one = copy.deepcopy(self.evidence.found)
        for network, share in zip(one["networks"], (0.0, 0.2), strict=True):
            network["trained"]["energies"][1][2] = share
        told = Evidence(one).energy_moved
        # The lower of two medians: 5 % of the trace for waves of a, none for those of b.
        assert told("second", "a and b") == "10 → 5"
        assert told("second", "sums, differences") == "10 → 10"
        assert told("whole", "in no family") == "15 → 15"
        assert self.evidence.trace_ratios("trained") == "2.0"

    def test_one_network_whose_layers_do_not_add_up_is_noticed(self):
        one = copy.deepcopy(self.evidence.found)
        one["networks"][1]["trained"]["adds_up"] = False
        assert not Evidence(one).adds_up

    def test_what_is_left_is_bounded_from_above(self):
        rows = self.evidence.changed_table().rows
        assert rows[0] == ("first frozen", "1.0", "0.4", "3", "7")
        assert self.evidence.trace_ratios("first layer reset") == "2.0"

    def test_parts_and_rivals_have_a_row_each(self):
        parts = self.evidence.part_table()
        assert parts.columns[2] == "aligned, of 20"
        assert parts.rows[1] == ("bias", "25", "19", "0")
        rows = self.evidence.rival_table().rows
        assert rows == (("kernel", "1 of 2", "1.5 to 1.6", "3.0", "4.0"),)


def test_families_are_orthonormal_and_none_is_constant():
    waves = layer_records.waves_and_constant()
    for name, one in waves.items():
        shared = entk.subspace_overlap(one, waves["constant"])
        assert shared == pytest.approx(float(name == "constant"), abs=1e-9)
        assert (one.T @ one).trace() == pytest.approx(one.shape[1])
