"""Chapter 5: layer by layer."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from entk_book.exercises._check import Check, Wrong
from entk_book.exercises._kinds import Choice, Values
from entk_lib.features import subspace_overlap
from entk_lib.kernels import empirical_ntk
from entk_lib.training import train


def _traces() -> str:
    """Of a small network, before and after it is trained."""
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    add_up = []
    for _ in range(2):
        layers = empirical_ntk(model, x, by_layer=True)
        total = torch.stack([kernel.trace() for kernel in layers.values()]).sum()
        add_up.append(bool(torch.isclose(total, empirical_ntk(model, x).trace())))
        train(model, x, x[:, :2].sin(), steps=20)
    return {
        (True, True): "always",
        (True, False): "before training",
        (False, True): "after training",
        (False, False): "never",
    }[add_up[0], add_up[1]]


when_traces_add_up = Check(
    Choice(("always", "before training", "after training", "never")),
    truth=_traces,
    wrong=(
        Wrong(
            "layers interact",
            lambda: "never",
            "The layers do interact in the outputs. But what is the trace a sum of?",
        ),
        Wrong(
            "independence is lost",
            lambda: "before training",
            "Training makes the layers' weights depend on each other. Does the sum over "
            "parameters mind?",
        ),
        Wrong(
            "the layers must agree",
            lambda: "after training",
            "It needs nothing of the weights: look at J Jᵀ as a sum over parameters.",
        ),
    ),
    right="A kernel's trace is the sum of the squares of its Jacobian, entry by entry.",
    hint="Write the kernel as a sum over parameters.",
)


def _whole_against_parts(bases: Mapping[str, Tensor], features: Tensor) -> str:
    shared = {layer: subspace_overlap(basis, features) for layer, basis in bases.items()}
    whole = shared.pop("whole")
    parts = sum(shared.values())
    if abs(whole - parts) < 1:
        return "as much"
    return "more" if whole > parts else "less"


overlap_of_the_whole = Check(
    Choice(("less", "as much", "more")),
    truth=_whole_against_parts,
    wrong=(
        Wrong(
            "overlaps add up like traces",
            lambda *_: "as much",
            "Kernels and traces add up. Does the eigenspace of a sum consist of those of "
            "its parts?",
        ),
        Wrong(
            "the other way round",
            lambda *given: {"less": "more", "more": "less"}.get(
                _whole_against_parts(*given), "more"
            ),
            "They do not add up; but compute the three numbers again.",
        ),
    ),
    right="An eigenspace of a sum is not made of those of its parts.",
    hint="Compute the three overlaps, modes 57 to 112 of each kernel.",
)


def _energy(kernel: Tensor, features: Tensor) -> float:
    basis = torch.linalg.qr(features.double()).Q
    return float((basis * (kernel.double() @ basis)).sum())


def _share(kernels: Mapping[str, Tensor], features: Tensor) -> float:
    return _energy(kernels["second"], features) / _energy(kernels["whole"], features)


second_layer_share = Check(
    Values(tolerance=0.01),
    truth=_share,
    wrong=(
        Wrong(
            "the other layer",
            lambda kernels, features: 1 - _share(kernels, features),
            "That is the first layer's share.",
        ),
        Wrong(
            "share of the trace",
            lambda kernels, _: float(kernels["second"].trace() / kernels["whole"].trace()),
            "That is the layer's share of all energy. Which part of it lies in the sums?",
        ),
        Wrong(
            "divided by the whole trace",
            lambda kernels, features: (
                _energy(kernels["second"], features) / float(kernels["whole"].trace())
            ),
            "Divide by the energy of the whole kernel in the sums, not by all its energy.",
        ),
    ),
    right="Energies add up over layers, so a share of them means something.",
    hint="The energy of a kernel K in features F, orthonormal columns, is tr(Fᵀ K F).",
)
