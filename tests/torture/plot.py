"""The soak as a picture: memory and descriptors of daemon, zygote and workers over time, as an SVG by hand."""

from __future__ import annotations

import csv
import sys
from collections import defaultdict

WIDTH, HEIGHT, LEFT, TOP = 900, 240, 70, 30
COLOURS = {"daemon": "#1f5fa8", "zygote": "#b3541e", "worker": "#4d8a3d"}
Series = dict[str, list[tuple[float, float]]]


def draw(source: str, target: str) -> dict[str, dict[str, float]]:
    """Draws the CSV; the slopes per hour of each role, memory in MB and descriptors, over its longest life."""
    memory: Series = defaultdict(list)
    descriptors: Series = defaultdict(list)
    lives: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    with open(source, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            seconds, megabytes, count = float(row["seconds"]), int(row["resident_bytes"]) / 1e6, int(row["descriptors"])
            memory[row["role"]].append((seconds, megabytes))
            descriptors[row["role"]].append((seconds, count))
            lives[row["role"], row["pid"]].append((seconds, megabytes, count))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + LEFT + 20}" height="{2 * (HEIGHT + TOP + 40)}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        *_panel(memory, 0, "memory in RAM of each process, MB"),
        *_panel(descriptors, HEIGHT + TOP + 40, "open descriptors of each process"),
        "</svg>",
    ]
    with open(target, "w", encoding="utf-8") as file:
        file.write("\n".join(parts) + "\n")
    slopes = {}
    for role in COLOURS:
        longest = max((life for (of, _), life in lives.items() if of == role), key=len, default=[])
        settled = longest[len(longest) // 5 :]  # what is loaded at first is no leak
        if len(settled) > 10:
            slopes[role] = {
                "megabytes_per_hour": round(_slope([(seconds, value) for seconds, value, _ in settled]) * 3600, 2),
                "descriptors_per_hour": round(_slope([(seconds, value) for seconds, _, value in settled]) * 3600, 2),
                "over_minutes": round((settled[-1][0] - settled[0][0]) / 60, 1),
            }
    return slopes


def _panel(series: Series, top: int, title: str) -> list[str]:
    points = [point for line in series.values() for point in line]
    last = max((seconds for seconds, _ in points), default=1.0) or 1.0
    most = max((value for _, value in points), default=1.0) * 1.1 or 1.0
    base = top + TOP + HEIGHT
    parts = [f'<text x="{LEFT}" y="{top + 18}" font-weight="bold">{title}</text>']
    for step in range(5):
        y = base - HEIGHT * step / 4
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{most * step / 4:.0f}</text>')
        parts.append(
            f'<text x="{LEFT + WIDTH * step / 4:.0f}" y="{base + 18}" text-anchor="middle">'
            f"{last * step / 4 / 60:.3g} min</text>"
        )
    for number, (role, colour) in enumerate(COLOURS.items()):
        dots = "".join(
            f"M{LEFT + seconds / last * WIDTH:.1f} {base - value / most * HEIGHT:.1f}h.1"
            for seconds, value in series[role]
        )
        parts.append(f'<path d="{dots}" stroke="{colour}" stroke-width="3" stroke-linecap="round" fill="none"/>')
        parts.append(f'<text x="{LEFT + 300 + number * 90}" y="{top + 18}" fill="{colour}">{role}</text>')
    return parts


def _slope(points: list[tuple[float, float]]) -> float:
    """Least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


if __name__ == "__main__":
    print(draw(sys.argv[1], sys.argv[2]))
