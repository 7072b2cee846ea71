"""Language models of Hugging Face's: the experiment as it was published, with one call."""

from typing import Any

import torch
from torch import nn

import entk_lib as entk


def gemma(name: str = "") -> Any:
    """Gemma 3 by its name, or a small random model of the same class.

    Args:
        name: As on Hugging Face; needs an account, and fetches it. Empty: nothing is
            fetched.

    Returns:
        A ``Gemma3ForCausalLM`` in evaluation mode.
    """
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    if name:
        return Gemma3ForCausalLM.from_pretrained(name).eval()
    config = Gemma3TextConfig(
        vocab_size=60,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=64,
        sliding_window=8,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Gemma3ForCausalLM(config).eval()


def down_projection(model: Any, layer: int) -> str:
    """Name of the second map of one layer's MLP, whose kernel was published.

    Args:
        model: A ``Gemma3ForCausalLM``, or another with such layers.
        layer: From 0, or from the end if negative.

    Returns:
        The name of its weight.

    Raises:
        ValueError: If the model has no such tensor.
    """
    names = [n for n, _ in model.named_parameters() if n.endswith("mlp.down_proj.weight")]
    if not -len(names) <= layer < len(names):
        raise ValueError(
            f"layer must be from {-len(names)} to {len(names) - 1}, got {layer}; the model "
            f"has {len(names)} tensors named ...mlp.down_proj.weight."
        )
    return names[layer]


def logit_spectrum(
    model: Any,
    batch: dict[str, torch.Tensor],
    tensor: str,
    *,
    k: int = 25,
    tolerance: float = 1e-2,
    **options: Any,
) -> entk.Spectrum:
    """Leading modes of the flattened kernel of the logits at the last position.

    The logits U h have as many numbers as there are words, 262,144 for Gemma 3; but their
    kernel has the spectrum of that of the last hidden state h weighted with U^T U, which
    has 640.

    Args:
        model: A causal language model of ``transformers``, without a soft cap on its
            logits; a tied embedding is fine.
        batch: What it takes, as from its tokenizer; texts of one length, or padded on the
            left.
        tensor: Name of one of its parameters, as in ``model.named_parameters()``.
        k: How many modes.
        tolerance: As in `entk_lib.ntk_spectrum`.
        **options: As in `entk_lib.ntk_spectrum`.

    Returns:
        The spectrum. Its eigenvectors have a row for each sample and hidden number; those
        of the logits' kernel are these times a matrix with orthonormal columns, so that
        one number a sample (`entk_book.studies.sample_scores.by_sample`) comes out alike.

    Raises:
        ValueError: If the logits are no linear map of the hidden state, or there is no
            such parameter.

    References:
        Lin (2025), "Feature Identification via the Empirical NTK", arXiv:2510.00468, v4.
    """
    if getattr(model.config, "final_logit_softcapping", None):
        raise ValueError(
            "the logits must be a linear map of the hidden state, got a model that caps "
            "them (final_logit_softcapping). Set it to None in the model's config."
        )
    names = [name for name, _ in model.named_parameters()]
    prefix = f"{model.base_model_prefix}."
    if tensor not in names or not tensor.startswith(prefix):
        raise ValueError(
            f"tensor must be a parameter below the head, such as {names[-2]!r}, got "
            f"{tensor!r}."
        )
    head = model.get_output_embeddings()
    if not isinstance(head, nn.Linear) or head.bias is not None:
        raise ValueError(
            f"the logits must be a linear map without a bias, got {type(head).__name__}."
        )
    unembedding = head.weight.detach().double()
    hidden = entk.Readout(model.base_model, lambda result: result.last_hidden_state[:, -1])
    return entk.ntk_spectrum(
        hidden,
        batch,
        k=k,
        outputs="flatten",
        output_weights=(unembedding.T @ unembedding).to(model.dtype),
        parameters=[tensor.removeprefix(prefix)],
        tolerance=tolerance,
        **options,
    )
