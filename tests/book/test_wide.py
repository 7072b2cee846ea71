"""Figures know their size, and wide ones get a box that scrolls."""

import wide

FIGURE = '<figure class="x" id="fig">\n<img alt="a" src="a.png" width="{}" height="300"/>\n'


def test_a_wide_figure_gets_a_box():
    written = wide.in_boxes(FIGURE.format(1002))
    assert '<div class="entk-wide"><img alt="a" src="a.png" width="1002"' in written
    assert 'style="--w: 1002; --h: 300"/></div>' in written


def test_a_figure_of_one_panel_only_knows_its_size():
    written = wide.in_boxes(FIGURE.format(wide.WIDE - 1))
    assert 'style="--w: 799; --h: 300"/>' in written
    assert "entk-wide" not in written


def test_only_figures_and_only_once():
    picture = '<p><img alt="a" src="a.png" width="1002" height="300"/></p>'
    assert wide.in_boxes(picture) == picture
    styled = FIGURE.replace("<img ", '<img style="width: 5px" ').format(1002)
    assert wide.in_boxes(styled) == styled
    once = wide.in_boxes(FIGURE.format(1002))
    assert wide.in_boxes(once) == once
