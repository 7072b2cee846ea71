"""Chapter 4, the story: one training from start to end; beside it two stored controls."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from entk_book.stored import records
from entk_book.studies.adders import MODULUS, Adder
from entk_book.studies.grokking import CONTROLS, N_ONE, N_TWO, Course, train_runs
from entk_lib.features import subspace_overlap
from entk_lib.kernels import empirical_ntk
from entk_lib.spectra import kernel_spectrum, participation_ratio
from entk_lib.toys.tasks import modular_addition
from entk_lib.training.dynamics import Snapshots, follow

N_SHOWN = 200  # eigenvalues
SEED, LAST = 0, 500
# Close together where the test accuracy rises.
STEPS = (*range(0, 60, 10), *range(60, 110, 5), 110, 120, 150, 200, 300, 400, LAST)


def course(
    model: nn.Module,
    snapshots: Snapshots,
    y: Tensor,
    *,
    known: Sequence[int] | Tensor,
    others: Sequence[int] | Tensor,
    modulus: int,
) -> dict[str, Tensor]:
    """Accuracy, spectrum and overlaps at every snapshot of one training.

    Args:
        model: Takes one-hot pairs, shape ``(pairs, 2 modulus)``, and returns one output
            for each residue.
        snapshots: As `entk_lib.training.train` keeps them.
        y: One-hot targets of all pairs, shape ``(modulus ** 2, modulus)``.
        known: Rows trained on.
        others: All other rows.
        modulus: The p of the task.

    Returns:
        ``step``, shape ``(steps,)``; ``accuracies`` on known and other pairs, ``(steps,
        2)``; ``overlaps`` of the modes after the first cliff with the waves of a, b, sum
        and difference, ``(steps, 4)``, in dimensions; ``eigenvalues`` relative to the
        largest, ``(steps, 200)``; ``tail``, the participation ratio of all eigenvalues
        beyond ``2 modulus - 1``, ``(steps,)``. All float32.
    """
    x = modular_addition.one_hot(modular_addition.all_pairs(modulus), modulus)
    families = modular_addition.fourier_families(modulus)
    first, second = 2 * modulus - 1, 4 * modulus - 3
    spectra = []

    @torch.no_grad()
    def look(model: nn.Module) -> dict[str, float]:
        spectrum = kernel_spectrum(empirical_ntk(model, x).double())
        spectra.append(spectrum.eigenvalues[:N_SHOWN] / spectrum.eigenvalues[0])
        outputs = model(x)
        basis = spectrum.eigenvectors[:, first:second]
        return {
            "train": modular_addition.accuracy(outputs[known], y[known]),
            "test": modular_addition.accuracy(outputs[others], y[others]),
            **{
                name: subspace_overlap(basis, family.flatten(1))
                for name, family in families.items()
            },
            "tail": participation_ratio(spectrum.eigenvalues[first:]),
        }

    series = follow(model, snapshots, look)

    def columns(names: Sequence[str]) -> Tensor:
        return torch.tensor([series[name] for name in names], dtype=torch.float32).T

    return {
        "step": columns(["step"])[:, 0],
        "accuracies": columns(["train", "test"]),
        "overlaps": columns(list(families)),
        "eigenvalues": torch.stack(spectra).float(),
        "tail": columns(["tail"])[:, 0],
    }


def trained(kind: str) -> Adder:
    """The network of the story, or one of its controls, with snapshots.

    Args:
        kind: As in `entk_book.studies.grokking.train_runs`.

    Returns:
        The network.
    """
    (adder,) = train_runs(kind, [SEED], steps=LAST, every=5)
    return adder


def course_of(adder: Adder, steps: Sequence[int] = STEPS) -> dict[str, Tensor]:
    """One network's training at some steps.

    Args:
        adder: Trained with snapshots at these steps; left as it was.
        steps: Of the training.

    Returns:
        As `course`.
    """
    return course(
        adder.network,
        {step: adder.snapshots[step] for step in steps},
        adder.y,
        known=adder.known,
        others=adder.others,
        modulus=adder.modulus,
    )


def series(found: Mapping[str, Tensor]) -> Course:
    """The numbers of a course that the chapter's figure draws, by name.

    Args:
        found: As `course` gives it, of modulus 29.

    Returns:
        ``"step"``, ``"train"`` and ``"test"``, overlaps by family, and the ratios of the
        eigenvalues on either side of both places, ``"ratio at 57"`` and ``"ratio at 113"``.
    """
    names = ("train", "test", *modular_addition.fourier_families(MODULUS))
    columns = torch.cat([found["accuracies"], found["overlaps"]], 1).T
    named = {name: row.tolist() for name, row in zip(names, columns, strict=True)}
    values = found["eigenvalues"]
    for place in (N_ONE, N_TWO):
        named[f"ratio at {place}"] = (values[:, place - 1] / values[:, place]).tolist()
    return {"step": [int(step) for step in found["step"]], **named}


def record(kinds: Sequence[str] = CONTROLS) -> dict[str, Any]:
    """The controls, as they are stored.

    Args:
        kinds: Of the runs.

    Returns:
        What `entk_book.stored.records.write` takes.
    """
    return {
        kind: records.rounded(
            {name: values.tolist() for name, values in course_of(trained(kind)).items()}
        )
        for kind in kinds
    }


def stored_controls() -> dict[str, dict[str, Tensor]]:
    """The stored controls of the story.

    Returns:
        By kind, as `course` gives it.
    """
    return {
        kind: {name: torch.tensor(values) for name, values in found.items()}
        for kind, found in records.read("grokking_story").items()
    }
