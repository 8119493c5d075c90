"""How fast cached images are fed to training, and what share of an epoch that is.

    python benchmarks/feeding.py

Half a minute. It feeds small images (pad and shift), and images stored with room for crops (random resized
crop), as training and as evaluation see them. Then it measures the share of an epoch, epoch and feeding in
turn. Torch has one thread, and its CPU time is taken, which waits for nobody on a shared machine.

Wanted: at most 5 % of an epoch of MnasNet-B1 at 32 px and width 0.5.
"""

import dataclasses
import time
from collections.abc import Callable

import torch
from figures import machine, table

from mnasnet.arch.networks import MNASNET_B1
from mnasnet.train.augment import Augmentation, batches, evaluation, training
from mnasnet.train.data import ImageData, Images
from mnasnet.train.decoding import CROP_MARGIN
from mnasnet.train.loop import Recipe, train

BATCH_SIZE = 32
REPEATS = 7


def main() -> None:
    """Feed, train and print both tables."""
    torch.set_num_threads(1)
    print(f"{machine('torch')}, 1 thread, batch {BATCH_SIZE}\n", flush=True)
    rates: dict[str, list[float]] = {}
    for size, stored, count in ((32, 32, 16_384), (64, round(64 * CROP_MARGIN), 4_096)):
        data = noise(count, image_size=size, stored=stored)
        what = "pad-and-shift" if stored == size else f"crops of {stored} px"
        for name, augmentation in (
            (f"{size} px, {what}", training(data, flip=False)),
            (f"{size} px, {what}, flip", training(data, flip=True)),
            (f"{size} px, evaluation", evaluation(data)),
        ):
            rates[name] = [count / feeding_seconds(data, augmentation) for _ in range(REPEATS)]
    print(f"{table('images/s', rates, decimals=0)}\n", flush=True)

    data = noise(1_024, image_size=32, stored=32)
    recipe = Recipe(epochs=1, batch_size=BATCH_SIZE, flip=True)
    network = dataclasses.replace(MNASNET_B1.scaled(0.5).fitted(32), classes=len(data.classes))
    epochs, shares = [], []
    for _ in range(REPEATS):
        epoch = seconds(lambda: train(network, data, data.train, recipe, seed=0))
        epochs.append(epoch)
        shares.append(100 * feeding_seconds(data, training(data, flip=True)) / epoch)
    print(table("s", {f"an epoch of training on {len(data.train):,} images": epochs}, decimals=2))
    print(f"\n{table('%', {'of it feeding': shares}, decimals=2)}")


def noise(count: int, *, image_size: int, stored: int) -> ImageData:
    """Colour images as `load` gives them; what they show does not matter here."""
    pixels = torch.randint(256, (count, stored, stored, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    images = Images(pixels=pixels, labels=torch.randint(10, (count,)))
    return ImageData(
        name="noise",
        classes=tuple("0123456789"),
        image_size=image_size,
        fingerprint="",
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        train_and_held_out=images,
        held_out_count=0,
        load_test=lambda: images,
    )


def feeding_seconds(data: ImageData, augmentation: Augmentation) -> float:
    """What an epoch takes without a network."""
    generator = torch.Generator().manual_seed(0)

    def epoch() -> None:
        for _ in batches(
            data.train, batch_size=BATCH_SIZE, augmentation=augmentation, generator=generator, drop_last=True
        ):
            pass

    return seconds(epoch)


def seconds(work: Callable[[], object]) -> float:
    """CPU time of `work`."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


if __name__ == "__main__":
    main()
