"""Pictures of arrays: what they count is right, what they cannot draw is an error, and bytes repeat."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest

from harness.errors import InputError
from harness.report.pictures import bars_svg, ecdf_svg, histogram_svg, lines_svg
from harness.report.svg import Scale, fitted, ticks, width_of

Maker = Callable[[object], str]
MAKERS: dict[str, Maker] = {
    "histogram": lambda values: histogram_svg(values, title="T", x_label="x", mark=0.0),
    "ecdf": lambda values: ecdf_svg({"a": values}, title="T", x_label="ms", limit=2.0),
    "bars": lambda values: bars_svg({"a": values}, labels=[str(i) for i in range(np.size(values))],  # type: ignore[dict-item]
                                    title="T", y_label="y"),
    "lines": lambda values: lines_svg({"a": list(enumerate(np.ravel(values)))}, title="T", x_label="x", y_label="y"),  # type: ignore[arg-type]
}
made = pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)


def label(svg: str) -> str:
    """The picture's text alternative; the picture itself must be well-formed."""
    return str(ElementTree.fromstring(svg).attrib["aria-label"])


@made
def test_same_numbers_same_bytes(maker: Maker, rng: np.random.Generator) -> None:
    """No date, no id, no chance: a picture is a function of its numbers, and leaves them as they were."""
    values = rng.normal(1, 1, 50)
    kept = values.copy()
    assert maker(values) == maker(values)
    assert np.array_equal(values, kept)


@made
@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf"), 0.0]], ids=["empty", "nan", "inf"])
def test_what_cannot_be_drawn_is_an_error(maker: Maker, values: list[float]) -> None:
    """Nothing and not-a-number are refused, never drawn as zero."""
    with pytest.raises(InputError, match=r"T.*(nothing to draw|not finite)"):
        maker(values)


@made
@pytest.mark.parametrize("values", [[3.0], [0.0, 0.0, 0.0], [1e-9, 1e9]], ids=["one", "constant", "wide"])
def test_degenerate_numbers_still_make_a_picture(maker: Maker, values: list[float]) -> None:
    """One value, ties and huge spreads give finite coordinates."""
    svg = maker(values)
    assert label(svg)
    assert not re.search(r'"(nan|inf)', svg)


def test_gains_ties_and_losses_are_counted_apart() -> None:
    """The histogram says how many lie below, on and above the mark, and cuts a spike only with its count."""
    values = [-0.5] * 3 + [0.0] * 500 + [0.25] * 7
    svg = histogram_svg(values, title="T", x_label="x", mark=0.0)
    assert "3 below 0, 500 at 0, 7 above" in label(svg)
    assert "500 without a difference" in svg


def test_the_quantile_is_an_observed_one() -> None:
    """The curve's text gives the order statistic, n and the largest value."""
    assert "p95 95, largest 100, n = 100" in label(ecdf_svg({"total": np.arange(1, 101)}, title="T", x_label="ms"))


def test_bars_need_a_label_each() -> None:
    """A bar without a label is an error."""
    with pytest.raises(InputError, match="differ in number"):
        bars_svg({"a": [1.0, 2.0]}, labels=["x"], title="T", y_label="y")


def test_text_in_pictures_is_escaped() -> None:
    """Names with tags stay names."""
    svg = ecdf_svg({"<script>&\"'": [1.0]}, title="<b>", x_label="<i>", limit=1.0)
    assert "<script>" not in svg
    assert "<script>" in label(svg)


def test_ticks_are_round_and_inside() -> None:
    """Ticks lie within the range, are evenly spaced, and a range of nothing has one."""
    for low, high in [(0.0, 1.0), (-3.2, 17.0), (0.95, 0.951), (1e-9, 1e9)]:
        found = ticks(low, high)
        assert 3 <= len(found) <= 11
        edge = 1e-6 * (high - low)
        assert low - edge <= found[0] < found[-1] <= high + edge
        assert np.allclose(np.diff(found), found[1] - found[0])
    assert ticks(2.0, 2.0) == [2.0]


def test_a_scale_clips_and_never_divides_by_nothing() -> None:
    """Numbers outside stand at the edge; a span of nothing is drawn in the middle."""
    assert Scale(0, 1, 0, 10)(5) == 10
    assert Scale(3, 3, 0, 10)(3) == 5


def test_words_are_cut_to_their_room() -> None:
    """What is too long ends in an ellipsis and fits."""
    assert fitted("short", 100) == "short"
    cut = fitted("a very long name of a gate", 60)
    assert cut.endswith("…")
    assert width_of(cut) <= 60
