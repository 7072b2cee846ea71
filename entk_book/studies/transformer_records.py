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
from entk_book.studies.transformer_overlaps import (
    BLOCKS,
    FAMILIES,
    FIRST_SIX,
    ROWS,
    shares,
)
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
# The same ways of the whole network, as `entk_book.studies.transformer_rivals` names them.
WHOLE = {
    GRAM: "inputs and activations",
    MEAN: "kernel of the mean logit",
    AVERAGE: "class-averaged kernel",
}
# Lin (2025): 3.96 and 3.94 of the four dimensions of a family at two frequencies.
PUBLISHED = {
    "unembedding, leading: sum": "0.99",
    "unembedding, next: symmetric": "0.985",
}
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

    def six_rows(self, look: str = "trained") -> dict[str, list[float]]:
        """The rows that are compared with the published ones and with nulls.

        Args:
            look: As in `row`.

        Returns:
            Shares of the family, one a network, by the row's name.
        """
        return {name: self.row(name, look) for name in FIRST_SIX}

    @property
    def chance(self) -> list[float]:
        """Share of a family in as many random modes as are leading, one a network."""
        return [
            entk.chance_overlap(2 * len(one["keys"]) + 1, 1, MODULUS**2)
            for one in self.found.values()
        ]

    def rival_gains(self) -> dict[str, list[float]]:
        """What inputs and activations hold beyond the kernel of the mean logit.

        Returns:
            Differences of shares in the whole, one a network, by family.
        """
        whole = self.whole()
        return {
            family: [a - b for a, b in zip(held, whole[WHOLE[MEAN]][family], strict=True)]
            for family, held in whole[WHOLE[GRAM]].items()
        }

    def cliffs_told(self, state: str) -> str:
        """Every cliff beyond the first eigenvalue, in words.

        Args:
            state: ``"trained"`` or ``"untrained"``.

        Returns:
            Tensors that have one, where, and in how many networks.
        """
        told = [
            f"{layer.replace('_', ' ')} after {stop} in {count} of {len(self.found)}"
            for layer in LAYERS
            for stop, count in self.cliffs(state, layer).items()
        ]
        return ", ".join(told) or "none"

    def ways_table(self) -> Table:
        """What leading modes hold with a derivative and without.

        Returns:
            A row for each way; columns for symmetric waves in ``THREE`` tensors, and for
            both families in the whole.
        """
        symmetric, whole = self.symmetric(), self.whole()
        names = {
            GRAM: "no kernel: what is read",
            MEAN: WHOLE[MEAN],
            AVERAGE: WHOLE[AVERAGE],
        }
        rows = []
        for way, name in names.items():
            beside = whole[WHOLE[way]]
            shown = [symmetric[way][layer] for layer in THREE]
            shown += [beside["symmetric"], beside["sum"]]
            rows.append([name, *(span(values, 2) for values in shown)])
        tensors = ("value", "attention out", "MLP in")
        return table(("leading modes of", *tensors, "whole", "whole: sums"), rows)


def published_table(general: NineKernels, others: NineKernels) -> Table:
    """The published rows and four more, beside other networks and nulls.

    Args:
        general: Networks that generalise.
        others: Networks that are less far.

    Returns:
        A row for each of six.
    """
    groups = {
        "generalise": general.six_rows(),
        "less far": others.six_rows(),
        "untrained": general.six_rows("untrained"),
        "unused": general.six_rows("unused"),
    }
    rows = [
        [name, PUBLISHED.get(name, ""), *(span(rows[name], 2) for rows in groups.values())]
        for name in FIRST_SIX
    ]
    return table((f"chance {span(general.chance, 3)}", "published", *groups), rows)


def stored_kernels() -> NineKernels:
    """The stored table.

    Returns:
        All seeds.
    """
    found = records.read("transformer_kernels")
    return NineKernels({int(seed): one for seed, one in found.items()})
