"""What the explorers share: packed arrays, their JavaScript, a static figure."""

import base64
import io
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

try:
    import anywidget
    import traitlets
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f'explorers need anywidget, got "{error}". Run pip install "entk_lib[explorers]".'
    ) from error

# What one step of a stored number is worth. Whole numbers are for what lies in [0, 1] or
# [-1, 1] and is shown as a colour.
_STEPS = {torch.float32: 1.0, torch.uint8: 1 / 255, torch.int8: 1 / 127}


def packed(arrays: Mapping[str, Tensor]) -> tuple[bytes, dict[str, Any]]:
    """Arrays in one string of bytes, and where each of them lies in it.

    Args:
        arrays: Tensors of dtype float32, or as `quantised` returns them.

    Returns:
        The bytes, little-endian, each array at a multiple of four; and for each name its
        ``dtype``, ``shape``, ``offset`` in bytes, and ``step``, what a stored 1 is worth.

    Raises:
        TypeError: If an array has another dtype.
    """
    blob, where = bytearray(), {}
    for name, array in arrays.items():
        if array.dtype not in _STEPS:
            raise TypeError(
                f"{name} must be float32, uint8 or int8, got {array.dtype}. Call .float(), "
                "or quantised() for what is shown as a colour."
            )
        blob.extend(bytes(-len(blob) % 4))
        where[name] = {
            "dtype": str(array.dtype).removeprefix("torch."),
            "shape": list(array.shape),
            "offset": len(blob),
            "step": _STEPS[array.dtype],
        }
        blob.extend(array.detach().cpu().contiguous().numpy().tobytes())
    return bytes(blob), where


def quantised(values: Tensor, *, signed: bool = False) -> Tensor:
    """Numbers in whole steps, of 1/255 from 0 to 1, or of 1/127 from -1 to 1.

    Args:
        values: In [0, 1], or in [-1, 1] if signed; any shape.
        signed: Whether values may be negative.

    Returns:
        The same shape, uint8 or int8; off by at most half a step.

    Raises:
        ValueError: If a value lies outside, or is not a number.
    """
    low = -1 if signed else 0
    inside = (values >= low - 1e-6) & (values <= 1 + 1e-6)
    if not bool(inside.all()):
        raise ValueError(
            f"values must lie in [{low}, 1], got {float(values[~inside][0]):.3g}. Divide "
            "by the largest magnitude first, and say signed=True for negative ones."
        )
    dtype, steps = (torch.int8, 127) if signed else (torch.uint8, 255)
    return (values.clamp(low, 1) * steps).round().to(dtype)


def joined(names: Iterable[str]) -> str:
    """Texts of the explorers' folder of scripts and styles, one behind the other."""
    folder = resources.files("entk_book.explorers") / "static"
    return "\n".join((folder / name).read_text("utf-8") for name in names)


def javascript(*names: str) -> str:
    """The explorer's module: what all share, then its own parts."""
    return joined(("common.js", *names))


def stylesheet(*more: str) -> str:
    """The explorers' style, then an explorer's own."""
    return joined(("explorer.css", *more))


class Explorer(anywidget.AnyWidget):
    """A figure with dials over arrays that were computed beforehand.

    Attributes:
        data: All arrays, as `packed` gives them.
        spec: Where each array lies in ``data``, and the texts of the controls.
        figure_name: The figure in the book's page that this explorer replaces, if any.
    """

    _css = stylesheet()
    data = traitlets.Bytes().tag(sync=True)
    spec = traitlets.Dict().tag(sync=True)
    figure_name = traitlets.Unicode().tag(sync=True)

    def show(self, arrays: Mapping[str, Tensor], **texts: object) -> None:
        """Replace all that is drawn.

        Args:
            arrays: By name, as the explorer's JavaScript reads them.
            **texts: What else it reads: labels and values of its controls.
        """
        data, where = packed(arrays)
        with self.hold_sync():
            self.data, self.spec = data, {"arrays": where, **texts}

    def figure(self) -> Figure:
        """The static figure that stands where no JavaScript runs.

        Returns:
            What the explorer shows at first.
        """
        raise NotImplementedError

    def _repr_mimebundle_(self, **arguments: Any) -> Any:
        bundle = super()._repr_mimebundle_(**arguments)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        picture = io.BytesIO()
        self.figure().savefig(picture, format="png", dpi=110)
        png = base64.b64encode(picture.getvalue()).decode()
        return {**data, "text/plain": repr(self), "image/png": png}, metadata

    def __repr__(self) -> str:
        return f"{type(self).__name__} explorer, {len(self.data) / 1000:.0f} kB of data"
