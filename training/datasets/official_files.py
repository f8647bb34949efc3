"""Where the official files of every data set are published, and their hashes where they are published too.

The md5 of MNIST and SVHN are those that torchvision checks, Fashion-MNIST's are in its README, and GTSRB's are those
that public loaders of these archives agree on. The sha256 of what is in the .gz files tell a copy that was only packed
again from one that was changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class OfficialFile:
    """One file as its owner publishes it.

    Attributes:
        name: what it is called in the folder.
        urls: where it can be had, in the order to try.
        md5: of the file, where it is published.
        content_sha256: of what a .gz file holds.
        instead: other files, any of which stands for this one where it is missing.
    """

    name: str
    urls: tuple[str, ...]
    md5: str | None = None
    content_sha256: str | None = None
    instead: tuple[str, ...] = ()


def _at(name: str, *folders: str) -> tuple[str, ...]:
    return tuple(folder + name for folder in folders)


def _idx(folders: tuple[str, ...], name: str, md5: str, content_sha256: str) -> OfficialFile:
    return OfficialFile(f"{name}.gz", _at(f"{name}.gz", *folders), md5, content_sha256, instead=(name,))


_MNIST_AT = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
_FASHION_AT = (
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
_SVHN_AT = "http://ufldl.stanford.edu/housenumbers/"
_GTSRB_AT = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
_BTSC_AT = "https://btsd.ethz.ch/shareddata/BelgiumTSC/"
_DFG_AT = "https://data.vicos.si/skokec/villard/"

_MNIST = (
    _idx(
        _MNIST_AT,
        "train-images-idx3-ubyte",
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    _idx(
        _MNIST_AT,
        "train-labels-idx1-ubyte",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    _idx(
        _MNIST_AT,
        "t10k-images-idx3-ubyte",
        "9fb629c4189551a2d022fa330f9573f3",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    _idx(
        _MNIST_AT,
        "t10k-labels-idx1-ubyte",
        "ec29112dd5afa0611ce80d1b7f02629c",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)

_FASHION_MNIST = (
    _idx(
        _FASHION_AT,
        "train-images-idx3-ubyte",
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    _idx(
        _FASHION_AT,
        "train-labels-idx1-ubyte",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    _idx(
        _FASHION_AT,
        "t10k-images-idx3-ubyte",
        "bef4ecab320f06d8554ea6380940ec79",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    _idx(
        _FASHION_AT,
        "t10k-labels-idx1-ubyte",
        "bb300cfdad3c16e7a12a480ee83cd310",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)

_SVHN = (
    OfficialFile("train_32x32.mat", _at("train_32x32.mat", _SVHN_AT), "e26dedcc434d2e4c54c9b2d4a06d8373"),
    OfficialFile("test_32x32.mat", _at("test_32x32.mat", _SVHN_AT), "eb5a983be6a315427106f1b164d9cef3"),
)

_GTSRB = tuple(
    OfficialFile(name, _at(name, _GTSRB_AT), md5)
    for name, md5 in (
        ("GTSRB_Final_Training_Images.zip", "f33fd80ac59bff73c82d25ab499e03a3"),
        ("GTSRB_Final_Test_Images.zip", "c7e4e6327067d32654124b0fe9e82185"),
        ("GTSRB_Final_Test_GT.zip", "fe31e9c9270bbcd7b84b7f21a9d9d9e5"),
    )
)

_BTSC = tuple(
    OfficialFile(name, _at(name, _BTSC_AT), instead=("btsc.npz",))
    for name in ("BelgiumTSC_Training.zip", "BelgiumTSC_Testing.zip")
)

_DFG = tuple(OfficialFile(name, _at(name, _DFG_AT)) for name in ("DFG-tsd-annot-json.zip", "JPEGImages.tar.bz2"))

OFFICIAL_FILES: dict[str, dict[str, tuple[OfficialFile, ...]]] = {
    "mnist": {"": _MNIST},
    "fashion_mnist": {"": _FASHION_MNIST},
    "svhn": {"": _SVHN},
    "gtsrb": {"": _GTSRB},
    "supertraffic10": {"gtsrb": _GTSRB, "btsc": _BTSC, "dfg": _DFG},
}
"""What every data set is read from, by the folder that it lies in; "" is the data set's own."""

OPTIONAL_FOLDERS = frozenset({"dfg"})
"""What a data set goes without where the folder is not there."""

OFFICIAL_COUNTS = {"mnist": (60_000, 10_000), "fashion_mnist": (60_000, 10_000), "svhn": (73_257, 26_032)}
"""Training and test images of the whole set, where the reader leaves none out."""


def official_files(name: str) -> Iterator[OfficialFile]:
    """Every official file of a data set."""
    for files in OFFICIAL_FILES[name].values():
        yield from files
