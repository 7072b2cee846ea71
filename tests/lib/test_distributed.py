"""Two processes, each with half of the samples, against one that holds all of them."""

import multiprocessing
import sys

import pytest
import ranks
import torch

from entk_lib import NTKOperator, empirical_ntk, ntk_spectrum

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def processes():
    """Where ranks start: of a process that has imported torch once for all of them."""
    # Elsewhere a process with threads, as torch has them, is no safe one to fork.
    started = multiprocessing.get_context(
        "forkserver" if sys.platform == "linux" else "spawn"
    )
    if sys.platform == "linux":
        started.set_forkserver_preload(["torch.distributed", "entk_lib"])
    return started


@pytest.fixture
def run(processes, tmp_path):
    """A function: what the first of two ranks say at their end."""
    workers = []

    def run_ranks(scenario, first=2):
        heard = []
        for rank in range(2):
            hears, says = processes.Pipe(duplex=False)
            given = (rank, str(tmp_path / "store"), scenario, says)
            workers.append(processes.Process(target=ranks.join, args=given))
            workers[-1].start()
            says.close()
            heard.append(hears)
        assert all(hears.poll(100) for hears in heard[:first])
        return [hears.recv() for hears in heard[:first]]

    yield run_ranks
    for worker in workers:
        worker.kill()
        worker.join()


def test_two_ranks_give_the_spectrum_of_one_process_by_every_way(run):
    answers = run("spectra")
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


def test_two_ranks_multiply_like_the_kernel_of_all_samples(run):
    kernel = empirical_ntk(ranks.model(), ranks.samples())
    expected = kernel @ torch.linspace(-1, 1, 41, dtype=torch.float64)
    one = NTKOperator(ranks.model(), ranks.samples())
    for answer in run("operator"):
        found = answer["result"]
        assert found["shape"] == (41, 41)
        product = torch.tensor(found["product"], dtype=torch.float64)
        torch.testing.assert_close(product, expected, rtol=1e-11, atol=1e-12)
        assert found["trace"] == pytest.approx(float(kernel.trace()), rel=1e-12)
        assert found["estimate"] == pytest.approx(one.trace(products=12, seed=3), rel=1e-9)


def test_bad_samples_of_one_rank_end_all_ranks_with_its_name(run):
    good, bad = run("bad_share")
    assert "must be finite, got 1 NaN" in bad["error"]
    assert "rank 1 of 2 refused its share" in good["error"]
    assert max(good["seconds"], bad["seconds"]) < 20


def test_a_failing_leader_ends_the_others(run):
    leader, other = run("not_converging")
    assert "no convergence" in leader["error"]
    assert "rank 0 could not finish" in other["error"]
    assert other["seconds"] < 20


@pytest.mark.parametrize("scenario", ["dying", "late"])
def test_a_rank_that_stops_makes_the_other_fail_with_a_message(scenario, run):
    (left,) = run(scenario, first=1)
    assert "rank 0 of 2 could not finish a sum with the others" in left["error"]
    assert left["seconds"] < 20
