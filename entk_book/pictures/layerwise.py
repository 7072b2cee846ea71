"""Chapter 5: two layers' spectra, and what their sum sorts."""

import numpy as np

import entk_lib as entk
from entk_book.pictures.style import CUT, FAMILIES, INK, MIST, NOTE, PAPER, Canvas
from entk_book.studies.adders import MODULUS, train_adders
from entk_book.studies.layerwise import layer_kernels
from entk_lib.toys.tasks import modular_addition

_N = 4 * MODULUS + 12
_LEFT, _STEP = 170, 4.6
_TOKENS, _LEARNED = FAMILIES["b"], FAMILIES["sum"]


def draw(canvas: Canvas) -> None:
    """Three ribbons, first layer, second layer and whole.

    Args:
        canvas: Where to draw.
    """
    (adder,) = train_adders([0])
    families = modular_addition.fourier_families(MODULUS)
    spans = [
        np.concatenate([families[n].flatten(1).numpy() for n in names], 1)
        for names in (("a", "b"), ("sum", "difference"))
    ]
    kernels = layer_kernels(adder.network, adder.x)
    canvas.headline("No layer has the step. Their sum has.")
    for (name, kernel), foot in zip(kernels.items(), (175, 290, 405), strict=True):
        spectrum = entk.kernel_spectrum(kernel, k=_N)
        vectors = spectrum.eigenvectors.double().numpy()
        held = [((span.T @ vectors) ** 2).sum(0) for span in spans]
        logs = spectrum.eigenvalues.double().log().numpy()[1:]
        height = 10 + 75 * (logs - logs[-1]) / (logs[0] - logs[-1])
        middle = _LEFT + _STEP * (np.arange(_N - 1) + 0.5)
        strongest = np.where(held[0] > 0.5, 0, np.where(held[1] > 0.5, 1, 2))[1:]
        for kind, color in enumerate((_TOKENS, _LEARNED, MIST)):
            bars = [
                [(x, foot), (x, foot - h)]
                for x, h, k in zip(middle, height, strongest, strict=True)
                if k == kind
            ]
            canvas.lines(bars, color, _STEP - 0.6, cap="butt")
        canvas.text(
            _LEFT - 16,
            foot - 8,
            {"first": "layer 1", "second": "layer 2", "whole": "whole"}[name],
            anchor="right",
            weight="bold" if name == "whole" else "normal",
        )
    for modes, words in ((28, "a, b"), (84, "a + b, a − b")):
        canvas.text(
            _LEFT + _STEP * modes, 396, words, size=NOTE + 1, color=PAPER, weight="bold",
            anchor="center",
        )  # fmt: skip
    cliff = _LEFT + _STEP * (4 * MODULUS - 4)
    canvas.lines([[(cliff, 318), (cliff, 412)]], CUT, 2.5, dash=(3, 2))
    canvas.text(cliff + 8, 342, "step", color=CUT, weight="bold")
    canvas.lines([[(34, 302), (_LEFT - 16, 302)]], INK, 2)
