"""Classify images with a `.tflite` file of `mnasnet export`, with ai-edge-litert, numpy and Pillow alone.

python examples/classify.py network.tflite image.jpg
"""

import json
import sys
import zipfile

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps


def classify(model: str, image: str) -> list[str]:
    """The five likeliest classes of an image, the likeliest first; `model` of any precision."""
    with zipfile.ZipFile(model) as archive:
        learned = json.loads(archive.read("mnasnet.json"))["learned"]
    interpreter = Interpreter(model)
    interpreter.allocate_tensors()
    (given,), (asked,) = interpreter.get_input_details(), interpreter.get_output_details()
    _, height, width, channels = given["shape"]
    picture = ImageOps.exif_transpose(Image.open(image)).convert("L" if channels == 1 else "RGB")
    # Of a large picture the central 0.875, as networks were judged while they were trained.
    edge = 1 / 16 if min(picture.size) >= width * 8 / 7 else 0
    square = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR, bleed=edge)
    pixels = np.asarray(square, np.float32).reshape(given["shape"])
    values = (pixels / 255 - learned["mean"]) / learned["std"]
    if given["dtype"] == np.int8:
        scale, zero = given["quantization"]
        values = np.clip(np.round(values / scale) + zero, -128, 127)
    interpreter.set_tensor(given["index"], values.astype(given["dtype"]))
    interpreter.invoke()
    logits = interpreter.get_tensor(asked["index"])[0].astype(np.float32)
    return [learned["classes"][place] for place in np.argsort(-logits)[:5]]


if __name__ == "__main__":
    for name in sys.argv[2:]:
        print(name, *classify(sys.argv[1], name), sep="\n  ")
