"""The table of a measurement, in markdown."""

import statistics
from collections.abc import Iterator
from typing import Any

__all__ = ["cell", "markdown", "measured_anew"]

Results = dict[str, Any]


def _number(value: float) -> str:
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def cell(values: list[float]) -> str:
    """Write the median of runs, and their range where there are several."""
    median = _number(statistics.median(values))
    if len(values) == 1:
        return median
    return f"{median} ({_number(min(values))}-{_number(max(values))})"


def _ratio(clients: dict[str, list[float]], *, more_is_better: bool) -> str:
    """Compare with the best of the others: above 1, dxstream is the better."""
    ours = statistics.median(clients["dxstream"])
    others = {
        name: statistics.median(values) for name, values in clients.items() if name != "dxstream"
    }
    if not others:
        return ""
    if more_is_better:
        best = max(others, key=lambda name: others[name])
        ratio = ours / others[best]
    else:
        best = min(others, key=lambda name: others[name])
        ratio = others[best] / ours
    shown = f"{ratio:.2g}x {best}"
    return shown if ratio >= 1 else f"**{shown}**"


def _lines(results: Results, *, compared: bool) -> Iterator[list[str]]:
    names = results["clients"] if compared else ["dxstream"]
    for line in results["lines"]:
        for figure in line["figures"].values():
            clients = figure["clients"]
            if (len(clients) > 1) != compared:
                continue
            cells = [cell(clients[name]) if name in clients else "" for name in names]
            last = [_ratio(clients, more_is_better=line["more_is_better"])] if compared else []
            yield [line["title"], figure["unit"], *cells, *last]


def _table(heads: list[str], lines: Iterator[list[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def measured_anew(document: str, results: Results) -> str:
    """Write the rates of a measurement into a document's table, whose lines and clients stay.

    Parameters
    ----------
    document
        Markdown with one table: a head with clients, and lines that begin with titles.
    results
        What ``python -m benches.peers`` writes as JSON.
    """
    rates = {
        line["title"]: line["figures"]["rate"]["clients"]
        for line in results["lines"]
        if "rate" in line["figures"]
    }
    lines = document.splitlines(keepends=True)
    clients: list[str] = []
    for at, line in enumerate(lines):
        title, *cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            continue
        clients = clients or cells
        if title in rates:
            of_line = rates[title]
            anew = [cell(of_line[client]) if client in of_line else "" for client in clients]
            lines[at] = "| " + " | ".join([title, *anew]) + " |\n"
    return "".join(lines)


def _rounds(count: int) -> str:
    if count == 1:
        return "One round."
    return f"Median of {count} rounds in turns and, in brackets, the least and the most."


def markdown(results: Results) -> str:
    """Write the tables of a measurement.

    Parameters
    ----------
    results
        What ``python -m benches.peers`` writes as JSON.
    """
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    method = (
        f"{results['when']}, {results['cpu']}, {results['cores']} cores for server and client "
        f"together, load average {results['load']} before it began, {results['system']}; "
        f"{versions}. {_rounds(results['rounds'])}"
    )
    reading = (
        "In the last column more than 1 is in favour of dxstream; what is less is in bold. "
        "`for` has no counterpart elsewhere."
    )
    said = [
        method,
        _table(
            ["", "", *results["clients"], "dxstream to the best of the others"],
            _lines(results, compared=True),
        ),
        reading,
        _table(["dxstream alone", "", ""], _lines(results, compared=False)),
    ]
    for wheel, size in results["wheels"].items():
        said.append(f"`{wheel}` has {size / 1e6:.2g} MB.")
    for name, reason in results["missing"].items():
        said.append(f"Not measured: {name}: {reason}.")
    for name, reason in results["failed"].items():
        said.append(f"Failed its checks: {name}: {reason}.")
    return "\n\n".join(said) + "\n"
