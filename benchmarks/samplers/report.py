"""docs/samplers.md, docs/samplers-method.md and docs/samplers-tables.md, from the records of runs."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from choosing import choosing_lines
from comparison import CLIMBS, FLIPS, TESTED_AT, best_of
from contenders import CONTENDERS
from curves import draw
from problems import ACCEL_TARGETS_MS, AHEAD, MACRO_TARGET, NOISE_POINTS, Problem
from records import RunRecord
from results import CONVERGED_AFTER, NAMED_AT, runs_by_sampler
from tables import (
    CERTAIN_P,
    CHAMPION,
    LANDED_SHARE,
    SEEDS,
    SUMMARY_AT,
    Found,
    front_lines,
    further_lines,
    landing_lines,
    recommended_lines,
    regret_lines,
    settings_lines,
    summary_lines,
)

from mnasnet.measures.reward import soft
from mnasnet.samplers.bayesian import INITIAL

sys.path.insert(0, str(Path(__file__).parents[1]))
from blocks import fill

PAGES = Path(__file__).parents[2] / "docs"
"""Where the pages are, with the words that a person wrote."""
CHOOSING, METHOD, TABLES = "samplers.md", "samplers-method.md", "samplers-tables.md"

SHOWN = ("accel soft 4 ms", "accel hard 4 ms")
"""Problems in the picture of docs/samplers.md."""
SHOWN_SAMPLERS = ("bayesian", "gp", "gp, limited", "tpe", "evolution", "nsga2", "ppo", "random")
"""Samplers in that picture, at their defaults."""


def write_pages(records: Iterable[RunRecord], every: Mapping[str, Problem], folder: Path) -> Sequence[Path]:
    """Writes the pages and their pictures to `folder`, with the words of the pages in docs; which they are."""
    records = list(records)
    found = {name: runs for name, one in every.items() if (runs := runs_by_sampler(records, one))}
    rewarded = {name: runs for name, runs in found.items() if every[name].reward is not None}
    best = {name: best_of(every[name], runs) for name, runs in rewarded.items()}
    further = {
        name: runs[CHAMPION]
        for name, one in every.items()
        if CHAMPION in (runs := runs_by_sampler(records, one, further=True))
    }
    parts = {
        CHOOSING: {
            "choosing": "\n".join(choosing_lines(found, best)),
            "picture": picture(shown_of(rewarded), best, folder / "samplers.svg", columns=2),
            "certain-p": f"{CERTAIN_P:g}",
        },
        METHOD: constants(),
        TABLES: {
            **table_parts(found, every, best),
            "curves": picture(rewarded, best, folder / "samplers-curves.svg", columns=3),
            "further": "\n".join(further_lines(further)),
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    for page, written in parts.items():
        (folder / page).write_text(fill((PAGES / page).read_text(), written))
    return [folder / page for page in parts]


def shown_of(rewarded: Found) -> Found:
    """What is in the picture of docs/samplers.md, of that which was run."""
    return {
        name: {sampler: rewarded[name][sampler] for sampler in SHOWN_SAMPLERS if sampler in rewarded[name]}
        for name in SHOWN
        if name in rewarded
    }


def picture(rewarded: Found, best: Mapping[str, float], path: Path, *, columns: int) -> str:
    """Draws the curves, and gives the line of Markdown that shows them; nothing where there are none."""
    if not any(rewarded.values()):
        return ""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(rewarded, best, path, columns=columns)
    return f"![Mean regret of each sampler by networks tried, with 95 % intervals]({path.name})"


def table_parts(found: Found, every: Mapping[str, Problem], best: Mapping[str, float]) -> dict[str, str]:
    """The parts of docs/samplers-tables.md but the picture and the further runs."""
    rewarded = {name: found[name] for name in best}
    fronts = [front_lines(every[name], runs) for name, runs in found.items() if name not in best]
    landing = {name: runs for name, runs in rewarded.items() if every[name].target is not None}
    return {
        "summary": "\n".join(summary_lines(rewarded, best)) if rewarded else "",
        "summary-at": str(SUMMARY_AT),
        "seeds": str(SEEDS),
        "certain-p": f"{CERTAIN_P:g}",
        "landed-share": f"{LANDED_SHARE:g}",
        "regrets": "\n\n".join(
            "\n".join(regret_lines(every[name], runs, best[name])) for name, runs in rewarded.items()
        ),
        "fronts": "\n\n".join("\n".join(lines) for lines in fronts),
        "recommended": "\n".join(recommended_lines(rewarded)),
        "landing": "\n".join(landing_lines(landing, every)) if landing else "",
        "settings": "\n".join(settings_lines()),
    }


def constants() -> dict[str, str]:
    """What docs/samplers-method.md says of the constants in the code."""
    first_ms, second_ms = ACCEL_TARGETS_MS
    factor = soft(second_ms)(quality=1, latency_ms=1) / soft(first_ms)(quality=1, latency_ms=1)
    return {
        "noise": f"{NOISE_POINTS:g}",
        "macro-target": f"{MACRO_TARGET / 1e6:g}",
        "second-target": f"{second_ms:g}",
        "soft-factor": f"{factor:.3f}",
        "ahead": str(AHEAD),
        "climbs": str(CLIMBS),
        "seeds": str(SEEDS),
        "most-ours": str(CONTENDERS[CHAMPION].most),
        "most-gp": str(CONTENDERS["gp"].most),
        "most-others": str(CONTENDERS["tpe"].most),
        "named-at": str(NAMED_AT),
        "converged-after": str(CONVERGED_AFTER),
        "asks": str(CONTENDERS["gp"].asks),
        "asks-nsga2": str(CONTENDERS["nsga2"].asks),
        "flips": str(FLIPS),
        "least-p": f"{1 / (FLIPS + 1):g}",
        "tested-last": str(max(TESTED_AT)),
        "initial": str(INITIAL),
    }
