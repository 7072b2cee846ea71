"""The networks that the benchmarks measure, each with the inputs it is measured on.

Every factory returns ``(model, x)``: a model in eval mode and float32 that maps x of
shape ``(N, ...)`` to outputs of shape ``(N, C)``. Weights and inputs are seeded. Two of
the networks come in two spellings of one function, with the same weights: a kernel must
not depend on the spelling, while a library's speed often does.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Case = tuple[nn.Module, Tensor]


@contextmanager
def _seeded(seed: int) -> Generator[None, None, None]:
    """Seed the global CPU generator inside the block, and restore it after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def pairs(p: int) -> Tensor:
    """All p*p pairs (a, b), int64, shape ``(p * p, 2)``."""
    return torch.cartesian_prod(torch.arange(p), torch.arange(p))


# --- modular addition with an MLP: f = W2 (W1 [onehot(a); onehot(b)])^2 ---------------


def _modular_mlp_weights(p: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    """Standard normal W1, shape ``(width, 2 p)``, and W2, shape ``(p, width)``."""
    with _seeded(seed):
        return torch.randn(width, 2 * p), torch.randn(p, width)


def _one_hot_pairs(p: int) -> Tensor:
    """All pairs, one-hot, shape ``(p * p, 2 p)``."""
    return F.one_hot(pairs(p), p).flatten(1).float()


class ModularMLP(nn.Module):
    """``(1/width) W2 ((1/sqrt(2p)) W1 x)^2`` with two ``nn.Linear`` layers."""

    def __init__(self, w1: Tensor, w2: Tensor) -> None:
        super().__init__()
        self.width, self.two_p = w1.shape
        self.first = nn.Linear(self.two_p, self.width, bias=False)
        self.second = nn.Linear(self.width, len(w2), bias=False)
        self.load_state_dict({"first.weight": w1, "second.weight": w2})

    def forward(self, x: Tensor) -> Tensor:
        """Outputs ``(N, p)``."""
        hidden = self.first(x) / self.two_p**0.5
        return self.second(hidden**2) / self.width


class ModularMLPTransposed(nn.Module):
    """The same function, with bare weights stored ``(out, in)`` and transposed in use."""

    def __init__(self, w1: Tensor, w2: Tensor) -> None:
        super().__init__()
        self.width, self.two_p = w1.shape
        self.first = nn.Parameter(w1)
        self.second = nn.Parameter(w2)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs ``(N, p)``."""
        hidden = x @ self.first.T / self.two_p**0.5
        return hidden**2 @ self.second.T / self.width


def modular_mlp(p: int = 29, width: int = 512, seed: int = 0) -> Case:
    """Quadratic MLP of modular addition on all pairs, x of shape ``(p * p, 2 p)``."""
    return ModularMLP(*_modular_mlp_weights(p, width, seed)).eval(), _one_hot_pairs(p)


def modular_mlp_transposed(p: int = 29, width: int = 512, seed: int = 0) -> Case:
    """:func:`modular_mlp`, whose weights are bare parameters transposed inside."""
    weights = _modular_mlp_weights(p, width, seed)
    return ModularMLPTransposed(*weights).eval(), _one_hot_pairs(p)


# --- images -----------------------------------------------------------------------------


def mnist_mlp(n: int = 2000, seed: int = 0) -> Case:
    """ReLU network 784-1024-1024-10 with biases, x standard normal ``(n, 784)``."""
    with _seeded(seed):
        model = nn.Sequential(
            nn.Linear(784, 1024),
            nn.ReLU(),
            nn.Linear(1024, 1024),
            nn.ReLU(),
            nn.Linear(1024, 10),
        )
        return model.eval(), torch.randn(n, 784)


def small_cnn(n: int = 500, seed: int = 0) -> Case:
    """Three strided convolutions and a linear layer, x normal ``(n, 3, 32, 32)``."""
    with _seeded(seed):
        model = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, 10),
        )
        return model.eval(), torch.randn(n, 3, 32, 32)


# --- modular addition with a transformer ------------------------------------------------


def _transformer_weights(p: int, d: int, d_mlp: int, seed: int) -> dict[str, Tensor]:
    """Normal weights of variance 1 / fan-in, each stored ``(out, in)``."""
    shapes = {
        "embed": (p + 1, d),
        "positions": (3, d),
        **dict.fromkeys(("q", "k", "v", "o"), (d, d)),
        "w_in": (d_mlp, d),
        "w_out": (d, d_mlp),
        "unembed": (p, d),
    }
    with _seeded(seed):
        return {name: torch.randn(s) / s[1] ** 0.5 for name, s in shapes.items()}


def _linear(weight: Tensor) -> nn.Linear:
    """Linear layer without bias that holds this weight, shape ``(out, in)``."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.load_state_dict({"weight": weight})
    return layer


class LinearTransformer(nn.Module):
    """One layer of attention and ReLU MLP, no biases, no norms, from torch modules."""

    def __init__(self, weights: dict[str, Tensor], n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.embed = nn.Embedding.from_pretrained(weights["embed"], freeze=False)
        self.positions = nn.Parameter(weights["positions"])
        self.q = _linear(weights["q"])
        self.k = _linear(weights["k"])
        self.v = _linear(weights["v"])
        self.o = _linear(weights["o"])
        self.w_in = _linear(weights["w_in"])
        self.w_out = _linear(weights["w_out"])
        self.unembed = _linear(weights["unembed"])

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits ``(N, p)`` at the last position of ``tokens``, shape ``(N, 3)``."""
        x = self.embed(tokens) + self.positions
        q, k, v = (
            layer(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        scores = q @ k.mT / q.shape[-1] ** 0.5
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).tril()
        attention = scores.masked_fill(~mask, -torch.inf).softmax(-1)
        x = x + self.o((attention @ v).transpose(1, 2).flatten(2))
        x = x + self.w_out(self.w_in(x).relu())
        return self.unembed(x[:, -1])


class EinsumTransformer(nn.Module):
    """The same function in the style of interpretability code: bare weights, einsums."""

    def __init__(self, weights: dict[str, Tensor], n_heads: int) -> None:
        super().__init__()
        heads = (n_heads, -1)
        self.W_E = nn.Parameter(weights["embed"].T.clone())  # d_model, vocabulary
        self.W_pos = nn.Parameter(weights["positions"])
        self.W_Q = nn.Parameter(weights["q"].unflatten(0, heads))  # heads, d_head, d_model
        self.W_K = nn.Parameter(weights["k"].unflatten(0, heads))
        self.W_V = nn.Parameter(weights["v"].unflatten(0, heads))
        self.W_O = nn.Parameter(weights["o"])  # d_model, heads * d_head
        self.W_in = nn.Parameter(weights["w_in"])
        self.W_out = nn.Parameter(weights["w_out"])
        self.W_U = nn.Parameter(weights["unembed"].T.clone())  # d_model, classes

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits ``(N, p)`` at the last position of ``tokens``, shape ``(N, 3)``."""
        x = torch.einsum("dbp->bpd", self.W_E[:, tokens]) + self.W_pos
        q = torch.einsum("ihd,bpd->biph", self.W_Q, x)
        k = torch.einsum("ihd,bpd->biph", self.W_K, x)
        v = torch.einsum("ihd,bpd->biph", self.W_V, x)
        scores = torch.einsum("biqh,biph->biqp", q, k) / q.shape[-1] ** 0.5
        mask = torch.tril(torch.ones_like(scores[0, 0]))
        attention = torch.softmax(scores - 1e10 * (1 - mask), dim=-1)
        z = torch.einsum("biqp,biph->biqh", attention, v)
        z = z.transpose(1, 2).reshape(*x.shape[:2], -1)
        x = x + torch.einsum("df,bqf->bqd", self.W_O, z)
        hidden = torch.relu(torch.einsum("md,bpd->bpm", self.W_in, x))
        x = x + torch.einsum("dm,bpm->bpd", self.W_out, hidden)
        return (x @ self.W_U)[:, -1]


def modular_transformer(
    p: int = 29,
    d_model: int = 64,
    n_heads: int = 4,
    d_mlp: int = 256,
    weights: Literal["linear", "einsum"] = "linear",
    seed: int = 0,
) -> Case:
    """One-layer transformer on all (a, b, =), x of int64 tokens ``(p * p, 3)``."""
    build = {"linear": LinearTransformer, "einsum": EinsumTransformer}[weights]
    model = build(_transformer_weights(p, d_model, d_mlp, seed), n_heads)
    tokens = F.pad(pairs(p), (0, 1), value=p)
    return model.eval(), tokens


ARCHITECTURES: dict[str, Callable[[], Case]] = {
    "modular_mlp": modular_mlp,
    "modular_mlp_transposed": modular_mlp_transposed,
    "mnist_mlp": mnist_mlp,
    "small_cnn": small_cnn,
    "transformer_linear": lambda: modular_transformer(weights="linear"),
    "transformer_einsum": lambda: modular_transformer(weights="einsum"),
}
