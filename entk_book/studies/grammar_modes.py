"""Chapter 11: what the kernels of a small language model tell of the grammar."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

import entk_lib as entk
from entk_book.stored import records
from entk_book.stored.language_transformers import LANGUAGE_SEEDS, language_transformer
from entk_book.studies import sample_scores
from entk_book.studies.told import Told, table
from entk_lib import spectra
from entk_lib.toys.models import LanguageTransformer
from entk_lib.toys.tasks import grammar

# What writes into the residual stream, from the input on.
LAYERS = {
    "attention 1": "blocks.0.attention_output",
    "MLP 1": "blocks.0.mlp_out",
    "attention 2": "blocks.1.attention_output",
    "MLP 2": "blocks.1.mlp_out",
}
# As in `entk_book.studies.words`; beside them the principal components of the logits and of
# the probabilities that they make.
WAYS = (
    "kernel",
    "returned",
    "read",
    "embeddings",
    "side by side",
    "logits",
    "probabilities",
)
# Network 0 was looked at while the questions were chosen.
SEEDS = [seed for seed in LANGUAGE_SEEDS if seed >= 10]
N_EACH = 57  # contexts of each class of the next word: 513
N_NUMBER = 128  # of each number of the subject, with each of the nearest noun
DEPTHS = (0, 1, 2)  # clauses that the last word's clause stands in
N_DEPTH = 85  # of each depth, with each tense: 510
TOLERANCE = 1e-2  # of the eigenpairs, as published


def contexts(seed: int) -> dict[str, grammar.Contexts]:
    """The two sets of contexts.

    Args:
        seed: Of the draw.

    Returns:
        ``"classes"``, as many of each class of the next word, and ``"number"``, as in
        `before_verbs`.
    """
    return {
        "classes": grammar.sample_balanced("next_class", N_EACH, seed=seed),
        "number": before_verbs(seed),
    }


def within_clauses(seed: int, n_each: int = N_DEPTH) -> grammar.Contexts:
    """Contexts of each depth and each tense, in all combinations.

    Args:
        seed: Of the draw.
        n_each: Contexts a combination.

    Returns:
        ``6 * n_each`` contexts.
    """
    return grammar.joined(
        [
            grammar.sample_balanced(
                "depth",
                n_each,
                seed=seed,
                values=DEPTHS,
                where=lambda c, tense=tense: c.tense == tense,
            )
            for tense in (0, 1)
        ]
    )


def before_verbs(seed: int, n_each: int = N_NUMBER) -> grammar.Contexts:
    """Contexts before a verb, in which the nearest noun tells nothing of the subject.

    Half of the subjects are plural, and half of the nearest nouns, in all combinations.
    The nearest noun may be the subject, where the two agree; else it stands between.

    Args:
        seed: Of the draw.
        n_each: Contexts a combination.

    Returns:
        ``4 * n_each`` contexts.
    """
    return grammar.joined(
        [
            grammar.sample_balanced(
                "number",
                n_each,
                seed=seed,
                where=lambda c, same=same: (c.nearest_number == c.number) == same,
            )
            for same in (True, False)
        ]
    )


def facts_of(name: str, drawn: grammar.Contexts) -> dict[str, Tensor]:
    """What is to be told of a set of contexts.

    Args:
        name: As in `contexts`; or ``"clauses"``, for those of `within_clauses`.
        drawn: The set.

    Returns:
        By the class of the next word; or as ``"subject"`` and ``"nearest noun"`` of the
        plural; or as ``"past"``, and ``"in a clause"`` and ``"in two"`` for words that
        stand in one clause or more, and in two. One truth value a context.
    """
    if name == "number":
        return {"subject": drawn.number == 1, "nearest noun": drawn.nearest_number == 1}
    if name == "clauses":
        return {
            "past": drawn.tense == 1,
            "in a clause": drawn.depth >= 1,
            "in two": drawn.depth == 2,
        }
    return {kind: drawn.next_class == i for i, kind in enumerate(grammar.CLASSES)}


def modes(
    model: nn.Module, tokens: Int[Tensor, "n length"], layer: str
) -> Float[Tensor, "n modes"]:
    """One number a context from each leading mode of one tensor's flattened kernel.

    As `entk_lib.ntk_spectrum` finds them to a tolerance, without the kernel's trace, which
    takes longer than the modes.

    Args:
        model: A language model.
        tokens: Contexts.
        layer: One of ``LAYERS``.

    Returns:
        25 columns.
    """
    operator = entk.NTKOperator(
        model, tokens, outputs="flatten", parameters=[f"{LAYERS[layer]}.weight"]
    )
    rows, dtype = operator.shape[0], operator.dtype
    found = spectra.few_largest_to_tolerance(
        operator.product, rows, sample_scores.N_MODES, dtype, TOLERANCE
    )
    return sample_scores.by_sample(found.vectors, len(tokens))


@torch.no_grad()
def what_passes(
    model: LanguageTransformer, tokens: Int[Tensor, "n length"]
) -> dict[str, dict[str, Tensor]]:
    """What each layer reads and returns, and what comes before and after them.

    Args:
        model: A language model.
        tokens: Contexts.

    Returns:
        By layer, ``"read"``, at all words that it reads, ``"returned"``, at the last,
        ``"embeddings"``, ``"logits"`` and ``"probabilities"``, one row a context each.
    """
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def keep(name: str):
        return lambda module, given, out: seen.update({name: (given[0], out)})

    hooks = [
        model.get_submodule(module).register_forward_hook(keep(name))
        for name, module in LAYERS.items()
    ]
    try:
        logits = model(tokens)
    finally:
        for hook in hooks:
            hook.remove()
    embedded = model.token_embedding(tokens).flatten(1)
    return {
        name: {
            "read": read.flatten(1),
            # The last layer's are of the last word alone.
            "returned": out if out.ndim == 2 else out[:, -1],
            "embeddings": embedded,
            "logits": logits,
            "probabilities": logits.softmax(1),
        }
        for name, (read, out) in seen.items()
    }


def look(
    model: LanguageTransformer,
    every: Mapping[str, grammar.Contexts],
    *,
    chance: bool = True,
) -> dict[str, Any]:
    """All that the layers of one network tell of some sets of contexts.

    Args:
        model: A language model.
        every: Sets by the names that `facts_of` knows.
        chance: As in `entk_book.studies.told.table`.

    Returns:
        By layer, a table as `entk_book.studies.told.table` gives it.
    """
    found: dict[str, Any] = {layer: {} for layer in LAYERS}
    for name, drawn in every.items():
        facts, passed = facts_of(name, drawn), what_passes(model, drawn.tokens)
        for layer in LAYERS:
            views = passed[layer]
            parts = [views[way] for way in ("returned", "read", "embeddings")]
            ways = {
                "kernel": modes(model, drawn.tokens, layer),
                **{
                    way: sample_scores.principal_components(views[way])
                    for way in WAYS
                    if way not in ("kernel", "side by side")
                },
                "side by side": sample_scores.side_by_side_components(parts),
            }
            found_here = table(ways, views["returned"], facts, chance=chance)
            for way, entries in found_here.items():
                found[layer].setdefault(way, {}).update(entries)
    return found


def untrained(seed: int) -> LanguageTransformer:
    """A network as it starts.

    Args:
        seed: Of its weights.

    Returns:
        The network.
    """
    return LanguageTransformer(len(grammar.VOCABULARY), seed=seed)


def record(seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Stored networks and untrained ones, as they are stored.

    Args:
        seeds: Of networks, their starts and contexts.

    Returns:
        What `entk_book.stored.records.write` takes: by state and seed, tables by layer.
    """
    return _of_each(seeds, contexts)


def record_of_clauses(seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """The same for tense and depth.

    Args:
        seeds: Of networks, their starts and contexts.

    Returns:
        What `entk_book.stored.records.write` takes: by state and seed, tables by layer.
    """
    return _of_each(seeds, lambda seed: {"clauses": within_clauses(seed)})


def _of_each(
    seeds: Sequence[int], draw: Callable[[int], Mapping[str, grammar.Contexts]]
) -> dict[str, Any]:
    states = {"trained": language_transformer, "untrained": untrained}
    # Of the untrained ones nobody asks what chance gives.
    return {
        state: [
            records.rounded(look(network(seed), draw(seed), chance=state == "trained"))
            for seed in seeds
        ]
        for state, network in states.items()
    }


def stored_grammar() -> Told:
    """The stored table.

    Returns:
        By layer, all seeds.
    """
    return Told(records.read("grammar"))


def stored_clauses() -> Told:
    """The stored table of tense and depth.

    Returns:
        By layer, all seeds.
    """
    return Told(records.read("grammar_clauses"))
