"""The book's fonts: subsets of STIX in `book/_static/fonts`, which are committed.

Usage: python book/make_fonts.py PATH/TO/STIXMath-Regular.otf

The text's three faces come with matplotlib; the font for formulas, of the same family and
with the table by which browsers set them, is STIXMath-Regular.otf of STIX 1.1.1. Its
licence lets modified versions go by another name only: here *Tangent*.
"""

import argparse
from pathlib import Path

import matplotlib
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

OUT = Path(__file__).parent / "_static" / "fonts"
FACES = {
    "text": "STIXGeneral.ttf",
    "text-italic": "STIXGeneralItalic.ttf",
    "text-bold": "STIXGeneralBol.ttf",
}

# Western European letters, and what English typography and short sums in the text need.
TEXT = [
    *range(0x20, 0x7F),
    *range(0xA0, 0x100),
    *(0x131, 0x141, 0x142, 0x152, 0x153, 0x160, 0x161, 0x17D, 0x17E),
    *range(0x2010, 0x2015),
    *range(0x2018, 0x201F),
    *(0x2022, 0x2026, 0x2032, 0x2190, 0x2191, 0x2192, 0x2193),
    *(0x2212, 0x2248, 0x2260, 0x2264, 0x2265),
]
# What TeX's letters, Greek, big operators, relations, arrows and brackets become.
MATHS = [
    *range(0x20, 0x7F),
    *(0xA0, 0xAC, 0xAF, 0xB1, 0xB7, 0xD7, 0xF7, 0x2C6, 0x2DC, 0x2D9, 0x302, 0x303, 0x304),
    *range(0x391, 0x3AA),
    *range(0x3B1, 0x3CA),
    *(0x3D1, 0x3D5, 0x3F5, 0x2016, 0x2026, 0x2032, 0x2033, 0x2034),
    *range(0x2061, 0x2065),
    *(0x2102, 0x210E, 0x2113, 0x2115, 0x211D, 0x2124),
    *range(0x2190, 0x2195),
    *(0x21A6, 0x21D2, 0x2200, 0x2202, 0x2203, 0x2207, 0x2208, 0x2209, 0x220F, 0x2211),
    *(0x2212, 0x2213, 0x2217, 0x2218, 0x221A, 0x221D, 0x221E, 0x2223, 0x2225, 0x2229),
    *(0x222A, 0x222B, 0x223C, 0x2248, 0x2260, 0x2261, 0x2264, 0x2265, 0x226A, 0x226B),
    *(0x2282, 0x2286, 0x2295, 0x2297, 0x2299, 0x22A4, 0x22A5, 0x22C5),
    *range(0x22EE, 0x22F2),
    *range(0x2308, 0x230C),
    *(0x23DE, 0x23DF, 0x27E8, 0x27E9),
    *range(0x1D400, 0x1D468),
    *range(0x1D6A8, 0x1D71C),
    *range(0x1D7CE, 0x1D7D8),
]


def write(
    source: Path,
    target: Path,
    characters: list[int],
    name: str,
    height: tuple[float, float] | None = None,
) -> None:
    """Write some characters of a font, under another name.

    Args:
        source: An OpenType or TrueType font.
        target: A WOFF file.
        characters: Code points; those that the font lacks are left out.
        name: Of the new font.
        height: Above and below the line, in parts of the size. ``None``: as they are.
    """
    options = Options(layout_features=["*"], flavor="woff", drop_tables=["FFTM", "DSIG"])
    options.hinting = True
    font = TTFont(source, recalcTimestamp=False)
    cutter = Subsetter(options)
    cutter.populate(unicodes=characters)
    cutter.subset(font)
    for key in (1, 3, 4, 6, 16):
        for record in [r for r in font["name"].names if r.nameID == key]:
            text = name.replace(" ", "") if key == 6 else name
            place = record.platformID, record.platEncID, record.langID
            font["name"].setName(text, key, *place)
    if height is not None:
        _set_height(font, *height)
    font.flavor = "woff"
    font.save(target)
    print(f"{target.name}: {target.stat().st_size} bytes")


def _set_height(font: TTFont, above: float, below: float) -> None:
    # STIX has room for the tallest integral above every letter: boxes of text overlap.
    size: int = vars(font["head"])["unitsPerEm"]
    up, down = round(above * size), round(below * size)
    heights = {
        "hhea": {"ascent": up, "descent": -down, "lineGap": 0},
        "OS/2": {
            "sTypoAscender": up,
            "sTypoDescender": -down,
            "sTypoLineGap": 0,
            "usWinAscent": up,
            "usWinDescent": down,
        },
    }
    for table, values in heights.items():
        for name, value in values.items():
            setattr(font[table], name, value)


def main() -> None:
    """Make the four files."""
    parser = argparse.ArgumentParser(description="The book's fonts.")
    parser.add_argument("maths", type=Path, help="STIXMath-Regular.otf, of STIX 1.1.1")
    given = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    ttf = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for face, source in FACES.items():
        write(ttf / source, OUT / f"{face}.woff", TEXT, f"Tangent {face}", (0.93, 0.26))
    write(given.maths, OUT / "maths.woff", MATHS, "Tangent maths")


if __name__ == "__main__":
    main()
