"""The plot of the growth, as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.measure import Sample

_WIDTH: Final = 360
_HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 34, 42


def growth(samples: Mapping[int, Sample]) -> str:
    """Draw time and memory over the number of containers.

    Args:
        samples: The medians, by the number of containers.
    """
    panels = (
        _panel("seconds", {n: s.wall for n, s in samples.items()}, 0),
        _panel("MiB, the largest process", {n: s.memory for n, s in samples.items()}, _WIDTH),
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * _WIDTH} {_HEIGHT}" '
        'font-family="DejaVu Sans, sans-serif" font-size="11" fill="#2b3f4a">\n'
        f'<rect width="{2 * _WIDTH}" height="{_HEIGHT}" fill="white"/>\n'
        + "".join(panels)
        + "</svg>\n"
    )


def _panel(title: str, values: Mapping[int, float], offset: int) -> str:
    most, highest = max(values), _round_up(max(values.values()))
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def x(count: float) -> float:
        return _LEFT + (right - _LEFT) * count / most

    def y(value: float) -> float:
        return bottom - (bottom - _TOP) * value / highest

    lines = [f'<g transform="translate({offset} 0)">']
    lines.append(f'<text x="{_LEFT}" y="20" font-weight="bold">{escape(title)}</text>')
    for step in range(5):
        value = highest * step / 4
        lines.append(
            f'<path d="M{_LEFT} {y(value):.1f}H{right}" stroke="#d5dfe4"/>'
            f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    lines += [
        f'<text x="{x(count):.1f}" y="{bottom + 16}" text-anchor="middle">{count}</text>'
        for count in (0, most // 4, most // 2, 3 * most // 4, most)
    ]
    lines.append(
        f'<text x="{(_LEFT + right) / 2}" y="{bottom + 33}" text-anchor="middle">containers</text>'
    )
    points = [(x(count), y(value)) for count, value in sorted(values.items())]
    path = "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
    lines.append(f'<path d="M{path}" fill="none" stroke="#2f7ca8" stroke-width="2"/>')
    lines += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="#2f7ca8"/>' for a, b in points]
    lines.append("</g>\n")
    return "\n".join(lines)


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 4, 8 times a power of ten."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    return next(power * factor for factor in (1, 2, 4, 8, 10) if power * factor >= value)
