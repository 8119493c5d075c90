"""Golden files of MindCV's MnasNet: `small.ckpt` as MindSpore saves it, and the logits that MindSpore computes.

Made in a virtual environment of its own (Python 3.11, x86-64 Linux, CPU):

    pip install mindspore==2.10.0 numpy==1.26.4 pyyaml tqdm && pip install --no-deps mindcv==0.3.0
    OMP_NUM_THREADS=1 python make.py            # small.ckpt, small.npz
    OMP_NUM_THREADS=1 python make.py 0.5 FOLDER # the same at another width
"""

import sys
from pathlib import Path

import mindspore
import numpy as np
from mindcv.models.mnasnet import Mnasnet

CLASSES = 10
SIZES = (224, 161, 139)
BATCH = 2


def images(size: int) -> np.ndarray:
    """Noise around a colour of its own for each image, from `RandomState`, whose stream numpy has frozen."""
    random = np.random.RandomState(size)
    noise = random.uniform(-1, 1, (BATCH, 3, size, size))
    return (noise + random.uniform(-1, 1, (BATCH, 3, 1, 1))).astype(np.float32)


def randomise(network: mindspore.nn.Cell) -> None:
    """Each parameter in the order of the file, from one stream; variances reach down to where epsilon counts."""
    random = np.random.RandomState(20)
    for name, parameter in network.parameters_and_names():
        shape = parameter.shape
        kind = name.rsplit(".", 1)[-1]
        if kind == "weight" and len(shape) == 4:
            value = random.normal(0, 0.2 * np.sqrt(2 / np.prod(shape[1:])), shape)
        elif kind == "weight":
            value = random.normal(0, 0.1 / np.sqrt(shape[1]), shape)
        elif kind == "gamma":
            value = random.uniform(0.5, 1.5, shape)
        elif kind == "moving_variance":
            value = np.exp(random.uniform(np.log(0.01), np.log(1), shape))
        elif kind in ("beta", "moving_mean", "bias"):
            value = random.normal(0, 0.1, shape)
        else:
            raise AssertionError(name)
        parameter.set_data(mindspore.Tensor(value.astype(np.float32)))


def main(alpha: float, folder: Path) -> None:
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    mindspore.set_device("CPU")
    network = Mnasnet(alpha=alpha, num_classes=CLASSES)
    randomise(network)
    network.set_train(False)
    logits = {f"logits_{size}": network(mindspore.Tensor(images(size))).asnumpy() for size in SIZES}
    mindspore.save_checkpoint(network, str(folder / "small.ckpt"))
    (folder / "small.ckpt").chmod(0o644)  # MindSpore leaves it 0o400
    np.savez(folder / "small.npz", **logits)
    for name, value in logits.items():
        print(alpha, name, value.std(), np.abs(value).max())


if __name__ == "__main__":
    main(
        float(sys.argv[1]) if sys.argv[1:] else 0.125,
        Path(sys.argv[2]) if sys.argv[2:] else Path(__file__).parent,
    )
