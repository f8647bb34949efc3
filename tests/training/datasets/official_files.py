"""Small files in the official formats, for tests: every sign and digit is a picture of one colour."""

import io
import json
import tarfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat  # type: ignore[import-untyped]

HEADER = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"


@dataclass(frozen=True)
class Sign:
    """A picture of `size` (width, height) pixels, annotated as of `annotated` if that is another size."""

    label: int
    size: tuple[int, int] = (32, 32)
    annotated: tuple[int, int] | None = None
    colour: tuple[int, int, int] = (10, 20, 30)

    def row(self, filename: str) -> str:
        width, height = self.annotated or self.size
        return f"{filename};{width};{height};5;5;{width - 5};{height - 5};{self.label}"

    def ppm(self) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", self.size, self.colour).save(file, "PPM")
        return file.getvalue()


def write_zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def read_zip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_gtsrb(folder: Path, train: list[Sign], test: list[Sign]) -> None:
    """The three archives, with an annotation file for each of the 43 classes."""
    members: dict[str, bytes] = {}
    for label in range(43):
        rows = [HEADER]
        prefix = f"GTSRB/Final_Training/Images/{label:05d}"
        for index, sign in enumerate(sign for sign in train if sign.label == label):
            rows.append(sign.row(f"00000_{index:05d}.ppm"))
            members[f"{prefix}/00000_{index:05d}.ppm"] = sign.ppm()
        members[f"{prefix}/GT-{label:05d}.csv"] = "\r\n".join(rows).encode()
    write_zip(folder / "GTSRB_Final_Training_Images.zip", members)
    images = {f"GTSRB/Final_Test/Images/{index:05d}.ppm": sign.ppm() for index, sign in enumerate(test)}
    write_zip(folder / "GTSRB_Final_Test_Images.zip", images)
    rows = [HEADER, *(sign.row(f"{index:05d}.ppm") for index, sign in enumerate(test))]
    write_zip(folder / "GTSRB_Final_Test_GT.zip", {"GT-final_test.csv": "\r\n".join(rows).encode()})


def write_btsc(folder: Path, train: list[Sign], test: list[Sign]) -> None:
    """The two archives: folders of the classes that there are signs of, where width and height change places."""
    for file, part, signs in (("BelgiumTSC_Training", "Training", train), ("BelgiumTSC_Testing", "Testing", test)):
        members: dict[str, bytes] = {f"{part}/Readme.txt": b"BelgiumTSC"}
        for label in {sign.label for sign in signs}:
            rows = [HEADER]
            for index, sign in enumerate(sign for sign in signs if sign.label == label):
                width, height = sign.annotated or sign.size
                swapped = replace(sign, annotated=(height, width))
                rows.append(swapped.row(f"{index:05d}_00000.ppm"))
                members[f"{part}/{label:05d}/{index:05d}_00000.ppm"] = sign.ppm()
            members[f"{part}/{label:05d}/GT-{label:05d}.csv"] = "\r\n".join(rows).encode()
        write_zip(folder / f"{file}.zip", members)


@dataclass(frozen=True)
class Box:
    """A sign in a photograph: a category, and (left, top, width, height) in pixels."""

    category: str
    box: tuple[float, float, float, float]
    colour: tuple[int, int, int] = (200, 0, 0)
    ignore: bool = False


def write_dfg(folder: Path, train: list[list[Box]], test: list[list[Box]], size: tuple[int, int] = (200, 100)) -> None:
    """The two archives: a photograph of `size` (width, height) for each list of signs, in grey around them."""
    members: dict[str, bytes] = {}
    photographs: dict[str, bytes] = {}
    for part, signs in (("train", train), ("test", test)):
        categories = sorted({sign.category for one in signs for sign in one})
        coco: dict[str, list[dict[str, object]]] = {
            "images": [],
            "categories": [{"id": index, "name": name} for index, name in enumerate(categories)],
            "annotations": [],
        }
        for index, one in enumerate(signs):
            name = f"{part}-{index:07d}.jpg"
            coco["images"].append({"id": index, "file_name": name, "width": size[0], "height": size[1]})
            photograph = Image.new("RGB", size, (128, 128, 128))
            for sign in one:
                left, top, width, height = sign.box
                photograph.paste(sign.colour, (round(left), round(top), round(left + width), round(top + height)))
                category = categories.index(sign.category)
                flags = {"ignore": sign.ignore, "iscrowd": 0}
                coco["annotations"].append(
                    {"image_id": index, "category_id": category, "bbox": list(sign.box), "area": width * height} | flags
                )
            file = io.BytesIO()
            photograph.save(file, "JPEG", quality=95, subsampling=0)
            photographs[name] = file.getvalue()
        members[f"DFG-tsd-annot-json/{part}.json"] = json.dumps(coco).encode()
    write_zip(folder / "DFG-tsd-annot-json.zip", members)
    write_photographs(folder / "JPEGImages.tar.bz2", photographs)


def write_photographs(path: Path, photographs: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:bz2") as archive:
        for name, data in photographs.items():
            member = tarfile.TarInfo(f"JPEGImages/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def btsc_arrays(train: list[Sign], test: list[Sign]) -> dict[str, np.ndarray]:
    """What `btsc.npz` holds, its tight crops in black."""
    arrays = {}
    for part, signs in (("train", train), ("test", test)):
        sizes = np.array([sign.annotated or sign.size for sign in signs], np.int32).reshape(-1, 2)
        whole = [np.full((32, 32, 3), sign.colour, np.uint8) for sign in signs]
        arrays |= {
            f"{part}_images_full": np.stack(whole),
            f"{part}_images": np.zeros((len(signs), 32, 32, 3), np.uint8),
            f"{part}_labels": np.array([sign.label for sign in signs], np.int64),
            f"{part}_width": sizes[:, 0],
            f"{part}_height": sizes[:, 1],
            f"{part}_pole": np.arange(len(signs), dtype=np.int32),
        }
    return arrays


def write_svhn(folder: Path, name: str, images: np.ndarray, labels: np.ndarray) -> None:
    """`images` (32, 32, 3, N) uint8 and `labels` (N,) as MATLAB has them: a column of 1 to 10."""
    savemat(folder / name, {"X": images, "y": labels[:, None]}, do_compression=True)
