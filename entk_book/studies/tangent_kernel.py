"""Chapter 1: networks on a circle, what their kernels predict, and the limit of width."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

import entk_lib as entk
from entk_book.ledger import Claim
from entk_lib import LinearizedPredictor, analytic
from entk_lib.toys.models import ReLUNetwork
from entk_lib.training import MakeOptimizer, closed_forms, train_many

EXACT: dict[str, Any] = {"dtype": torch.float64}
ANGLES = torch.linspace(-math.pi, math.pi, 11, **EXACT)[:-1]
FINE = torch.linspace(-math.pi, math.pi, 201, **EXACT)


def on_circle(angles: Float[Tensor, " n"]) -> Float[Tensor, "n 2"]:
    """Points on the unit circle.

    Args:
        angles: In rad.

    Returns:
        Cosines and sines.
    """
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def target(angles: Float[Tensor, " n"]) -> Float[Tensor, "n 1"]:
    """A smooth function on the circle.

    Args:
        angles: In rad.

    Returns:
        Its values.
    """
    return ((2 * angles).sin() + 0.5 * angles.cos()).unsqueeze(1)


def sgd(learning_rate: float) -> MakeOptimizer:
    """Plain gradient descent, for `entk_lib.training.train`.

    Args:
        learning_rate: Step size.

    Returns:
        A maker of optimizers.
    """
    return lambda parameters: torch.optim.SGD(list(parameters), lr=learning_rate)


@dataclass(frozen=True, eq=False)
class Predicted:
    """A network that was trained, and what its kernel at the start said of the end.

    Attributes:
        network: After training.
        before: Kernel regression, made before training.
        moved: How far the kernel moved in training, relative to the kernel at the start;
            NaN where that was not measured.
    """

    network: ReLUNetwork
    before: LinearizedPredictor
    moved: float = float("nan")

    @torch.no_grad()
    def r_squared(self, angles: Float[Tensor, " n"]) -> float:
        """How well the prediction describes the trained network.

        Args:
            angles: Where both are asked.

        Returns:
            R² of the prediction, at most 1.
        """
        points = on_circle(angles)
        return self.before.r_squared(points, self.network(points))


def train_on_circle(width: int, seeds: Sequence[int], steps: int = 2000) -> list[Predicted]:
    """Predict networks by their kernels at the start, then train them on ten points.

    Args:
        width: Hidden units.
        seeds: Of the starts, one a network.
        steps: Updates.

    Returns:
        The networks and their predictions.
    """
    x, y = on_circle(ANGLES), target(ANGLES)
    models = [ReLUNetwork(2, width, seed=seed, **EXACT) for seed in seeds]
    start_kernels = [entk.empirical_ntk(model, x) for model in models]
    before = [LinearizedPredictor(model, x, y, ridge=1e-8) for model in models]
    train_many(
        models,
        x.expand(len(models), -1, -1),
        y.expand(len(models), -1, -1),
        steps=steps,
        optimizer=sgd(0.2),
        gradients=closed_forms.relu_network(),
    )
    moved = [
        float((entk.empirical_ntk(model, x) - start).norm() / start.norm())
        for model, start in zip(models, start_kernels, strict=True)
    ]
    return [Predicted(*parts) for parts in zip(models, before, moved, strict=True)]


def over_widths(
    widths: Sequence[int], seeds: Sequence[int], steps: int = 2000
) -> tuple[Float[Tensor, "seeds widths"], Float[Tensor, "seeds widths"]]:
    """How well the kernel at the start predicts, and how far it moves, by width.

    Args:
        widths: Hidden units.
        seeds: Of the starts.
        steps: Updates.

    Returns:
        R² against the trained network, and movements; one row a seed.
    """
    groups = [train_on_circle(width, list(seeds), steps) for width in widths]
    shares = torch.tensor([[one.r_squared(FINE) for one in group] for group in groups])
    return shares.T, torch.tensor([[one.moved for one in group] for group in groups]).T


def one_step_errors(rates: Float[Tensor, " n"], width: int = 64) -> list[float]:
    """Error of the kernel's prediction of one gradient step, relative to the change.

    Args:
        rates: Learning rates.
        width: Hidden units.

    Returns:
        One error a rate.
    """
    inputs, labels = on_circle(ANGLES), target(ANGLES)
    network = ReLUNetwork(2, width, seed=0, **EXACT)
    kernel = entk.empirical_ntk(network, inputs)
    with torch.no_grad():
        start = network(inputs)
    errors = []
    for rate in rates:
        stepped = ReLUNetwork(2, width, seed=0, **EXACT)
        loss = 0.5 * (stepped(inputs) - labels).square().sum()
        parameters = list(stepped.parameters())
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter -= rate * gradient
            change = stepped(inputs) - start
        predicted = -rate * kernel @ (start - labels)
        errors.append(float((change - predicted).norm() / change.norm()))
    return errors


def distances_to_limit(
    widths: Sequence[int], depth: int, seeds: Iterable[int] = range(10)
) -> Float[Tensor, "seeds widths"]:
    """How far kernels at the start are from the limit of infinite width.

    Args:
        widths: Hidden units in each layer.
        depth: Hidden layers.
        seeds: Of the starts.

    Returns:
        Relative distances, one row a seed.
    """
    inputs = on_circle(ANGLES)
    limit = analytic.relu_limit_ntk(inputs, inputs, depth=depth)

    def distance(width: int, seed: int) -> float:
        network = ReLUNetwork(2, width, depth=depth, seed=seed, **EXACT)
        kernel = entk.empirical_ntk(network, inputs)
        return float((kernel - limit).norm() / limit.norm())

    return torch.tensor([[distance(width, seed) for width in widths] for seed in seeds])


def exponent(widths: Sequence[int], errors: Float[Tensor, "seeds widths"]) -> float:
    """Exponent with which errors fall between the smallest and the largest width.

    Args:
        widths: Hidden units.
        errors: One row a seed; their root mean square is asked.

    Returns:
        Negative where they fall.
    """
    rms = errors.square().mean(0).sqrt()
    return float(torch.log(rms[-1] / rms[0]) / math.log(widths[-1] / widths[0]))


def loop_over_outputs(
    model: nn.Module, points: Float[Tensor, "n d"]
) -> Float[Tensor, "n n"]:
    """The class-averaged kernel by its definition, one output of one sample at a time.

    Args:
        model: A network.
        points: Its inputs.

    Returns:
        The kernel.
    """
    rows, n_outputs = [], 0
    for point in points:
        outputs = model(point[None])[0]
        n_outputs = len(outputs)
        for output in outputs:
            grads = torch.autograd.grad(output, list(model.parameters()), retain_graph=True)
            rows.append(torch.cat([g.flatten() for g in grads]))
    factor = torch.stack(rows).reshape(len(points), -1)
    return factor @ factor.T / n_outputs


def jacobian_product(
    model: nn.Module, points: Float[Tensor, "n d"]
) -> Float[Tensor, "n n"]:
    """The class-averaged kernel from one batched Jacobian.

    Args:
        model: A network.
        points: Its inputs.

    Returns:
        The kernel.
    """
    blocks = list(entk.jacobian(model, points).values())
    factor = torch.cat([b.flatten(2) for b in blocks], dim=2)
    return factor.flatten(1) @ factor.flatten(1).T / factor.shape[1]


def claims(
    limit_exponent: float,
    shares: Float[Tensor, "seeds widths"],
    widest: int,
    end_shares: Sequence[float],
) -> list[Claim]:
    """What was published of kernels at the start and at the end, beside ours.

    Args:
        limit_exponent: With which the distance to the limit falls.
        shares: R² of the kernel at the start, one row a seed.
        widest: The largest width.
        end_shares: R² of the kernel at the end, one a seed.

    Returns:
        The ledger's rows.
    """
    return [
        Claim(
            "eNTK at the start tends to its limit like width^(-1/2)",
            "exponent -0.5",
            f"exponent {limit_exponent:.1f}, 10 seeds",
            abs(limit_exponent + 0.5) < 0.1,
            "Lee et al. 2019",
            "within 0.1",
        ),
        Claim(
            "the kernel at the start predicts the end of training",
            "at large width",
            f"median R² {shares[:, -1].median():.2f} at width {widest}, 5 seeds",
            bool(shares[:, -1].min() > 0.98),
            "Lee et al. 2019",
            "every seed above 0.98",
        ),
        Claim(
            "regression with the kernel at the end approximates the trained network",
            "approximately",
            f"R² above 0.9 in {sum(share > 0.9 for share in end_shares)} of 5 seeds",
            min(end_shares) > 0.9,
            "Lin 2025, the premise of the method",
            "every seed above 0.9",
        ),
    ]


def timed(
    way: Callable[[nn.Module, Tensor], Tensor],
    model: nn.Module,
    points: Float[Tensor, "n d"],
    repeats: int = 2,
) -> tuple[float, Tensor]:
    """Seconds that a way to the kernel takes, and the kernel.

    Args:
        way: From a model and its inputs to a kernel.
        model: A network.
        points: Its inputs.
        repeats: The best of so many: the first call of a process also warms up.

    Returns:
        Seconds, and the kernel of the last call.
    """
    seconds, result = [], torch.empty(0)
    for _ in range(repeats):
        start = time.perf_counter()
        result = way(model, points)
        seconds.append(time.perf_counter() - start)
    return min(seconds), result
