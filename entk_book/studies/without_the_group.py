"""Chapter 7: families of waves from the neurons, without the group, and two nulls."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

import entk_lib as entk
from entk_book.studies.adders import MODULUS, Adder, eigenspaces
from entk_book.studies.spans import at_least, at_most
from entk_lib import Families
from entk_lib.toys.models import QuadraticMLP
from entk_lib.toys.tasks import modular_addition

SPACES = ("first", "second")
STATES = ("trained", "untrained", "shuffled")
N_FREQUENCIES = MODULUS // 2

Spaces = dict[str, Float[Tensor, "pairs k"]]


def spaces_of(network: QuadraticMLP, x: Float[Tensor, "pairs inputs"]) -> Spaces:
    """The two eigenspaces of a network's kernel, without the constant.

    Args:
        network: On one-hot pairs.
        x: All pairs.

    Returns:
        Orthonormal columns in float64, as ``"first"`` and ``"second"``.
    """
    return eigenspaces(entk.ntk_spectrum(network, x, k=4 * MODULUS - 3))


def true_waves() -> dict[str, Float[Tensor, "pairs frequencies 4"]]:
    """The four waves of each frequency, by the eigenspace that holds them.

    Returns:
        Orthonormal columns: of a and b for the first, of sum and difference for the second.
    """
    waves = modular_addition.fourier_families(MODULUS)
    return {
        "first": torch.cat([waves["a"], waves["b"]], 2),
        "second": torch.cat([waves["sum"], waves["difference"]], 2),
    }


def energies(
    vectors: Float[Tensor, "pairs k"], planes: Float[Tensor, "pairs frequencies d"]
) -> Float[Tensor, "k frequencies"]:
    """Share of each vector in each frequency's waves.

    Args:
        vectors: Unit columns.
        planes: Orthonormal waves of each frequency.

    Returns:
        From 0 to 1.
    """
    return torch.einsum("nk,nfd->kfd", vectors, planes).square().sum(2)


@torch.no_grad()
def neurons(
    network: QuadraticMLP, x: Float[Tensor, "pairs inputs"]
) -> dict[str, Float[Tensor, "pairs units"]]:
    """What the hidden units do, by the eigenspace that it is asked in.

    Args:
        network: On one-hot pairs.
        x: All pairs.

    Returns:
        Preactivations for the first eigenspace, their squares for the second.
    """
    preactivations = network.first(x).double()
    return {"first": preactivations, "second": preactivations.square()}


def told(found: Families) -> str:
    """Whether families were found; the score in steps, as last digits do not matter.

    Args:
        found: What `entk_lib.find_families` returned.

    Returns:
        The number of families with the dimensions of one, and the score.
    """
    if not found.found:
        return f"none, score {'above 5' if found.score > 5 else 'below 2.5'}"
    sizes = " or ".join(map(str, sorted({base.shape[1] for base in found.bases})))
    score = f"above {5 if found.score > 5 else 2.5}"
    return f"{len(found.bases)} of {sizes} dimensions, score {score}"


def shuffled(columns: Float[Tensor, "n k"], seed: int) -> Float[Tensor, "n k"]:
    """Each column's values dealt out anew over the rows, each column in another way.

    Args:
        columns: Not changed.
        seed: Of the draw.

    Returns:
        As many columns of the same values.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(columns.shape, generator=generator).argsort(0)
    return columns.gather(0, order)


@dataclass(frozen=True)
class Verdict:
    """What a search for families in one span came to, in numbers.

    Attributes:
        found: Whether there are any.
        n: Into how many the span was cut.
        score: As in `entk_lib.Families`.
        shared: Dimensions that each frequency shares with its family, of four.
    """

    found: bool
    n: int
    score: int | float
    shared: Sequence[int | float]

    @property
    def is_complete(self) -> bool:
        """Whether every frequency shares at least three dimensions with its family."""
        return min(self.shared) >= 3

    @property
    def mean(self) -> float:
        """Mean over frequencies of the shared dimensions."""
        return sum(self.shared) / len(self.shared)


@dataclass(frozen=True)
class Judged:
    """Families that were looked for in one span, and how well they match the waves.

    Attributes:
        found: What was found without help.
        shared: Dimensions that each frequency shares with its family, of four.
    """

    found: Families
    shared: Float[Tensor, " frequencies"]

    @property
    def verdict(self) -> Verdict:
        """The same in numbers."""
        n, score = len(self.found.bases), self.found.score
        return Verdict(self.found.found, n, score, self.shared.tolist())


def judge(
    basis: Float[Tensor, "pairs k"],
    directions: Float[Tensor, "pairs units"],
    planes: Float[Tensor, "pairs frequencies 4"],
    gift: int | None = None,
) -> Judged:
    """Look for families in a span, and match them with the waves.

    Args:
        basis: Orthonormal columns of the span.
        directions: What the units do.
        planes: Orthonormal waves of each frequency, to judge only.
        gift: Number of families that is given away. ``None``: it must be found.

    Returns:
        The families and what they share with the waves.
    """
    found = entk.find_families(basis, directions, n_surrogates=3)
    bases = found.bases
    if gift:
        bases = entk.find_families(basis, directions, count=gift, n_surrogates=1).bases
    return Judged(found, entk.match_families(bases, planes))


def over_seeds(
    adders: Sequence[Adder], spaces: Mapping[str, Sequence[Spaces]]
) -> dict[tuple[str, str], list[Judged]]:
    """Families in both eigenspaces of every network, and of both nulls.

    The nulls are untrained networks, and trained ones whose units' values are dealt out
    over the pairs. Both are given the number of families, which the trained are not.

    Args:
        adders: The networks.
        spaces: Their eigenspaces, ``"trained"`` and ``"untrained"``, one a seed.

    Returns:
        By state and eigenspace, one a seed.
    """
    truth = true_waves()
    results: dict[tuple[str, str], list[Judged]] = {}
    for i, adder in enumerate(tqdm(adders, desc="seeds", delay=2, leave=False)):
        does = {
            "trained": neurons(adder.network, adder.x),
            "untrained": neurons(adder.start, adder.x),
        }
        does["shuffled"] = {
            name: shuffled(columns, i) for name, columns in does["trained"].items()
        }
        for state, columns in does.items():
            where = spaces["untrained" if state == "untrained" else "trained"][i]
            gift = None if state == "trained" else N_FREQUENCIES
            for name in SPACES:
                judged = judge(where[name], columns[name], truth[name], gift)
                results.setdefault((state, name), []).append(judged)
    return results


def rows_of(verdicts: Mapping[str, Mapping[str, Sequence[Verdict]]]) -> list[list[str]]:
    """What was found over seeds, a row for each eigenspace and state.

    Args:
        verdicts: By state and eigenspace, one a seed.

    Returns:
        Eigenspace and state, in how many seeds families are found, their scores, in how
        many all frequencies are recovered, and a bound on the mean shared dimensions.
    """
    rows = []
    for name in SPACES:
        for state in STATES:
            group = verdicts[state][name]
            n, scores = len(group), [one.score for one in group]
            means = [one.mean for one in group]
            looked_for = state == "trained"
            rows.append(
                [
                    f"{name}, {state}",
                    f"{sum(one.found for one in group)} of {n}",
                    f"above {math.floor(min(scores))}"
                    if looked_for
                    else f"below {math.ceil(max(scores))}",
                    f"{sum(one.is_complete for one in group)} of {n}",
                    f"at least {at_least(means)}"
                    if looked_for
                    else f"at most {at_most(means)}",
                ]
            )
    return rows


@torch.no_grad()
def split_by_readout(
    base: Float[Tensor, "pairs d"], network: QuadraticMLP, x: Float[Tensor, "pairs inputs"]
) -> tuple[Float[Tensor, "pairs h"], Float[Tensor, "pairs h"], float]:
    """Halves of a family: what the logits use most, and the rest.

    Args:
        base: Orthonormal columns of the family, an even number.
        network: Whose logits.
        x: All pairs.

    Returns:
        Both halves, and the share of the logits' energy in the family that is in the first.
    """
    logits = network(x).double()
    inside = base.T @ (logits - logits.mean(0))
    axes = torch.linalg.eigh(inside @ inside.T)
    half = base.shape[1] // 2
    used = axes.eigenvalues[half:].sum() / axes.eigenvalues.sum()
    turned = base @ axes.eigenvectors
    return turned[:, half:], turned[:, :half], float(used)


@dataclass(frozen=True)
class Halves:
    """Families of all networks cut in two, and what the halves hold.

    Attributes:
        two_each: First-eigenspace families with two dimensions of a and two of b.
        purity: Smallest main effect of a vector in each of these families.
        used: Share of the logits' energy in the readout's half of each family of the
            second.
        shared: Dimensions of 28 that all such halves share with a, b, sum, difference, one
            a seed.
    """

    two_each: int
    purity: list[float]
    used: list[float]
    shared: dict[str, list[float]]


def rows_of_halves(found: Halves) -> list[list[str]]:
    """What the halves hold, a row each.

    Args:
        found: Of some networks.

    Returns:
        What it is, and a bound over all families or all seeds.
    """
    n = len(found.purity)
    return [
        ["first: two dimensions of a, two of b", f"{found.two_each} of {n} families"],
        ["first: main effect in a vector", f"at least {at_least(found.purity)}"],
        [
            "second: logits' energy in the readout's half",
            f"at least {at_least(found.used)}",
        ],
        *(
            [f"shared with waves of {name}", f"at least {at_least(shared)} of 28"]
            for name, shared in found.shared.items()
        ),
    ]


def halves(
    adders: Sequence[Adder],
    results: Mapping[tuple[str, str], Sequence[Judged]],
    pairs: Int[Tensor, "pairs 2"],
) -> Halves:
    """Cut the first eigenspace's families by token, the second's by what the readout uses.

    Args:
        adders: The networks.
        results: Their families, as `over_seeds` gives them.
        pairs: Residues of all pairs.

    Returns:
        What the halves hold.
    """
    waves = modular_addition.fourier_families(MODULUS)
    shared: dict[str, list[float]] = {name: [] for name in waves}
    purity, used, two_each = [], [], 0
    for i, adder in enumerate(adders):
        parts: dict[str, list[Tensor]] = {name: [] for name in waves}
        for base in results["trained", "first"][i].found.bases:
            (of_a, of_b), shares = entk.split_by_token(base, pairs)
            parts["a"].append(of_a)
            parts["b"].append(of_b)
            purity.append(float(shares.min()))
            two_each += of_a.shape[1] == of_b.shape[1] == 2
        for base in results["trained", "second"][i].found.bases:
            top, rest, share = split_by_readout(base, adder.network, adder.x)
            parts["sum"].append(top)
            parts["difference"].append(rest)
            used.append(share)
        for name, members in parts.items():
            both, truth = torch.cat(members, 1), waves[name].flatten(1)
            shared[name].append(entk.subspace_overlap(both, truth))
    return Halves(two_each, purity, used, shared)
