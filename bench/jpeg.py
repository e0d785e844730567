"""Reading photos: Convoy's two stores against torchvision's ImageFolder with Pillow.

    python -m bench.jpeg [PAIRS]

Synthetic 500 × 375 JPEGs (smooth noise, edges, quality 90), one core. ImageFolder reads, decodes
with Pillow, crops 224 at random, mirrors half and makes normalised floats, as its documentation
shows. Convoy gives uint8 batches of 32, cropped and mirrored the same way, from

- files as they came: the JPEGs in one file with an index, decoded when they are read;
- JPEGs of 256 × 256: what encoded storage holds of photos with `size_px: 256`; ImageFolder then has
  a Resize and a CenterCrop before its RandomCrop;
- pixels of 256 × 256, mapped into memory; against the same.
"""

import sys
import tempfile
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from simplejpeg import encode_jpeg
from torchvision import transforms
from torchvision.datasets import ImageFolder

from bench.paired import ratio, shown
from pipeline.augmentation.counter import sample_keys
from pipeline.augmentation.freeze import freeze
from pipeline.augmentation.policies.crop_flip import Params
from pipeline.augmentation.policy import Augmenter
from pipeline.images.decode import decode, fit
from pipeline.images.packed import Encoded, Images

NUM, BATCH = 256, 32
HEIGHT, WIDTH, CROP, STORED = 375, 500, 224, 256
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def photo(seed: int) -> np.ndarray:
    """Make octaves of smooth noise and some hard edges, which compress much as a photo does."""
    rng = np.random.default_rng(seed)
    image = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for octave in range(2, 8):
        coarse = rng.normal(size=(2**octave, 2**octave, 3)).astype(np.float32)
        image += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) / octave
    for _ in range(20):
        left, top = rng.integers(0, WIDTH - 80), rng.integers(0, HEIGHT - 80)
        image[top : top + 60, left : left + 60] += rng.normal(size=3)
    image += rng.normal(scale=0.1, size=image.shape)
    return np.clip(128 + 40 * image, 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def image_folder(root: Path, stored_px: int | None) -> ImageFolder:
    resize = [transforms.Resize(stored_px), transforms.CenterCrop(stored_px)] if stored_px else []
    steps = [
        *resize,
        transforms.RandomCrop(CROP),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
    return ImageFolder(str(root), transforms.Compose(steps))


def stores(root: Path, files: list[bytes]) -> dict[str, tuple[Images, int | None]]:
    """Return each way to store the files, and the side to which ImageFolder has to resize them."""
    Encoded.write(root / "files", iter(files), (HEIGHT, WIDTH, 3), "crop")
    shape = (STORED, STORED, 3)
    pixels = np.stack([fit(decode(file, shape[:2]), shape, "crop") for file in files])
    np.save(root / "pixels.npy", pixels)
    jpegs = [encode_jpeg(image, 95, "RGB", "444") for image in pixels]
    Encoded.write(root / "jpegs", iter(jpegs), shape, "crop")
    return {
        "files as they came": (Encoded(root / "files"), None),
        "JPEGs of 256 × 256": (Encoded(root / "jpegs"), STORED),
        "pixels of 256 × 256": (np.load(root / "pixels.npy", mmap_mode="r"), STORED),
    }


def batches(images: Images, augmenter: Augmenter, keys: np.ndarray) -> None:
    order = np.random.default_rng(0).permutation(NUM)
    for start in range(0, NUM, BATCH):
        rows = order[start : start + BATCH]
        augmenter(np.asarray(images[rows]), 0, keys[rows])


def augmenter(shape: tuple[int, int, int]) -> Augmenter:
    policy = Params(name="crop_flip", pad_px=0, crop_px=CROP)
    return Augmenter(freeze(policy, shape, online=True, mixing=None), seed=0)


def main(num_pairs: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "images/class").mkdir(parents=True)
        files = [jpeg(photo(seed)) for seed in range(NUM)]
        for i, file in enumerate(files):
            (root / f"images/class/{i:04d}.jpg").write_bytes(file)
        keys = sample_keys(np.array([f"{i}" for i in range(NUM)]))
        print(f"{np.mean([len(file) for file in files]) / 1000:.0f} kB a JPEG")
        for title, (images, stored_px) in stores(root, files).items():
            baseline, made = image_folder(root / "images", stored_px), augmenter(images.shape[1:])
            measured = ratio(
                lambda: [baseline[i] for i in range(NUM)],  # noqa: B023  # called at once
                lambda: batches(images, made, keys),  # noqa: B023
                num_pairs,
            )
            print(f"{title:20}  {shown(measured)} × the images/s of ImageFolder", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
