"""A browser and the built book, or a plain reason why these tests are skipped."""

import functools
import http.server
import shutil
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(autouse=True)
def _seed():
    """Nothing here draws numbers: the suite's fixture is not needed."""


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip(
            "no Chromium on this machine: apt-get install chromium runs these tests"
        )
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        started.close()


def newest(folder, *patterns):
    """When the last of some files was changed."""
    return max(p.stat().st_mtime for pattern in patterns for p in folder.glob(pattern))


@pytest.fixture(scope="session")
def book(tmp_path_factory, browser):
    """A copy of the book that `make book` has built, which must be of today's sources."""
    built = ROOT / "_build" / "html"
    if not (built / "index.html").exists():
        pytest.fail(f"the book must be built, got no {built}. Run make book.")
    sources = ("chapters/*.ipynb", "reference/*.md", "_*.yml", "*.md", "book/**/*.*")
    sources += ("entk_book/explorers/static/*",)
    if newest(ROOT, *sources) > newest(built, "*.html", "chapters/*.html"):
        pytest.fail("the built book is older than its sources. Run make book.")
    copy = tmp_path_factory.mktemp("book") / "html"
    shutil.copytree(built, copy, ignore=shutil.ignore_patterns("_sources"))
    return copy


@pytest.fixture(scope="session")
def server(book):
    """The book over HTTP from this machine, for what does not work from a file."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(book))
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}"
    serving.shutdown()
    serving.server_close()


class Visit:
    """One page, opened from its file with the network hanging, and what happened."""

    def __init__(
        self, browser, path, *, width=1280, scheme="light", scripts=True, **context
    ):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=scripts,
            **context,
        )
        self.page = self.context.new_page()
        self.outside, self.problems, self.files = [], [], set()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("requestfailed", self._failed)
        self.page.route("**/*", self._request)
        self.page.goto(path.as_uri(), wait_until="domcontentloaded")

    def _failed(self, request):
        # The page's icon is asked for last, and left unfinished by a click on a link.
        icon = "/_static/favicon." in request.url
        if not (icon and request.failure == "net::ERR_ABORTED"):
            self.problems.append(f"failed: {request.url}")

    def _console(self, message):
        if message.type == "error":
            self.problems.append(message.text)

    def _request(self, route):
        url = route.request.url
        if url.startswith("file:"):
            self.files.add(Path(url.removeprefix("file://").split("?")[0].split("#")[0]))
            route.continue_()
        elif url.startswith(("data:", "blob:")):
            route.continue_()
        else:  # never answered: a network that hangs
            self.outside.append(url)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def settle(self):
        """Wait until scripts are done."""
        self.page.wait_for_load_state("load")
        return self

    def weight(self):
        """Bytes of the page and all that it loads, with its figures, uncompressed."""
        sources = self.page.evaluate(
            "[...document.images].map((image) => image.src.split('#')[0])"
        )
        figures = {
            Path(source.removeprefix("file://"))
            for source in sources
            if source.startswith("file:")
        }
        return sum(f.stat().st_size for f in self.files | figures if f.exists())


@pytest.fixture
def visit(browser, book):
    """Open a page of the book: ``visit(name, folder=..., width=..., scheme=..., ...)``."""
    opened = []

    def open_page(name, *, folder=book, **options):
        opened.append(Visit(browser, folder / name, **options))
        return opened[-1]

    yield open_page
    for one in opened:
        one.context.close()
