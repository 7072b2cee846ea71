"""What a reader gives to compare with, as columns over the rows of a kernel."""

from collections.abc import Mapping

import torch
from torch import Tensor

from entk_lib import _checks, _inputs, spectra
from entk_lib._inputs import Inputs

Features = Tensor | Mapping[str, Tensor] | None
_MOST_CLASSES = 1000


def feature_bases(features: Features, n: int, each: int) -> dict[str, Tensor]:
    """Columns of every feature over the kernel's rows, and the constant among them.

    Args:
        features: As in `kernel_report`.
        n: Number of samples.
        each: Rows of the kernel for a sample.
    """
    given = _by_name(features)
    bases = {"constant": _on_each_output(torch.ones(n, 1, dtype=torch.float64), each)}
    for name, values in given.items():
        bases[name] = _basis(name, values, n, each)
    return bases


def input_spectrum(x: Inputs, each: int) -> spectra.Spectrum | None:
    """Spectrum of the inputs' own Gram matrix; None where no input holds real numbers."""
    parts = [
        p.flatten(1) for p in _inputs.leaves(x) if p.is_floating_point() and p.ndim > 1
    ]
    matrix = torch.cat(parts, 1).detach().cpu().double() if parts else torch.zeros(1, 1)
    if not matrix.any():
        return None
    found = spectra.factor_spectrum(matrix)
    if each == 1:
        return found
    # One copy for each output: eigenvalues come in blocks of that size.
    return spectra.Spectrum(
        found.eigenvalues.repeat_interleave(each),
        _on_each_output(found.eigenvectors, each),
        each * found.trace,
    )


def _by_name(features: Features) -> dict[str, Tensor]:
    if features is None:
        return {}
    if isinstance(features, Tensor):
        return {("features" if features.is_floating_point() else "classes"): features}
    if not isinstance(features, Mapping):
        raise TypeError(
            "features must be a tensor or a dict of tensors by name, got "
            f"{type(features).__name__}. Class labels are integers, one for each sample."
        )
    if "constant" in features:
        raise ValueError(
            "features must not hold 'constant': the report always compares with it. Give "
            "yours another name."
        )
    for name in features:
        require_name("features", name)
    return dict(features)


def require_name(argument: str, name: object) -> None:
    """Refuse what is no name for a column of a table."""
    if not isinstance(name, str) or not name or "|" in name or "\n" in name:
        raise ValueError(
            f"{argument} must have names of one line without '|', got {name!r}. They stand "
            "in the report's tables."
        )


def _basis(name: str, values: Tensor, n: int, each: int) -> Tensor:
    label = f"features[{name!r}]"
    if not isinstance(values, Tensor):
        raise TypeError(
            f"{label} must be a tensor, got {type(values).__name__}. Use torch.as_tensor."
        )
    values = values.detach().cpu()
    if values.ndim not in (1, 2) or len(values) not in (n, n * each):
        rows = f"{n}" if each == 1 else f"{n} or {n * each}"
        raise ValueError(
            f"{label} must have {rows} rows, one for each sample, got shape "
            f"{tuple(values.shape)}. Was it cut like x?"
        )
    if values.ndim == 1 and not values.is_floating_point():
        kinds, index = values.unique(return_inverse=True)
        if len(kinds) > min(_MOST_CLASSES, len(values) - 1):
            raise ValueError(
                f"{label} must name classes that several samples share, got {len(kinds)} "
                f"different integers on {len(values)} samples. Pass .double() if they are "
                "amounts."
            )
        values = torch.nn.functional.one_hot(index)
    columns = values.double().reshape(len(values), -1)
    _checks.require_matrix(label, columns)
    if not columns.any():
        raise ValueError(f"{label} must not be zero everywhere. Is it the right column?")
    return _on_each_output(columns, each) if len(columns) == n else columns


def _on_each_output(columns: Tensor, each: int) -> Tensor:
    """Columns over samples, put on each output in turn: rows (sample, output)."""
    return torch.kron(columns, torch.eye(each, dtype=columns.dtype))
