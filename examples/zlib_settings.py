"""A study that has nothing to do with networks: the settings of zlib, by the samplers of a search, in seconds.

zlib packs a text with one of 2,835 combinations of settings, and wants memory for it: the smaller both, the better.
Any study over lists of options is served like this one. With two objectives `BayesianSampler` goes along the front;
with a `reward`, a function of a trial's values, it and the others that learn from one number look for its maximum.
"""

import inspect
import zlib

import optuna

from mnasnet.samplers.bayesian import BayesianSampler
from mnasnet.samplers.evolution import EvolutionSampler

TEXT = inspect.getsource(optuna.study.study).encode() * 2
STRATEGIES = {
    "default": zlib.Z_DEFAULT_STRATEGY,
    "filtered": zlib.Z_FILTERED,
    "huffman": zlib.Z_HUFFMAN_ONLY,
    "rle": zlib.Z_RLE,
    "fixed": zlib.Z_FIXED,
}
WITHIN_BYTES = 64 * 1024


def packed_and_memory(trial: optuna.Trial) -> tuple[int, int]:
    """Bytes of the packed text, and bytes of memory that packing took (zlib's manual, `deflateInit2`)."""
    window = trial.suggest_categorical("window", tuple(range(9, 16)))
    level = trial.suggest_categorical("level", tuple(range(1, 10)))
    memory = trial.suggest_categorical("memory", tuple(range(1, 10)))
    strategy = trial.suggest_categorical("strategy", tuple(STRATEGIES))
    packer = zlib.compressobj(level, zlib.DEFLATED, window, memory, STRATEGIES[strategy])
    return len(packer.compress(TEXT) + packer.flush()), (1 << (window + 2)) + (1 << (memory + 9))


def study_by(sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    """Eighty trials of it."""
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    study.optimize(packed_and_memory, n_trials=80)
    return study


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print("bytes packed and bytes of memory, along the front:")
    for trial in sorted(study_by(BayesianSampler(seed=0)).best_trials, key=lambda trial: trial.values):
        print(f"{trial.values[0]:8.0f} {trial.values[1]:8.0f}  {trial.params}")

    # Only what needs no more memory than that is worth something, and the smaller the more.
    sampler = EvolutionSampler(
        seed=0, reward=lambda values: -values[0] if values[1] <= WITHIN_BYTES else None
    )
    fitting = [trial for trial in study_by(sampler).trials if trial.values[1] <= WITHIN_BYTES]
    best = min(fitting, key=lambda trial: trial.values[0])
    print(f"by evolution, the smallest within {WITHIN_BYTES}: {best.values[0]:.0f} bytes, {best.params}")
