"""Chapter 6: stored Transformers that add, what they answer, and with which frequencies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

import entk_lib as entk
from entk_book import stored
from entk_book.stored import EPOCHS, MODULUS
from entk_lib.toys.models import ModularTransformer
from entk_lib.toys.tasks import modular_addition
from entk_lib.toys.tasks.frequencies import KeyFrequencies, key_frequencies
from entk_lib.training import State

SEEDS = list(stored.SEEDS)
HARD, EASY = "test, mirror not trained", "test, mirror trained"
N_MODES = 40


def network(seed: int, epoch: int = EPOCHS) -> ModularTransformer:
    """A stored network, or its start, in double precision.

    Args:
        seed: Of the network.
        epoch: One of those that are stored, or 0.

    Returns:
        The network.
    """
    if epoch == 0:
        return ModularTransformer(MODULUS, seed=seed, dtype=torch.float64)
    return stored.transformer(seed, epoch).double()


def largest_difference(one: State, other: State) -> float:
    """How far two states are apart, relative to the largest entry of each tensor.

    Args:
        one: Tensors by name.
        other: Tensors of the same names and shapes.

    Returns:
        The largest over all tensors.
    """
    return max(
        float((one[name] - other[name]).abs().max() / one[name].abs().max()) for name in one
    )


def mirrors(seed: int) -> dict[str, Int[Tensor, " rows"]]:
    """Pairs by what is known of them: trained, mirror (b, a) trained, neither.

    Args:
        seed: Of the network.

    Returns:
        Rows of all pairs as ``"train"``, ``EASY`` and ``HARD``.
    """
    known, others = stored.transformer_split(seed)
    trained = torch.zeros(MODULUS, MODULUS, dtype=torch.bool)
    trained.view(-1)[known] = True
    is_mirrored = trained.T.flatten()[others]
    return {"train": known, EASY: others[is_mirrored], HARD: others[~is_mirrored]}


@torch.no_grad()
def accuracies(model: ModularTransformer, seed: int) -> dict[str, float]:
    """Share of right answers on each kind of pairs.

    Args:
        model: A network.
        seed: Whose split.

    Returns:
        From 0 to 1, by the names of `mirrors`.
    """
    pairs = modular_addition.all_pairs(MODULUS)
    answers = model(modular_addition.tokens(pairs, MODULUS)).argmax(1)
    right = (answers == pairs.sum(1) % MODULUS).double()
    return {name: float(right[rows].mean()) for name, rows in mirrors(seed).items()}


@dataclass(frozen=True)
class Outcome:
    """How all seeds end.

    Attributes:
        accuracies: By seed and kind of pairs.
    """

    accuracies: Mapping[int, Mapping[str, float]]

    def of(self, kind: str) -> dict[int, float]:
        """Accuracy on one kind of pairs, by seed.

        Args:
            kind: A name of `mirrors`.

        Returns:
            From 0 to 1.
        """
        return {seed: entry[kind] for seed, entry in self.accuracies.items()}

    @property
    def n_overall(self) -> int:
        """Seeds that are right on 95 % of all test pairs, mirrored or not."""
        passed = 0
        for seed, entry in self.accuracies.items():
            rows = mirrors(seed)
            sizes = {kind: len(rows[kind]) for kind in (EASY, HARD)}
            right = sum(entry[kind] * size for kind, size in sizes.items())
            passed += right >= 0.95 * sum(sizes.values())
        return passed

    @property
    def order(self) -> list[int]:
        """Seeds, those that answer the hard pairs worst before the others."""
        hard = self.of(HARD)
        return sorted(hard, key=lambda seed: hard[seed])

    @property
    def general(self) -> list[int]:
        """Seeds that are right on 95 % of the hard pairs."""
        return [seed for seed, value in self.of(HARD).items() if value >= 0.95]

    @property
    def rest(self) -> list[int]:
        """The other seeds."""
        return [seed for seed in self.accuracies if seed not in self.general]


def outcome(seeds: Sequence[int] = tuple(SEEDS)) -> Outcome:
    """What all networks answer at the end of their training.

    Args:
        seeds: Of the networks.

    Returns:
        Their accuracies.
    """
    return Outcome({seed: accuracies(network(seed), seed) for seed in seeds})


def frequencies_of(model: ModularTransformer) -> KeyFrequencies:
    """The key frequencies of a network's token embedding.

    Args:
        model: A network.

    Returns:
        Frequencies, shares of the power and the score.
    """
    return key_frequencies(model.token_embedding.weight[:MODULUS])


def unused(found: KeyFrequencies) -> list[int]:
    """As many frequencies as a network uses, those with the least power.

    Args:
        found: Its key frequencies.

    Returns:
        Frequencies from 1 on, ascending.
    """
    least = found.shares.argsort()[: len(found.frequencies)]
    return sorted(int(k) + 1 for k in least)


@torch.no_grad()
def along_query(model: ModularTransformer) -> float:
    """How much of each head's key weights lies along the one query of the task.

    Args:
        model: A network.

    Returns:
        The share of the head with the smallest one, from 0 to 1.
    """
    equals = model.token_embedding.weight[MODULUS]
    last = equals + model.position_embedding.weight[2]
    query = model.query(last).reshape(model.n_heads, -1)
    weights = model.key.weight.reshape(*query.shape, -1)
    unit = query / query.norm(dim=1, keepdim=True)
    part = torch.einsum("hd,hdm->hm", unit, weights)
    return float((part.square().sum(1) / weights.square().sum((1, 2))).min())


@torch.no_grad()
def mean_logit(
    model: ModularTransformer, x: Int[Tensor, "pairs 3"], sums: Int[Tensor, " pairs"]
) -> tuple[float, bool]:
    """What the mean logit is to the outputs and to the loss.

    Args:
        model: A network.
        x: All pairs, as tokens.
        sums: The right answers.

    Returns:
        Its share of the logits' variance, and whether the loss ignores a shift of it.
    """
    logits = model(x)
    centred = logits - logits.mean(1, keepdim=True)
    share = float(logits.mean(1).var() / centred.var())
    shift = torch.linspace(-10, 10, len(x)).unsqueeze(1)
    loss = torch.nn.functional.cross_entropy
    moved = abs(float(loss(logits + shift, sums) - loss(logits, sums)))
    return share, moved < 1e-12


@torch.no_grad()
def what_it_reads(
    model: ModularTransformer, x: Int[Tensor, "pairs 3"], layers: Sequence[str]
) -> dict[str, Float[Tensor, "pairs pairs"]]:
    """Gram matrix of the inputs of each layer, its positions side by side.

    Args:
        model: A network.
        x: All pairs, as tokens.
        layers: Names of its layers.

    Returns:
        Matrices by layer.
    """
    seen: dict[str, Tensor] = {}

    def keep(name: str):
        return lambda _, inputs: seen.update({name: inputs[0].flatten(1)})

    hooks = [getattr(model, n).register_forward_pre_hook(keep(n)) for n in layers]
    model(x)
    for hook in hooks:
        hook.remove()
    return {name: read @ read.T for name, read in seen.items()}


def layer_spectra(
    model: ModularTransformer,
    x: Int[Tensor, "pairs 3"],
    layers: Sequence[str],
    outputs: entk.Outputs = "mean_output",
) -> dict[str, entk.Spectrum]:
    """Leading modes of the kernel of each of some tensors.

    Args:
        model: A network.
        x: All pairs, as tokens.
        layers: Names of its layers.
        outputs: As in `entk_lib.empirical_ntk`.

    Returns:
        Spectra by layer.
    """
    kernels = entk.empirical_ntk(
        model, x, outputs=outputs, parameters=layers, by_layer=True
    )
    return {name: entk.kernel_spectrum(k, k=N_MODES) for name, k in kernels.items()}
