"""Chapter 9: waves taken out of Transformers, one tensor at a time."""

import dataclasses
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

# Beside the mean eigenvalue of the whole kernel: enough to leave alone what could be done
# only by enormous changes.
RIDGE = 0.01
PRODUCTS = 100
# What is done: the wave taken out; and functions of the pair put in that are as large and
# have one frequency of the pair and of the classes, but for the random one.
WAVE = "wave of the sum, taken out"
UNUSED = "unused wave of the sum"
PUT_IN = {"difference": "difference", "a + 2b": "a + 2b", "random function": "random"}
CHANGES = (WAVE, UNUSED, *PUT_IN)
# What may be missing where a tensor can do the better part of a change: of a length of 1 a
# half, so that three quarters of the energy are done.
BETTER_PART = 0.5


@dataclass(frozen=True)
class ByTensor:
    """A change of a Transformer's outputs made through one of its tensors.

    Attributes:
        size: Number of its entries.
        missing: What of the wanted change this tensor cannot do, to first order, relative
            to it.
        off: How far the changed network is off what was wanted, relative to it.
        length: Of the change of parameters, relative to all parameters of the network.
    """

    size: int
    missing: float
    off: float
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


@torch.no_grad()
def order_of(model: ModularTransformer) -> list[int]:
    """Frequencies of the sum by their energy in the outputs.

    Args:
        model: In float64.

    Returns:
        From 1 on, the strongest first.
    """
    energies = wave_energies(model(all_tokens(model)))
    return [int(k) + 1 for k in energies.argsort(descending=True)]


def changes_of(
    model: ModularTransformer, seed: int = 0
) -> dict[str, Float[Tensor, "pairs classes"]]:
    """The strongest wave of the sum taken out, and others put in that are as large.

    Args:
        model: In float64.
        seed: Of the random function.

    Returns:
        By name, one of ``CHANGES``.
    """
    strongest, *_, weakest = order_of(model)
    out = take_out(model, all_tokens(model), strongest)
    size = float(out.norm())
    put = {name: put_in(f, strongest, size, seed=seed) for name, f in PUT_IN.items()}
    return {WAVE: out, UNUSED: put_in("sum", weakest, size), **put}


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
        off = float((edit.actual - change).norm() / change.norm())
        found[name] = ByTensor(size, edit.residual, off, length_of(edit.delta) / whole)
    return found


def record(seeds: Sequence[int] = (*SEEDS, *FRESH_SEEDS)) -> dict[str, Any]:
    """All changes through every tensor, of all networks that generalise, to be stored.

    Args:
        seeds: From which those are taken that are right on the hard pairs.

    Returns:
        What `entk_book.stored.records.write` takes.
    """
    rows = []
    for seed in outcome(seeds).general:
        model = network(seed).double()
        for what, change in changes_of(model, seed).items():
            for name, one in by_tensor(model, change, tensors_of(model)).items():
                measured = records.rounded(dataclasses.asdict(one))
                rows.append({"seed": seed, "what": what, "tensor": name, **measured})
    return {"rows": rows}


@dataclass(frozen=True)
class Tensors:
    """The stored changes.

    Attributes:
        rows: One entry a network, frequency, change and tensor.
    """

    rows: list[dict[str, Any]]

    def of(self, what: str, tensor: str, value: str = "missing") -> list[float]:
        """One number a network.

        Args:
            what: One of ``CHANGES``.
            tensor: Name of the layer.
            value: An attribute of `ByTensor`.

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
    def networks(self) -> list[int]:
        """Seeds of the networks."""
        return list(dict.fromkeys(row["seed"] for row in self.rows))

    def able(self, what: str = WAVE, value: str = "missing") -> dict[str, int]:
        """In how many networks a tensor can do the better part.

        Args:
            what: One of ``CHANGES``.
            value: ``"missing"``, or ``"off"`` for the changed network.

        Returns:
            Counts by tensor.
        """
        return {
            name: sum(v < BETTER_PART for v in self.of(what, name, value))
            for name in self.tensors
        }


def stored_tensors() -> Tensors:
    """The stored changes of all networks that generalise.

    Returns:
        The table.
    """
    return Tensors(records.read("edited_transformers")["rows"])
