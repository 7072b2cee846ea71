"""The small Transformer that learns the next word."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from entk_lib.toys.models._layers import check_sizes, linear, table


class LanguageTransformer(nn.Module):
    r"""A causal Transformer; logits of the word after the last of a window.

    Layers of attention and an MLP with ReLU, each reading the residual stream through a
    layer norm, and one more norm before the unembedding. Learned positions, no biases but
    those of the norms. In the last layer, the call reads the last position alone: the
    others enter it as keys and values, and nothing else of them is computed. Parameters
    by name: ``token_embedding``, ``position_embedding``, for layer i ``blocks.i.`` and
    ``attention_norm``, ``query``, ``key``, ``value``, ``attention_output``, ``mlp_norm``,
    ``mlp_in``, ``mlp_out``, then ``final_norm`` and ``unembedding``.

    Args:
        n_words: Size of the vocabulary.
        length: Longest window, in words.
        n_layers: Number of layers.
        d_model: Width of the residual stream.
        n_heads: Attention heads a layer; each has ``d_model / n_heads`` dimensions.
        d_mlp: Hidden units of each MLP.
        seed: Seed of the start. Weights are normal with variance 1 / inputs, those of the
            embeddings with ``1 / d_model``; the norms start at one and zero.
        dtype: Of the parameters, ``torch.float32`` by default.

    Raises:
        TypeError: If a size is no integer.
        ValueError: If a size is below 1, or ``d_model`` no multiple of ``n_heads``.

    References:
        Radford et al. (2019), "Language models are unsupervised multitask learners", for
        norms before the layers and one at the end.

    Example:
        >>> model = LanguageTransformer(9, length=4, seed=0)
        >>> model(torch.tensor([[3, 4, 5]])).shape
        torch.Size([1, 9])
    """

    def __init__(
        self,
        n_words: int,
        *,
        length: int = 24,
        n_layers: int = 2,
        d_model: int = 64,
        n_heads: int = 4,
        d_mlp: int = 256,
        seed: int,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        others = {"n_words": n_words, "length": length, "n_layers": n_layers}
        check_sizes(d_model, n_heads, d_mlp=d_mlp, **others)
        self.n_words, self.length = n_words, length
        self.token_embedding = table(n_words, d_model, dtype)
        self.position_embedding = table(length, d_model, dtype)
        self.blocks = nn.ModuleList(
            _Block(d_model, n_heads, d_mlp, dtype) for _ in range(n_layers)
        )
        self.final_norm = nn.LayerNorm(d_model, dtype=dtype)
        self.unembedding = linear(d_model, n_words, dtype)
        generator = torch.Generator().manual_seed(seed)
        for weight in self.parameters():
            if weight.ndim == 2:  # the norms have their start
                std = 1 / math.sqrt(weight.shape[1])
                nn.init.normal_(weight, std=std, generator=generator)

    def forward(self, tokens: Int[Tensor, "batch t"]) -> Float[Tensor, "batch words"]:
        """Logits of the word after the last.

        Args:
            tokens: Windows, shape ``(batch, t)``, t from 1 to ``length``.

        Returns:
            One logit a word, shape ``(batch, n_words)``.

        Raises:
            TypeError: If the tokens are no integers.
            ValueError: If they have another shape, or one is no word.
        """
        return self.unembedding(self.residual(tokens))

    def residual(self, tokens: Int[Tensor, "batch t"]) -> Float[Tensor, "batch d_model"]:
        """What the unembedding reads at the last position: the stream after its norm.

        Args:
            tokens: As in `forward`.

        Returns:
            Shape ``(batch, d_model)``.

        Raises:
            TypeError: As in `forward`.
            ValueError: As in `forward`.
        """
        stream = self._embedded(tokens)
        *before, last = self.blocks
        assert isinstance(last, _Block)
        for block in before:
            stream = block(stream)
        return self.final_norm(last.last(stream))

    def all_logits(self, tokens: Int[Tensor, "batch t"]) -> Float[Tensor, "batch t words"]:
        """Logits of the next word at every position, for training.

        Args:
            tokens: As in `forward`.

        Returns:
            Shape ``(batch, t, n_words)``; the last position's are what `forward` gives.

        Raises:
            TypeError: As in `forward`.
            ValueError: As in `forward`.
        """
        stream = self._embedded(tokens)
        for block in self.blocks:
            stream = block(stream)
        return self.unembedding(self.final_norm(stream))

    def _embedded(self, tokens: Tensor) -> Tensor:
        if tokens.ndim != 2 or not 1 <= tokens.shape[1] <= self.length:
            raise ValueError(
                f"tokens must have shape (n, t) with t from 1 to {self.length}, got "
                f"{tuple(tokens.shape)}. Make them with tasks.grammar.sample_contexts."
            )
        if tokens.is_floating_point():
            raise TypeError(
                f"tokens must be integers, got {tokens.dtype}. One-hot inputs and "
                "embeddings are for other models; pass tokens.long()."
            )
        try:
            words = self.token_embedding(tokens)
        except IndexError as error:
            raise ValueError(
                f"tokens must be from 0 to {self.n_words - 1}, got {int(tokens.min())} to "
                f"{int(tokens.max())}. Each is a word of the vocabulary."
            ) from error
        return words + self.position_embedding.weight[: tokens.shape[1]]


class _Block(nn.Module):
    """Attention, then an MLP, each added to the stream that it reads through a norm."""

    def __init__(self, d_model: int, n_heads: int, d_mlp: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.attention_norm = nn.LayerNorm(d_model, dtype=dtype)
        self.query = linear(d_model, d_model, dtype)
        self.key = linear(d_model, d_model, dtype)
        self.value = linear(d_model, d_model, dtype)
        self.attention_output = linear(d_model, d_model, dtype)
        self.mlp_norm = nn.LayerNorm(d_model, dtype=dtype)
        self.mlp_in = linear(d_model, d_mlp, dtype)
        self.mlp_out = linear(d_mlp, d_model, dtype)

    def forward(self, stream: Tensor) -> Tensor:
        """The stream after the layer, every position seeing itself and those before."""
        normed = self.attention_norm(stream)
        n, t, _ = stream.shape
        query = self.query(normed).reshape(n, t, self.n_heads, -1).transpose(1, 2)
        key = self.key(normed).reshape(n, t, self.n_heads, -1).transpose(1, 2)
        value = self.value(normed).reshape(n, t, self.n_heads, -1).transpose(1, 2)
        scores = query @ key.mT / math.sqrt(key.shape[-1])
        hidden = torch.ones(t, t, dtype=torch.bool, device=stream.device).triu(1)
        weights = scores.masked_fill(hidden, -math.inf).softmax(-1)
        mixed = (weights @ value).transpose(1, 2).reshape(n, t, -1)
        return self._with_mlp(stream + self.attention_output(mixed))

    def last(self, stream: Tensor) -> Tensor:
        """The same at the last position alone, which sees all: nothing is hidden."""
        normed = self.attention_norm(stream)
        n, t, _ = stream.shape
        query = self.query(normed[:, -1]).reshape(n, 1, self.n_heads, -1)
        key = self.key(normed).reshape(n, t, self.n_heads, -1)
        value = self.value(normed).reshape(n, t, self.n_heads, -1)
        scores = (query * key).sum(-1) / math.sqrt(key.shape[-1])
        mixed = (scores.softmax(1).unsqueeze(-1) * value).sum(1).reshape(n, -1)
        return self._with_mlp(stream[:, -1] + self.attention_output(mixed))

    def _with_mlp(self, stream: Tensor) -> Tensor:
        return stream + self.mlp_out(torch.relu(self.mlp_in(self.mlp_norm(stream))))
