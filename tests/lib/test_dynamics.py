"""Series over snapshots, and onsets of curves that are known."""

import math

import pytest
import torch
from torch import nn

from entk_lib.training import train
from entk_lib.training.dynamics import find_onset, follow


def trained():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    x = torch.randn(8, 3)
    return model, train(model, x, x[:, :1], steps=7, snapshot_every=2).snapshots


def test_each_snapshot_is_seen_in_order_and_the_model_stays():
    model, snapshots = trained()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    turned = dict(reversed(snapshots.items()))
    series = follow(
        model,
        turned,
        lambda m: {
            "weight": float(m[0].weight.detach().sum()),
            "mean": float(m[1].running_mean.sum()),
        },
    )
    assert series["step"] == [0, 2, 4, 6, 7]
    for name, key in (("weight", "0.weight"), ("mean", "1.running_mean")):
        expected = [float(snapshots[step][key].sum()) for step in series["step"]]
        assert series[name] == expected
    assert len(set(series["weight"])) == 5
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_snapshots_of_another_model_are_refused():
    _, snapshots = trained()
    with pytest.raises(ValueError, match=r"of the model's architecture.*at step 0"):
        follow(nn.Linear(3, 1), snapshots, lambda m: {})
    model, _ = trained()
    snapshots[4] = nn.Linear(3, 1).state_dict()
    with pytest.raises(ValueError, match="at step 4"):
        follow(model, snapshots, lambda m: {})
    with pytest.raises(ValueError, match="at least one state"):
        follow(model, {}, lambda m: {})


def test_names_that_change_are_refused():
    model, snapshots = trained()
    names = iter("aab")
    with pytest.raises(ValueError, match=r"got \['b'\] at step 4 after \['a'\]"):
        follow(model, snapshots, lambda m: {next(names): 1.0})


@pytest.mark.parametrize("onset", [30, 100, 250])
@pytest.mark.parametrize("shape", ["jump", "ramp", "sigmoid"])
@pytest.mark.parametrize("seed", range(5))
def test_planted_onsets_are_found_where_they_cross(onset, shape, seed):
    steps = list(range(0, 500, 10))
    rise = {
        "jump": lambda t: 10.0 * (t >= onset),
        "ramp": lambda t: max(0.0, 0.2 * (t - onset)),
        "sigmoid": lambda t: 20 / (1 + math.exp(-(t - onset - 30) / 10)),
    }[shape]
    noise = 0.1 * torch.randn(50, generator=torch.Generator().manual_seed(seed))
    values = [2 + rise(t) + float(e) for t, e in zip(steps, noise, strict=True)]
    # Five deviations of the noise: crossed at once, or as the rise reaches them.
    expected = next(t for t in steps if rise(t) > 0.5)
    assert abs(find_onset(steps, values, 2.5) - expected) <= 10


def test_noise_alone_has_no_onset():
    steps = list(range(200))
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        values = torch.randn(200, generator=generator).tolist()
        assert find_onset(steps, values, 3.0) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 1, 1, 1, 1, 1], None),  # constant
        ([9, 9, 9, 9, 9, 9], None),  # above from the start
        ([1, 9], None),  # too short to hold
        ([], None),
        ([1, 9, 9, 1, 9, 9], None),  # falls back each time
        ([1, 9, 9, 9, 1, 1], 10),
        ([1, 1, 1, 9, 9, 9], 30),
        ([1, 1, 1, 1, 9, 9], None),  # not long enough before the end
        ([1, 5, 5, 5, 5, 5], None),  # at the threshold is not above it
    ],
)
def test_short_and_constant_series_have_no_onset(values, expected):
    assert find_onset(range(0, 10 * len(values), 10), values, 5) == expected


def test_bad_series_are_refused():
    with pytest.raises(ValueError, match="one for each of the 3 steps, got 2"):
        find_onset([0, 1, 2], [1, 2], 0)
    with pytest.raises(ValueError, match="must ascend"):
        find_onset([0, 2, 1], [1, 2, 3], 0)
    with pytest.raises(ValueError, match="values must be finite"):
        find_onset([0, 1], [1, float("nan")], 0)
    with pytest.raises(ValueError, match="threshold must be finite"):
        find_onset([0, 1], [1, 2], float("nan"))
    with pytest.raises(ValueError, match="hold must be at least 1"):
        find_onset([0, 1], [1, 2], 0, hold=0)
