"""The sets of MedMNIST v2 with one label for each image, 28 by 28 pixels, under CC BY 4.0.

J. Yang and others: MedMNIST v2, a large-scale lightweight benchmark for 2D and 3D biomedical image
classification, Scientific Data 10, 41 (2023). The files are those of version 3 at Zenodo, in which
the three sets of organs have some images fewer than in the paper. DermaMNIST (CC BY-NC),
ChestMNIST (several labels for an image) and RetinaMNIST (grades) are none of them.
"""

from typing import Final

from mnistburn.arrays import ImageShape
from mnistburn.datasets.known import KnownDataset, KnownFile, KnownSplit

__all__ = ["MEDMNIST"]

_GREY: Final = ImageShape(28, 28, 1)
_COLOUR: Final = ImageShape(28, 28, 3)
_ZENODO: Final = (
    "https://zenodo.org/records/10519652/files/",
    "https://zenodo.org/record/10519652/files/",
)
# A copy of version 2, which has the same files but for the organs.
_COPY: Final = "https://huggingface.co/datasets/albertvillanova/medmnist-v2/resolve/main/data/"


def _medmnist(
    file: KnownFile,
    title: str,
    counts: tuple[int, int, int],
    class_names: tuple[str, ...],
    image_shape: ImageShape = _GREY,
    *,
    mirrors: tuple[str, ...] = (_ZENODO[0], _COPY),
) -> KnownDataset:
    """Return a set; `counts` are the images to train with, to validate on and to test with."""
    train, valid, test = (
        KnownSplit(count, file, members=(f"{part}_images", f"{part}_labels"))
        for part, count in zip(("train", "val", "test"), counts, strict=True)
    )
    return KnownDataset(
        name=file.name.removesuffix(".npz"),
        title=title,
        train=train,
        valid=valid,
        test=test,
        class_names=class_names,
        licence="CC BY 4.0",
        homepage="https://medmnist.com/",
        mirrors=mirrors,
        format="npz",
        image_shape=image_shape,
    )


def _file(name: str, size: int, md5: str, *, exact_size: bool = False) -> KnownFile:
    return KnownFile(name, size, None, md5=md5, exact_size=exact_size)


_ORGANS: Final = (
    *("bladder", "femur-left", "femur-right", "heart", "kidney-left", "kidney-right"),
    *("liver", "lung-left", "lung-right", "pancreas", "spleen"),
)

MEDMNIST: Final = (
    _medmnist(
        _file("pathmnist.npz", 205_615_438, "a8b06965200029087d5bd730944a56c1", exact_size=True),
        "tissue of the colon, stained",
        (89_996, 10_004, 7_180),
        (
            *("adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle"),
            *("normal colon mucosa", "cancer-associated stroma"),
            "colorectal adenocarcinoma epithelium",
        ),
        _COLOUR,
    ),
    _medmnist(
        _file("octmnist.npz", 54_900_000, "c68d92d5b585d8d81f7112f81e2d0842"),
        "optical coherence tomography of the retina",
        (97_477, 10_832, 1_000),
        ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    ),
    _medmnist(
        _file("pneumoniamnist.npz", 4_170_669, "28209eda62fecd6e6a2d98b1501bb15f", exact_size=True),
        "X-rays of children's chests",
        (4_708, 524, 624),
        ("normal", "pneumonia"),
    ),
    _medmnist(
        _file("breastmnist.npz", 559_580, "750601b1f35ba3300ea97c75c52ff8f6", exact_size=True),
        "ultrasound of the breast",
        (546, 78, 156),
        ("malignant", "normal, benign"),
    ),
    _medmnist(
        _file("bloodmnist.npz", 35_500_000, "7053d0359d879ad8a5505303e11de1dc"),
        "blood cells under the microscope",
        (11_959, 1_712, 3_421),
        (
            *("basophil", "eosinophil", "erythroblast"),
            "immature granulocytes (myelocytes, metamyelocytes and promyelocytes)",
            *("lymphocyte", "monocyte", "neutrophil", "platelet"),
        ),
        _COLOUR,
    ),
    _medmnist(
        _file("tissuemnist.npz", 125_000_000, "ebe78ee8b05294063de985d821c1c34b"),
        "cells of the kidney's cortex",
        (165_466, 23_640, 47_280),
        (
            *("Collecting Duct, Connecting Tubule", "Distal Convoluted Tubule"),
            *("Glomerular endothelial cells", "Interstitial endothelial cells", "Leukocytes"),
            *("Podocytes", "Proximal Tubule Segments", "Thick Ascending Limb"),
        ),
    ),
    _medmnist(
        _file("organamnist.npz", 38_200_000, "68e3f8846a6bd62f0c9bf841c0d9eacc"),
        "organs in computed tomography, axial",
        (34_561, 6_491, 17_778),
        _ORGANS,
        mirrors=_ZENODO,
    ),
    _medmnist(
        _file("organcmnist.npz", 15_500_000, "b9ceb9546e10131b32923c5bbeaea2b1"),
        "organs in computed tomography, coronal",
        (12_975, 2_392, 8_216),
        _ORGANS,
        mirrors=_ZENODO,
    ),
    _medmnist(
        _file("organsmnist.npz", 16_500_000, "9ab87b696fb54e2a387ebe992d6ed5f1"),
        "organs in computed tomography, sagittal",
        (13_932, 2_452, 8_827),
        _ORGANS,
        mirrors=_ZENODO,
    ),
)
"""The data sets."""
