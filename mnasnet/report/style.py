"""The report's style sheet."""

CSS = """
:root {
  color-scheme: light dark;
  --ink: #1d2127; --soft: #59616b; --line: #d9dde2; --page: #fbfbfa; --card: #ffffff; --accent: #2167a8;
  --conv: #f3d9b1; --sep: #cfe3d4; --mb: #cddff2; --plain: #e6e8eb;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e4e7eb; --soft: #a3abb5; --line: #353b43; --page: #14171b; --card: #1b1f25; --accent: #7db4e6;
    --conv: #5c4520; --sep: #2c4a38; --mb: #27425f; --plain: #353b43;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 60rem; background: var(--page); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif;
}
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p { margin: .4rem 0 .8rem; max-width: 46rem; }
.soft, figcaption, caption { color: var(--soft); }
figure { margin: 0; }
figcaption { margin-top: .5rem; font-size: .92rem; max-width: 46rem; }
code { font-size: .92em; overflow-wrap: anywhere; }
a { color: var(--accent); }
.verdict { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--accent);
  border-radius: 6px; padding: .7rem 1rem; margin: .8rem 0; max-width: none; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr));
  gap: .6rem 1.5rem; margin: 1rem 0; }
dl div { min-width: 0; border-top: 1px solid var(--line); padding-top: .3rem; }
dl div.line { grid-column: 1 / -1; }
dt { color: var(--soft); font-size: .82rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; width: 100%; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { padding: .3rem 0 .3rem .9rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { font-weight: 600; color: var(--soft); }
th.words, td.words { text-align: left; }
td.long { text-align: left; white-space: normal; min-width: 14rem; overflow-wrap: anywhere; }
th:first-child, td:first-child { padding-left: 0; }
tr.best td { font-weight: 600; }
summary { cursor: pointer; color: var(--accent); }
.networks { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); gap: 1.5rem;
  margin-top: 1rem; }
.networks figure { max-width: 24rem; }
svg.network { width: 100%; height: auto; font-family: system-ui, sans-serif; }
svg.network text { fill: var(--ink); font-size: 12px; }
svg.network .op { font-size: 14px; font-weight: 600; }
svg.network .map, svg.network .details { font-size: 11px; }
svg.network .map { fill: var(--soft); }
svg.network .times { font-size: 16px; font-weight: 600; }
svg.network rect { stroke: var(--soft); stroke-width: .7; }
svg.network rect.conv { fill: var(--conv); } svg.network rect.sep { fill: var(--sep); }
svg.network rect.mb { fill: var(--mb); } svg.network rect.plain { fill: var(--plain); }
svg.network .arrow { stroke: var(--soft); fill: none; }
.js-plotly-plot .cartesianlayer text, .js-plotly-plot .infolayer text,
.js-plotly-plot .xaxislayer-above text, .js-plotly-plot .yaxislayer-above text { fill: var(--ink) !important; }
"""
"""Neutral, light or dark as the reader's system is, one column on a phone. The last rule gives the plots' text
the page's colour, which plotly would fix when it draws."""
