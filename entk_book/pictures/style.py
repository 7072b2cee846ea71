"""How all pictures look: one size, one ground, one palette, few sizes of type.

A unit is a pixel of a picture 800 pixels wide; ``y`` goes down, as on a screen.
"""

import io
import re
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any
from xml.sax.saxutils import escape

import matplotlib as mpl
import numpy as np
from matplotlib import colors
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path

from entk_lib.plotting import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION

WIDTH, HEIGHT = 800, 450
PAPER, INK, GREY, MIST = "#FFFFFF", "#1B2733", "#5F6B76", "#C9D1D8"
# What a colour means is the same in all pictures.
TRAINED, UNTRAINED, CUT = BLUE, ORANGE, VERMILION
FAMILIES = {"a": SKY, "b": GREEN, "sum": BLUE, "difference": PURPLE}
HEADLINE, LABEL, NOTE = 31, 23, 19

_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "entk",
    "path.simplify": False,
    "font.family": "sans-serif",
    "text.parse_math": False,
}
# Any sans-serif will do; narrow ones come first, so that words fit.
_FONTS = "Helvetica, Arial, sans-serif"
_NUMBER = re.compile(r"-?\d+\.\d+")

Points = np.ndarray | Sequence[Any]  # pairs of numbers


class Canvas:
    """A sheet to draw on, the card's ground already on it.

    Args:
        width: In units.
        height: In units.
        ground: Whether to draw the card: white, so that it stands in a dark page, too.
    """

    def __init__(self, width: int = WIDTH, height: int = HEIGHT, *, ground: bool = True):
        self.size = width, height
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72, facecolor="none")
        self._axes = self.figure.add_axes((0, 0, 1, 1))
        self._axes.set(xlim=(0, width), ylim=(height, 0))
        self._axes.axis("off")
        self._order = 0
        self._scale, self._shift = 1.0, np.zeros(2)
        if ground:
            self.box(1, 1, width - 2, height - 2, fill=PAPER, edge=MIST, radius=14)

    def _next(self) -> int:
        self._order += 1
        return self._order

    @contextmanager
    def placed(self, x: int | float, y: int | float, scale: int | float) -> Generator[None]:
        """Draw lines and shapes elsewhere, larger or smaller.

        Args:
            x: Where the sheet's left side comes to lie.
            y: Where its upper side does.
            scale: Of lengths and widths.
        """
        before = self._scale, self._shift
        self._scale, self._shift = scale, np.array([x, y])
        try:
            yield
        finally:
            self._scale, self._shift = before

    def headline(self, text: str) -> None:
        """The one sentence of the picture, at the top.

        Args:
            text: At most 40 letters, so that it fits in any font.
        """
        self.text(34, 52, text, size=HEADLINE, weight="bold")

    def text(
        self,
        x: int | float,
        y: int | float,
        text: str,
        *,
        size: int | float = LABEL,
        color: str = INK,
        weight: str = "normal",
        anchor: str = "left",
        turned: int | float = 0,
    ) -> None:
        """Words, their baseline at ``y``.

        Args:
            x: Of the anchor.
            y: Of the baseline.
            text: One line.
            size: Of the type.
            color: Of the type.
            weight: ``"normal"`` or ``"bold"``.
            anchor: ``"left"``, ``"center"`` or ``"right"``.
            turned: Degrees, counter-clockwise.
        """
        self._axes.text(
            *(x, y, text), fontsize=size, color=color, weight=weight, ha=anchor,
            va="baseline", rotation=turned, rotation_mode="anchor", zorder=self._next(),
        )  # fmt: skip

    def lines(
        self,
        lines: Iterable[Points],
        color: str = INK,
        width: int | float = 2,
        *,
        alpha: int | float = 1,
        dash: tuple[int, ...] | None = None,
        cap: str = "round",
    ) -> None:
        """Polylines, all in one path.

        Args:
            lines: Each some points ``(x, y)``.
            color: Of the strokes.
            width: Of the strokes.
            alpha: Opacity.
            dash: Lengths on and off, in units of the width. ``None``: not dashed.
            cap: ``"round"`` or ``"butt"``.
        """
        path = self._path(lines, closed=False)
        if path is not None:
            style = (0, dash) if dash else "-"
            self._axes.add_patch(
                PathPatch(
                    path, fill=False, edgecolor=color, linewidth=width * self._scale,
                    alpha=alpha, linestyle=style, capstyle=cap, joinstyle="round",
                    clip_on=False, zorder=self._next(),
                )
            )  # fmt: skip

    def shapes(
        self,
        shapes: Iterable[Points],
        fill: str,
        *,
        alpha: int | float = 1,
        edge: str = "none",
        width: int | float = 1,
    ) -> None:
        """Polygons, all in one path.

        Args:
            shapes: Each its corners ``(x, y)``.
            fill: Colour inside.
            alpha: Opacity.
            edge: Colour of the outline.
            width: Of the outline.
        """
        path = self._path(shapes, closed=True)
        if path is not None:
            self._axes.add_patch(
                PathPatch(
                    path, facecolor=fill, edgecolor=edge, alpha=alpha,
                    linewidth=width * self._scale,
                    joinstyle="round", clip_on=False, zorder=self._next(),
                )
            )  # fmt: skip

    def dots(
        self, points: Points, color: str, radius: int | float = 4, *, alpha: int | float = 1
    ) -> None:
        """Round dots, all in one path: strokes of next to no length with round ends.

        Args:
            points: Their middles.
            color: Of all.
            radius: Of all.
            alpha: Opacity.
        """
        ends = [((x - 0.05, y), (x + 0.05, y)) for x, y in points]
        self.lines(ends, color, 2 * radius, alpha=alpha)

    def arrow(
        self,
        points: Points,
        color: str = INK,
        width: int | float = 2.5,
        head: int | float = 9,
    ) -> None:
        """A line with a head at its end.

        Args:
            points: At least two, the last one farther from another than the head is long.
            color: Of line and head.
            width: Of the line.
            head: Half the width of the head.
        """
        points = np.asarray(points, dtype=float)
        tip = points[-1]
        far = np.hypot(*(points - tip).T) > 1.7 * head
        before = points[: np.flatnonzero(far)[-1] + 1]
        step = tip - before[-1]
        step = step / np.hypot(*step)
        side = np.array([-step[1], step[0]])
        neck = tip - 1.7 * head * step
        self.lines([[*before, neck + 0.3 * head * step]], color, width, cap="butt")
        self.shapes([[tip, neck + head * side, neck - head * side]], color)

    def box(
        self,
        x: int | float,
        y: int | float,
        width: int | float,
        height: int | float,
        *,
        fill: str = PAPER,
        edge: str = INK,
        line: int | float = 1.5,
        radius: int | float = 8,
    ) -> None:
        """A rectangle with round corners.

        Args:
            x: Of its left side.
            y: Of its upper side.
            width: Of the box.
            height: Of the box.
            fill: Colour inside.
            edge: Colour of the outline.
            line: Width of the outline.
            radius: Of the corners.
        """
        self._axes.add_patch(
            FancyBboxPatch(
                (x, y), width, height, boxstyle=f"round,pad=0,rounding_size={radius}",
                facecolor=fill, edgecolor=edge, linewidth=line, clip_on=False,
                zorder=self._next(),
            )
        )  # fmt: skip

    def _path(self, lines: Iterable[Points], *, closed: bool) -> Path | None:
        corners, codes = [], []
        for line in lines:
            points = [tuple(point) for point in line]
            corners += points + points[:1] * closed
            codes += [Path.MOVETO] + [Path.LINETO] * (len(points) - 1)
            codes += [Path.CLOSEPOLY] * closed
        if not corners:
            return None
        return Path(self._shift + self._scale * np.array(corners, dtype=float), codes)

    def svg(self, title: str, description: str) -> str:
        """The sheet as SVG: the same bytes each time, its text as text.

        Args:
            title: For those who do not see it.
            description: What there is to see.

        Returns:
            The file's text.
        """
        out = io.StringIO()
        with mpl.rc_context(_SETTINGS):
            nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            self.figure.savefig(out, format="svg", metadata=nothing, facecolor="none")
        return _tidy(out.getvalue(), self.size, title, description)

    def png(self, scale: int | float = 1) -> bytes:
        """The sheet as a picture of points.

        Args:
            scale: Points a unit.

        Returns:
            The file's bytes.
        """
        out = io.BytesIO()
        FigureCanvasAgg(self.figure)
        with mpl.rc_context(_SETTINGS):
            nothing = {"Software": None}
            self.figure.savefig(out, format="png", dpi=72 * scale, metadata=nothing)
        return out.getvalue()


def tile(
    x: int | float, y: int | float, width: int | float, height: int | float
) -> np.ndarray:
    """The corners of a rectangle.

    Args:
        x: Of its left side.
        y: Of its upper side.
        width: Of the rectangle.
        height: Of the rectangle.

    Returns:
        Four rows.
    """
    return np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])


def mixed(color: str, share: int | float, ground: str = PAPER) -> str:
    """A colour thinned with the ground.

    Args:
        color: As ``#RRGGBB``.
        share: Of the colour, from 0 to 1.
        ground: As ``#RRGGBB``.

    Returns:
        As ``#rrggbb``.
    """
    pairs = zip(colors.to_rgb(color), colors.to_rgb(ground), strict=True)
    red, green, blue = (share * one + (1 - share) * other for one, other in pairs)
    return colors.to_hex((red, green, blue))


def _tidy(svg: str, size: tuple[int, int], title: str, description: str) -> str:
    # Tenths of a unit are enough for the eye, and the same on machines whose last digits
    # differ. What matplotlib says of itself and of the fonts it would have measured with
    # goes.
    body = svg[svg.index("<g ") :]
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = _NUMBER.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), body)
    body = re.sub(r"font-family: [^;]*", f"font-family: {_FONTS}", body)
    body = re.sub(r' ((clip-path|id)=|transform="rotate\(-0 )"?[^"]*"', "", body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    body = re.sub(r"\s*\b([MLQC]) ", r"\1", body).replace("\nz\n", "z")
    width, height = size
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">\n'
        f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>\n"
    )
    return head + body
