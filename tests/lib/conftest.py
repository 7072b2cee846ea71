"""What several files of these tests look at."""

import pytest

from entk_lib.kernels.engine import assemble, contract


@pytest.fixture
def mapped(monkeypatch):
    """How many outputs were propagated, batch by batch."""
    counts, original = [], contract.harvest

    def spied(problem, plan, x, maps, *kept):
        counts.append(len(maps))
        return original(problem, plan, x, maps, *kept)

    monkeypatch.setattr(contract, "harvest", spied)
    monkeypatch.setattr(assemble, "harvest", spied)
    return counts
