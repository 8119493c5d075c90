"""Digests of networks as version 0.1.0 made them; its output is `digests.jsonl`.

They were made before the graph was, and name finished trials and the folders of finalists since: they never change.
"""

import dataclasses
import json
import random

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.zoo import ZOO
from mnasnet.space.hierarchical import SPACES


def networks() -> list[Architecture]:
    """The zoo at four widths and two sizes, as others compute it, and 25 networks of each space at two sizes."""
    found = []
    for named in ZOO.values():
        found += [named.scaled(width) for width in (0.35, 0.5, 1.0, 1.4)]
        found.append(named.scaled(0.5).sized(image_size=32, in_channels=1, classes=10, width=1.0))
        found.append(dataclasses.replace(named.architecture, padding="symmetric", bn_epsilon=1e-5, classes=7))
    generator = random.Random(0)
    for make_space in SPACES.values():
        for image_size, width in ((64, 0.5), (224, 1.0)):
            space = make_space(image_size=image_size, in_channels=3, classes=10, width=width)
            found += [
                space.decode({name: generator.choice(d.choices) for name, d in space.distributions.items()})
                for _ in range(25)
            ]
    return found


if __name__ == "__main__":
    for network in networks():
        print(json.dumps({"digest": network.digest(), "architecture": network.to_json()}, sort_keys=True))
