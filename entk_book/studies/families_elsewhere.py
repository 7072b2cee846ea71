"""Chapter 7, two other networks: toy models of superposition, and Transformers."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

import entk_lib as entk
from entk_book import stored
from entk_book.stored import records
from entk_book.studies.autoencoders import Autoencoder
from entk_book.studies.without_the_group import energies
from entk_lib import Families
from entk_lib.toys.models import ModularTransformer
from entk_lib.toys.tasks import frequencies, modular_addition, superposition

# A family is a key frequency's if that holds so much of it. Set after a look at the
# stored networks.
PURE = 0.8
SPANS = ("modes", "components", "untrained", "alike")


@dataclass(frozen=True)
class Coded:
    """Families in one toy model of superposition.

    Attributes:
        outputs: With the outputs as units, in the eigenspace of the flattened kernel.
        hidden: With the hidden units, in that of the class-averaged kernel.
        n_kept: Features that the network reconstructs.
        n_inside: Of these, how many lie more than half inside the first span.
    """

    outputs: Families
    hidden: Families
    n_kept: int
    n_inside: int


@torch.no_grad()
def in_superposition(one: Autoencoder) -> Coded:
    """Look for families in a toy model of superposition.

    Args:
        one: Trained.

    Returns:
        What was found, and what its eigenspace holds of the features.
    """
    model, x = one.network, one.x
    hidden = (x @ model.weight.T).double()
    outputs = (hidden.float() @ model.weight + model.bias).double()
    flat = entk.ntk_spectrum(model, x, k=80, outputs="flatten")
    last = entk.find_cliffs(flat.eigenvalues)[-1].stop
    basis = flat.eigenvectors[:, :last].double()
    is_kept = model.feature_gram().diagonal() >= 0.75
    features = superposition.feature_indicators(x).double()[:, is_kept]
    features = (features / features.norm(dim=0)).unsqueeze(2)
    averaged = entk.ntk_spectrum(model, x, k=30).eigenvectors[:, 1:].double()
    return Coded(
        entk.find_families(basis, torch.diag_embed(outputs).flatten(0, 1)),
        entk.find_families(averaged, hidden),
        int(is_kept.sum()),
        int((energies(basis, features).sum(0) > 0.5).sum()),
    )


@dataclass(frozen=True)
class Vote:
    """What a search for families came to.

    Attributes:
        found: Whether there are any.
        score: As in `entk_lib.Families`.
        dimensions: Of the span that was searched.
    """

    found: bool
    score: int | float
    dimensions: int


@dataclass(frozen=True)
class Voted:
    """Families in one Transformer.

    Attributes:
        accuracy: On the pairs left out.
        held: Dimensions that the kernel's modes share with the key frequencies' waves.
        modes: What was found in the kernel's modes.
        components: What was found in the principal components of the units.
        untrained: The same before training.
        alike: Before training, in as many components as the trained network's.
        shares: For each family of ``components`` the share of it that each key frequency
            holds, shape ``(families, keys)``.
    """

    accuracy: float
    held: float
    modes: Vote
    components: Vote
    untrained: Vote
    alike: Vote
    shares: Float[Tensor, "families keys"]

    @property
    def is_complete(self) -> bool:
        """Whether the families in the components are found and are the key frequencies.

        One family for each, of which the frequency holds at least ``PURE``.
        """
        n_families, n_keys = self.shares.shape
        if not self.components.found or n_families != n_keys:
            return False
        best = self.shares.max(1)
        return len(best.indices.unique()) == n_keys and bool((best.values >= PURE).all())


def in_transformers(seeds: Sequence[int] = stored.SEEDS) -> list[Voted]:
    """Look for families in the stored Transformers, trained and untrained.

    Args:
        seeds: Of the networks.

    Returns:
        What was found, one a seed.
    """
    bar = tqdm(seeds, desc="seeds", delay=2, leave=False)
    return [voted(stored.transformer(seed), seed) for seed in bar]


def voted(model: ModularTransformer, seed: int) -> Voted:
    """Look for families in one Transformer.

    Args:
        model: Trained, on the pairs of its seed.
        seed: Of its start and of its split.

    Returns:
        What was found.
    """
    pairs = modular_addition.all_pairs(stored.MODULUS)
    y = modular_addition.targets(pairs, stored.MODULUS)
    tokens = modular_addition.tokens(pairs, stored.MODULUS)
    waves = modular_addition.fourier_families(stored.MODULUS)
    at_frequency = torch.cat(list(waves.values()), 2)  # eight waves at each
    start = ModularTransformer(stored.MODULUS, seed=seed)
    embedding = model.token_embedding.weight[: stored.MODULUS].detach()
    keys = [k - 1 for k in frequencies.key_frequencies(embedding).frequencies]
    others = stored.transformer_split(seed)[1]
    with torch.no_grad():
        accuracy = modular_addition.accuracy(model(tokens[others]), y[others])
    modes = leading_modes(model, tokens)
    leading = leading_components(model, tokens)
    components = vote(model, tokens, leading)
    shares = [
        [float(energies(base, at_frequency[:, [k]]).sum()) / base.shape[1] for k in keys]
        for base in components.bases
    ]
    before = leading_components(start, tokens)
    alike = before[:, : leading.shape[1]]
    return Voted(
        accuracy,
        float(energies(modes, at_frequency[:, keys]).sum()),
        _in_numbers(vote(model, tokens, modes), modes),
        _in_numbers(components, leading),
        _in_numbers(vote(start, tokens, before), before),
        _in_numbers(vote(start, tokens, alike), alike),
        torch.tensor(shares).reshape(len(components.bases), len(keys)),
    )


def _in_numbers(found: Families, basis: Float[Tensor, "pairs k"]) -> Vote:
    return Vote(found.found, found.score, basis.shape[1])


def leading_modes(
    model: ModularTransformer, tokens: Tensor, n_modes: int = 20
) -> Float[Tensor, "pairs modes"]:
    """Leading modes of the kernel of the mean logit, without the one that is constant.

    Args:
        model: The network.
        tokens: All pairs.
        n_modes: How many.

    Returns:
        Orthonormal columns in float64.
    """
    spectrum = entk.ntk_spectrum(model, tokens, k=n_modes + 1, outputs="mean_output")
    vectors = spectrum.eigenvectors.double()
    constant = int(vectors.sum(0).abs().argmax())
    return vectors[:, torch.arange(n_modes + 1) != constant]


@torch.no_grad()
def leading_components(
    model: ModularTransformer, tokens: Tensor, share: float = 0.95
) -> Float[Tensor, "pairs components"]:
    """Principal components of the MLP's preactivations at the last position.

    Args:
        model: The network.
        tokens: All pairs.
        share: Of the units' variance that they hold together.

    Returns:
        Orthonormal columns in float64.
    """
    units = model.mlp_in(model.attended(tokens)).double()
    left, values, _ = torch.linalg.svd(units - units.mean(0), full_matrices=False)
    held = values.square().cumsum(0) / values.square().sum()
    return left[:, : int((held < share).sum()) + 1]


@torch.no_grad()
def vote(
    model: ModularTransformer, tokens: Tensor, basis: Float[Tensor, "pairs k"]
) -> Families:
    """Families in a span by the MLP's preactivations at the last position.

    Args:
        model: The network.
        tokens: All pairs.
        basis: Orthonormal columns of the span.

    Returns:
        What was found.
    """
    units = model.mlp_in(model.attended(tokens)).double()
    return entk.find_families(basis, units)


def record(
    seeds: Sequence[int] = (*stored.SEEDS, *stored.FRESH_SEEDS),
) -> dict[str, Any]:
    """Families in the stored Transformers, as they are stored.

    Args:
        seeds: Of the networks.

    Returns:
        What `entk_book.stored.records.write` takes: by seed.
    """
    return {
        str(seed): records.rounded(
            dataclasses.asdict(one) | {"shares": one.shares.tolist()}
        )
        for seed, one in zip(seeds, in_transformers(seeds), strict=True)
    }


def stored_transformers(seeds: Sequence[int] = stored.SEEDS) -> list[Voted]:
    """What was found in the stored Transformers.

    Args:
        seeds: Of the networks.

    Returns:
        As `in_transformers`, from the record.
    """
    kept, found = records.read("families_in_transformers"), []
    for one in (kept[str(seed)] for seed in seeds):
        votes = {which: Vote(**one[which]) for which in SPANS}
        shares = torch.tensor(one["shares"])
        found.append(Voted(one["accuracy"], one["held"], shares=shares, **votes))
    return found


def found_in(group: Sequence[Voted], which: str) -> str:
    """In how many Transformers families are found, and in how many that generalise.

    Args:
        group: One a seed.
        which: One of ``SPANS``.

    Returns:
        Text.
    """
    general = generalised(group)
    of_these = n_found(general, which)
    return (
        f"found in {n_found(group, which)} of {len(group)} seeds, {of_these} of the "
        f"{len(general)} that generalise"
    )


def generalised(group: Sequence[Voted]) -> list[Voted]:
    """The Transformers that are right on more than 95 % of the pairs left out.

    Args:
        group: One a seed.

    Returns:
        Some of them.
    """
    return [one for one in group if one.accuracy > 0.95]


def n_found(group: Sequence[Voted], which: str) -> int:
    """In how many Transformers families are found.

    Args:
        group: One a seed.
        which: One of ``SPANS``.

    Returns:
        Their number.
    """
    return sum(getattr(one, which).found for one in group)
