"""The book's marks: an icon, a wordmark, and a card for links to it."""

import entk_lib as entk
from entk_book.pictures import modular_addition
from entk_book.pictures.style import CUT, GREY, INK, PAPER, TRAINED, Canvas, mixed
from entk_book.studies.adders import eigenspaces, train_adders

NAME = "Features in the Tangent Kernel"
_QUESTION = ("What has a network learned,", "and where is it?")
_LIGHT = "#F2F5F7"  # a name on dark ground
# A spectrum with two cliffs.
_BARS = (1, 0.97, 0.6, 0.56, 0.14)


def icon(canvas: Canvas, x: int | float, y: int | float, side: int | float) -> None:
    """The icon: a spectrum with two cliffs, white on blue.

    Args:
        canvas: Where to draw.
        x: Its left side.
        y: Its upper side.
        side: Its width and height.
    """
    canvas.box(x, y, side, side, fill=TRAINED, edge=TRAINED, line=0, radius=side / 5)
    step, foot = side / 6.6, y + 0.83 * side
    bars = []
    for k, bar in enumerate(_BARS):
        across = x + side / 2 + step * (k - 2)
        bars.append([(across, foot), (across, foot - 0.66 * side * bar)])
    canvas.lines(bars, PAPER, 0.72 * step, cap="butt")


def favicon() -> Canvas:
    """The icon by itself, as small as browsers show it.

    Returns:
        The sheet.
    """
    canvas = Canvas(32, 32, ground=False)
    icon(canvas, 0, 0, 32)
    return canvas


def wordmark(ink: str) -> Canvas:
    """Icon and name side by side, on nothing.

    Args:
        ink: Colour of the name.

    Returns:
        The sheet.
    """
    canvas = Canvas(420, 104, ground=False)
    icon(canvas, 6, 8, 88)
    canvas.text(112, 46, "Features in the", size=32, color=ink)
    canvas.text(112, 86, "Tangent Kernel", size=36, color=ink, weight="bold")
    return canvas


def card() -> Canvas:
    """What a link to the book shows: the name, a torus, and a spectrum with its cliffs.

    Returns:
        The sheet.
    """
    (adder,) = train_adders([0])
    spectrum = entk.ntk_spectrum(adder.network, adder.x, k=140)
    canvas = Canvas(1200, 630, ground=False)
    canvas.shapes([[(0, 0), (1200, 0), (1200, 630), (0, 630)]], PAPER)
    logs = (spectrum.eigenvalues[1:] / spectrum.eigenvalues[1]).log().tolist()
    hill = [(8.7 * i, 488 - 50 * log) for i, log in enumerate(logs)]
    canvas.shapes([[(0, 630), *hill, (1210, 630)]], mixed(TRAINED, 0.12))
    canvas.lines([hill], TRAINED, 7)
    for stop in (57, 113):
        x = 8.7 * (stop - 1.5)
        canvas.lines([[(x, 458), (x, 630)]], CUT, 3, dash=(3, 2))
    with canvas.placed(640, -96, 1.42):
        waves = modular_addition.wave_of_the_sum(eigenspaces(spectrum)["second"])
        modular_addition.torus(canvas, waves)
    icon(canvas, 64, 60, 96)
    canvas.text(64, 246, "Features in the", size=60, color=INK)
    canvas.text(64, 322, "Tangent Kernel", size=63, color=INK, weight="bold")
    for line, words in enumerate(_QUESTION):
        canvas.text(64, 380 + 42 * line, words, size=32, color=GREY)
    return canvas


def marks() -> dict[str, str]:
    """Marks as SVG.

    Returns:
        Texts by file name.
    """
    words = "The book's name beside its icon, a spectrum with two cliffs"
    return {
        "favicon.svg": favicon().svg(NAME, "A spectrum with two cliffs"),
        "wordmark.svg": wordmark(INK).svg(NAME, words),
        "wordmark_dark.svg": wordmark(_LIGHT).svg(NAME, words),
    }


def files() -> dict[str, bytes]:
    """All marks, and the card.

    Returns:
        Contents by file name.
    """
    texts = {name: text.encode() for name, text in marks().items()}
    return {**texts, "favicon.png": favicon().png(), "card.png": card().png()}
