"""Chapter 2's ten seeds: the record comes back as it was, and one seed is made anew."""

import pytest
import torch

import make_records
from entk_book.stored import records
from entk_book.studies import superposition_gates, superposition_seeds
from entk_book.studies.autoencoders import train_autoencoders
from entk_book.studies.superposition import over_seeds

SEED = 2  # of those that are asked untrained, too


@pytest.fixture(scope="module")
def stored():
    return superposition_seeds.stored_seeds()


@pytest.fixture(scope="module")
def anew():
    return train_autoencoders([SEED], n_hidden=10, sparsity=0.9)


def test_a_record_comes_back_as_it_was(stored):
    assert superposition_seeds.packed(stored) == records.read("superposition")
    assert make_records.RECORDS["superposition"] is superposition_seeds.record


def test_the_record_has_all_seeds(stored):
    n_seeds, n_untrained = len(superposition_seeds.SEEDS), superposition_seeds.N_UNTRAINED
    assert len(stored) == n_seeds
    for by in (stored.over, stored.ways):
        lengths = {state: len(one.best) for (state, one) in _by_state(by)}
        assert lengths == {"trained": n_seeds, "untrained": n_untrained}
    assert len(stored.gates["sparse", superposition_seeds.DEALT]) == n_seeds
    assert list(stored.scaled["trained"]) == [0.3, 1.0, 3.0]
    assert {len(rows) for rows in stored.described.values()} == {n_seeds}


def _by_state(by):
    for key, one in by.items():
        yield ("trained" if "trained" in key else "untrained"), one


@pytest.mark.parametrize("state", ["trained", "untrained"])
def test_one_seed_made_anew_gives_what_is_stored(stored, anew, state):
    kept = stored.over["sparse", state]
    found = over_seeds(anew, state, 0.0)
    assert found.cliffs == [kept.cliffs[SEED]]
    assert torch.equal(found.kept[0], kept.kept[SEED])
    assert float((found.best[0] - kept.best[SEED]).abs().max()) < 0.01
    others = [i for i in range(len(kept)) if i != SEED]
    apart = (found.best - kept.best[others]).abs().amax(1)
    assert float(apart.min()) > 0.05  # another seed would be noticed
    shared = superposition_gates.shared_with_gates(anew, state)
    assert shared == pytest.approx([stored.gates["sparse", state][SEED]], abs=0.05)


def test_its_outputs_and_weights_find_what_is_stored(stored, anew):
    ways = superposition_gates.with_and_without_gates(anew, n_untrained=0)
    for key, found in ways.items():
        kept = stored.ways[key]
        assert float((found.best[0] - kept.best[SEED]).abs().max()) < 0.01
        assert found.shared == pytest.approx([kept.shared[SEED]], abs=0.05)
    assert anew[0].network.n_reconstructed() == stored.reconstructed["sparse"][SEED]


def test_a_small_network_is_described_as_stored(stored):
    found = superposition_gates.small_networks_described([SEED], ("zero",))["zero"][0]
    assert torch.allclose(found.double(), stored.described["zero"][SEED], atol=1e-3)


def test_the_chapter_s_own_story_is_seed_zero(stored):
    assert stored.over["sparse", "trained"].cliffs[0] == [27, 50]
