"""Chapter 7, two networks on which the procedure fails, and the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

import entk_lib as entk
from entk_book import stored
from entk_book.ledger import Claim
from entk_book.studies.autoencoders import Autoencoder
from entk_book.studies.spans import at_least, at_most
from entk_book.studies.without_the_group import SPACES, Judged, energies
from entk_lib import Families
from entk_lib.toys.models import ModularTransformer
from entk_lib.toys.tasks import frequencies, modular_addition, superposition


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
class Voted:
    """Families in one Transformer.

    Attributes:
        accuracy: On the pairs left out.
        held: Dimensions that the span shares with the key frequencies' waves.
        trained: What was found.
        untrained: What was found before training.
    """

    accuracy: float
    held: float
    trained: Families
    untrained: Families


def in_transformers(seeds: Sequence[int] = stored.SEEDS) -> list[Voted]:
    """Look for families in the stored Transformers, trained and untrained.

    Args:
        seeds: Of the networks.

    Returns:
        What was found, one a seed.
    """
    pairs = modular_addition.all_pairs(stored.MODULUS)
    y = modular_addition.targets(pairs, stored.MODULUS)
    tokens = modular_addition.tokens(pairs, stored.MODULUS)
    waves = modular_addition.fourier_families(stored.MODULUS)
    at_frequency = torch.cat(list(waves.values()), 2)  # eight waves at each
    found = []
    for seed in tqdm(seeds, desc="seeds", delay=2, leave=False):
        model = stored.transformer(seed)
        start = ModularTransformer(stored.MODULUS, seed=seed)
        basis = leading_modes(model, tokens)
        embedding = model.token_embedding.weight[: stored.MODULUS].detach()
        keys = [k - 1 for k in frequencies.key_frequencies(embedding).frequencies]
        others = stored.transformer_split(seed)[1]
        with torch.no_grad():
            accuracy = modular_addition.accuracy(model(tokens[others]), y[others])
        found.append(
            Voted(
                accuracy,
                float(energies(basis, at_frequency[:, keys]).sum()),
                vote(model, tokens, basis),
                vote(start, tokens, leading_modes(start, tokens)),
            )
        )
    return found


def leading_modes(
    model: ModularTransformer, tokens: Tensor, n_modes: int = 20
) -> Float[Tensor, "pairs modes"]:
    """Leading modes of the kernel of the mean logit, without the first.

    Args:
        model: The network.
        tokens: All pairs.
        n_modes: How many.

    Returns:
        Orthonormal columns in float64.
    """
    spectrum = entk.ntk_spectrum(model, tokens, k=n_modes + 1, outputs="mean_output")
    return spectrum.eigenvectors[:, 1:].double()


@torch.no_grad()
def vote(
    model: ModularTransformer, tokens: Tensor, basis: Float[Tensor, "pairs modes"]
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
    return entk.find_families(basis, units, n_surrogates=3)


def claims(
    results: Mapping[tuple[str, str], Sequence[Judged]],
    coded: Sequence[Coded],
    transformers: Sequence[Voted],
) -> list[Claim]:
    """What this chapter claims, by bars that were set before the runs.

    Args:
        results: Families of the adders and of both nulls.
        coded: Of the toy models of superposition.
        transformers: Of the Transformers.

    Returns:
        The ledger's rows.
    """
    new, unpublished, rows = "new here", "not published", []
    for name in SPACES:
        group = results["trained", name]
        complete = sum(one.found.found and one.is_complete for one in group)
        means = [one.mean for one in group]
        rows += [
            Claim(
                f"all 14 frequencies found without the group, {name} eigenspace",
                unpublished,
                f"{complete} of {len(group)} seeds",
                complete >= 9,
                new,
                "9 of 10 seeds, each 3 of 4 dimensions",
            ),
            Claim(
                f"shared with the waves, {name} eigenspace",
                unpublished,
                f"mean at least {at_least(means)} of 4 in every seed",
                min(means) >= 3.6,
                new,
                "every seed at least 3.6",
            ),
        ]
    nulls = [
        one for (state, _), group in results.items() for one in group if state != "trained"
    ]
    n_found, means = sum(one.found.found for one in nulls), [one.mean for one in nulls]
    of_coded = [family for one in coded for family in (one.outputs, one.hidden)]
    general = [one for one in transformers if one.accuracy > 0.95]
    return [
        *rows,
        Claim(
            "untrained networks and shuffled units do not pass",
            unpublished,
            f"found in {n_found} of {len(nulls)}, mean at most {at_most(means)} of 4",
            n_found == 0 and max(means) < 1,
            new,
            "none found, none above 1",
        ),
        Claim(
            "families in superposition, by the same procedure",
            unpublished,
            f"found in {sum(one.found for one in of_coded)} of {len(of_coded)}",
            any(one.found for one in of_coded),
            new,
            "found at all",
        ),
        Claim(
            "families in the Transformer, by the same procedure",
            unpublished,
            f"found in {sum(one.trained.found for one in transformers)} of "
            f"{len(transformers)} seeds",
            any(one.trained.found for one in general),
            new,
            "found in a seed that generalises",
        ),
    ]
