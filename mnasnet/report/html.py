"""HTML of the reports: the page, its tables, figures and facts; self-contained, for any browser."""

from collections.abc import Collection, Iterable, Sequence
from html import escape

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from mnasnet.report.figures import html_of
from mnasnet.report.style import CSS

WORDS = ("class", "digest", "outcome", "network", "choice", "against", "stands out")
"""Columns of words, set to the left."""


def table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, bold: Sequence[bool] = ()
) -> str:
    """A table; `bold` marks rows."""
    kinds = ["words" if name in WORDS else "long" if name == "reason" else "" for name in columns]
    head = "".join(
        f'<th scope="col" class="{"words" if kind else ""}">{escape(name)}</th>'
        for name, kind in zip(columns, kinds, strict=True)
    )
    body = "\n".join(
        f'<tr class="{"best" if bold and bold[i] else ""}">'
        + "".join(f'<td class="{kind}">{escape(value)}</td>' for value, kind in zip(row, kinds, strict=True))
        + "</tr>"
        for i, row in enumerate(rows)
    )
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def figure(plot: go.Figure, name: str, caption: str) -> str:
    """A plot with its caption."""
    return (
        f'<figure aria-label="{escape(name)}">{html_of(plot, name=name)}'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def facts(pairs: Iterable[tuple[str, str]], *, long: Collection[str] = ()) -> str:
    """Names and values side by side; those named in `long` get a line of their own."""
    line = ' class="line"'
    rows = (
        f"<div{line if name in long else ''}><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in pairs
    )
    return "\n".join(["<dl>", *rows, "</dl>"])


def document(title: str, body: Iterable[str]) -> str:
    """The whole page, about 5 MB: nearly all of it is the plotly library, so that it opens without a network."""
    inside = "\n".join(body)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n<script>{get_plotlyjs()}</script>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{inside}\n</main>\n</body>\n</html>\n"
    )
