"""Chapter 9: waves taken out of a network and put into it, through its kernel."""

import copy
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

import entk_lib as entk
from entk_book.studies.adders import MODULUS, Adder
from entk_lib.toys.tasks import modular_addition

N_FREQUENCIES = MODULUS // 2
# Functions of a pair, and the directions on the torus in which their waves run. The first
# three are families of chapter 3; nothing in the task is about the others, which are as
# smooth and of the same rank.
DIRECTIONS = {
    "a": (1, 0),
    "sum": (1, 1),
    "difference": (1, -1),
    "a + 2b": (1, 2),
    "2a + 3b": (2, 3),
}
# A wave of a times a random function of b; and a random function of the pair.
FUNCTIONS = (*DIRECTIONS, "a, random in b", "random")
PRICED = ("a", "sum", "difference", "a + 2b", "random")
# So that the pairs that are edited have nothing to do with those that were trained on.
OTHER_DRAW = 10_000


def pair_function(name: str, frequency: int, seed: int = 0) -> Float[Tensor, "pairs 2"]:
    """Two orthonormal functions of all pairs: a cosine and a sine, or random ones.

    Args:
        name: One of ``FUNCTIONS``.
        frequency: Of the waves.
        seed: Of random ones.

    Returns:
        Columns in float64.

    Example:
        >>> base = pair_function("a + 2b", 3)
        >>> torch.allclose(base.T @ base, torch.eye(2, dtype=base.dtype))
        True
    """
    pairs = modular_addition.all_pairs(MODULUS)
    generator = torch.Generator().manual_seed(seed)
    if name == "a, random in b":
        of_b = torch.randn(MODULUS, generator=generator, dtype=torch.float64)
        base = pair_function("a", frequency) * of_b[pairs[:, 1]].unsqueeze(1)
        return torch.linalg.qr(base).Q
    if name == "random":
        drawn = torch.randn(len(pairs), 2, generator=generator, dtype=torch.float64)
        return torch.linalg.qr(drawn - drawn.mean(0)).Q
    along = pairs.double() @ torch.tensor(DIRECTIONS[name], dtype=torch.float64)
    angles = 2 * math.pi * frequency * along / MODULUS
    waves = torch.stack([angles.cos(), angles.sin()], 1)
    return waves / waves.norm(dim=0)


def class_pattern(frequency: int) -> Float[Tensor, "2 classes"]:
    """How a wave of the sum at this frequency shows in the right logits: by class.

    Args:
        frequency: Of the wave.

    Returns:
        Two rows; together of length 1.
    """
    angles = 2 * math.pi * frequency * torch.arange(MODULUS).double() / MODULUS
    return torch.stack([angles.cos(), angles.sin()]) / MODULUS**0.5


def put_in(
    name: str, frequency: int, size: float, seed: int = 0, *, pattern: int | None = None
) -> Float[Tensor, "pairs classes"]:
    """A change of all logits: a function of the pair, times the pattern of the classes.

    Args:
        name: One of ``FUNCTIONS``: all have the same pattern, so that they differ in what
            they say of a pair and in nothing else.
        frequency: Of the function.
        size: Length of the change.
        seed: Of a random function.
        pattern: Frequency of the pattern of the classes. ``None``: that of the function.

    Returns:
        In float64.
    """
    change = pair_function(name, frequency, seed) @ class_pattern(pattern or frequency)
    return size * change / change.norm()


@torch.no_grad()
def take_out(
    network: nn.Module, x: Shaped[Tensor, "pairs inputs"], frequency: int, name: str = "sum"
) -> Float[Tensor, "pairs classes"]:
    """The change of the logits that leaves nothing of a wave in them.

    Args:
        network: In float64.
        x: All pairs, one-hot or as tokens.
        frequency: Of the wave.
        name: One of ``DIRECTIONS``.

    Returns:
        In float64.
    """
    base = pair_function(name, frequency)
    return -base @ (base.T @ network(x))


def wave_energies(
    logits: Float[Tensor, "pairs classes"], name: str = "sum"
) -> Float[Tensor, " frequencies"]:
    """Energy of the logits in the waves of a family, frequency by frequency.

    Args:
        logits: On all pairs.
        name: One of ``DIRECTIONS``.

    Returns:
        From frequency 1 on.
    """
    return torch.stack(
        [
            (pair_function(name, k).T @ logits.double()).square().sum()
            for k in range(1, N_FREQUENCIES + 1)
        ]
    )


@torch.no_grad()
def energies_left(
    network: nn.Module, changed: nn.Module, x: Shaped[Tensor, "pairs inputs"]
) -> Float[Tensor, " frequencies"]:
    """What a change leaves of the logits' energy in each wave of the sum.

    Args:
        network: As it was.
        changed: After the change.
        x: All pairs, one-hot or as tokens.

    Returns:
        From frequency 1 on, relative to the energies before: 1 as it was, 0 gone.
    """
    return wave_energies(changed(x)) / wave_energies(network(x))


@dataclass(frozen=True)
class Spread:
    """What an edit on some pairs does to all others.

    Attributes:
        done: Share of the wanted change that is done there, along its direction.
        off: How far the change is off its direction there: 0 along it, 1 across.
        length: Of the change of parameters, relative to theirs.
    """

    done: float
    off: float
    length: float


def spread(
    network: nn.Module,
    x: Float[Tensor, "pairs inputs"],
    change: Float[Tensor, "pairs classes"],
    share: float,
    *,
    seed: int = 0,
    tolerance: float = 1e-4,
) -> Spread:
    """Edit a network on a random part of the pairs, and look at the others.

    Args:
        network: In float64; not changed.
        x: All pairs.
        change: Wanted change on all pairs.
        share: Of the pairs that are edited.
        seed: Of the draw.
        tolerance: As in `entk_lib.tangent_edit`.

    Returns:
        What becomes of the pairs that were not edited.
    """
    edited, others = modular_addition.split(len(x), share, seed=OTHER_DRAW + seed)
    edit = entk.tangent_edit(network, x[edited], change[edited], tolerance=tolerance)
    with torch.no_grad():
        moved = edit.applied(network)(x[others]) - network(x[others])
    wanted = change[others]
    along = float((moved * wanted).sum() / wanted.square().sum())
    cosine = float((moved * wanted).sum() / (moved.norm() * wanted.norm()))
    return Spread(along, math.sqrt(max(0.0, 1 - cosine**2)), edit.length)


def in_double(network: nn.Module) -> nn.Module:
    """A copy of a network in float64.

    Args:
        network: Not changed.

    Returns:
        The copy.
    """
    return copy.deepcopy(network).double()


@torch.no_grad()
def without_families(adder: Adder, names: Sequence[str]) -> dict[str, float]:
    """Accuracy when some families are projected out of the hidden activations.

    Args:
        adder: A network that adds.
        names: Families of chapter 3; both waves of all frequencies go.

    Returns:
        Accuracies on its training pairs and on the others, as ``"train"`` and ``"test"``.
    """
    families = modular_addition.fourier_families(adder.modulus)
    hidden = adder.network.first(adder.x).double().square()
    for name in names:
        waves = families[name].flatten(1)
        hidden = hidden - waves @ (waves.T @ hidden)
    logits = hidden @ adder.network.second.weight.double().T
    return {
        name: modular_addition.accuracy(logits[rows], adder.y[rows].double())
        for name, rows in (("train", adder.known), ("test", adder.others))
    }


@torch.no_grad()
def presence(adder: Adder, network: nn.Module) -> dict[str, dict[str, float]]:
    """Share of energy that each family has in activations, kernel and logits.

    The kernel's energy in a family is that of its modes, each weighed by its eigenvalue.

    Args:
        adder: Whose pairs.
        network: The trained network, or another one.

    Returns:
        Shares of what varies over the pairs, by ``"activations"``, ``"kernel"`` and
        ``"logits"``.
    """
    families = modular_addition.fourier_families(adder.modulus)
    hidden = network.get_submodule("first")(adder.x).double().square()
    logits = network(adder.x).double()
    grams = {
        "activations": hidden @ hidden.T,
        "kernel": entk.empirical_ntk(network, adder.x).double(),
        "logits": logits @ logits.T,
    }
    found: dict[str, dict[str, float]] = {}
    for where, gram in grams.items():
        centred = gram - gram.mean(0) - gram.mean(1, keepdim=True) + gram.mean()
        total = float(centred.trace())
        found[where] = {
            name: float((waves.flatten(1) * (centred @ waves.flatten(1))).sum()) / total
            for name, waves in families.items()
        }
    return found


@torch.no_grad()
def layers_of_kernel(adder: Adder, network: nn.Module) -> dict[str, tuple[float, float]]:
    """What each layer has of the kernel's energy, and the sums of the layer's.

    Args:
        adder: Whose pairs.
        network: The trained network, or another one.

    Returns:
        Both shares, of what varies over the pairs, by layer.
    """
    waves = modular_addition.fourier_families(adder.modulus)["sum"].flatten(1)
    centred, sums = {}, {}
    for layer, kernel in entk.empirical_ntk(network, adder.x, by_layer=True).items():
        gram = kernel.double() - kernel.double().mean(0)
        centred[layer] = float(gram.trace())
        sums[layer] = float((waves * (gram @ waves)).sum())
    whole = sum(centred.values())
    return {name: (t / whole, sums[name] / t) for name, t in centred.items()}


@torch.no_grad()
def length_of(parts: Mapping[str, Tensor]) -> float:
    """Euclidean length of parameters, or of a change of them, taken together.

    Args:
        parts: By name.

    Returns:
        The length.

    Example:
        >>> length_of({"weight": torch.tensor([3.0]), "bias": torch.tensor([[4.0]])})
        5.0
    """
    return sum(float(part.square().sum()) for part in parts.values()) ** 0.5


@dataclass(frozen=True)
class Prices:
    """What unit changes of all outputs cost in one network.

    Attributes:
        modes: Eigenvalues of the class-averaged kernel, and the length of the change of
            parameters per length of the change of outputs along each.
        functions: The same of functions of the pair; their eigenvalue is the kernel's mean
            along them.
    """

    modes: tuple[list[float], list[float]]
    functions: dict[str, tuple[float, float]]


def prices(
    network: nn.Module,
    x: Float[Tensor, "pairs inputs"],
    frequency: int,
    places: Sequence[int],
    *,
    tolerance: float = 1e-2,
) -> Prices:
    """Edit modes of the class-averaged kernel and other functions into a network.

    Args:
        network: In float64.
        x: All pairs.
        frequency: Of the functions and of the pattern of the classes.
        places: Modes, counted from 0.
        tolerance: As in `entk_lib.tangent_edit`.

    Returns:
        Prices.
    """
    kernel = entk.empirical_ntk(network, x)
    spectrum = entk.kernel_spectrum(kernel)
    pattern = class_pattern(frequency)

    def cost(change: Tensor) -> float:
        edit = entk.tangent_edit(network, x, change, tolerance=tolerance)
        return length_of(edit.delta) / float(change.norm())

    modes = [spectrum.eigenvectors[:, [i]] @ pattern[:1] for i in places]
    functions = {}
    for name in PRICED:
        base = pair_function(name, frequency)
        along = float((base * (kernel @ base)).sum()) / base.shape[1]
        functions[name] = along, cost(base @ pattern)
    return Prices(
        ([float(spectrum.eigenvalues[i]) for i in places], [cost(m) for m in modes]),
        functions,
    )


@torch.no_grad()
def random_change(network: nn.Module, length: float, seed: int = 0) -> nn.Module:
    """A copy of a network whose parameters have moved in a random direction.

    Args:
        network: Not changed.
        length: Of the change, relative to the parameters'.
        seed: Of the direction.

    Returns:
        The copy.
    """
    changed, generator = copy.deepcopy(network), torch.Generator().manual_seed(seed)
    own = dict(changed.named_parameters())
    drawn = {
        name: torch.randn(p.shape, generator=generator, dtype=p.dtype)
        for name, p in own.items()
    }
    scale = length * length_of(own) / length_of(drawn)
    for name, parameter in own.items():
        parameter += scale * drawn[name]
    return changed


def broken(
    network: nn.Module,
    x: Float[Tensor, "pairs inputs"],
    change: Float[Tensor, "pairs classes"],
    factors: Sequence[float],
    *,
    steps: int = 1,
) -> list[float]:
    """How far an edit is off what was wanted, over the size of the change.

    Args:
        network: In float64.
        x: All pairs.
        change: Wanted change at a factor of 1.
        factors: What it is multiplied by.
        steps: As in `entk_lib.tangent_edit`.

    Returns:
        Error relative to the wanted change, one a factor.
    """
    solve = functools.partial(entk.tangent_edit, network, x, steps=steps, tolerance=1e-3)
    # One step is linear in what is wanted: its direction is found once.
    once = solve(change) if steps == 1 else None
    errors = []
    for factor in factors:
        wanted = factor * change
        delta = (
            {name: factor * part for name, part in once.delta.items()}
            if once
            else solve(wanted).delta
        )
        changed = copy.deepcopy(network)
        with torch.no_grad():
            for name, parameter in changed.named_parameters():
                parameter += delta[name]
            moved = changed(x) - network(x)
        errors.append(float((moved - wanted).norm() / wanted.norm()))
    return errors
