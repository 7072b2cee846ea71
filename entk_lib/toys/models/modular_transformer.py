"""The one-layer Transformer that learns modular addition."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from entk_lib.toys.models._layers import check_sizes, linear, table

_POSITIONS = 3  # a, b, =


class ModularTransformer(nn.Module):
    r"""One layer of causal attention and one MLP; logits of a + b at the last of a, b, =.

    No biases, no layer norm, learned positions, ReLU. Only the last position is read, and
    it may look at all three: the other positions enter as keys and values alone, the
    causal mask hides nothing from the one query that counts, and so nothing else is
    computed. Each of the nine parameter tensors is a submodule of its own, in the order
    of the computation: ``token_embedding``, ``position_embedding``, ``query``, ``key``,
    ``value``, ``attention_output``, ``mlp_in``, ``mlp_out``, ``unembedding``.

    Args:
        modulus: Number of residues, which are the first tokens; ``=`` is the token after
            them.
        d_model: Width of the residual stream.
        n_heads: Attention heads; each has ``d_model / n_heads`` dimensions.
        d_mlp: Hidden units of the MLP.
        seed: Seed of the start. Weights are normal with variance ``1 / d_model``, but
            ``1 / d_mlp`` in ``mlp_in`` and ``1 / modulus`` in ``unembedding``.
        dtype: Of the parameters, ``torch.float32`` by default.

    Raises:
        TypeError: If a size is no integer.
        ValueError: If a size is below 1, or ``d_model`` no multiple of ``n_heads``.

    References:
        Nanda et al. (2023), "Progress measures for grokking via mechanistic
        interpretability", arXiv:2301.05217, for the architecture; Lin (2025),
        arXiv:2510.00468, for sizes and start.

    Example:
        >>> model = ModularTransformer(5, seed=0)
        >>> model(torch.tensor([[3, 4, 5]])).shape
        torch.Size([1, 5])
    """

    def __init__(
        self,
        modulus: int,
        *,
        d_model: int = 64,
        n_heads: int = 4,
        d_mlp: int = 256,
        seed: int,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        check_sizes(d_model, n_heads, d_mlp=d_mlp, modulus=modulus)
        self.modulus, self.n_heads = modulus, n_heads
        self.token_embedding = table(modulus + 1, d_model, dtype)
        self.position_embedding = table(_POSITIONS, d_model, dtype)
        self.query = linear(d_model, d_model, dtype)
        self.key = linear(d_model, d_model, dtype)
        self.value = linear(d_model, d_model, dtype)
        self.attention_output = linear(d_model, d_model, dtype)
        self.mlp_in = linear(d_model, d_mlp, dtype)
        self.mlp_out = linear(d_mlp, d_model, dtype)
        self.unembedding = linear(d_model, modulus, dtype)
        generator = torch.Generator().manual_seed(seed)
        sizes = {"mlp_in.weight": d_mlp, "unembedding.weight": modulus}
        for name, weight in self.named_parameters():
            std = 1 / math.sqrt(sizes.get(name, d_model))
            nn.init.normal_(weight, std=std, generator=generator)

    def forward(self, tokens: Int[Tensor, "batch 3"]) -> Float[Tensor, "batch modulus"]:
        """Logits of a batch of a, b, =.

        Args:
            tokens: Shape ``(batch, 3)``, as
                `entk_lib.toys.tasks.modular_addition.tokens` makes them.

        Returns:
            One logit a residue, shape ``(batch, modulus)``.

        Raises:
            TypeError: If the tokens are no integers.
            ValueError: If they have another shape, or one is outside 0 to modulus.
        """
        return self.unembedding(self.residual(tokens))

    def residual(self, tokens: Int[Tensor, "batch 3"]) -> Float[Tensor, "batch d_model"]:
        """The residual stream that the unembedding reads, at the last position.

        Args:
            tokens: As in `forward`.

        Returns:
            Shape ``(batch, d_model)``.

        Raises:
            TypeError: As in `forward`.
            ValueError: As in `forward`.
        """
        attended = self.attended(tokens)
        return attended + self.mlp_out(self.neurons(attended))

    def neurons(self, attended: Float[Tensor, "b d_model"]) -> Float[Tensor, "b d_mlp"]:
        """Activations of the MLP's hidden units.

        Args:
            attended: What `attended` gives.

        Returns:
            Not negative, shape ``(batch, d_mlp)``.
        """
        return torch.relu(self.mlp_in(attended))

    def attended(self, tokens: Int[Tensor, "batch 3"]) -> Float[Tensor, "batch d_model"]:
        """The residual stream after attention, which the MLP reads.

        Args:
            tokens: As in `forward`.

        Returns:
            Shape ``(batch, d_model)``.

        Raises:
            TypeError: As in `forward`.
            ValueError: As in `forward`.
        """
        self._check(tokens)
        n, heads = tokens.shape[0], self.n_heads
        try:
            stream = self.token_embedding(tokens)
        except IndexError as error:
            raise ValueError(
                f"tokens must be from 0 to {self.modulus}, which is '=', got "
                f"{int(tokens.min())} to {int(tokens.max())}. Take residues modulo "
                f"{self.modulus}."
            ) from error
        stream = stream + self.position_embedding.weight
        last = stream[:, -1]
        query = self.query(last).reshape(n, 1, heads, -1)
        key = self.key(stream).reshape(n, _POSITIONS, heads, -1)
        value = self.value(stream).reshape(n, _POSITIONS, heads, -1)
        scores = (query * key).sum(-1) / math.sqrt(key.shape[-1])
        mixed = (scores.softmax(1).unsqueeze(-1) * value).sum(1)
        return last + self.attention_output(mixed.reshape(n, -1))

    def _check(self, tokens: Tensor) -> None:
        if tokens.ndim != 2 or tokens.shape[1] != _POSITIONS:
            raise ValueError(
                f"tokens must have shape (n, {_POSITIONS}), a, b and '=', got "
                f"{tuple(tokens.shape)}. Make them with tasks.modular_addition.tokens."
            )
        if tokens.is_floating_point():
            raise TypeError(
                f"tokens must be integers, got {tokens.dtype}. One-hot inputs and "
                "embeddings are for other models; pass tokens.long()."
            )
