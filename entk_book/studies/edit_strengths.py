"""Chapter 9's explorer: a wave taken out by some strength, and what is said then."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

import entk_lib as entk
from entk_book.stored import records
from entk_book.studies.adders import Adder, train_adders
from entk_book.studies.edited_adders import (
    N_FREQUENCIES,
    OTHER_DRAW,
    in_double,
    length_of,
    pair_function,
    random_change,
    take_out,
)
from entk_book.studies.spans import span
from entk_lib.toys.tasks import modular_addition

# Multiples of the change that to first order takes the whole wave out. The network is of
# degree three in its weights: about (1 - s/3)^3 of the wave should be left, nothing at 3.
STRENGTHS = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0)
SHARE = 0.3
SEED = 80
_TOLERANCE = 1e-6


def deltas(
    adder: Adder, network: nn.Module, frequency: int
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Changes of the parameters for one frequency, each at a strength of one.

    Args:
        adder: Whose pairs.
        network: Its network, in float64; not changed.
        frequency: Of the wave of the sum.

    Yields:
        What is done, and the change by parameter: the wave taken out; the same asked for
        on some of the pairs only; all other waves of the sum taken out; all waves of it;
        and a random change as long as the first.
    """
    x, own = adder.x.double(), dict(network.named_parameters())
    one = take_out(network, x, frequency)
    edited, _ = modular_addition.split(len(x), SHARE, seed=OTHER_DRAW + adder.seed)
    whole = entk.tangent_edit(network, x, one, tolerance=_TOLERANCE)
    part = entk.tangent_edit(network, x[edited], one[edited], tolerance=_TOLERANCE)
    every = torch.stack([take_out(network, x, k) for k in range(1, N_FREQUENCIES + 1)])
    others = entk.tangent_edit(network, x, every.sum(0) - one, tolerance=_TOLERANCE)
    drawn = random_change(network, whole.length, seed=frequency)
    random = {
        name: moved.detach() - own[name].detach()
        for name, moved in drawn.named_parameters()
    }
    yield "this wave", dict(whole.delta)
    yield f"this wave, on {SHARE:.0%} of the pairs", dict(part.delta)
    yield "all waves of the sum but this one", dict(others.delta)
    # To first order an edit is linear in what is wanted.
    both = {name: others.delta[name] + whole.delta[name] for name in own}
    yield "all waves of the sum", both
    yield "a random change, as long", random


@functools.cache
def _waves() -> Float[Tensor, "frequencies pairs 2"]:
    return torch.stack([pair_function("sum", k) for k in range(1, N_FREQUENCIES + 1)])


@torch.no_grad()
def answers(adder: Adder, network: nn.Module, changed: nn.Module) -> dict[str, list[float]]:
    """What a changed network says.

    Args:
        adder: Whose pairs.
        network: As it was, in float64.
        changed: After the change.

    Returns:
        ``left``, how much of each wave of the sum is in the logits, 1 as it was, 0 gone,
        negative turned around; ``accuracies`` on training pairs and on others; ``alone``,
        the accuracy on the others of what is left of the sum's waves alone.
    """
    x = adder.x.double()
    before, after = network(x), changed(x)
    was, now = _waves().mT @ before, _waves().mT @ after
    left = (was * now).sum((1, 2)) / was.square().sum((1, 2))
    accuracies = [
        modular_addition.accuracy(after[rows], adder.y[rows].double())
        for rows in (adder.known, adder.others)
    ]
    waves = _waves().transpose(0, 1).flatten(1)
    alone = (waves @ (waves.T @ after))[adder.others]
    return {
        "left": left.tolist(),
        "accuracies": accuracies,
        "alone": [modular_addition.accuracy(alone, adder.y[adder.others].double())],
    }


def course(
    adder: Adder, network: nn.Module, delta: dict[str, Tensor]
) -> dict[str, list[list[float]]]:
    """`answers` at every strength.

    Args:
        adder: Whose pairs.
        network: In float64; not changed.
        delta: Change of the parameters at a strength of one.

    Returns:
        One entry a strength.
    """
    found: dict[str, list[list[float]]] = {}
    for strength in STRENGTHS:
        changed = in_double(network)
        for name, parameter in changed.named_parameters():
            parameter.data += strength * delta[name]
        for what, values in answers(adder, network, changed).items():
            found.setdefault(what, []).append(values)
    return found


def record(seed: int = SEED, n_frequencies: int = N_FREQUENCIES) -> dict[str, Any]:
    """Every frequency, change and strength of one network, as it is stored.

    Args:
        seed: Of the network.
        n_frequencies: From 1 on.

    Returns:
        What `entk_book.stored.records.write` takes: by change, by what is answered, one
        entry a frequency; and the lengths of the changes at a strength of one.
    """
    (adder,) = train_adders([seed])
    network = in_double(adder.network)
    whole = length_of(dict(network.named_parameters()))
    found: dict[str, dict[str, list[Any]]] = {}
    for frequency in range(1, n_frequencies + 1):
        for name, delta in deltas(adder, network, frequency):
            one = found.setdefault(name, {"length": []})
            one["length"].append(records.rounded(length_of(delta) / whole))
            for what, values in course(adder, network, delta).items():
                one.setdefault(what, []).append(records.rounded(values))
    return {"strengths": list(STRENGTHS), "changes": found}


def as_tensors(record: dict[str, Any]) -> dict[str, dict[str, Tensor]]:
    """A record as `entk_book.explorers.Edits` takes it.

    Args:
        record: As `record` gives it.

    Returns:
        By change: ``left``, shape ``(frequencies, strengths, frequencies)``;
        ``accuracies``, ``(frequencies, strengths, 2)``; ``alone``,
        ``(frequencies, strengths, 1)``; ``length``, ``(frequencies,)``, relative to the
        parameters'.
    """
    return {
        name: {what: torch.tensor(values) for what, values in one.items()}
        for name, one in record["changes"].items()
    }


def stored_strengths() -> dict[str, dict[str, Tensor]]:
    """The stored answers, of the network of seed 80.

    Returns:
        As `as_tensors`.
    """
    return as_tensors(records.read("edit_strengths"))


def rows(
    changes: Mapping[str, Mapping[str, Tensor]], strengths: Sequence[int | float]
) -> list[list[str]]:
    """What all frequencies have in common, as rows of a table.

    Args:
        changes: As `as_tensors`.
        strengths: Of ``STRENGTHS``.

    Returns:
        One row a change and strength: both in words; then ranges over the frequencies of
        what is left of the wave, of what is left of the others, and of both accuracies.
    """
    found = []
    for name, one in changes.items():
        for strength in strengths:
            at = STRENGTHS.index(strength)
            own = one["left"][:, at]
            chosen = torch.eye(len(own), dtype=torch.bool)
            parts = (own[chosen], own[~chosen], *one["accuracies"][:, at].T)
            ranges = [span(part, 2) for part in parts]
            found.append([f"{name}: {strength:g}", *ranges])
    return found
