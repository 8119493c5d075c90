"""A finalist's card: everything measured about one finished network, and the command that made it."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnasnet.arch.architecture import Architecture, architecture_from_json
from mnasnet.arch.records import Accuracy, Format, Latency, latency_from_json
from mnasnet.base.errors import RequestError

CARD = "card.json"
"""Name of the card in a finalist's folder; the folder is renamed into place when it is whole."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a finalist's folder says of itself."""

    name: str
    """Such as `trial-17`, or `mobilenet-v2` for the control."""
    control: bool
    """Whether this is the ruler that the finalists are compared with."""
    digest: str
    architecture: Architecture
    parameters: int
    multiply_adds: int
    accuracy: Accuracy
    """Of the file, on the test images, which nothing saw before."""
    proxy_accuracy: Accuracy | None
    """On the held-out images, as the search saw it; None for the control."""
    latency: Latency
    """Of the trained file, over several launches."""
    proxy_latency: Latency | None
    """Of the untrained file, as the search saw it."""
    size_bytes: int
    """Of the file."""
    largest_difference: float
    """Largest difference between the file's and torch's logits on training images, over the largest logit."""
    trial: int | None
    """Number in the study; None for the control."""
    data: str
    fingerprint: str
    """Of the data."""
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """The file expects (pixel / 255 − mean) / std, channel by channel: NHWC, or NCHW as ONNX."""
    command: str
    """What made it."""
    precision: str = "fp32"
    """Of the file: `fp32`, `fp16` or `int8`."""
    float_accuracy: Accuracy | None = None
    """Of the network in torch on the same test images; None where the file computes the same."""
    format: Format = "tflite"
    """Of the file, which its device runs."""


def write_card(card: Card, folder: Path) -> None:
    """Write `card.json` into `folder`."""
    data = dataclasses.asdict(card) | {"architecture": card.architecture.to_json()}
    (folder / CARD).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def read_card(folder: Path) -> Card:
    """The card in `folder`.

    Raises:
        RequestError: it cannot be read.
    """
    try:
        return _card(json.loads((folder / CARD).read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise RequestError(
            f"{folder / CARD} cannot be read; remove {folder}, and the search makes it again"
        ) from error


def read_cards(out: Path) -> list[Card]:
    """The cards of every finished finalist under a search's folder `out`, the control last."""
    folders = sorted((out / "finalists").glob(f"*/{CARD}"))
    cards = [read_card(path.parent) for path in folders if not path.parent.name.startswith(".")]
    return sorted(cards, key=lambda card: (card.control, card.latency.median_ms))


def _card(data: Mapping[str, Any]) -> Card:
    accuracies = {
        name: None if data.get(name) is None else Accuracy(**data[name])
        for name in ("accuracy", "float_accuracy", "proxy_accuracy")
    }
    proxy_latency = data["proxy_latency"]
    return Card(
        **{
            **data,
            "architecture": architecture_from_json(data["architecture"]),
            **accuracies,
            "latency": latency_from_json(data["latency"]),
            "proxy_latency": None if proxy_latency is None else latency_from_json(proxy_latency),
            **{name: tuple(data[name]) for name in ("classes", "mean", "std")},
        }
    )


def describe(card: Card) -> str:
    """The card for people, in Markdown."""
    rows = "".join(f"| {name} | {value} |\n" for name, value in _rows(card).items())
    blocks = " ".join(block.notation() for block in card.architecture.blocks)
    return (
        f"# {card.name} · {card.digest}\n\n| | |\n|---|---|\n{rows}\nBlocks: `{blocks}`\n\n"
        f"Made by `{card.command}` on data of fingerprint {card.fingerprint}.\n"
    )


def _rows(card: Card) -> dict[str, str]:
    accuracy, latency, size = card.accuracy, card.latency, card.architecture.image_size
    channels = card.architecture.in_channels
    shape = (1, channels, size, size) if card.format == "onnx" else (1, size, size, channels)
    low, high = accuracy.interval
    rows = {
        "accuracy": f"{accuracy.top1:.2%} (95 % interval {low:.2%} to {high:.2%}) on {accuracy.images} test images"
        + (
            ""
            if card.float_accuracy is None
            else f", as {card.precision}; {card.float_accuracy.top1:.2%} as the float network that it was made of"
        ),
        "training": f"{accuracy.epochs} {'epoch' if accuracy.epochs == 1 else 'epochs'} on "
        f"{accuracy.train_images} images of {card.data}, "
        f"seed {accuracy.seed}, {accuracy.seconds:.0f} s",
        "latency": f"{latency.median_ms:.4g} ms (95 % interval {latency.low_ms:.4g} to "
        f"{latency.high_ms:.4g}), batch 1; {latency.ratio:.3f} times MobileNetV2, which is taken to last "
        f"{latency.reference_ms:.4g} ms",
        "predicted by"
        if latency.predicted
        else "measured on": f"{latency.device}, {latency.runtime}, threads: "
        f"{latency.threads}, {latency.pinning}",
        "measured how": f"not at all; the table is of {latency.measured_at}"
        if latency.predicted
        else f"{latency.runs} runs in {latency.launches} launches, {latency.blocks_discarded} disturbed "
        f"{'block' if latency.blocks_discarded == 1 else 'blocks'} thrown away, {latency.measured_at}",
    }
    if card.proxy_accuracy is not None and card.proxy_latency is not None:
        rows["in the search"] = (
            f"{card.proxy_accuracy.top1:.2%} on {card.proxy_accuracy.images} held-out images after "
            f"{card.proxy_accuracy.epochs} epochs; untrained, {card.proxy_latency.median_ms:.4g} ms"
        )
    return rows | {
        "parameters": f"{card.parameters:,}",
        "multiply-adds": f"{card.multiply_adds:,}",
        "file": f"network.{card.format}, {card.precision}, {card.size_bytes:,} bytes, labels and normalisation "
        f"inside; differs from torch by {card.largest_difference:.1e} of the largest logit",
        "input": f"{'int8' if card.precision == 'int8' else 'float32'} "
        f"{list(shape)}, (pixel / 255 − mean) / std with "
        f"mean {_numbers(card.mean)} and std {_numbers(card.std)}"
        + (", channel by channel" if len(card.mean) > 1 else ""),
        "output": "logits of the classes " + ", ".join(card.classes),
    }


def _numbers(values: tuple[float, ...]) -> str:
    """To six digits, far below a step of a pixel; `card.json` has them whole."""
    return ", ".join(f"{value:.6g}" for value in values)
