"""Chapter 11: what the layers of a sentence encoder tell, at a word, of its sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

import entk_lib as entk
from entk_book.stored import records
from entk_book.studies import sample_scores
from entk_book.studies.told import Told, scored, table
from entk_book.wild import minilm
from entk_book.wild.english import Contexts, contexts
from entk_book.wild.running import Passages

# Sentences and directions of 0 were looked at while the questions were chosen.
SEEDS = range(10, 15)
N_TEXTS, N_WORDS = 512, 8
N_DIRECTIONS = 8
UNTRAINED_LAYER = 2  # from 0: where the trained one's kernel tells most
# Ways to come by 25 numbers a sentence: the kernel's modes, and principal components of
# what the tensor's layer returns at the word (the published rival), of what the tensor
# reads at all words, of the embeddings of all words, and of these three together.
WAYS = ("kernel", "returned", "read", "embeddings", "side by side")


def layer_kernels(
    encoder: nn.Module, drawn: Contexts | Passages, layers: Sequence[int], seed: int
) -> list[Float[Tensor, "n n"]]:
    """Class-averaged kernels of one tensor of each of some layers.

    Args:
        encoder: A sentence encoder.
        drawn: Sentences.
        layers: From 0 to 5.
        seed: Of the directions of the outputs.

    Returns:
        In the order of ``layers``.
    """
    model = minilm.at_last_word(encoder, n_directions=N_DIRECTIONS, seed=seed)
    tensors = [minilm.TENSORS[layer] for layer in layers]
    x = minilm.encoded(drawn.texts)
    found = entk.empirical_ntk(model, x, parameters=tensors, by_layer=True)
    return [found[tensor.removesuffix(".weight")] for tensor in tensors]


def kernel_modes(kernel: Float[Tensor, "n n"]) -> Float[Tensor, "n modes"]:
    """The leading modes of a kernel, one number a sample each.

    Also those near float32's rounding, which `entk_lib.kernel_spectrum` would leave out: an
    untrained encoder has few others, and they still tell something.

    Args:
        kernel: Symmetric.

    Returns:
        25 columns, in float64.
    """
    exact = kernel.double()
    return torch.linalg.eigh((exact + exact.T) / 2).eigenvectors.flip(1)[
        :, : sample_scores.N_MODES
    ]


def rivals(
    passed: Mapping[str, Any], layers: Sequence[int]
) -> dict[str, list[Float[Tensor, "n modes"]]]:
    """Principal components of what passes through some layers.

    Args:
        passed: As `entk_book.wild.minilm.what_passes` gives it.
        layers: From 0 to 5.

    Returns:
        By the names of ``WAYS`` but the first, 25 columns a layer.
    """
    embedded = passed["embeddings"].flatten(1)
    found: dict[str, list[Tensor]] = {name: [] for name in WAYS[1:]}
    for layer in layers:
        returned, read = passed["returned"][layer][:, -1], passed["read"][layer].flatten(1)
        views = {"returned": returned, "read": read, "embeddings": embedded}
        for name, view in views.items():
            found[name].append(sample_scores.principal_components(view))
        together = sample_scores.side_by_side_components(list(views.values()))
        found["side by side"].append(together)
    return found


def told_by(columns: Float[Tensor, "n modes"], drawn: Contexts) -> dict[str, float]:
    """AUROC of the best of some columns, on words that it was not chosen on.

    Args:
        columns: One number a sentence each.
        drawn: Sentences.

    Returns:
        By fact, the mean over pairs of halves.
    """
    found = scored(columns, drawn.facts, drawn.words)
    return {fact: scores["auroc"] for fact, scores in found.items()}


def returned_scores(encoder: nn.Module, drawn: Contexts, layer: int) -> dict[str, float]:
    """What the components of one layer's output at the last word tell.

    Args:
        encoder: A sentence encoder.
        drawn: Sentences.
        layer: From 0 to 5.

    Returns:
        As in `told_by`.
    """
    passed = minilm.what_passes(encoder, minilm.encoded(drawn.texts))
    returned = passed["returned"][layer][:, -1]
    return told_by(sample_scores.principal_components(returned), drawn)


def flattened_columns(
    encoder: nn.Module, drawn: Contexts, layer: int
) -> Float[Tensor, "n modes"]:
    """One number a sentence from each leading mode of a flattened kernel of all outputs.

    Args:
        encoder: A sentence encoder.
        drawn: Sentences.
        layer: From 0 to 5.

    Returns:
        25 columns.
    """
    spectrum = entk.ntk_spectrum(
        minilm.at_last_word(encoder),
        minilm.encoded(drawn.texts),
        k=sample_scores.N_MODES,
        outputs="flatten",
        parameters=[minilm.TENSORS[layer]],
        tolerance=0.1,
    )
    return sample_scores.by_sample(spectrum.eigenvectors, len(drawn.texts))


def n_different(columns: Float[Tensor, "n modes"]) -> float:
    """How many different columns there are, each at unit length and of either sign.

    Args:
        columns: None of them zero.

    Returns:
        The participation ratio of their singular values squared: 1 if all are one column,
        their number if they are orthogonal.

    Example:
        >>> n_different(torch.eye(3)), n_different(torch.ones(3, 2))
        (3.0, 1.0)
    """
    unit = columns.double() / columns.double().norm(dim=0)
    shares = torch.linalg.svdvals(unit).square()
    return float(shares.sum().square() / shares.square().sum())


def look(
    encoder: nn.Module,
    seed: int,
    layers: Sequence[int] = range(minilm.N_LAYERS),
    *,
    chance: bool = True,
) -> dict[str, Any]:
    """All that some layers tell, of one draw of sentences.

    Args:
        encoder: A sentence encoder.
        seed: Of sentences and directions.
        layers: From 0 to 5.
        chance: As in `entk_book.studies.told.table`.

    Returns:
        By the layer's name, a table as `entk_book.studies.told.table` gives it.
    """
    drawn = contexts(N_TEXTS, n_words=N_WORDS, seed=seed)
    passed = minilm.what_passes(encoder, minilm.encoded(drawn.texts))
    others = rivals(passed, layers)
    kernels = layer_kernels(encoder, drawn, layers, seed)
    return {
        f"layer {layer + 1}": table(
            {"kernel": kernel_modes(kernel)}
            | {way: columns[i] for way, columns in others.items()},
            passed["returned"][layer][:, -1],
            drawn.facts,
            drawn.words,
            chance=chance,
        )
        for i, (layer, kernel) in enumerate(zip(layers, kernels, strict=True))
    }


def record(seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """The published encoder, and untrained ones at one layer, as they are stored.

    Args:
        seeds: Of sentences, directions and untrained weights.

    Returns:
        What `entk_book.stored.records.write` takes: by state and seed, tables by layer.
    """
    trained = minilm.sentence_encoder()
    untrained = {seed: minilm.untrained_encoder(seed) for seed in seeds}
    return {
        "trained": [records.rounded(look(trained, seed)) for seed in seeds],
        "untrained": [
            records.rounded(look(one, seed, [UNTRAINED_LAYER], chance=False))
            for seed, one in untrained.items()
        ],
    }


def stored_words() -> Told:
    """The stored table.

    Returns:
        By layer, all seeds.
    """
    return Told(records.read("words"))
