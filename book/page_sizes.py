"""How heavy and how tall the built pages are, for authors.

Usage: python book/page_sizes.py [FOLDER]     (after `make book`; needs Chromium)

For each page: megabytes before compression that a reader loads at once, and with every
figure of the page; its height in pixels, code and evidence folded, on a laptop and a phone.
"""

import sys
from pathlib import Path

import yaml
from playwright.sync_api import Browser, sync_playwright

import paper

ROOT = Path(__file__).parent.parent
WIDTHS = (1280, 390)


def pages(root: Path = ROOT) -> list[str]:
    """Every page of the contents, in their order, with the ending ``.html``."""
    contents = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    entries = [entry for part in contents["parts"] for entry in part["chapters"]]
    return [f"{entry['file']}.html" for entry in ({"file": contents["root"]}, *entries)]


def sizes(browser: Browser, path: Path) -> tuple[float, float, list[int]]:
    """Weight at once and in all in megabytes, and the height for each of ``WIDTHS``."""
    page = browser.new_page(viewport={"width": WIDTHS[0], "height": 900})
    loaded: set[Path] = set()

    def note(url: str) -> None:
        if url.startswith("file:"):
            loaded.add(Path(url.removeprefix("file://").split("?")[0].split("#")[0]))

    page.on("request", lambda request: note(request.url))
    page.goto(path.as_uri())
    page.wait_for_load_state("load")
    page.wait_for_timeout(500)
    at_once = sum(file.stat().st_size for file in loaded)
    # To know its true height, every figure must be there.
    page.evaluate(
        """() => Promise.all([...document.images].map((image) => {
            image.loading = "eager";
            return image.decode().catch(() => null);
        }))"""
    )
    in_all = sum(file.stat().st_size for file in loaded)
    heights = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(200)
        heights.append(page.evaluate("document.documentElement.scrollHeight"))
    page.close()
    return at_once / 1e6, in_all / 1e6, heights


def main() -> None:
    """Print a line for each page."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "_build" / "html").resolve()
    heads = ("MB at once", "MB in all", *(f"px at {width}" for width in WIDTHS))
    print(f"{'page':36}", *(f"{head:>11}" for head in heads))
    with sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=paper.chromium(), args=["--no-sandbox"]
        )
        for name in pages():
            at_once, in_all, heights = sizes(browser, folder / name)
            tall = " ".join(f"{height:11,}" for height in heights)
            print(f"{name:36} {at_once:11.2f} {in_all:11.2f} {tall}", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
