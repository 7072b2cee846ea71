"""Chapter 11: what an encoder's layers tell of the words of running text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from entk_book.stored import records
from entk_book.studies import sample_scores, words
from entk_book.studies.spans import span
from entk_book.studies.told import N_HALVES, Told, table
from entk_book.wild import minilm, running

# Of contexts, directions of the outputs, and everything that is drawn.
SEED = 10
UNTRAINED_SEEDS = range(10, 15)
UNTRAINED_LAYER = 4  # from 0: that of the others is not asked
ASKED: tuple[Literal["next", "last"], ...] = ("next", "last")
# As in `entk_book.studies.words`, and the embedding of the last word alone.
WAYS = (*words.WAYS, "embedding of the word")
N_RESAMPLED, LEVEL = 200, 0.95


def resampled(
    ways: Mapping[str, Float[Tensor, "n modes"]],
    facts: Mapping[str, Bool[Tensor, " n"]],
    *,
    n_draws: int = N_RESAMPLED,
    seed: int = 0,
) -> dict[str, Float[Tensor, " draws"]]:
    """Mean scores over facts, had the contexts to score on been drawn otherwise.

    Bootstrap: of the half that is scored on, contexts are drawn with replacement, the same
    ones for every way. Modes and their choice stay.

    Args:
        ways: One column a mode each.
        facts: By name, one truth value a context.
        n_draws: How often.
        seed: Of the draws.

    Returns:
        By way, the mean AUROC over facts and pairs of halves, one a draw.
    """
    generator = torch.Generator().manual_seed(seed)
    n = len(next(iter(facts.values())))
    drawn = torch.randint(n, (n_draws, n), generator=generator)
    counts = torch.stack([row.bincount(minlength=n) for row in drawn]).double()
    found = {way: torch.zeros(n_draws, dtype=torch.float64) for way in ways}
    for way, numbers in ways.items():
        for fact in facts.values():
            for half in range(N_HALVES):
                best = sample_scores.chosen(numbers, fact, seed=half)
                there = sample_scores.halves(fact, half)[1]
                column = best.sign * numbers[there, best.mode]
                found[way] += weighted_auroc(column, fact[there], counts[:, there])
    return {way: sums / (len(facts) * N_HALVES) for way, sums in found.items()}


def weighted_auroc(
    numbers: Float[Tensor, " n"], fact: Bool[Tensor, " n"], counts: Float[Tensor, "draws n"]
) -> Float[Tensor, " draws"]:
    """AUROC of one column where samples count more than once, or not at all.

    Args:
        numbers: One a sample; ties count half.
        fact: What they should tell.
        counts: How often each sample counts, one row a draw; some with the fact and some
            without must.

    Returns:
        From 0 to 1.

    Example:
        >>> numbers, fact = torch.arange(3.0), torch.tensor([False, True, False])
        >>> weighted_auroc(numbers, fact, torch.tensor([[1.0, 1.0, 1.0], [3.0, 1.0, 1.0]]))
        tensor([0.5000, 0.7500])
    """
    inside, outside = counts[:, fact], counts[:, ~fact]
    higher = numbers[fact].unsqueeze(1) - numbers[~fact].unsqueeze(0)
    wins = (higher > 0).to(counts) + 0.5 * (higher == 0).to(counts)
    return (inside @ wins * outside).sum(1) / (inside.sum(1) * outside.sum(1))


def facts_of(drawn: running.Passages) -> dict[str, Bool[Tensor, " texts"]]:
    """Of each class, which contexts have it.

    Args:
        drawn: Contexts.

    Returns:
        By class.
    """
    return {kind: drawn.labels == i for i, kind in enumerate(running.CLASSES)}


def bands(
    ways: Mapping[str, Float[Tensor, "n modes"]],
    facts: Mapping[str, Bool[Tensor, " n"]],
) -> dict[str, list[float]]:
    """Where 95 of 100 bootstrap draws lie, for each way and for the kernel less each.

    Args:
        ways: One column a mode each; ``"kernel"`` is among them.
        facts: By name, one truth value a context.

    Returns:
        By way, and by ``"kernel less WAY"``, both ends.
    """
    means = resampled(ways, facts)
    less = {f"kernel less {way}": means["kernel"] - means[way] for way in ways}
    del less["kernel less kernel"]
    ends = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)
    return {name: one.quantile(ends).tolist() for name, one in (means | less).items()}


def look(
    encoder: nn.Module,
    of: Literal["next", "last"],
    layers: Sequence[int] = range(minilm.N_LAYERS),
    *,
    seed: int = SEED,
    chance: bool = True,
) -> dict[str, Any]:
    """All that some layers tell of the class of a word.

    Args:
        encoder: A sentence encoder.
        of: Of which word, as in `entk_book.wild.running.passages`.
        layers: From 0 to 5.
        seed: Of contexts and directions.
        chance: As in `entk_book.studies.told.table`.

    Returns:
        By the layer's name, a table as `entk_book.studies.told.table` gives it, and its
        ``"bands"``.
    """
    drawn = running.passages(of=of, seed=seed)
    facts, x = facts_of(drawn), minilm.encoded(drawn.texts)
    passed = minilm.what_passes(encoder, x)
    others = words.rivals(passed, layers)
    word = sample_scores.principal_components(passed["embeddings"][:, -1])
    kernels = words.layer_kernels(encoder, drawn, layers, seed)
    found = {}
    for i, (layer, kernel) in enumerate(zip(layers, kernels, strict=True)):
        ways = {"kernel": words.kernel_modes(kernel)}
        ways |= {way: columns[i] for way, columns in others.items()}
        ways["embedding of the word"] = word
        told = table(ways, passed["returned"][layer][:, -1], facts, chance=chance)
        found[f"layer {layer + 1}"] = {**told, "bands": bands(ways, facts)}
    return found


def record() -> dict[str, Any]:
    """The published encoder and untrained ones, as they are stored.

    Returns:
        What `entk_book.stored.records.write` takes: by question and state, tables by
        layer; ``"text"`` says which text it was.
    """
    trained = minilm.sentence_encoder()
    made: dict[str, Any] = {"text": running.digest()}
    for of in ASKED:
        made[of] = {"trained": [records.rounded(look(trained, of))]}
    made["next"]["untrained"] = [
        records.rounded(
            look(minilm.untrained_encoder(seed), "next", [UNTRAINED_LAYER], chance=False)
        )
        for seed in UNTRAINED_SEEDS
    ]
    return made


@dataclass(frozen=True)
class RunningText:
    """The stored tables.

    Attributes:
        text: What `entk_book.wild.running.digest` gave where they were made.
        told: By question, the scores; one trained network, and for the next word at one
            layer five untrained ones.
        bands: By question and layer, as `bands` gives them, of the trained network.
    """

    text: str
    told: Mapping[str, Told]
    bands: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]

    def rows(self, place: str, names: Mapping[str, str]) -> list[list[str]]:
        """Mean scores over the classes at one layer, for a table.

        Args:
            place: A layer, of which untrained encoders were asked too.
            names: Of ``WAYS`` and ``"probe"``, by what the table calls them.

        Returns:
            A row a way, a column a question: the score, with its band where there is one;
            and two rows of lowest to highest: of untrained kernels, and of shuffled labels.
        """
        found = []
        for way, name in names.items():
            row = [name]
            for of, told in self.told.items():
                (mean,) = told.mean(way, place, list(running.CLASSES))
                band = self.bands[of][place].get(way)
                row.append(f"{mean:.2f}" + (f" ({span(band, 2)})" if band else ""))
            found.append(row)
        kernels = self.told["next"].mean(
            "kernel", place, list(running.CLASSES), state="untrained"
        )
        found.append(["kernel, five untrained", span(kernels, 2), "not asked"])
        chance = [span(self.by_choice(of, place), 2) for of in self.told]
        return [*found, ["labels shuffled", *chance]]

    def by_choice(self, of: str, place: str) -> list[float]:
        """What the same choice makes of shuffled labels.

        Args:
            of: A question.
            place: A layer.

        Returns:
            The mean over classes, one a shuffle.
        """
        each = self.told[of].tables["trained"][0][place]["chance"].values()
        return [sum(shuffle) / len(shuffle) for shuffle in zip(*each, strict=True)]


def stored_running() -> RunningText:
    """What is stored.

    Returns:
        The tables.
    """
    found = records.read("running_text")
    return RunningText(
        found["text"],
        {of: Told(found[of]) for of in ASKED},
        {
            of: {place: one["bands"] for place, one in found[of]["trained"][0].items()}
            for of in ASKED
        },
    )
