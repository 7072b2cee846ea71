"""Is there a Jacobian of each sample? Models that hide that they have none are refused.

What a module is (batch statistics, dropout in training mode) is looked at before any
number. Then a few samples are run: outputs, and gradients of the chosen parameters, may
change neither with the random state nor with the other samples of the batch. Outputs alone
would not do: behind a gate that is zero a mixing branch shows in the gradient only.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode

from entk_lib import _inputs
from entk_lib._checks import check_inputs, require_finite
from entk_lib._inputs import Inputs

# Outputs of one batch and of its samples one by one agree to rounding, not to the bit:
# matrix products are blocked differently. These bounds are far above that and far below
# what BatchNorm or Dropout do.
_TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-3}
_HALF_TOLERANCE = 1e-2
# A gradient that is zero but for rounding is compared with this part of the largest one.
_FLOOR = 1e-3
_PROBE_SAMPLES = 4
# Functions that draw: where they take the share that is dropped and whether they train,
# each with what it is if it is not given.
_DRAWING: Mapping[str, tuple[tuple[int, float], tuple[int, bool]]] = {
    **{name: ((1, 0.5), (2, True)) for name in ("dropout", "dropout_", "native_dropout")},
    **{f"dropout{n}d": ((1, 0.5), (2, True)) for n in (1, 2, 3)},
    **{
        name: ((1, 0.5), (2, False))
        for kind in ("alpha_dropout", "feature_dropout", "feature_alpha_dropout")
        for name in (kind, f"{kind}_")
    },
    "scaled_dot_product_attention": ((4, 0.0), (99, True)),
}
_SINGLE = (
    "A model of a single sample needs a wrapping Module that returns torch.vmap(model)(x), "
    "or torch.stack([model(sample) for sample in x]) where it has recurrent layers; one "
    "that lacks the axis of the batch alone, model(x.unsqueeze(0)) with it in its place."
)


def check_model(
    model: nn.Module,
    x: Inputs,
    name: str = "x",
    *,
    parameters: Mapping[str, Tensor] | None = None,
    complete: bool = False,
) -> int:
    """Refuse models whose per-sample Jacobian has no meaning; return their output count.

    A few samples are evaluated twice (is the model stochastic?) and beside others (does
    it mix samples?), without touching the model, its buffers or the global random state.

    Args:
        model: The model.
        x: The batch.
        name: What messages call it.
        parameters: Detached parameters whose gradients are looked at, too.
        complete: Whether they are meant to be all that the outputs depend on.

    Raises:
        ValueError: If the model does not take the batch, mixes samples or is stochastic.
        TypeError: If it does not return one tensor of real numbers.
        RuntimeError: If torch.autocast is enabled.
    """
    n = check_inputs(x, name)
    count = min(n, _PROBE_SAMPLES)
    places = torch.linspace(0, n - 1, count).round().long()
    probe = _inputs.take(x, places.to(_inputs.device_of(x)))
    refuse_autocast(_inputs.device_of(x))
    with torch.no_grad(), torch.random.fork_rng():
        with _SeesDropout() as seen:
            together = _evaluate(model, probe)
        require_finite("model(x)", together)
        seen.refuse()
        again = _evaluate(model, probe)
        _compare([together], [again], "outputs", _not_deterministic, floor=1.0)
        # Twice the same sample: BatchNorm in training mode refuses a single one with a
        # message of its own, and a model that takes samples on their own cannot tell.
        twins = [_evaluate(model, _copies(probe, [i, i]))[:1] for i in range(count)]
        alone = torch.cat(twins) if count > 1 else together
        _compare([together], [alone], "outputs", _not_independent, floor=1.0)
    if complete:
        _refuse_outsiders(model, probe)
    if parameters:
        _check_gradients(model, parameters, probe, together.shape[1])
    return together.shape[1]


def refuse_modes(model: nn.Module) -> None:
    """Refuse modules that mix samples or draw numbers, whatever the outputs show."""
    for name, module in model.named_modules():
        kind = type(module).__name__
        told = f"{kind} {name!r}" if name else kind
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise ValueError(
                f"model must treat samples independently, got {told}, which has no running "
                "statistics and so uses those of the batch, in eval mode as well. Give it "
                "some: track_running_stats=True while the model trains."
            )
        if getattr(module, "scale_grad_by_freq", False):
            raise ValueError(
                f"model must treat samples independently, got {told} with "
                "scale_grad_by_freq=True, whose gradient depends on how often a token is "
                "in the batch. Set module.scale_grad_by_freq = False."
            )
        if not module.training:
            continue
        if isinstance(module, _BatchNorm):
            raise ValueError(
                f"model must treat samples independently, got BatchNorm in training mode "
                f"({told}). Call model.eval()."
            )
        if _draws(module):
            what = "RReLU" if isinstance(module, nn.RReLU) else "Dropout"
            raise ValueError(
                f"model must be deterministic, got {what} in training mode ({told}). Call "
                "model.eval()."
            )


def _draws(module: nn.Module) -> bool:
    """Whether a module of torch draws numbers in training mode."""
    if isinstance(module, _DropoutNd):
        return module.p > 0
    if isinstance(module, nn.MultiheadAttention):
        return module.dropout > 0
    if isinstance(module, nn.RNNBase):
        return module.dropout > 0 and module.num_layers > 1
    return isinstance(module, nn.RReLU)


def refuse_autocast(device: torch.device) -> None:
    """Refuse to compute where torch casts float32 to half precision on its own."""
    if torch.is_autocast_enabled(device.type):
        raise RuntimeError(
            "a kernel must be computed outside of torch.autocast, whose sums are in half "
            "precision, got one that is enabled. Leave its block; a model in half "
            "precision needs none."
        )


class _SeesDropout(TorchFunctionMode):
    """Sees calls of dropout that drop something, where no module of torch says so."""

    def __init__(self) -> None:
        super().__init__()
        self.call: str | None = None

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _DRAWING:
            share, training = _DRAWING[name]
            p = kwargs.get("p", kwargs.get("dropout_p", _at(args, *share)))
            if p and kwargs.get("training", _at(args, *training)):
                self.call = f"{name} with p = {p:g}"
        return func(*args, **kwargs)

    def refuse(self) -> None:
        """Raise ValueError if there was one."""
        if self.call:
            raise ValueError(
                f"model must be deterministic, got Dropout in training mode (a call of "
                f"{self.call}). Call model.eval(), and give the function "
                "training=self.training."
            )


def _at(args: tuple, place: int, default: Any) -> Any:
    return args[place] if len(args) > place else default


def _refuse_outsiders(model: nn.Module, probe: Inputs) -> None:
    """Refuse outputs that depend on what requires grad and is no parameter of the model."""
    state = _inputs.frozen_of(model, {})
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng():
        outputs = _inputs.call_model(model, state, _inputs.detached(probe))
    if outputs.requires_grad:
        raise ValueError(
            "model must own all that its outputs depend on, got a dependence on tensors "
            "that require grad and are not in model.named_parameters(). Are layers in a "
            "plain list? Use nn.ModuleList; or name the parameters you mean in "
            "parameters=[...]."
        )


def _check_gradients(
    model: nn.Module, parameters: Mapping[str, Tensor], probe: Inputs, n_outputs: int
) -> None:
    """Gradients of one sample's outputs, with others beside it, again, and with copies.

    All batches have one shape: what is done to a sample then is the same to the bit, or
    nearly so, and a kink is on the same side.
    """
    n = _inputs.n_samples(probe)
    generator = torch.Generator().manual_seed(3)
    row = torch.randn(n_outputs, generator=generator, dtype=torch.float64)
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng():
        for place in dict.fromkeys((0, n - 1)):
            first = _gradients(model, parameters, probe, place, row)
            if first is None or not all(bool(g.isfinite().all()) for g in first):
                return  # what computes the kernel says so of the kernel
            if place == 0:
                again = _gradients(model, parameters, probe, place, row)
                _compare(first, again, "gradients", _not_deterministic)
            copies = _gradients(model, parameters, _copies(probe, [place] * n), place, row)
            _compare(first, copies, "gradients", _not_independent)


def _gradients(
    model: nn.Module,
    parameters: Mapping[str, Tensor],
    batch: Inputs,
    place: int,
    row: Tensor,
) -> list[Tensor] | None:
    """Of one sample's mixed outputs; None where autograd has none, which others tell."""
    leaves = _inputs.leaves_of(model, parameters)
    frozen = _inputs.frozen_of(model, leaves)
    try:
        outputs = _inputs.call_model(model, {**frozen, **leaves}, batch)
        outputs = outputs.reshape(_inputs.n_samples(batch), -1)
        if not outputs.requires_grad:
            return None
        found = torch.autograd.grad(
            outputs[place],
            list(leaves.values()),
            row.to(outputs),
            allow_unused=True,
            materialize_grads=True,
        )
    except RuntimeError:
        return None
    return [g.to_dense() if g.is_sparse else g for g in found]


def _compare(
    first: Sequence[Tensor],
    second: Sequence[Tensor] | None,
    what: str,
    refuse: Callable[[str, float], None],
    *,
    floor: float = _FLOOR,
) -> None:
    """Call ``refuse`` with the largest relative difference if it is above rounding."""
    if second is None:
        return
    whole = max(float(t.abs().max()) for t in first if t.numel())
    for one, two in zip(first, second, strict=True):
        if not one.numel():
            continue
        own = floor if one.dtype in _TOLERANCE else 1.0
        scale = max(float(one.abs().max()), own * whole, torch.finfo(one.dtype).tiny)
        spread = float((one - two).abs().max()) / scale
        if not spread <= _TOLERANCE.get(one.dtype, _HALF_TOLERANCE):
            refuse(what, spread)


def _not_deterministic(what: str, spread: float) -> None:
    raise ValueError(
        f"model must be deterministic, got {what} that differ by {spread:.0e} (relative) "
        "between two evaluations of one batch. Is Dropout in training mode? Call "
        "model.eval()."
    )


def _not_independent(what: str, spread: float) -> None:
    raise ValueError(
        f"model must treat samples independently, but {what} of a batch and of the same "
        f"samples beside others differ by {spread:.0e} (relative). Is BatchNorm in "
        "training mode? Call model.eval()."
    )


def _copies(x: Inputs, places: list[int]) -> Inputs:
    return _inputs.take(x, torch.tensor(places, device=_inputs.device_of(x)))


def _evaluate(model: nn.Module, x: Inputs) -> Tensor:
    n = _inputs.n_samples(x)
    try:
        outputs = _inputs.call_model(model, {}, x)
    except Exception as error:
        dtypes = sorted({str(p.dtype) for p in model.parameters()})
        shapes = ", ".join(f"{tuple(t.shape)} and {t.dtype}" for t in _inputs.leaves(x))
        raise ValueError(
            f"model must accept a batch of {n} samples, x of shape {shapes} (parameters "
            f"are {', '.join(dtypes)}), but it raised {type(error).__name__}: {error}. "
            f"{_why_refused(model, x)} A tuple becomes the model's arguments, a dict its "
            "keyword arguments."
        ) from error
    if not isinstance(outputs, Tensor):
        kind = type(outputs).__name__
        if isinstance(outputs, Mapping):
            kind += f" with the keys {', '.join(map(repr, outputs))}"
        raise TypeError(
            f"model must return one tensor, got {kind}. Wrap it in a Module that returns "
            "the tensor you mean, as entk_lib.Readout(model, select) does."
        )
    if outputs.ndim not in (1, 2) or len(outputs) != n:
        raise ValueError(
            f"model must return (batch,) or (batch, outputs), got shape "
            f"{tuple(outputs.shape)} for a batch of {n}. Is the first axis of x "
            "the batch? Select or flatten further axes in a wrapping Module; " + _SINGLE
        )
    if not outputs.is_floating_point():
        raise TypeError(
            f"model must return real numbers, got {outputs.dtype}. Return the logits "
            "before any argmax or threshold: those have no gradient."
        )
    return outputs.reshape(n, -1)


def _why_refused(model: nn.Module, x: Inputs) -> str:
    """The likeliest reason for which a model raises on a batch, and the fix."""
    own = next(model.parameters())
    for part in _inputs.leaves(x):
        if part.device != own.device:
            return (
                f"x is on {part.device}, the parameters on {own.device}: bring them "
                f'together with x.to("{own.device}").'
            )
        if part.dtype != own.dtype:
            return (
                "Is the first axis the batch, and do the dtypes agree? If the model "
                f"computes with x, pass x.to({own.dtype})."
            )
    return "Is the first axis the batch? " + _SINGLE
