"""Two processes, each with half of the samples, against one that holds all of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import ranks
import torch

from entk_lib import NTKOperator, empirical_ntk, ntk_spectrum

pytestmark = pytest.mark.sweep

pytestmark = pytest.mark.slow
WORKER = Path(__file__).parents[1] / "ranks.py"


def run(scenario, tmp_path):
    """What each of the two ranks says at its end; None for one that says nothing."""
    command = [sys.executable, "-W", "ignore", str(WORKER)]
    workers = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "store"), scenario],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        said = [worker.communicate(timeout=100)[0].strip() for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return [json.loads(line.splitlines()[-1]) if line else None for line in said]


def test_two_ranks_give_the_spectrum_of_one_process_by_every_way(tmp_path):
    answers = run("spectra", tmp_path)
    for answer in answers:
        for way, found in answer["result"].items():
            outputs = way.split()[0]
            one = ntk_spectrum(ranks.model(), ranks.samples(), 6, outputs=outputs)
            eigenvalues = torch.tensor(found["eigenvalues"], dtype=torch.float64)
            torch.testing.assert_close(eigenvalues, one.eigenvalues, rtol=1e-10, atol=0)
            projector = torch.tensor(found["projector"], dtype=torch.float64)
            expected = one.eigenvectors @ one.eigenvectors.mT
            torch.testing.assert_close(projector, expected, rtol=0, atol=1e-9)
            assert found["trace"] == pytest.approx(one.trace, rel=1e-12)


def test_two_ranks_multiply_like_the_kernel_of_all_samples(tmp_path):
    kernel = empirical_ntk(ranks.model(), ranks.samples())
    expected = kernel @ torch.linspace(-1, 1, 41, dtype=torch.float64)
    one = NTKOperator(ranks.model(), ranks.samples())
    for answer in run("operator", tmp_path):
        found = answer["result"]
        assert found["shape"] == [41, 41]
        product = torch.tensor(found["product"], dtype=torch.float64)
        torch.testing.assert_close(product, expected, rtol=1e-11, atol=1e-12)
        assert found["trace"] == pytest.approx(float(kernel.trace()), rel=1e-12)
        assert found["estimate"] == pytest.approx(one.trace(products=12, seed=3), rel=1e-9)


def test_bad_samples_of_one_rank_end_all_ranks_with_its_name(tmp_path):
    good, bad = run("bad_share", tmp_path)
    assert "must be finite, got 1 NaN" in bad["error"]
    assert "rank 1 of 2 refused its share" in good["error"]
    assert max(good["seconds"], bad["seconds"]) < 20


def test_a_failing_leader_ends_the_others(tmp_path):
    leader, other = run("not_converging", tmp_path)
    assert "no convergence" in leader["error"]
    assert "rank 0 could not finish" in other["error"]
    assert other["seconds"] < 20


@pytest.mark.parametrize("scenario", ["dying", "late"])
def test_a_rank_that_stops_makes_the_other_fail_with_a_message(scenario, tmp_path):
    left, gone = run(scenario, tmp_path)
    assert gone is None
    assert "rank 0 of 2 could not finish a sum with the others" in left["error"]
    assert left["seconds"] < 20
