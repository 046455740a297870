"""The chart of a measurement: bars, as SVG."""

import statistics
from html import escape
from typing import Any

__all__ = ["svg"]

SHOWN = ("objects", "objects of single rows", "batches", "store")
WIDTH, LABEL, BAR, GAP = 760, 170, 18, 34
COLOURS = ("#1565c0", "#90a4ae")


def svg(results: dict[str, Any]) -> str:
    """Draw million events a second of each client, one group of bars for each way."""
    parts, y = [], 0
    lines = [line for line in results["lines"] if line["key"] in SHOWN]
    for line in lines:
        clients = line["figures"]["rate"]["clients"]
        medians = {name: statistics.median(of) for name, of in clients.items()}
        most = max(medians.values())
        y += GAP
        title = escape(line["title"].replace("`", ""))
        parts.append(f'<text x="0" y="{y}" class="title">{title}</text>')
        y += 8
        for name, rate in medians.items():
            length = max(1.0, rate / most * (WIDTH - LABEL - 60))
            colour = COLOURS[name != "dxstream"]
            middle = y + BAR - 5
            parts += [
                f'<text x="{LABEL - 8}" y="{middle}" class="name">{escape(name)}</text>',
                f'<rect x="{LABEL}" y="{y + 1}" width="{length:.1f}" height="15" fill="{colour}"/>',
                f'<text x="{LABEL + length + 6:.1f}" y="{middle}">{rate:.3g}</text>',
            ]
            y += BAR
    height = y + 28
    foot = "million events a second, medians; each group has its own scale"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
            "<style>text{font:12px sans-serif;fill:#37474f}",
            ".title{font-weight:bold}.name{text-anchor:end}</style>",
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            *parts,
            f'<text x="0" y="{height - 8}">{foot}</text>',
            "</svg>\n",
        ]
    )
