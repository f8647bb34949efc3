"""Under what terms the official data sets may be used, and what their owners ask to be cited."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Terms:
    """A data set's licence and citation, in words; None where nobody said."""

    licence: str | None = None
    citation: str | None = None


_GTSRB = Terms(
    "free for research",
    "J. Stallkamp, M. Schlipsing, J. Salmen and C. Igel: Man vs. computer: Benchmarking machine learning algorithms "
    "for traffic sign recognition, Neural Networks 32, 2012",
)
_BTSC = Terms(
    "as its owners say at https://btsd.ethz.ch/shareddata/",
    "R. Timofte and L. Van Gool: Sparse representation based projections, BMVC 2011",
)
_DFG = Terms(
    "as its owners say at https://www.vicos.si/resources/dfg/",
    "D. Tabernik and D. Skočaj: Deep learning for large-scale traffic-sign detection and recognition, IEEE "
    "Transactions on Intelligent Transportation Systems 21, 2019",
)
_TERMS = {
    "mnist": Terms(
        "CC BY-SA 3.0",
        "Y. LeCun, L. Bottou, Y. Bengio and P. Haffner: Gradient-based learning applied to document recognition, "
        "Proceedings of the IEEE 86, 1998",
    ),
    "fashion_mnist": Terms(
        "MIT",
        "H. Xiao, K. Rasul and R. Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking machine learning "
        "algorithms, arXiv:1708.07747, 2017",
    ),
    "svhn": Terms(
        "for non-commercial use only",
        "Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu and A. Y. Ng: Reading digits in natural images with "
        "unsupervised feature learning, NIPS Workshop on Deep Learning and Unsupervised Feature Learning 2011",
    ),
    "gtsrb": _GTSRB,
}


def terms_of(dataset: str, sources: Mapping[str, str]) -> Terms | None:
    """The terms of an official data set that was read from `sources`; None of images of one's own."""
    if dataset != "supertraffic10":
        return _TERMS.get(dataset)
    parts = {"GTSRB": _GTSRB, "BTSC": _BTSC}
    if any(name.startswith("DFG") for name in sources):
        parts["DFG"] = _DFG
    return Terms(
        "; ".join(f"{name}: {terms.licence}" for name, terms in parts.items()),
        "; ".join(f"{name}: {terms.citation}" for name, terms in parts.items()),
    )
