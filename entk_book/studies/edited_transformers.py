"""Chapter 9: waves taken out of Transformers, one tensor at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

import entk_lib as entk
from entk_book.stored import FRESH_SEEDS, SEEDS, records
from entk_book.studies.edited_adders import length_of, put_in, take_out, wave_energies
from entk_book.studies.transformer import network, outcome
from entk_lib.toys.models import ModularTransformer
from entk_lib.toys.tasks import modular_addition

# Beside the mean eigenvalue of the whole kernel: so little that it changes nothing that can
# be done, and enough to leave alone what could be done only by enormous changes.
RIDGE = 0.01
PRODUCTS = 100
N_FREQUENCIES = 2
# What is done: the wave taken out; and a random function of the pair put in, as large, with
# the pattern of classes of the same frequency.
WAVE, RANDOM = "wave of the sum", "random function"
# What a tensor must be able to do of a change.
BETTER_PART = 0.5


@dataclass(frozen=True)
class ByTensor:
    """A change of a Transformer's outputs made through one of its tensors.

    Attributes:
        size: Number of its entries.
        missing: What of the wanted change this tensor cannot do, to first order, relative
            to it.
        length: Of the change of parameters, relative to all parameters of the network.
    """

    size: int
    missing: float
    length: float


def tensors_of(model: nn.Module) -> list[str]:
    """The layers that own a weight, from the inputs on.

    Args:
        model: A Transformer of chapter 6.

    Returns:
        Names.
    """
    return [name.removesuffix(".weight") for name, _ in model.named_parameters()]


def all_tokens(model: ModularTransformer) -> Int[Tensor, "pairs 3"]:
    """All pairs as a Transformer reads them.

    Args:
        model: Whose modulus.

    Returns:
        Tokens.
    """
    pairs = modular_addition.all_pairs(model.modulus)
    return modular_addition.tokens(pairs, model.modulus)


def strongest(model: ModularTransformer, n: int = N_FREQUENCIES) -> list[int]:
    """The frequencies of the sum with most energy in the outputs.

    Args:
        model: In float64.
        n: How many.

    Returns:
        From 1 on, the strongest first.
    """
    with torch.no_grad():
        energies = wave_energies(model(all_tokens(model)))
    order = energies.argsort(descending=True)
    return [int(k) + 1 for k in order[:n]]


def by_tensor(
    model: ModularTransformer,
    change: Float[Tensor, "pairs classes"],
    tensors: Sequence[str],
) -> dict[str, ByTensor]:
    """Change a Transformer's outputs through each of some tensors.

    Args:
        model: In float64.
        change: Wanted on all pairs.
        tensors: Names of its layers.

    Returns:
        What it takes, by tensor.
    """
    x = all_tokens(model)
    ridge = RIDGE * float(entk.empirical_ntk(model, x).diagonal().mean())
    whole = length_of(dict(model.named_parameters()))
    found = {}
    for name in tensors:
        edit = entk.tangent_edit(
            model, x, change, parameters=name, ridge=ridge, max_products=PRODUCTS
        )
        size = sum(d.numel() for d in edit.delta.values())
        found[name] = ByTensor(size, edit.residual, length_of(edit.delta) / whole)
    return found


def record(
    seeds: Sequence[int] = (*SEEDS, *FRESH_SEEDS), n_frequencies: int = N_FREQUENCIES
) -> dict[str, Any]:
    """Both changes through every tensor, of all networks that generalise, to be stored.

    Args:
        seeds: From which those are taken that are right on the hard pairs.
        n_frequencies: In each, the strongest.

    Returns:
        What `entk_book.stored.records.write` takes.
    """
    rows = []
    for seed in outcome(seeds).general:
        model = network(seed).double()
        for frequency in strongest(model, n_frequencies):
            out = take_out(model, all_tokens(model), frequency)
            drawn = put_in("random", frequency, float(out.norm()), seed=seed)
            for what, change in ((WAVE, out), (RANDOM, drawn)):
                for name, one in by_tensor(model, change, tensors_of(model)).items():
                    rows.append(
                        {
                            "seed": seed,
                            "frequency": frequency,
                            "what": what,
                            "tensor": name,
                            "missing": records.rounded(one.missing),
                            "length": records.rounded(one.length),
                        }
                    )
    return {"rows": rows}


@dataclass(frozen=True)
class Tensors:
    """The stored changes.

    Attributes:
        rows: One entry a network, frequency, change and tensor.
    """

    rows: list[dict[str, Any]]

    def of(self, what: str, tensor: str, value: str) -> list[float]:
        """One number a network and frequency.

        Args:
            what: ``WAVE`` or ``RANDOM``.
            tensor: Name of the layer.
            value: ``"missing"`` or ``"length"``.

        Returns:
            In the order of the networks.
        """
        return [
            row[value]
            for row in self.rows
            if (row["what"], row["tensor"]) == (what, tensor)
        ]

    @property
    def tensors(self) -> list[str]:
        """Names of the tensors, from the inputs on."""
        return list(dict.fromkeys(row["tensor"] for row in self.rows))

    @property
    def networks(self) -> list[tuple[int, int]]:
        """Seeds and frequencies."""
        return list(dict.fromkeys((r["seed"], r["frequency"]) for r in self.rows))

    def able(self, what: str = WAVE) -> dict[str, int]:
        """In how many networks and frequencies a tensor can do the better part.

        Args:
            what: ``WAVE`` or ``RANDOM``.

        Returns:
            Counts by tensor.
        """
        return {
            name: sum(value < BETTER_PART for value in self.of(what, name, "missing"))
            for name in self.tensors
        }


def stored_tensors() -> Tensors:
    """The stored changes of all networks that generalise.

    Returns:
        The table.
    """
    return Tensors(records.read("edited_transformers")["rows"])
