"""Chapter 11: a small Transformer learns a language whose grammar is known."""

from dataclasses import dataclass
from itertools import islice

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from entk_lib.toys.models import LanguageTransformer
from entk_lib.toys.tasks import grammar
from entk_lib.toys.tasks.grammar import Contexts
from entk_lib.training import DivergedError, TrainingResult, adamw
from entk_lib.training.schedules import scheduled, warmup_cosine

STEPS, BATCH_SIZE = 1500, 128
_LEARNING_RATE, _WEIGHT_DECAY, _WARMUP = 3e-3, 0.1, 100
# Streams to train on are others than those to look at, whose seeds are below.
_FIRST_STREAM = 1_000_000
_AT_ONCE = 500  # contexts


def train(
    seed: int, *, steps: int = STEPS, batch_size: int = BATCH_SIZE, progress: bool = True
) -> TrainingResult:
    """Train a Transformer to tell the next word, on sentences that never come twice.

    Cross-entropy at every position of windows of 24 words, AdamW with a linear rise and
    half a cosine down. Two minutes on one core.

    Args:
        seed: Of the start and of the stream of sentences.
        steps: Updates.
        batch_size: Windows an update.
        progress: Whether to show a bar.

    Returns:
        The network; ``history`` has the loss of every update, in nats a word, over all
        positions of a window: at the first ones little is known.

    Raises:
        DivergedError: If the loss is no longer finite.

    Example:
        >>> train(0, steps=2, batch_size=4).steps
        2
    """
    model = LanguageTransformer(len(grammar.VOCABULARY), seed=seed)
    schedule = warmup_cosine(steps, warmup=min(_WARMUP, steps // 2))
    make = scheduled(adamw(_LEARNING_RATE, _WEIGHT_DECAY), schedule)
    optimizer = make(model.parameters())
    result = TrainingResult(model, history={"step": [], "loss": []})
    batches = grammar.word_batches(batch_size, seed=_FIRST_STREAM + seed)
    bar = tqdm(total=steps, desc="training", delay=2, leave=False, disable=not progress)
    for batch in islice(batches, steps):
        logits = model.all_logits(batch[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if not bool(loss.isfinite()):
            raise DivergedError(f"the loss is {float(loss)}.", [result])
        result.history["step"].append(result.steps)
        result.history["loss"].append(float(loss.detach()))
        result.steps += 1
        bar.update()
    bar.close()
    return result


@dataclass(frozen=True)
class Skill:
    """What a network knows of the grammar.

    Attributes:
        excess: Mean divergence of its next-word probabilities from the grammar's, in nats
            a word: its loss less the least that any network can have.
        entropy: The grammar's entropy on the same contexts, in nats a word.
        agreement: Share of contexts with a wrong noun nearest in which it gives the right
            number's verb forms more probability than the wrong one's.
        agreement_of_nearest: The same for who goes by the nearest noun: 0 by choice of
            the contexts.
        reflexives: Share of contexts before a reflexive, as many of each, in which the
            right one of the four is the likeliest.
    """

    excess: float
    entropy: float
    agreement: float
    agreement_of_nearest: float
    reflexives: float


def skill(model: nn.Module, *, seed: int, n: int = 2000, n_each: int = 200) -> Skill:
    """Measure a network on contexts that it has not seen.

    Args:
        model: From contexts to logits of the next word.
        seed: Of the contexts.
        n: Contexts for the loss; those whose sentence begins before them are left out.
        n_each: Contexts of each number, and of each reflexive.

    Returns:
        Its skill.
    """
    every = grammar.sample_contexts(n, seed=seed)
    every = every.take(every.start >= 0)
    right = every.probabilities()
    told = logits_on(model, every).double().log_softmax(1)
    pairs = grammar.across_distractor(n_each, seed=seed)
    before = grammar.sample_balanced("reflexive", n_each, seed=seed)
    four = logits_on(model, before)[:, list(grammar.REFLEXIVES)]
    return Skill(
        excess=float(F.kl_div(told, right, reduction="batchmean")),
        entropy=every.entropy(),
        agreement=_share(preferred_number(model, pairs) == pairs.number),
        agreement_of_nearest=_share(pairs.nearest_number == pairs.number),
        reflexives=_share(four.argmax(1) == before.reflexive),
    )


def preferred_number(model: nn.Module, contexts: Contexts) -> Int[Tensor, " n"]:
    """The number whose verb forms a network finds likelier next.

    Args:
        model: From contexts to logits of the next word.
        contexts: Before a verb that shows its number.

    Returns:
        0 for the singular, 1 for the plural, one a context.
    """
    told = logits_on(model, contexts).softmax(1)
    sums = [
        told[:, list(forms)].sum(1)
        for forms in (grammar.SINGULAR_FORMS, grammar.PLURAL_FORMS)
    ]
    return (sums[1] > sums[0]).long()


def logits_on(model: nn.Module, contexts: Contexts) -> Float[Tensor, "n words"]:
    """Logits of the next word, without gradients, some contexts at a time.

    Args:
        model: From contexts to logits of the next word.
        contexts: Any number of them.

    Returns:
        Shape ``(n, n_words)``.
    """
    with torch.no_grad():
        return torch.cat([model(part) for part in contexts.tokens.split(_AT_ONCE)])


def _share(holds: Tensor) -> float:
    return float(holds.double().mean())
