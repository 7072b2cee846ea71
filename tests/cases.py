"""Small models of many kinds, each with inputs of odd sizes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from entk_lib.toys.models import TiedAutoencoder

Case = tuple[nn.Module, Tensor, Tensor]
N1, N2 = 5, 3


def _seeded(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def inputs(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal numbers, drawn in float64 whatever the dtype."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def _with_normal_inputs(model: nn.Module, *shape: int) -> Case:
    return model.double(), inputs(N1, *shape), inputs(N2, *shape, seed=2)


class Quadratic(nn.Module):
    """``f(x) = s2 V z^2`` with ``z = s1 W x``."""

    def __init__(self, n_inputs: int, n_hidden: int, n_outputs: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(n_hidden, n_inputs))
        self.second = nn.Parameter(torch.randn(n_outputs, n_hidden))
        self.first_scale, self.second_scale = 0.7, 1.3

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first_scale * x @ self.first.mT
        return self.second_scale * hidden.square() @ self.second.mT


class SharedLinear(nn.Module):
    """One nn.Linear that acts twice."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Linear(3, 3)
        self.readout = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(torch.tanh(self.twice(torch.tanh(self.twice(x)))))


class ScalarOutput(nn.Module):
    """Returns ``(batch,)``."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 4)
        self.readout = nn.Parameter(torch.randn(4))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.inner(x)) @ self.readout


class TokenSum(nn.Module):
    """Embedding of integer tokens, summed over positions."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.readout = nn.Linear(4, 3, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.readout(torch.tanh(self.embed(tokens).sum(1)))


class Scaled(nn.Module):
    """A parameter without axes times a linear map."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(1.7))
        self.linear = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * self.linear(x)


def linear() -> Case:
    return _with_normal_inputs(_seeded(lambda: nn.Linear(4, 3)), 4)


def mlp() -> Case:
    def layers():
        return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))

    return _with_normal_inputs(_seeded(layers), 4)


def relu() -> Case:
    def layers():
        return nn.Sequential(
            nn.Linear(3, 6, bias=False), nn.ReLU(), nn.Linear(6, 2, bias=False)
        )

    return _with_normal_inputs(_seeded(layers), 3)


def quadratic() -> Case:
    return _with_normal_inputs(_seeded(lambda: Quadratic(3, 4, 2)), 3)


def tied() -> Case:
    model = TiedAutoencoder(n_features=5, n_hidden=2, seed=3)
    with torch.no_grad():
        model.bias.copy_(torch.linspace(-0.2, 0.3, 5))
    model, x1, x2 = _with_normal_inputs(model, 5)
    return model, x1.abs(), x2.abs()


def shared() -> Case:
    return _with_normal_inputs(_seeded(SharedLinear), 3)


def convolution() -> Case:
    def layers():
        return nn.Sequential(
            nn.Conv2d(1, 2, (2, 3), padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(30, 3)
        )

    return _with_normal_inputs(_seeded(layers), 1, 4, 3)


def batch_norm() -> Case:
    def layers():
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))

    model = _seeded(layers).double()
    model(inputs(9, 3, seed=5))  # running statistics that are not the default ones
    return _with_normal_inputs(model.eval(), 3)


def layer_norm() -> Case:
    def layers():
        return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))

    return _with_normal_inputs(_seeded(layers), 3)


def scalar_output() -> Case:
    return _with_normal_inputs(_seeded(ScalarOutput), 3)


def tokens() -> Case:
    generator = torch.Generator().manual_seed(1)
    x1 = torch.randint(7, (N1, 2), generator=generator)
    x2 = torch.randint(7, (N2, 2), generator=generator)
    return _seeded(TokenSum).double(), x1, x2


def frozen() -> Case:
    model, x1, x2 = mlp()
    model[0].bias.requires_grad_(False)
    return model, x1, x2


def scaled() -> Case:
    return _with_normal_inputs(_seeded(Scaled), 3)


def with_dtype(case: Case, dtype: torch.dtype) -> Case:
    """The same case in another dtype; integer inputs stay what they are."""
    model, *xs = case
    x1, x2 = (x.to(dtype) if x.is_floating_point() else x for x in xs)
    return model.to(dtype), x1, x2


def all_outputs(n_outputs: int) -> list[str | tuple[int, int]]:
    """Every word of ``outputs``, and blocks off and on the diagonal."""
    return ["full", "flatten", "average", "mean_output", (0, 0), (0, n_outputs - 1)]


SMOOTH = {
    "mlp": mlp,
    "quadratic": quadratic,
    "shared": shared,
    "convolution": convolution,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "scalar_output": scalar_output,
    "tokens": tokens,
}
ALL = {**SMOOTH, "linear": linear, "relu": relu, "tied": tied, "frozen": frozen}

for_every_case = pytest.mark.parametrize("case", ALL.values(), ids=ALL.keys())
for_smooth_cases = pytest.mark.parametrize("case", SMOOTH.values(), ids=SMOOTH.keys())
