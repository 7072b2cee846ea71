"""A report in plain sentences and two tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from entk_lib._outputs import Outputs
from entk_lib.kernels import SpectrumCost
from entk_lib.reports._spaces import Eigenspace, Shared
from entk_lib.spectra import Cliff, Spectrum, find_cliffs

# A space that keeps less than this share of itself in half of the samples is not firm,
# and one that shares more than a null by less than this part is not told from it.
_FIRM = 0.9
_CLEARLY = 0.05
# Eigenvalues this close are equal, up to the rounding of a float32 model.
_EQUAL = 1e-5

_LIMITS = (
    "What the parameters could change, not what the network uses: only an intervention "
    "on the network shows that.",
    "Anything about features that were not passed, or about samples that were not in x. "
    "Run it on fresh samples as well as on those of the training.",
    "Whether another training gives the same: run it for several seeds.",
    "That a cliff means something: the nulls beside it may have it too.",
)


@dataclass(frozen=True, repr=False)
class KernelReport:
    """What `kernel_report` found; shows as a report in a notebook and when printed.

    Attributes:
        model: The name of its class.
        outputs: As asked for.
        cost: What the spectrum cost.
        spectrum: Of the model's kernel.
        cliffs: Found in it.
        eigenspaces: Between the cliffs, then the leading ones of a feature's dimension.
        references: Spectra of the other networks, by name.
        inputs: Spectrum of the inputs' own Gram matrix; ``None`` where no input holds
            real numbers.
        notes: Where the nulls come from and which are missing, in plain sentences.
    """

    model: str
    outputs: Outputs
    cost: SpectrumCost
    spectrum: Spectrum
    cliffs: list[Cliff]
    eigenspaces: list[Eigenspace]
    references: dict[str, list[Spectrum]]
    inputs: Spectrum | None
    notes: list[str]

    def __repr__(self) -> str:
        """The report as text."""
        return self._repr_markdown_().replace("**", "")

    def _repr_markdown_(self) -> str:
        parts = [
            f"**Report on {self.model}**, outputs={self.outputs!r}. {self.cost}",
            f"**Spectrum.** {_held(self.spectrum)}",
            _bullets([_cliff(self, cliff) for cliff in self.cliffs]) or _no_cliff(self),
            "**How firm the eigenspaces are**",
            _table(_FIRM_HEAD, [_firm_row(space) for space in self.eigenspaces]),
            _bullets([_firm(space) for space in self.eigenspaces]),
            "**Dimensions shared with features**",
            _table(_shared_head(self), _shared_rows(self)),
            _bullets(_readings(self)),
            "**About the nulls**" if self.notes else "",
            _bullets(self.notes),
            "**What this does not show**",
            _bullets(_LIMITS),
        ]
        return "\n\n".join(part for part in parts if part)


def _held(spectrum: Spectrum) -> str:
    share = float(spectrum.eigenvalues.double().sum()) / spectrum.trace
    return f"The {len(spectrum)} eigenvalues held carry {share:.0%} of the trace."


def _no_cliff(report: KernelReport) -> str:
    values = report.spectrum.eigenvalues.double()
    if len(values) > 1 and float(values[0] / values[-1]) < 1 + _EQUAL:
        return (
            f"All {len(values)} eigenvalues held are equal: one degenerate eigenspace. Its "
            "vectors are arbitrary, and so is any cut in it."
        )
    return (
        "No cliff: no drop stands out from the gaps beside it. A cut anywhere in this "
        "spectrum is your choice, not the spectrum's."
    )


def _cliff(report: KernelReport, cliff: Cliff) -> str:
    beside = [
        f"{name} {_drops(spectra, cliff.stop)}"
        for name, spectra in report.references.items()
    ]
    if report.inputs is not None:
        beside.append(f"inputs {_drops([report.inputs], cliff.stop)}")
    told = f" At the same place: {'; '.join(beside)}." if beside else ""
    return f"A cliff after {cliff.stop}: a drop by a factor {cliff.ratio:.2g}.{told}"


def _drops(spectra: list[Spectrum], stop: int) -> str:
    held = [s.eigenvalues.double() for s in spectra if len(s) > stop]
    if not held:
        return "ends before"
    ratios = [float(values[stop - 1] / values[stop]) for values in held]
    found = sum(stop in [c.stop for c in find_cliffs(values)] for values in held)
    cliffs = f"a cliff in {found} of {len(held)}" if found else "no cliff"
    return f"{_range(ratios, '.2g')} ({cliffs})"


_FIRM_HEAD = ("eigenvectors", "cut", "largest / smallest", "drop after", "span", "vectors")


def _firm_row(space: Eigenspace) -> tuple[str, ...]:
    vectors = "?" if space.vectors_kept is None else f"{space.vectors_kept} of {len(space)}"
    return (
        _place(space),
        "cliff" if space.at_cliff else "size of a feature",
        f"{space.spread:.2g}",
        "end" if space.drop is None else f"{space.drop:.2g}",
        "?" if space.span_kept is None else f"{space.span_kept:.0%}",
        vectors,
    )


def _firm(space: Eigenspace) -> str:
    if space.span_kept is None or space.vectors_kept is None:
        return f"{_place(space)}: half of the samples hold too few eigenvectors to compare."
    if space.span_kept < _FIRM:
        return (
            f"{_place(space)}: half of the samples give another space. Its shared "
            "dimensions are about these samples."
        )
    if space.vectors_kept < len(space):
        return (
            f"{_place(space)}: half of the samples give the same span, but not each of its "
            "vectors. Compare spans; a single vector here may be any mixture."
        )
    return f"{_place(space)}: half of the samples give the same span and the same vectors."


def _shared_head(report: KernelReport) -> tuple[str, ...]:
    inputs = () if report.inputs is None else ("inputs",)
    return (
        *("eigenvectors", "feature", "model"),
        *(*report.references, *inputs, "chance", "of"),
    )


def _shared_rows(report: KernelReport) -> list[tuple[str, ...]]:
    rows = []
    for space in report.eigenspaces:
        for name, shared in space.shared.items():
            numbers = [_range(values, ".1f") for values in shared.references.values()]
            if shared.inputs is not None:
                numbers.append(f"{shared.inputs:.1f}")
            rows.append(
                (
                    *(_place(space), name, f"**{shared.model:.1f}**", *numbers),
                    *(f"{shared.chance:.1f}", f"{shared.most}"),
                )
            )
    return rows


def _readings(report: KernelReport) -> list[str]:
    return [
        _reading(_place(space), name, shared)
        for space in report.eigenspaces
        for name, shared in space.shared.items()
    ]


def _reading(place: str, name: str, shared: Shared) -> str:
    above = shared.model - max(shared.nulls)
    if above > _CLEARLY * shared.most:
        told = f"{above:.1f} more than the largest null"
    else:
        told = "no more than a null does"
    return f"{place} share {shared.model:.1f} of {shared.most} with {name}: {told}."


def _place(space: Eigenspace) -> str:
    """Counted from 1, as readers count."""
    if len(space) == 1:
        return f"{space.stop}"
    return f"{space.start + 1} to {space.stop}"


def _range(values: list[float], form: str) -> str:
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
