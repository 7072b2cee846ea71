"""Of what the theme brings, a page keeps what it uses."""

import offline

ICON = '<script defer="" src="../_static/scripts/fontawesome.js?digest=1"></script>'
SEARCH = (
    '<script src="../_static/searchtools.js"></script>\n'
    '<script src="../_static/language_data.js"></script>\n'
    '<script src="../searchindex.js"></script>\n'
)
OTHER = '<script src="../_static/copybutton.js?v=1"></script>\n'


def test_scripts_that_a_page_does_not_use_go():
    page = f"{ICON}\n{SEARCH}{OTHER}<article>text</article>"
    assert offline.lighter(page) == f"{OTHER}<article>text</article>"
    assert offline.lighter(page, searches=True) == f"{SEARCH}{OTHER}<article>text</article>"


def test_every_figure_but_the_first_waits_once():
    page = '<img src="logo"><article><img src="a"><p><img src="b"> <img src="c"></article>'
    lighter = offline.lighter(page)
    assert lighter.count('<img loading="lazy" ') == 2
    assert '<article><img src="a">' in lighter
    assert offline.lighter(lighter) == lighter


def test_pictures_say_how_large_they_are(tmp_path):
    (tmp_path / "a.png").write_bytes(b"0" * 16 + bytes([0, 0, 1, 4, 0, 0, 0, 7]) + b"0" * 9)
    page = '<img alt="x" src="a.png"/><img src="a.png" width="5"/><img src="gone.png"/>'
    written = offline.sized(page, tmp_path)
    assert written == page.replace('src="a.png"/>', 'src="a.png" width="260" height="7"/>')
    assert offline.sized(written, tmp_path) == written


def test_an_icon_that_is_not_drawn_is_named():
    page = '<i class="fa-solid fa-bars fa-lg"></i><span class="x fas fa-rocket y"></span>'
    assert offline.missing_icons(page, ".fa-bars { }") == {"rocket"}
    assert offline.missing_icons(page, offline.ICONS.read_text()) == set()
    assert offline.missing_icons("<p>fa-rocket</p>", "") == set()


def test_rules_that_no_page_uses_go():
    styles = (
        '/* a */@charset "UTF-8";.used,.gone{a:b}.gone p{a:b}p:not(.gone){a:b}'
        "@media print{.gone{a:b}.used .used:is(.gone,.x) b{a:b}}"
        "@keyframes k{from{a:b}to{a:c}}@font-face{a:b}h1{a:b}"
    )
    assert offline.used_rules(styles, {"used"}) == (
        '@charset "UTF-8";.used,.gone{a:b}p:not(.gone){a:b}'
        "@media print{.used .used:is(.gone,.x) b{a:b}}"
        "@keyframes k{from{a:b}to{a:c}}@font-face{a:b}h1{a:b}"
    )
