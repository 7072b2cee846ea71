"""Chapter 11's trained Transformers, as ``book/make_snapshots.py`` stores them.

Two-layer Transformers that learned the language of `entk_lib.toys.tasks.grammar`, two
minutes of one core each. They are made one at a time: more seeds are
``python book/make_snapshots.py language 5`` and an entry in `LANGUAGE_SEEDS`.
"""

from importlib import resources

import safetensors.torch

from entk_lib.toys.models import LanguageTransformer
from entk_lib.toys.tasks import grammar

# 0 and 1 to look at; no choice was made on the others.
LANGUAGE_SEEDS = (0, 1, *range(10, 15))


def language_transformer(seed: int) -> LanguageTransformer:
    """A stored network that knows the grammar.

    Its weights are stored with half precision (11 significant bits) and come back in
    float32. Each is within 0.04 nats a word of the grammar's entropy, right in at least
    95 of 100 verbs across a noun of the other number, and in 90 of 100 reflexives.

    Args:
        seed: Of the network: 0, 1, or 10 to 14, on which no choice was made.

    Returns:
        The network at the end of its training.

    Raises:
        ValueError: If no network of this seed is stored.

    Example:
        >>> model = language_transformer(0)
        >>> tokens = grammar.encode("today the girl near the dogs")
        >>> told = model(tokens[None]).softmax(1)[0]
        >>> bool(told[list(grammar.SINGULAR_FORMS)].sum() > 0.5)
        True
    """
    if seed not in LANGUAGE_SEEDS:
        raise ValueError(
            f"seed must be one of {', '.join(map(str, LANGUAGE_SEEDS))}, of which networks "
            f"are stored, got {seed!r}. entk_book.studies.grammar.train({seed!r}) trains "
            "another."
        )
    folder = resources.files("entk_book.stored").joinpath("data")
    file = folder.joinpath(f"language_seed{seed}.safetensors")
    if not file.is_file():
        raise ValueError(
            f"no network of seed {seed} is in {folder}. Install the library anew; in a "
            "clone, make snapshots trains the networks and stores them."
        )
    state = safetensors.torch.load(file.read_bytes())
    model = LanguageTransformer(len(grammar.VOCABULARY), seed=seed)
    model.load_state_dict({name: value.float() for name, value in state.items()})
    return model
