"""docs/samplers.md, from the records of runs."""

import json
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median_low, stdev

import numpy as np
from contenders import CONTENDERS, ON, contender_named, tuned
from curves import draw
from problems import ACCEL_TARGETS_MS, AHEAD, MACRO_TARGET, NOISE_POINTS, Params, Problem
from records import ACCURACY, CHECKPOINTS, CONVERGED_AFTER, LATENCY, NAMED_AT, Floats, Runs, read
from scipy.stats import permutation_test

from mnasnet.measures.reward import soft
from mnasnet.samplers.bayesian import INITIAL

CLIMBS = 30
SEEDS = 30
"""Of each sampler on each problem, at least."""
CHAMPION = "bayesian"
"""Whose differences from all others are tested."""
TESTED_AT = (100, 200)
FRONTS_TESTED_AT = ((200, 200), (500, 1000))
"""Different networks: its own, and those of all others."""
FLIPS = 9999
"""Random ones, where there are more ways to flip the signs."""
SHARE = 0.95
"""Of the target, which a search that lands on it reaches at least."""
CERTAIN = 0.05
"""The highest p of a difference that counts as one."""
ROUNDING = 1e-5
"""Of a reward in points that is kept with eight digits."""

FACTOR = soft(ACCEL_TARGETS_MS[1])(quality=1, latency_ms=1) / soft(ACCEL_TARGETS_MS[0])(
    quality=1, latency_ms=1
)
"""Of a soft reward for the second target over that for the first, whatever the network."""

CHOSEN_ON = " and ".join(ON.values())

INTRODUCTION = f"""# Samplers on tables of trained networks
Which sampler finds good networks in few trials: ours, of which {CHAMPION} is the default of `mnasnet search`, and
Optuna's, on networks that others have trained. *Regret* is what the best network found lacks to the best known, in
points of reward; 0 is the least. [How it was done](#how-it-was-done) explains problems, rewards, rows and
columns. Written by `benchmarks/samplers/run.py` from its records; what is not in a table has not been run.
"""

METHOD = f"""
## How it was done
**Problems.** *macro*: NAS-Bench-Macro, 6,561 ways to choose 3,969 networks, trained three times each on CIFAR-10;
multiply-adds as latency; exact. *accel*: the MnasNet space of Accel-NASBench, 28 choices; accuracy on ImageNet
after 16 epochs and latency on an FPGA are those of gradient-boosted trees fitted to its 4,109 networks, ten of them
there twice, held out within 0.46 points (root mean square; R² 0.981, Kendall's τ 0.913) and 3.5 % (τ 0.959), as
`benchmarks/samplers/fit_surrogates.py` says. In *macro accuracy* a sampler sees the mean accuracy of a network's
three trainings; elsewhere there is noise: of *macro* it sees one of the three, of *accel* the accuracy
± {NOISE_POINTS} points (standard deviation). The ten pairs differ by 0.23 points in the mean, nine of them by 0.11
and the tenth by 1.28: the noise may as well be half as much. What counts is without noise; of *macro* the mean of
the three, the one that was seen among them.

**Rewards**, with accuracy A as a share, latency L and target T: *soft* A · (L/T)^-0.07; *hard* A up to the target
and A · T/L above it, both of the paper; *absolute* A - 0.07 · |L/T - 1|, TuNAS's. T is in the name of the problem,
and of *macro* {MACRO_TARGET / 1e6:g} million multiply-adds. To the soft reward another target is but a factor, so
that *accel soft* is one problem: with {ACCEL_TARGETS_MS[1]:g} ms all its regrets are {FACTOR:.3f} times as large.
*{AHEAD} ahead*: so many trials run at a time, and end in any order.

**Regret** is what the best network found, of so many different ones, lacks to the best there is, in points of
reward; of *accel* to the best that {CLIMBS} hill climbs without noise and all runs found: with hard rewards, and
absolute ones at {ACCEL_TARGETS_MS[1]:g} ms, it is of runs, since climbs end at the kink. *Named*: the same for the
network that seemed best, which is what somebody has who trains nothing again. *To the best*: how many networks half
of the runs needed to find it, where it is known; empty where fewer did. ± is a standard error.
{CHAMPION}, ppo and evolution are to be run to {CONTENDERS[CHAMPION].most} different networks, gp to
{CONTENDERS["gp"].most}, Optuna's others to {CONTENDERS["tpe"].most}; many runs are shorter, and some rows have more
seeds than were planned.
In the tables below a number in brackets says how many of a row's runs went on so far; its curve ends with the
shortest. A run ends sooner where it found the best of *macro* (where what it sees is noisy not before {NAMED_AT}
networks, from which it names one) or has repeated itself {CONVERGED_AFTER} times in a row, and its regret stays
what it is from there on, as far as the row's others go: so a row may have figures beyond what its sampler is run
to, and they may all be the same.

A repeat is told again and not charged, but not without end: a run also goes no further after
{CONTENDERS["gp"].asks} asks for each network that it was to have, nsga2, whose asks cost least, after
{CONTENDERS["nsga2"].asks}. *Repeating* is how many of a row's runs ended so: at the end of such a row there are
fewer different networks than its head says. On fronts most runs of tpe end so, with some hundreds of them.

**p** is how often chance alone would show {CHAMPION} so much better, were it no better than the row's sampler:
one-sided, paired over the seeds of which both have runs so long, by flipping signs at random {FLIPS} times, so that
{1 / (FLIPS + 1):g} is the least there is, and of n seeds 1/2ⁿ. Nothing is corrected for how many tests there are.
*Sooner at the best*: of how many networks it took, {max(TESTED_AT)} where it took more. That column, and the 100
seeds of gp and of tuned gp on *macro soft*, were added when 30 seeds had not told those and {CHAMPION} apart there.

***ms an ask*** is the mean over all asks of a row's own runs, each with its tell, what is drawn at random at first
included, on machines that were busy: of a sampler that predicts it grows with the length of its runs.

**Samplers.** {CHAMPION}, ppo and evolution are ours. They see both values, and know the shape of the reward and
which choices are the same network, as in a search, which also leaves networks of more than twice the target
untrained and knows how slow they are. random, tpe, nsga2 and gp are Optuna's `RandomSampler`, `TPESampler`,
`NSGAIISampler` and `GPSampler`; they are told the reward, or for the front both values. (`mnasnet search` tells its
tpe and nsga2 both values whatever the reward, and has no gp.) *NASNet's
constants*: batches of 20, rewards as they are and hardly any weight of the entropy (Zoph et al., 2018); with one
epoch a batch PPO and REINFORCE then take nearly the same steps. All are given choices as lists of options; the
{CHAMPION} one takes those that are numbers, as layers and kernels of *accel* are, to be in order, which took a
tenth from the error of its predictions there when it was made (no script is kept of that). Optuna's gp and tpe
could be told so too, by other distributions, and are not.
*Limited*: told the accuracy instead of the hard reward, and as a constraint that latency is at most the target,
which is how Optuna takes a limit; regret is by the reward all the same. The others see one number with a kink in
it, where {CHAMPION} knows where the kink is.
*Tuned*: the best of a small grid on the other family's problem ({CHOSEN_ON}), with other seeds; the grids are at
the end. It is missing where nothing did better than the defaults (of Optuna 5, whose tpe is multivariate), and
where it was not run. On *{ON["macro"]}*
several settings of each found the best in all runs, and the first of those was taken: tuned rows of *accel* say
little. A choice on *{ON["accel"]}* itself would bring nsga2 0.5 points there, and the others 0.1 at most.
What the {CHAMPION} sampler models was chosen on three of these problems (*macro soft*, *macro accuracy, one run
seen* and *accel soft 4 ms*, where its first {INITIAL} random ones and the defaults of ppo are from too), and what
it makes of latencies and fronts on *accel hard 4 ms* and on the fronts, with other seeds; absolute rewards and
{AHEAD} ahead had no say. What is recommended, and from how many networks on, was decided on runs that are shown
here, those of {CHAMPION} on *accel hard 8 ms*; *Further searches*, at the end, had no say."""

RECOMMENDED = """
## What a search recommends
By how many points of reward the *recommended* network is better than the *named* one of the same run, without
noise, and below 0 worse; mean ± standard error. Recommended is the network of the highest expected reward, of a
hard one within the target, by a Gaussian process of all that was seen (`mnasnet/samplers/expectation.py`): so
`mnasnet search` chooses its first finalist. It gains where a search has found many good networks, of which noise
hides the better ones; where there are few, early or with a sampler that finds little, it gains nothing or loses. It
could be had of any sampler that is told both values, and is there for those runs of ours that were made, or made
again with the same result, since it is recorded; not beyond where a run of *macro* ended because it had found the
best, which a search cannot know. Of *macro* what counts is the mean of three trainings, one of which was seen: its
luck counts too, and favours the named.
"""

FURTHER = f"""
## Further searches
How a network is recommended was decided on runs that are counted above. These, of {CHAMPION} with other seeds, had
no say: how many in a hundred of what they recommend landed on the target, and by how many points of reward it was
better than the named. `run.py --only "accel hard" --samplers {CHAMPION} --seeds 60 --most 500 --records FOLDER`
makes them, with those above, anew.
"""


def write_page(records: Path, every: Mapping[str, Problem], page: Path) -> None:
    """Writes docs/samplers.md and its figure."""
    found = {name: runs for name, one in every.items() if (runs := read(records, one))}
    rewarded = {name: runs for name, runs in found.items() if every[name].reward is not None}
    best = {name: best_of(every[name], runs, records) for name, runs in rewarded.items()}
    lines = [INTRODUCTION]
    if rewarded:
        figure = page.with_suffix(".png")
        draw(rewarded, best, figure)
        lines += summary_lines(rewarded, best)
        lines.append(f"![Mean regret by networks tried, with 95 % intervals]({figure.name})")
    lines.append(METHOD)
    for name, runs in rewarded.items():
        lines += regret_lines(every[name], runs, best[name])
    for name, runs in found.items():
        if name not in rewarded:
            lines += front_lines(every[name], runs)
    lines += recommended_lines(rewarded)
    latencies = {name: runs for name, runs in rewarded.items() if every[name].family == "accel"}
    lines += landing_lines(latencies, every) if latencies else []
    lines += further_lines(records / "further", every)
    lines += settings_lines()
    page.write_text("\n".join(lines) + "\n")


def summary_lines(rewarded: Mapping[str, Mapping[str, Runs]], best: Mapping[str, float]) -> Iterator[str]:
    """Mean regret of all samplers on all problems, after as many networks as all are run to."""
    at = min(one.most for one in CONTENDERS.values())
    yield (
        f"## All of them after {at} networks\nMean regret, in brackets the seeds where they are fewer than "
        f"{SEEDS}. In bold the lowest of several, and what tests do not tell from it (p above {CERTAIN}; the more "
        "seeds two rows share, the smaller a difference is told). This is of the best network *found*; who sees "
        "noise does not know which it is, and by the one that seems best (*named*, in the tables below) samplers "
        f"are nearer to one another, on *macro soft* gp no worse than {CHAMPION}.\n"
    )
    found = {
        name: {sampler: rewards for sampler, some in runs.items() if (rewards := some.found(at))}
        for name, runs in rewarded.items()
    }
    cells: dict[str, dict[str, str]] = {}
    for name, by_sampler in found.items():
        regrets = {
            sampler: fmean(max(0.0, best[name] - one) for one in rewards.values())
            for sampler, rewards in by_sampler.items()
        }
        lowest = min(regrets, key=regrets.__getitem__, default="")
        for sampler, regret in regrets.items():
            p = p_of(by_sampler[lowest], by_sampler[sampler])
            shared = len(by_sampler[lowest].keys() & by_sampler[sampler].keys())
            alike = sampler == lowest or (p is not None and p > CERTAIN >= 0.5**shared)
            mark = "**" if alike and len(regrets) > 1 else ""
            few = if_few(len(by_sampler[sampler]), SEEDS)
            cells.setdefault(sampler, {})[name] = f"{mark}{regret:.3f}{mark}{few}"
    yield from head_lines(["sampler", *rewarded])
    for sampler, row in cells.items():
        yield in_row([sampler, *(row.get(name, "") for name in rewarded)])
    yield ""


def best_of(problem: Problem, runs: Mapping[str, Runs], records: Path) -> float:
    """The highest reward that there is, or that is known."""
    if problem.best is not None:
        return problem.best
    path = records / "climbed.json"
    known: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    if problem.name not in known:
        known[problem.name] = max(climbed(problem, random.Random(seed)) for seed in range(CLIMBS))
        path.write_text(json.dumps(known, indent=1) + "\n")
    return max(known[problem.name], *(one.highest() for one in runs.values()))


def climbed(problem: Problem, generator: random.Random) -> float:
    """From a random network to the first better one with one choice changed, until there is none."""
    reward = problem.reward
    assert reward is not None
    at: Params = {name: generator.choice(choice.choices) for name, choice in problem.choices.items()}
    best = reward(problem.values(at))
    while True:
        near = [{**at, name: option} for name, choice in problem.choices.items() for option in choice.choices]
        generator.shuffle(near)
        for one in near:
            if (higher := reward(problem.values(one))) > best:
                at, best = one, higher
                break
        else:
            return best


def regret_lines(problem: Problem, runs: Mapping[str, Runs], best: float) -> Iterator[str]:
    """A table of one problem."""
    yield f"\n## {problem.name}\nBest {best:.3f}.\n"
    at = checkpoints_of(runs)
    tests = [f"{CHAMPION} better at {one}, p" for one in TESTED_AT] if CHAMPION in runs else []
    reached = ["to the best"] if problem.best is not None else []
    heads = ["sampler", "seeds", "repeating", *(f"at {one}" for one in at)]
    heads += [*reached, f"named, at {NAMED_AT}", "ms an ask"]
    heads += [*tests, f"{CHAMPION} better named, p"] if tests else []
    heads += [f"{CHAMPION} sooner at the best, p"] if tests and reached else []
    yield from head_lines(heads)
    for sampler, some in runs.items():
        seeds = len(some.values)
        cells = [mean_error((max(0.0, best - one) for one in some.found(n).values()), seeds) for n in at]
        named = mean_error((max(0.0, best - one) for one, _ in some.named(NAMED_AT).values()), seeds)
        needed = [median_of(some.reached(best - ROUNDING).values())] if reached else []
        row = [*beginning(sampler, some), *cells, *needed, named, f"{some.each_ms:.0f}"]
        if tests:
            p_values = tests_of(runs[CHAMPION], some)
            p_values += [sooner_of(runs[CHAMPION], some, best)] if reached else []
            row += p_values if sampler != CHAMPION else [""] * len(p_values)
        yield in_row(row)


def head_lines(heads: Sequence[str]) -> Iterator[str]:
    """Those that a table begins with."""
    yield in_row(heads)
    yield "|---" * len(heads) + "|"


def in_row(cells: Iterable[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def checkpoints_of(runs: Mapping[str, Runs]) -> list[int]:
    """Those that any run gets to."""
    return [n for n in CHECKPOINTS if any(some.first(n) for some in runs.values())]


def beginning(sampler: str, some: Runs) -> list[str]:
    """Of its row in a table: the name, the seeds, and how many of them ended in repeats."""
    return [sampler, str(len(some.values)), str(some.repeating or "")]


def tests_of(ours: Runs, other: Runs) -> list[str]:
    """`p_of` the best rewards, and of those named."""

    def named(one: Runs) -> dict[int, float]:
        return {seed: reward for seed, (reward, _) in one.named(NAMED_AT).items()}

    pairs = [(ours.found(n), other.found(n)) for n in TESTED_AT]
    pairs.append((named(ours), named(other)))
    return [in_words(p_of(mine, theirs)) for mine, theirs in pairs]


def sooner_of(ours: Runs, other: Runs, best: float) -> str:
    """`p_of` the networks needed to the `best`; a run without it counts as if the last tested one were it."""

    def needed(one: Runs) -> dict[int, float]:
        reached = one.reached(best - ROUNDING)
        return {seed: -min(reached[seed], max(TESTED_AT)) for seed in one.first(max(TESTED_AT))}

    return in_words(p_of(needed(ours), needed(other)))


def in_words(p: float | None) -> str:
    """Four decimals."""
    return "" if p is None else f"{p:.4f}"


def p_of(mine: Mapping[int, float], theirs: Mapping[int, float]) -> float | None:
    """One-sided p of the mean difference over the seeds that both have, by flipping the sign of each seed's.

    None where they have fewer than two.
    """
    both = sorted(set(mine) & set(theirs))
    if len(both) < 2:
        return None
    differences = np.array([mine[seed] - theirs[seed] for seed in both])
    if not differences.any():
        return 1.0
    found = permutation_test(
        (differences,), np.mean, permutation_type="samples", alternative="greater", n_resamples=FLIPS, rng=0
    )
    return float(found.pvalue)


def median_of(networks: Iterable[float]) -> str:
    """The middle one, where that many runs got there."""
    middle = median_low(networks)
    return f"{middle:.0f}" if math.isfinite(middle) else ""


def mean_error(values: Iterable[float], seeds: int) -> str:
    """Mean ± standard error, and how many they are where that is not all `seeds`; empty of none."""
    some = list(values)
    if not some:
        return ""
    error = f" ± {stdev(some) / math.sqrt(len(some)):.3f}" if len(some) > 1 else ""
    return f"{fmean(some):.3f}{error}{if_few(len(some), seeds)}"


def if_few(count: int, seeds: int) -> str:
    """In brackets how many, where that is fewer than `seeds`."""
    return f" ({count})" if count < seeds else ""


def front_lines(problem: Problem, runs: Mapping[str, Runs]) -> Iterator[str]:
    """A table of the hypervolumes of one problem."""
    reference = problem.reference
    whole = hypervolume(
        np.concatenate([rows for one in runs.values() for rows in one.values.values()]), reference
    )
    unit = "ms" if problem.family == "accel" else "multiply-adds"
    yield (
        f"\n## {problem.name}\nHypervolume without noise: the area between a front and the table's worst of either "
        f"value ({reference[0]:.2f} % and {reference[1]:.4g} {unit}), in % of that of the networks of all runs "
        "together.\n"
    )
    at = checkpoints_of(runs)

    def shares(some: Runs, n: int) -> dict[int, float]:
        """By seed those after `n` networks."""
        return {seed: 100 * hypervolume(rows, reference) / whole for seed, rows in some.first(n).items()}

    heads = ["sampler", "seeds", "repeating", *(f"at {one}, %" for one in at), "ms an ask"]
    if CHAMPION in runs:
        heads += [
            f"{CHAMPION} at {mine} better than this at {theirs}, p" for mine, theirs in FRONTS_TESTED_AT
        ]
    yield from head_lines(heads)
    for sampler, some in runs.items():
        cells = [mean_error(shares(some, n).values(), len(some.values)) for n in at]
        row = [*beginning(sampler, some), *cells, f"{some.each_ms:.0f}"]
        if CHAMPION in runs:
            p_values = [
                p_of(shares(runs[CHAMPION], mine), shares(some, theirs)) for mine, theirs in FRONTS_TESTED_AT
            ]
            row += map(in_words, p_values) if sampler != CHAMPION else [""] * len(p_values)
        yield in_row(row)


def hypervolume(rows: Floats, reference: tuple[float, float]) -> float:
    """Area between the front of accuracies and latencies and the `reference`."""
    rows = rows[(rows[:, ACCURACY] > reference[0]) & (rows[:, LATENCY] < reference[1])]
    rows = rows[np.argsort(rows[:, LATENCY])]
    until = np.append(rows[1:, LATENCY], reference[1])
    return float(
        ((np.maximum.accumulate(rows[:, ACCURACY]) - reference[0]) * (until - rows[:, LATENCY])).sum()
    )


def recommended_lines(rewarded: Mapping[str, Mapping[str, Runs]]) -> Iterator[str]:
    """How much better is what is expected to be the best than what seemed to be."""
    rows = []
    for name, runs in rewarded.items():
        for sampler, some in runs.items():
            seeds = len(some.values)
            cells = [mean_error(recommended_gains(some, n), seeds) for n in CHECKPOINTS]
            if any(cells):
                rows.append([name, sampler, str(seeds), *cells])
    if rows:
        yield RECOMMENDED
        heads = ["problem", "sampler", "seeds", *(f"at {n}" for n in CHECKPOINTS)]
        yield from head_lines(heads)
        yield from map(in_row, rows)


def recommended_gains(some: Runs, at: int) -> list[float]:
    """Of each run that recommends, the reward of that network over that of the named one, without noise."""
    named = some.named(at)
    return [reward - named[seed][0] for seed, (reward, _) in some.recommended(at).items()]


def landing_lines(rewarded: Mapping[str, Mapping[str, Runs]], every: Mapping[str, Problem]) -> Iterator[str]:
    """How often one search lands on its target."""
    yield (
        f"\n## Landing on a target\nHow many searches in a hundred end with a network whose latency is at most the "
        f"target and at least {SHARE} of it: that of the highest reward, and the most accurate one that keeps to "
        "the target, by the accuracies that were seen or by those that are expected (*recommended*). *Best known* "
        "is the latency, in targets, of the network of the highest reward without noise: where it is above 1 a "
        "search that finds it does not land. To the hard reward a faster network that is as accurate, as far as "
        "can be told, is as good, and what one loses that is a thousandth over the target cannot be told either: "
        "with it what is recommended keeps to the target, where anything does. Of 30 runs 50 % may be off by "
        "18, and 0 and 100 % by 12 (95 %).\n"
    )
    at = CHECKPOINTS
    heads = ["problem", "best known", "sampler", "accuracy", "seeds"]
    heads += [f"{which}, at {n}" for which in ("highest reward", "within the target") for n in at]
    yield from head_lines(heads)
    for name, runs in rewarded.items():
        target, best = every[name].target, latency_of_best(every[name], runs)
        for sampler, some in runs.items():
            if target is None or not contender_named(sampler).ours or not some.first(min(at)):
                continue
            seeds = len(some.values)
            for by, named, within in (
                ("seen", some.named, some.within),
                ("expected", some.recommended, some.recommended_within),
            ):
                latencies = [[latency for _, latency in named(n).values()] for n in at]
                latencies += [within(n) for n in at]
                shares = [share_landed(some_of, target, seeds) for some_of in latencies]
                if any(shares):
                    yield in_row([name, f"{best / target:.4f}", sampler, by, str(seeds), *shares])


def further_lines(records: Path, every: Mapping[str, Problem]) -> Iterator[str]:
    """What is recommended by runs that had no say in how that is done; nothing where there are none."""
    found = {name: some for name, one in every.items() if (some := read(records, one).get(CHAMPION))}
    if not found:
        return
    at = checkpoints_of(found)
    yield FURTHER
    yield from head_lines(
        ["problem", "seeds", *(f"{what}, at {n}" for what in ("landed", "better") for n in at)]
    )
    for name, some in found.items():
        target, seeds = every[name].target, len(some.values)
        assert target is not None
        latencies = [[latency for _, latency in some.recommended(n).values()] for n in at]
        landed = [share_landed(some_of, target, seeds) for some_of in latencies]
        gains = [mean_error(recommended_gains(some, n), seeds) for n in at]
        yield in_row([name, str(seeds), *landed, *gains])


def share_landed(latencies: Sequence[float], target: float, seeds: int) -> str:
    """In percent, and of how many where that is not all `seeds`; empty of none."""
    if not latencies:
        return ""
    landed = fmean(SHARE <= latency / target <= 1 for latency in latencies)
    return f"{100 * landed:.0f}{if_few(len(latencies), seeds)}"


def latency_of_best(problem: Problem, runs: Mapping[str, Runs]) -> float:
    """Of the network of the highest reward without noise, of all that were found."""
    reward = problem.reward
    assert reward is not None
    rows = np.concatenate([rows for one in runs.values() for rows in one.values.values()])
    return float(max(rows.tolist(), key=lambda row: reward((row[ACCURACY], row[LATENCY])))[LATENCY])


def settings_lines() -> Iterator[str]:
    """The grids, and what did best of each."""
    yield (
        "\n## Settings\nMean best reward ± standard error on the problem that they were chosen on, after at most "
        f"twice as many asks. But for {CHAMPION}, those of *macro* are from before a repeat under another name was "
        "free.\n"
    )
    yield from head_lines(["chosen on", "sampler", "seeds", "settings", "reward"])
    for family in tuned().values():
        for sampler, found in family.items():
            for row in found["grid"]:
                said = ", ".join(f"{name} {value}" for name, value in row["settings"].items())
                best = row["reward"] == max(one["reward"] for one in found["grid"])
                mark = "**" if best else ""
                chosen_on = f"{found['on']}, after {found['after']}"
                reward = f"{row['reward']:.3f} ± {row['error']:.3f}"
                yield in_row([chosen_on, sampler, str(found["seeds"]), f"{mark}{said}{mark}", reward])
