"""Chapter 11: what the layers of a sentence encoder tell, at a word, of its sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

import entk_lib as entk
from entk_book.stored import records
from entk_book.studies import sample_scores
from entk_book.studies.side_by_side import side_by_side
from entk_book.wild import minilm
from entk_book.wild.contexts import Contexts, contexts

# Sentences and directions of 0 were looked at while the questions were chosen.
SEEDS = range(10, 15)
N_TEXTS, N_WORDS = 512, 8
N_DIRECTIONS = 8
N_HALVES, N_SHUFFLES = 10, 20
# Ways to come by 25 numbers a sentence; the first is the kernel's, the others' are principal
# components, of what the tensor's layer returns at the word (the published rival), of what
# the tensor reads at all words, of the embeddings of all words, and of these three together.
WAYS = ("kernel", "returned", "read", "embeddings", "side by side")


def layer_kernels(
    encoder: nn.Module, drawn: Contexts, layers: Sequence[int], seed: int
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

    Args:
        kernel: Symmetric.

    Returns:
        25 columns, in float64.
    """
    found = entk.kernel_spectrum(kernel.double(), k=sample_scores.N_MODES)
    return found.eigenvectors


def rivals(
    encoder: nn.Module, drawn: Contexts, layers: Sequence[int]
) -> dict[str, list[Float[Tensor, "n modes"]]]:
    """Principal components of what passes through some layers.

    Args:
        encoder: A sentence encoder.
        drawn: Sentences.
        layers: From 0 to 5.

    Returns:
        By the names of ``WAYS`` but the first, 25 columns a layer.
    """
    passed = minilm.what_passes(encoder, minilm.encoded(drawn.texts))
    embedded = passed["embeddings"].flatten(1)
    found: dict[str, list[Tensor]] = {name: [] for name in WAYS[1:]}
    for layer in layers:
        returned, read = passed["returned"][layer][:, -1], passed["read"][layer].flatten(1)
        views = {"returned": returned, "read": read, "embeddings": embedded}
        centred = [view - view.mean(0) for view in views.values()]
        for name, view in views.items():
            found[name].append(sample_scores.principal_components(view))
        together = side_by_side(centred, [1.0, 1.0, 1.0])
        found["side by side"].append(kernel_modes(together))
    return found


def probed(features: Float[Tensor, "n features"], drawn: Contexts) -> dict[str, float]:
    """What a linear probe, fitted on half of the words, tells on the others.

    Args:
        features: One row a sentence.
        drawn: Sentences.

    Returns:
        By fact, the mean AUROC over the first three pairs of halves.
    """
    found = {}
    for name, fact in drawn.facts.items():
        scores = []
        for seed in range(3):
            here, there = sample_scores.halves(fact, seed, drawn.words)
            probe = make_pipeline(
                StandardScaler(), LogisticRegression(C=0.1, max_iter=1_000)
            )
            probe.fit(features[here].numpy(), fact[here].numpy())
            told = torch.from_numpy(probe.decision_function(features[there].numpy()))
            scores.append(float(sample_scores.aurocs(told.unsqueeze(1), fact[there])[0]))
        found[name] = sum(scores) / len(scores)
    return found


def scored(numbers: Float[Tensor, "n modes"], drawn: Contexts) -> dict[str, Any]:
    """How well the best of some columns tells each fact, on words it was not chosen on.

    Args:
        numbers: One column a mode.
        drawn: Sentences.

    Returns:
        By fact, the means over pairs of halves: ``"auroc"`` and ``"ap"``.
    """
    scores = sample_scores.over_halves(
        numbers, drawn.facts, range(N_HALVES), groups=drawn.words
    )
    return {
        fact: {
            "auroc": sum(one.auroc for one in of) / len(of),
            "ap": sum(one.average_precision for one in of) / len(of),
        }
        for fact, of in scores.items()
    }


def by_choice(numbers: Float[Tensor, "n modes"], drawn: Contexts) -> dict[str, list[float]]:
    """What the same choice makes of shuffled facts.

    Args:
        numbers: One column a mode.
        drawn: Sentences.

    Returns:
        By fact, the mean AUROC over pairs of halves, one a shuffle.
    """
    found: dict[str, list[float]] = {name: [] for name in drawn.facts}
    for seed in range(N_SHUFFLES):
        facts = sample_scores.shuffled(drawn.facts, seed, drawn.words)
        other = Contexts(drawn.texts, facts, drawn.words)
        for name, means in scored(numbers, other).items():
            found[name].append(means["auroc"])
    return found


def look(encoder: nn.Module, seed: int, layers: Sequence[int]) -> list[dict[str, Any]]:
    """All that some layers tell, of one draw of sentences.

    Args:
        encoder: A sentence encoder.
        seed: Of sentences and directions.
        layers: From 0 to 5.

    Returns:
        One table a layer: by way and fact as in `scored`, ``"probe"`` and ``"chance"``.
    """
    drawn = contexts(N_TEXTS, n_words=N_WORDS, seed=seed)
    others = rivals(encoder, drawn, layers)
    returned = minilm.what_passes(encoder, minilm.encoded(drawn.texts))["returned"]
    kernels = layer_kernels(encoder, drawn, layers, seed)
    tables = []
    for i, (layer, kernel) in enumerate(zip(layers, kernels, strict=True)):
        modes = kernel_modes(kernel)
        table: dict[str, Any] = {"kernel": scored(modes, drawn)}
        table |= {way: scored(columns[i], drawn) for way, columns in others.items()}
        table["probe"] = probed(returned[layer][:, -1], drawn)
        table["chance"] = by_choice(modes, drawn)
        tables.append(table)
    return tables


def record(seeds: Sequence[int] = SEEDS, n_untrained: int = 2) -> dict[str, Any]:
    """The published encoder and untrained ones, as they are stored.

    Args:
        seeds: Of sentences, directions and untrained weights.
        n_untrained: For how many of them an untrained one is looked at.

    Returns:
        What `entk_book.stored.records.write` takes: by state and seed, a table a layer.
    """
    trained = minilm.sentence_encoder()
    layers = range(minilm.N_LAYERS)
    return {
        "trained": [records.rounded(look(trained, seed, layers)) for seed in seeds],
        "untrained": [
            records.rounded(look(minilm.untrained_encoder(seed), seed, layers))
            for seed in list(seeds)[:n_untrained]
        ],
    }


@dataclass(frozen=True)
class Told:
    """What layers tell of sentences.

    Attributes:
        table: As `record` gives it.
    """

    table: Mapping[str, Sequence[Any]]

    def of(
        self,
        way: str,
        layer: int,
        fact: str,
        *,
        state: str = "trained",
        score: str = "auroc",
    ) -> list[float]:
        """A score.

        Args:
            way: One of ``WAYS``, or ``"probe"``.
            layer: From 0 to 5.
            fact: One of `entk_book.wild.contexts.FACTS`.
            state: ``"trained"`` or ``"untrained"``.
            score: ``"auroc"`` or ``"ap"``; a probe has the first.

        Returns:
            One number a seed.
        """
        found = [layers[layer][way][fact] for layers in self.table[state]]
        return found if way == "probe" else [one[score] for one in found]

    def chance(self, layer: int, fact: str) -> float:
        """What one in forty shuffled facts passes, with the same choice.

        Args:
            layer: From 0 to 5.
            fact: As in `of`.

        Returns:
            AUROC, over all seeds of the published encoder.
        """
        drawn = [x for layers in self.table["trained"] for x in layers[layer]["chance"][fact]]
        return float(torch.tensor(drawn).quantile(0.975))


def stored_words() -> Told:
    """The stored table.

    Returns:
        All seeds.
    """
    return Told(records.read("words"))
