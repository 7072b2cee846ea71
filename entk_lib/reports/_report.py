"""One call from a model and its data to a report."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from entk_lib import _checks, _inputs
from entk_lib._inputs import Inputs
from entk_lib._outputs import Outputs
from entk_lib.kernels import ntk_spectrum, spectrum_cost
from entk_lib.reports._features import feature_bases, input_spectrum, require_name
from entk_lib.reports._spaces import eigenspaces
from entk_lib.reports._text import KernelReport
from entk_lib.reports._untrained import untrained_copy
from entk_lib.spectra import Spectrum, find_cliffs

_FEWEST_SAMPLES = 8
# Up to this size a full decomposition costs no more than a partial one, and finds the rank.
_FULL_SIZE = 1000

References = Mapping[str, nn.Module | Sequence[nn.Module]]


def kernel_report(
    model: nn.Module,
    x: Inputs,
    k: int | None = 50,
    *,
    features: Tensor | Mapping[str, Tensor] | None = None,
    references: References | None = None,
    outputs: Outputs = "average",
    parameters: Iterable[str] | str | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    memory: float | None = None,
) -> KernelReport:
    """Kernel, cliffs, eigenspaces and nulls of a model, in one call.

    The model is checked on a few samples first. Its spectrum is compared, at the same
    eigenvectors, with that of untrained copies, of other networks that you give, of the
    inputs' own Gram matrix, and with chance. Each eigenspace is looked for again in the
    spectra of two random halves of the samples: what is not found there is no property
    of the model.

    Args:
        model: As in `empirical_ntk`.
        x: As in `empirical_ntk`; at least 8 samples.
        k: Largest number of eigenpairs. ``None``: all that stand above rounding.
        features: What to compare eigenspaces with, on the samples of x: a tensor, or a
            dict of tensors by name. Integers ``(n,)`` are class labels, and stand for the
            indicators of the classes; real numbers are ``(n,)`` or ``(n, f)``. Where each
            output is a row of the kernel, each feature is put on each output, unless it
            has a row for every output itself.
        references: Other networks of the same outputs to compare with, by name, one or
            several each, such as one trained on shuffled labels. One named
            ``"untrained"`` replaces the copies.
        outputs: As in `ntk_spectrum`.
        parameters: As in `empirical_ntk`.
        seeds: Of the untrained copies (`untrained_copy`). The first also splits the
            samples.
        memory: As in `ntk_spectrum`.

    Returns:
        The report.

    Raises:
        ValueError: As in `ntk_spectrum`; also if there are too few samples, the kernel is
            zero, or a feature or a reference does not fit to the samples.
        TypeError: As in `ntk_spectrum`; also if a feature or a reference is not what it
            should be.
        MemoryError: As in `ntk_spectrum`; `spectrum_cost` says what would fit.

    Example:
        >>> x = torch.linspace(-1, 1, 20).reshape(20, 1)
        >>> report = kernel_report(nn.Linear(1, 1), x)
        >>> report.spectrum
        Spectrum(2 eigenpairs of a kernel of size 20, 100.0% of its trace)
        >>> report.cliffs
        []
    """
    others = _check_references(references, seeds)
    if k is not None:
        _checks.require_count("k", k)
    asked = {"outputs": outputs, "parameters": parameters, "memory": memory}
    cost = spectrum_cost(model, x, **asked)
    small = min(cost.rows, cost.columns) <= _FULL_SIZE
    if not small and k is not None:
        cost = spectrum_cost(model, x, k, **asked)
    n = _inputs.n_samples(x)
    if n < _FEWEST_SAMPLES:
        raise ValueError(
            f"x must hold at least {_FEWEST_SAMPLES} samples for a report, got {n}. The "
            "end of a short spectrum cannot be told from a cliff; empirical_ntk takes any "
            "number."
        )
    each = cost.rows // n
    bases = feature_bases(features, n, each)

    def spectrum_of(network: nn.Module, samples: Inputs) -> Spectrum:
        rows = _inputs.n_samples(samples) * each
        few = None if small or k is None else min(k, rows)
        found = ntk_spectrum(network, samples, few, **asked)
        values, vectors = found.eigenvalues[:k], found.eigenvectors[:, :k]
        return Spectrum(values, vectors, found.trace)

    spectrum = spectrum_of(model, x)
    if len(spectrum) == 0:
        raise ValueError(
            "the kernel is zero: no parameter moves any output on these samples. Is the "
            "model's last ReLU shut everywhere, or its output detached?"
        )
    notes = []
    if "untrained" not in others:
        try:
            copies = [untrained_copy(model, seed=seed) for seed in seeds]
            others = {"untrained": copies, **others}
            notes.append(
                "The untrained networks are drawn by reset_parameters() of its modules. If "
                "yours starts otherwise, build it anew and pass it as "
                'references={"untrained": fresh}.'
            )
        except ValueError as error:
            notes.append(f"No untrained network: {error}")
    spectra = {name: [] for name in others}
    for name, networks in others.items():
        for network in networks:
            found = spectrum_of(network, x)
            if len(found.eigenvectors) != cost.rows:
                raise ValueError(
                    f"references[{name!r}] must have as many outputs as the model, "
                    f"{each} a sample, got {len(found.eigenvectors) // n}."
                )
            spectra[name].append(found)
    inputs = input_spectrum(x, each)
    if inputs is None:
        notes.append(
            "No comparison with the inputs' Gram matrix: no input holds real numbers."
        )
    if features is None:
        notes.append(
            "No features: pass features=..., such as the class labels, to compare with."
        )
    device = _inputs.device_of(x)
    halves = [
        (_rows(index, each), spectrum_of(model, _inputs.take(x, index.to(device))))
        for index in _halves(n, seeds[0])
    ]
    cliffs = find_cliffs(spectrum.eigenvalues)
    return KernelReport(
        type(model).__name__,
        outputs,
        cost,
        spectrum,
        cliffs,
        eigenspaces(spectrum, cliffs, bases, halves, spectra, inputs),
        spectra,
        inputs,
        notes,
    )


def _halves(n: int, seed: int) -> list[Tensor]:
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return [part.sort().values for part in (order[: n // 2], order[n // 2 :])]


def _rows(samples: Tensor, each: int) -> Tensor:
    return (samples.unsqueeze(1) * each + torch.arange(each)).flatten()


def _check_references(
    references: References | None, seeds: Sequence[int]
) -> dict[str, list[nn.Module]]:
    if not seeds:
        raise ValueError("seeds must hold at least one seed, got none. Pass (0,).")
    for seed in seeds:
        _checks.require_count("seeds[...]", seed, minimum=0)
    if references is not None and not isinstance(references, Mapping):
        raise TypeError(
            "references must be a dict of networks by name, got "
            f"{type(references).__name__}. For one: references={{'untrained': network}}."
        )
    found = {}
    for name, networks in (references or {}).items():
        require_name("references", name)
        several = [networks] if isinstance(networks, nn.Module) else networks
        if (
            not isinstance(several, (list, tuple))
            or not several
            or not all(isinstance(network, nn.Module) for network in several)
        ):
            raise TypeError(
                f"references[{name!r}] must be a torch.nn.Module or a list of some, got "
                f"{type(networks).__name__}. Pass the network itself, not its weights."
            )
        found[name] = list(several)
    return found
