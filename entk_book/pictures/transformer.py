"""Chapter 6: nine tensors along a Transformer's wires, and what their modes hold."""

from entk_book.pictures.style import (
    FAMILIES,
    MIST,
    TRAINED,
    Canvas,
)
from entk_book.stored import MODULUS
from entk_book.studies import transformer as study
from entk_lib.toys.tasks import modular_addition
from entk_lib.toys.tasks.frequencies import waves_at

_SEED, _N_MODES = 0, 13
_W, _H, _STEP = 134, 82, 9.2
# Where each tensor's card stands: its middle.
_PLACES = {
    "token_embedding": ("tokens", 101, 160),
    "position_embedding": ("positions", 101, 290),
    "query": ("query", 252, 130),
    "key": ("key", 252, 225),
    "value": ("value", 252, 320),
    "attention_output": ("attention", 403, 225),
    "mlp_in": ("MLP in", 551, 150),
    "mlp_out": ("MLP out", 551, 300),
    "unembedding": ("unembedding", 699, 225),
}
_COLORS = {
    "sum": FAMILIES["sum"],
    "symmetric": FAMILIES["b"],
    "antisymmetric": FAMILIES["difference"],
}


def draw(canvas: Canvas) -> None:
    """A card for each tensor, its leading modes as tiles.

    Args:
        canvas: Where to draw.
    """
    model = study.network(_SEED)
    x = modular_addition.tokens(modular_addition.all_pairs(MODULUS), MODULUS)
    waves = waves_at(MODULUS, study.frequencies_of(model).frequencies)
    spectra = study.layer_spectra(model, x, list(_PLACES))
    canvas.headline("The sum comes first only at the end")
    wires = [
        ("token_embedding", "query"),
        ("token_embedding", "key"),
        ("token_embedding", "value"),
        ("position_embedding", "query"),
        ("position_embedding", "key"),
        ("position_embedding", "value"),
        ("query", "attention_output"),
        ("key", "attention_output"),
        ("value", "attention_output"),
        ("attention_output", "mlp_in"),
        ("attention_output", "unembedding"),
        ("mlp_in", "mlp_out"),
        ("mlp_out", "unembedding"),
    ]
    for start, end in wires:
        (_, x0, y0), (_, x1, y1) = _PLACES[start], _PLACES[end]
        if x0 == x1:
            canvas.lines([[(x0, y0), (x1, y1)]], MIST, 3)
        else:
            canvas.lines([[(x0 + _W / 2, y0), (x1 - _W / 2, y1)]], MIST, 3)
    for name, (words, x0, y0) in _PLACES.items():
        canvas.box(x0 - _W / 2, y0 - _H / 2, _W, _H, edge=MIST)
        canvas.text(x0, y0 - 8, words, anchor="center", size=20)
        modes = spectra[name].eigenvectors[:, :_N_MODES].double()
        held = {f: (w.T @ modes).square().sum(0) for f, w in waves.items() if f in _COLORS}
        tiles = {color: [] for color in ("#E3E8EC", *_COLORS.values())}
        for i in range(_N_MODES):
            best = max(held, key=lambda f: float(held[f][i]))
            color = _COLORS[best] if held[best][i] > 0.5 else "#E3E8EC"
            at = x0 + _STEP * (i - _N_MODES / 2) + 0.8
            tiles[color].append([(at, y0 + 16), (at + _STEP - 1.6, y0 + 16)])
        for color, some in tiles.items():
            canvas.lines(some, color, 24, cap="butt")
    for x0, words, color in (
        (34, "a and b alike", FAMILIES["b"]),
        (250, "the sum a + b", TRAINED),
        (466, "a against b", FAMILIES["difference"]),
    ):
        canvas.lines([[(x0, 412), (x0 + 20, 412)]], color, 20, cap="butt")
        canvas.text(x0 + 30, 419, words, size=21)
