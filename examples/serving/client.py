"""A client of Triton or OpenVINO Model Server: prepares photographs as the model's card says, and prints what is found.

    python client.py detector.onnx photo.jpg --url http://localhost:8000

Both servers speak the KServe protocol, version 2: Triton at port 8000, OpenVINO Model Server at the port that its
--rest_port gives. The exported file is read for its card alone. Needs numpy, Pillow and onnx.
"""

import argparse
import json
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from PIL import Image

STRIDE = 32  # the network takes sides that are multiples of it
DTYPES = {"BOOL": np.bool_, "INT32": np.int32, "FP32": np.float32}


def read_card(model: Path) -> dict[str, Any]:
    """Returns the card of an exported file."""
    metadata = onnx.load(model, load_external_data=False).metadata_props
    card: dict[str, Any] = json.loads(next(one.value for one in metadata if one.key == "mindrcnn"))
    return card


def prepare(picture: Image.Image, card: dict[str, Any]) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[Any]]:
    """Returns images (1, 3, H, W) in the bucket that fits best, image_sizes (1, 2) and the scales (4,) of a box."""

    def scale_in(bucket: list[int]) -> float:
        limits = (card["short_side"] / min(picture.size), bucket[0] / picture.height, bucket[1] / picture.width)
        return float(min(limits))

    bucket = max(card["buckets"], key=scale_in)
    height, width = bucket
    if card["keep_ratio"]:
        width, height = (round(side * scale_in(bucket)) for side in picture.size)
    pixels = np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
    if card["channel_order"] == "bgr":
        pixels = pixels[:, :, ::-1]
    images = np.zeros((1, 3, *(-(-side // STRIDE) * STRIDE for side in bucket)), np.uint8)
    images[0, :, :height, :width] = pixels.transpose(2, 0, 1)
    scales = np.array([width / picture.width, height / picture.height] * 2)
    return images, np.array([[height, width]], np.int32), scales


def request_body(images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[bytes, int]:
    """Returns a request with its tensors in binary, and the length of its JSON part."""
    tensors: dict[str, tuple[str, NDArray[Any]]] = {"images": ("UINT8", images), "image_sizes": ("INT32", image_sizes)}
    header = {
        "inputs": [
            {"name": name, "shape": array.shape, "datatype": kind, "parameters": {"binary_data_size": array.nbytes}}
            for name, (kind, array) in tensors.items()
        ],
        "parameters": {"binary_data_output": True},
    }
    text = json.dumps(header).encode()
    return text + b"".join(array.tobytes() for _, array in tensors.values()), len(text)


def read_answer(content: bytes, header_length: int) -> dict[str, NDArray[Any]]:
    """Returns the tensors of an answer by name."""
    tensors, start = {}, header_length
    for one in json.loads(content[:header_length])["outputs"]:
        end = start + one["parameters"]["binary_data_size"]
        tensors[one["name"]] = np.frombuffer(content[start:end], DTYPES[one["datatype"]]).reshape(one["shape"])
        start = end
    return tensors


def detect(url: str, name: str, images: NDArray[np.uint8], sizes: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
    """Sends images to a server and returns the model's outputs."""
    body, header_length = request_body(images, sizes)
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(header_length)}
    request = urllib.request.Request(f"{url}/v2/models/{name}/infer", body, headers)
    with urllib.request.urlopen(request) as response:
        return read_answer(response.read(), int(response.headers["Inference-Header-Content-Length"]))


def main() -> None:
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the exported file")
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--name", default="mindrcnn", help="the model's name at the server")
    parser.add_argument("--score", type=float, default=0.5)
    arguments = parser.parse_args()
    card = read_card(arguments.model)
    for path in arguments.pictures:
        images, sizes, scales = prepare(Image.open(path), card)
        found = {name: values[0] for name, values in detect(arguments.url, arguments.name, images, sizes).items()}
        for index in np.flatnonzero(found["valid"] & (found["scores"] >= arguments.score)):
            name, box = card["classes"][found["labels"][index] - 1], found["boxes"][index] / scales
            print(f"{path}: {name} {found['scores'][index]:.2f} at {', '.join(f'{value:.1f}' for value in box)}")


if __name__ == "__main__":
    main()
