"""Chapter 2 over ten seeds: what its studies find in each, as a stored record.

The chapter trains seed 0 anew; thirty trainings and their spectra take minutes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from entk_book.stored import records
from entk_book.studies.superposition import (
    BETA,
    OverSeeds,
    alignments,
    flattened_spectrum,
    is_settled,
    over_seeds,
    rank_correlation,
    train_regimes,
)
from entk_book.studies.superposition_bias import (
    Scaled,
    Unbiased,
    orders,
    scaled_bias,
    without_bias,
)
from entk_book.studies.superposition_gates import (
    STATES,
    Found,
    block_shares,
    cliffs_near_gates,
    shared_with_gates,
    small_networks_described,
    with_and_without_gates,
)

SEEDS = range(10)
N_UNTRAINED = 3  # a start takes as many spectra as an end, and starts differ little
N_SCALED = 5  # without the bias, and with another weight of it
AROUNDS = ("model", "zero", "zero, untrained kernel")
DEALT = "dealt anew"


@dataclass(frozen=True, eq=False)
class TenSeeds:
    """What was found in every seed.

    Attributes:
        settled: Seeds whose loss had settled, by regime.
        reconstructed: Features reconstructed, one number a seed, by regime.
        over: Best alignments, shared dimensions and cliffs, by regime and state.
        correlations: Rank correlations of eigenvectors with importance, dense by data.
        gates: Dimensions shared with the gates, by regime and state; for the sparse
            regime also with gates that are dealt anew over the samples.
        near_gates: Sparse networks with a cliff within one of the outputs that are open on
            most samples.
        blocks: As `entk_book.studies.superposition_gates.block_shares` gives it.
        orders: As `entk_book.studies.superposition_bias.orders` gives it.
        scaled: By state, and by what the bias is multiplied with.
        unbiased: Networks that were trained without a bias.
        ways: As `entk_book.studies.superposition_gates.with_and_without_gates` gives it.
        described: R² of small networks, by what the predictor is around.
    """

    settled: dict[str, int]
    reconstructed: dict[str, list[int]]
    over: dict[tuple[str, str], OverSeeds]
    correlations: list[float]
    gates: dict[tuple[str, str], list[float]]
    near_gates: int
    blocks: dict[tuple[str, str, str], float]
    orders: dict[str, list[float]]
    scaled: dict[str, dict[float, Scaled]]
    unbiased: Unbiased
    ways: dict[tuple[str, str], Found]
    described: dict[str, Float[Tensor, "seeds 2"]]

    def __len__(self) -> int:
        """Number of seeds."""
        return len(self.reconstructed["sparse"])


def measured(seeds: Sequence[int] = SEEDS) -> TenSeeds:
    """Train networks in three regimes, and ask all that the chapter asks over seeds.

    Args:
        seeds: One a network, in each regime.

    Returns:
        What was found.
    """
    groups = train_regimes(seeds)
    sparse = groups["sparse"]
    asked = [
        (regime, state, group if state == "trained" else group[:N_UNTRAINED])
        for regime, group in groups.items()
        for state in STATES
    ]
    over = {(r, s): over_seeds(group, s, BETA[r]) for r, s, group in asked}
    gates = {(r, s): shared_with_gates(group, s) for r, s, group in asked}
    gates["sparse", DEALT] = shared_with_gates(sparse, "trained", dealt_anew=True)
    n_scaled = {"trained": N_SCALED, "untrained": N_UNTRAINED}
    return TenSeeds(
        {regime: sum(map(is_settled, group)) for regime, group in groups.items()},
        {r: [one.network.n_reconstructed() for one in g] for r, g in groups.items()},
        over,
        [
            rank_correlation(alignments(flattened_spectrum(one), one.x))
            for one in groups["dense by data"]
        ],
        gates,
        cliffs_near_gates(sparse, over["sparse", "trained"].cliffs),
        block_shares(sparse, N_UNTRAINED),
        orders(sparse),
        {state: scaled_bias(sparse[:n], state) for state, n in n_scaled.items()},
        without_bias(list(seeds)[:N_SCALED]),
        with_and_without_gates(sparse, N_UNTRAINED),
        small_networks_described(seeds, AROUNDS),
    )


def record() -> dict[str, Any]:
    """The ten seeds of the chapter: three minutes of one core.

    Returns:
        What `stored_seeds` reads.
    """
    return packed(measured())


def packed(found: TenSeeds) -> dict[str, Any]:
    """What was found, as JSON knows it.

    Args:
        found: Over seeds.

    Returns:
        Names of a key joined by ``"/"``; numbers to five digits, R² to seven decimals.
    """

    def over(one: OverSeeds) -> dict[str, Any]:
        best, shared = _five(one.best.tolist()), _five(one.shared.tolist())
        kept = [torch.nonzero(row).flatten().tolist() for row in one.kept]
        return {"best": best, "shared": shared, "cliffs": one.cliffs, "kept": kept}

    def ways(one: Found) -> dict[str, Any]:
        return {"best": _five(one.best.tolist()), "shared": _five(one.shared)}

    def described(one: Tensor) -> list[list[float]]:
        return [[round(float(value), 7) for value in row] for row in one.double()]

    return {
        "settled": found.settled,
        "reconstructed": found.reconstructed,
        "over": _joined(found.over, over),
        "correlations": _five(found.correlations),
        "gates": _joined(found.gates, _five),
        "near_gates": found.near_gates,
        "blocks": _joined(found.blocks, _five),
        "orders": _five(found.orders),
        "scaled": {
            state: {f"{scale:g}": _five(vars(one)) for scale, one in by_scale.items()}
            for state, by_scale in found.scaled.items()
        },
        "unbiased": _five(vars(found.unbiased)),
        "ways": _joined(found.ways, ways),
        "described": {name: described(one) for name, one in found.described.items()},
    }


def stored_seeds() -> TenSeeds:
    """What was found in ten seeds, from the record.

    Returns:
        As `measured` gives it, numbers as `packed` rounds them.
    """
    table = records.read("superposition")

    def over(one: dict[str, Any]) -> OverSeeds:
        best = torch.tensor(one["best"])
        kept = torch.zeros_like(best, dtype=torch.bool)
        for row, places in zip(kept, one["kept"], strict=True):
            row[places] = True
        return OverSeeds(best, torch.tensor(one["shared"]), one["cliffs"], kept)

    def ways(one: dict[str, Any]) -> Found:
        return Found(torch.tensor(one["best"]), one["shared"])

    return TenSeeds(
        table["settled"],
        table["reconstructed"],
        _split(table["over"], over),
        table["correlations"],
        _split(table["gates"], list),
        table["near_gates"],
        _split(table["blocks"], float),
        table["orders"],
        {
            state: {float(scale): Scaled(**one) for scale, one in by_scale.items()}
            for state, by_scale in table["scaled"].items()
        },
        Unbiased(**table["unbiased"]),
        _split(table["ways"], ways),
        {name: torch.tensor(rows).double() for name, rows in table["described"].items()},
    )


def _five(value: Any) -> Any:
    """Numbers to five digits, in lists and dictionaries as deep as they go."""
    if isinstance(value, dict):
        return {key: _five(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_five(part) for part in value]
    return value if isinstance(value, int) else float(f"{value:.5g}")


def _joined(by: dict[Any, Any], pack: Callable[[Any], Any]) -> dict[str, Any]:
    return {"/".join(key): pack(value) for key, value in by.items()}


def _split(table: dict[str, Any], unpack: Callable[[Any], Any]) -> dict[Any, Any]:
    return {tuple(key.split("/")): unpack(value) for key, value in table.items()}
