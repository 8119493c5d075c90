"""A search from Python, with any Optuna sampler.

About a minute on two cores. Run it again and it goes on where it was: `trials` may grow.
"""

from pathlib import Path

from optuna.samplers import TPESampler

from mnasnet.samplers.named import SeededPerTrial
from mnasnet.search.run import search
from mnasnet.search.settings import Settings

settings = Settings(
    data="digits",
    image_size=32,
    trials=4,
    epochs=2,
    finalists=1,
    final_epochs=3,
    out=Path("runs/from-python"),
)
# Optuna's samplers forget their generator at a restart; seeded for each trial anew they do not repeat themselves.
result = search(settings, sampler=SeededPerTrial(lambda seed: TPESampler(seed=seed), seed=0))
for record in result.findings.front:
    print(f"{record.network.digest}: {record.quality.value:.1%} at {record.latency.median_ms:.3f} ms")
for card in result.findings.finalists:
    print(f"runs/from-python/finalists/{card.digest}/network.tflite: {card.quality.value:.1%} on test images")
