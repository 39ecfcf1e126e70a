"""The picture of gain against share: well-formed, the same bytes each time, its numbers told in words."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from harness.errors import InputError
from harness.estimate import Estimate
from harness.report.routing_pictures import roc_svg

CURVES = {"router": [0.0, 0.15, 0.2], "entropy": [0.0, 0.12, 0.2], "random": [0.0, 0.1, 0.2], "oracle": [0.0, 0.3, 0.2]}


def drawn(at: tuple[float, float] = (0.25, 0.08), gain: Estimate | None = None) -> ElementTree.Element:
    """The picture as a tree."""
    return ElementTree.fromstring(roc_svg([0.0, 0.5, 1.0], CURVES, at=at, title="Gain <by> share", gain=gain))


def test_the_picture_tells_its_numbers_in_words():
    """Share and gain at θ*, and every curve at that share, stand in the text alternative."""
    told = drawn().attrib["aria-label"]
    assert "25.0% of requests for 0.0800 nDCG" in told
    assert "router 0.0750, entropy 0.0600, random 0.0500, oracle 0.1500" in told


def test_same_numbers_same_bytes():
    """A picture is a function of its numbers."""
    make = [roc_svg([0.0, 0.5, 1.0], CURVES, at=(0.2, 0.1), title="T") for _ in range(2)]
    assert make[0] == make[1]


def test_curves_mark_and_interval_are_drawn():
    """Four curves and a diamond; the interval adds one line, and only where its ends are finite."""
    def count(tree: ElementTree.Element, tag: str) -> int:
        return sum(node.tag.endswith(tag) for node in tree.iter())

    plain = drawn()
    assert count(plain, "path") == 5
    assert count(drawn(gain=Estimate(0.08, 0.05, 0.1, 99, 0.9, "t")), "line") == count(plain, "line") + 1
    assert count(drawn(gain=Estimate(0.08, -math.inf, math.inf, 1, 0.9, "t")), "line") == count(plain, "line")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.61, 1.0])
def test_the_label_of_theta_stays_inside(share):
    """Wherever θ* stands, its label runs towards the middle."""
    label = next(node for node in drawn(at=(share, 0.1)).iter() if (node.text or "").startswith("θ* "))
    left = label.attrib["text-anchor"] == "end"
    assert (float(label.attrib["x"]) > 200.0) is left


@pytest.mark.parametrize(("share", "curves", "at"), [
    ([0.0, 1.0], {}, (0.1, 0.1)), ([0.0, 1.0], {str(one): [0.0, 1.0] for one in range(5)}, (0.1, 0.1)),
    ([0.0, 1.0], {"a": [0.0]}, (0.1, 0.1)), ([0.0, 1.0], {"a": [0.0, math.nan]}, (0.1, 0.1)),
    ([], {"a": []}, (0.1, 0.1)), ([0.0, 1.0], {"a": [0.0, 1.0]}, (0.1, math.inf)), ([0.0, 1.0], {"a": "xy"}, (0, 0)),
])  # fmt: skip
def test_what_cannot_be_drawn_is_refused(share, curves, at):
    """No curve, too many, unequal, NaN, empty, text: an error, never half a picture."""
    with pytest.raises(InputError, match="roc picture"):
        roc_svg(share, curves, at=at, title="T")
