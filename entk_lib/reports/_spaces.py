"""An eigenspace: how firm it is, and what it shares with features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from entk_lib.features import chance_overlap, orthonormal, subspace_overlap
from entk_lib.spectra import Cliff, Spectrum

# |cosine| in both halves from which a single eigenvector counts as kept.
KEPT_COSINE = 0.9


@dataclass(frozen=True)
class Shared:
    """Dimensions that an eigenspace shares with a feature, and what nulls share with it.

    Attributes:
        most: What could be shared: the smaller of both dimensions.
        model: Shared by the model's eigenspace.
        references: Shared by the same eigenvectors of every other network, by name.
        inputs: Shared by the same eigenvectors of the inputs' Gram matrix; ``None``
            where there is none.
        chance: Shared by a random subspace, on average.
    """

    most: int
    model: float
    references: dict[str, list[float]]
    inputs: float | None
    chance: float

    @property
    def nulls(self) -> list[float]:
        """All that the model is compared with."""
        found = [self.chance, *(v for values in self.references.values() for v in values)]
        return found if self.inputs is None else [*found, self.inputs]


@dataclass(frozen=True)
class Eigenspace:
    """Eigenvectors ``start`` to ``stop - 1``, counted from 0.

    Attributes:
        start: First index.
        stop: One past the last.
        at_cliff: Whether it lies between cliffs; otherwise the cut is where a feature's
            dimension puts it.
        spread: Its largest eigenvalue over its smallest: 1 is fully degenerate.
        drop: Its smallest eigenvalue over the next one below; ``None`` if none is held.
        span_kept: Share of its dimensions that the spectrum of half of the samples has
            too, the worse of both halves; ``None`` where halves hold too few pairs.
        vectors_kept: How many of its vectors have their like there in both halves, with
            an absolute cosine of at least 0.9.
        shared: By the name of a feature.
    """

    start: int
    stop: int
    at_cliff: bool
    spread: float
    drop: float | None
    span_kept: float | None
    vectors_kept: int | None
    shared: dict[str, Shared] = field(default_factory=dict)

    def __len__(self) -> int:
        """Its dimension."""
        return self.stop - self.start


Half = tuple[Tensor, Spectrum]
References = Mapping[str, Sequence[Spectrum]]


def eigenspaces(
    spectrum: Spectrum,
    cliffs: Sequence[Cliff],
    bases: Mapping[str, Tensor],
    halves: Sequence[Half],
    references: References,
    inputs: Spectrum | None,
) -> list[Eigenspace]:
    """Blocks between cliffs, then the leading vectors as many as a feature has dimensions.

    Args:
        spectrum: Of the model.
        cliffs: Found in it.
        bases: Columns of each feature over the kernel's rows.
        halves: Rows of the kernel, and the spectrum of these rows alone.
        references: Spectra of other networks, by name.
        inputs: Of the inputs' Gram matrix.
    """
    bases = {name: orthonormal(basis) for name, basis in bases.items()}
    ranks = {name: basis.shape[1] for name, basis in bases.items()}
    cuts = {(cliff.start, cliff.stop): True for cliff in cliffs}
    for rank in ranks.values():
        if rank <= len(spectrum):
            cuts.setdefault((0, rank), False)
    values = spectrum.eigenvalues.double()
    found = []
    for (start, stop), at_cliff in sorted(cuts.items()):
        drop = float(values[stop - 1] / values[stop]) if stop < len(values) else None
        spread = float(values[start] / values[stop - 1])
        kept = _kept(spectrum, start, stop, halves)
        shared = {}
        for name, basis in bases.items():
            shared[name] = Shared(
                most=min(stop - start, ranks[name]),
                model=_overlap(spectrum, start, stop, basis),
                references={
                    other: [_overlap(s, start, stop, basis) for s in several]
                    for other, several in references.items()
                },
                inputs=None if inputs is None else _overlap(inputs, start, stop, basis),
                chance=chance_overlap(stop - start, ranks[name], len(basis)),
            )
        found.append(Eigenspace(start, stop, at_cliff, spread, drop, *kept, shared))
    return found


def _overlap(spectrum: Spectrum, start: int, stop: int, basis: Tensor) -> float:
    vectors = spectrum.eigenvectors[:, start:stop].cpu().double()
    return float((basis.mT @ vectors).square().sum())  # both are orthonormal


def _kept(
    spectrum: Spectrum, start: int, stop: int, halves: Sequence[Half]
) -> tuple[float | None, int | None]:
    """What the spectrum of half of the samples has in common with that of all."""
    spans, cosines = [], []
    for rows, half in halves:
        if len(half) < stop:
            return None, None
        whole = spectrum.eigenvectors[:, start:stop].cpu().double()[rows]
        own = half.eigenvectors[:, start:stop].cpu().double()
        spans.append(subspace_overlap(whole, own) / (stop - start))
        lengths = whole.norm(dim=0).clamp_min(torch.finfo(whole.dtype).tiny)
        # The best of the space's vectors: neighbours may have changed places.
        cosines.append((own.mT @ (whole / lengths)).abs().max(0).values)
    kept = torch.stack(cosines).min(0).values >= KEPT_COSINE
    return min(spans), int(kept.sum())
