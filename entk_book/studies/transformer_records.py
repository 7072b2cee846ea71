"""Chapter 6's evidence over seeds: what nine kernels of each network hold, as stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

import entk_lib as entk
from entk_book.stored import EPOCHS, MODULUS, records
from entk_book.studies import transformer_rivals
from entk_book.studies.spans import span
from entk_book.studies.transformer import (
    N_MODES,
    SEEDS,
    frequencies_of,
    layer_spectra,
    network,
    unused,
    what_it_reads,
)
from entk_book.studies.transformer_overlaps import BLOCKS, FAMILIES, ROWS, shares
from entk_book.tables import Table, table
from entk_lib import Spectrum
from entk_lib.toys.tasks import modular_addition

LAYERS = (
    "token_embedding",
    "position_embedding",
    "query",
    "key",
    "value",
    "attention_output",
    "mlp_in",
    "mlp_out",
    "unembedding",
)
# Tensors whose kernel is no Gram matrix, and the ways to look at them.
THREE = ("value", "attention_output", "mlp_in")
GRAM, MEAN, AVERAGE = "what it reads", "mean logit", "class average"
EPOCHS_OF = {"untrained": 0, "trained": EPOCHS}


def look(spectra: Mapping[str, Spectrum], keys: Sequence[int]) -> dict[str, Any]:
    """Cliffs and shares of the families in some spectra.

    Args:
        spectra: By layer.
        keys: Frequencies.

    Returns:
        By layer: where cliffs are beyond the first eigenvalue, and shares as
        `entk_book.studies.transformer_overlaps.shares` has them.
    """
    return {
        layer: {
            "cliffs": [
                cliff.stop
                for cliff in entk.find_cliffs(spectrum.eigenvalues)
                if cliff.stop > 1
            ],
            "shares": shares(spectrum, keys).tolist(),
        }
        for layer, spectrum in spectra.items()
    }


def of_one(seed: int) -> dict[str, Any]:
    """What the kernels of one stored network hold, and what takes no derivative.

    Args:
        seed: Of the network.

    Returns:
        Key frequencies; a `look` at the kernels of the mean logit, ``"untrained"``,
        ``"trained"`` and trained at as many ``"unused"`` frequencies; at ``THREE`` tensors
        by the other ways; and shares in the leading modes of the ``"whole"``.
    """
    x = modular_addition.tokens(modular_addition.all_pairs(MODULUS), MODULUS)
    model = network(seed)
    found = frequencies_of(model)
    keys = found.frequencies
    spectra = {
        state: layer_spectra(network(seed, epoch), x, LAYERS)
        for state, epoch in EPOCHS_OF.items()
    }
    grams = what_it_reads(model, x, THREE)
    reads = {name: entk.kernel_spectrum(gram, k=N_MODES) for name, gram in grams.items()}
    beside = transformer_rivals.shares([seed], {seed: keys}, x)
    return {
        "keys": list(keys),
        "trained": look(spectra["trained"], keys),
        "untrained": look(spectra["untrained"], keys),
        "unused": look(spectra["trained"], unused(found)),
        GRAM: look(reads, keys),
        AVERAGE: look(layer_spectra(model, x, THREE, "average"), keys),
        "whole": {
            way: {family: values[0] for family, values in by_family.items()}
            for way, by_family in beside.items()
        },
    }


def record(seeds: Sequence[int] = tuple(SEEDS)) -> dict[str, Any]:
    """The same of many networks, as it is stored.

    Args:
        seeds: Of the networks.

    Returns:
        What `entk_book.stored.records.write` takes, by seed.
    """
    return records.rounded({str(seed): of_one(seed) for seed in seeds})


@dataclass(frozen=True)
class NineKernels:
    """What was found in some networks.

    Attributes:
        found: By seed, as `of_one` gives it.
    """

    found: Mapping[int, Mapping[str, Any]]

    def of(self, seeds: Sequence[int]) -> "NineKernels":
        """The same of fewer networks.

        Args:
            seeds: Of these.

        Returns:
            In the order of ``seeds``.
        """
        return NineKernels({seed: self.found[seed] for seed in seeds})

    def cliffs(self, state: str, layer: str) -> dict[int, int]:
        """Cliffs of one layer's kernel, and in how many networks.

        Args:
            state: ``"trained"`` or ``"untrained"``.
            layer: One of ``LAYERS``.

        Returns:
            Number of networks by number of eigenvalues above the cliff.
        """
        every = [
            stop for one in self.found.values() for stop in one[state][layer]["cliffs"]
        ]
        return {stop: every.count(stop) for stop in sorted(set(every))}

    def row(self, name: str, look: str = "trained") -> list[float]:
        """One row of the published table.

        Args:
            name: One of ``entk_book.studies.transformer_overlaps.ROWS``.
            look: ``"trained"``, ``"untrained"``, ``"unused"`` or, for leading symmetric
                waves in ``THREE`` tensors, ``GRAM`` or ``AVERAGE``.

        Returns:
            Shares of the family, from 0 to 1, one a network.
        """
        layer, block, family = ROWS[name]
        i, j = BLOCKS.index(block), FAMILIES.index(family)
        return [one[look][layer]["shares"][i][j] for one in self.found.values()]

    def medians(self, state: str) -> Float[Tensor, "layers 2 families"]:
        """Median share of each family in leading and next modes of every layer.

        Args:
            state: ``"trained"`` or ``"untrained"``.

        Returns:
            From 0 to 1, in the order of ``LAYERS``.
        """
        return self._shares(state).median(0).values

    def most(self, layers: Sequence[str], families: Sequence[str] = FAMILIES) -> float:
        """The largest share of some families in any trained kernel of some layers.

        Args:
            layers: Of ``LAYERS``.
            families: Of ``entk_book.studies.transformer_overlaps.FAMILIES``.

        Returns:
            From 0 to 1.
        """
        rows = [LAYERS.index(layer) for layer in layers]
        columns = [FAMILIES.index(family) for family in families]
        return float(self._shares("trained")[:, rows][..., columns].max())

    def _shares(self, state: str) -> Float[Tensor, "seeds layers 2 families"]:
        return torch.tensor(
            [
                [one[state][layer]["shares"] for layer in LAYERS]
                for one in self.found.values()
            ]
        )

    def symmetric(self) -> dict[str, dict[str, list[float]]]:
        """Symmetric waves in the leading modes of ``THREE`` tensors, by three ways.

        Returns:
            One share a network, by way and layer.
        """
        j = FAMILIES.index("symmetric")
        return {
            way: {
                layer: [one[key][layer]["shares"][0][j] for one in self.found.values()]
                for layer in THREE
            }
            for way, key in ((GRAM, GRAM), (MEAN, "trained"), (AVERAGE, AVERAGE))
        }

    def whole(self) -> dict[str, dict[str, list[float]]]:
        """What the leading modes of the whole kernel hold, and what its rival does.

        Returns:
            One share a network, by way and family.
        """
        first = next(iter(self.found.values()))["whole"]
        return {
            way: {
                family: [one["whole"][way][family] for one in self.found.values()]
                for family in by_family
            }
            for way, by_family in first.items()
        }

    def cliff_table(self) -> Table:
        """Every cliff beyond the first eigenvalue, by tensor.

        Returns:
            A row for each tensor that has one.
        """

        def told(counts: Mapping[int, int]) -> str:
            each = (f"after {s} in {n} of {len(self.found)}" for s, n in counts.items())
            return ", ".join(each) or "none"

        rows = []
        for layer in LAYERS:
            before, after = (self.cliffs(state, layer) for state in EPOCHS_OF)
            if before or after:
                rows.append([layer.replace("_", " "), told(before), told(after)])
        return table(("tensor", "untrained", "trained"), rows)


def ranges(rows: Mapping[str, Mapping[str, Sequence[float]]], head: str) -> Table:
    """Ranges over networks, with two decimals.

    Args:
        rows: Numbers by row and column.
        head: Of the column of the rows' names.

    Returns:
        The table.
    """
    columns = list(next(iter(rows.values())))
    return table(
        (head, *columns),
        [[name, *(span(values[c], 2) for c in columns)] for name, values in rows.items()],
    )


def stored_kernels() -> NineKernels:
    """The stored table.

    Returns:
        All seeds.
    """
    found = records.read("transformer_kernels")
    return NineKernels({int(seed): one for seed, one in found.items()})
