"""
The core of mnistburn in Rust. Use the package `mnistburn`, whose classes and functions stand on this module.
"""

from _typeshed import SupportsGetItem
from os import PathLike
from pathlib import Path
from typing import Any, Final, SupportsFloat, SupportsIndex, final
from typing_extensions import Buffer

__all__ = [
    "VERSION",
    "Dataset",
    "Gradients",
    "ImageFile",
    "Loss",
    "LrScheduler",
    "Model",
    "Optimizer",
    "Picture",
    "PictureFolder",
    "Ranks",
    "RunView",
    "TrainingOutput",
    "augment",
    "batch_order",
    "build_info",
    "burn_config",
    "check_cuda_compiler",
    "check_weights",
    "choose_device",
    "complete_config",
    "cpu_kernels",
    "cuda_driver",
    "cuda_toolkit",
    "describe",
    "describe_datasets",
    "devices",
    "find_rate",
    "folder_classes",
    "folder_pictures",
    "holds_run",
    "is_called_picture",
    "is_passed_over",
    "load_run",
    "part_named",
    "prepare_digit",
    "read_folder",
    "read_idx",
    "resolve_device",
    "run_files",
    "run_history",
    "settle_run",
    "split_indices",
    "train",
    "unlike",
]

VERSION: Final[str]
"""
The version of the crate.
"""

@final
class Dataset:
    """
    Images with their classes, as the core has them.
    """
    def fingerprint(self, /) -> str:
        """
        SHA-256 of the shape, the images and the classes, in hexadecimal.
        """
    @staticmethod
    def from_buffer(
        images: Buffer,
        shape: tuple[SupportsIndex, SupportsIndex, SupportsIndex],
        targets: Buffer,
        weights: Buffer | None,
        class_names: SupportsGetItem[int, str] | None,
        preprocessing: tuple[str, str | None],
    ) -> Dataset:
        """
        A data set in memory, of copies of the arrays.

        Args:
            images: C-contiguous raw pixels, uint8, n images of the shape.
            shape: Height, width and channels.
            targets: n int64 classes.
            weights: n float32 weights in the loss of training, or None.
            class_names: Names of the classes, or None.
            preprocessing: How its pictures became images: fit, and prepare or None.
        """
    @staticmethod
    def from_file(
        file: ImageFile,
        positions: Buffer | None,
        targets: Buffer,
        weights: Buffer | None,
        class_names: SupportsGetItem[int, str] | None,
        preprocessing: tuple[str, str | None],
    ) -> Dataset:
        """
        A data set whose images stay on disk.

        Args:
            file: The images.
            positions: Which of them, int64; None for all.
            targets: int64 classes, one for each image.
            weights: float32 weights in the loss of training, one for each image, or None.
            class_names: Names of the classes, or None.
            preprocessing: How its pictures became images: fit, and prepare or None.
        """
    def has_fingerprint(self, /, fingerprint: str) -> bool:
        """
        Whether a fingerprint is that of these images; also an older one, without the shape.

        Args:
            fingerprint: SHA-256 in hexadecimal, as a run keeps it.
        """

@final
class Gradients:
    """
    Gradients by parameter. They never change: what changes them gives others.
    """
    def __new__(
        cls,
        /,
        gradients: SupportsGetItem[int, tuple[str, SupportsGetItem[int, SupportsIndex], Buffer]],
    ) -> Gradients:
        """
        Gradients of the given values.

        Args:
            gradients: (name, shape, float32 buffer) for each parameter.

        Raises:
            TrainingError: A name is there twice, or a value is not finite.
        """
    def add(self, /, other: Gradients) -> Gradients:
        """
        The sum with the gradients of the same parameters.

        Raises:
            TrainingError: They are of others.
        """
    def clip_by_norm(self, /, max_norm: SupportsFloat | SupportsIndex) -> Gradients:
        """
        Scaled down where their norm is larger, as PyTorch's clip_grad_norm_ does it.

        Raises:
            ConfigError: The bound is not above 0.
            TrainingError: A value is not finite.
        """
    def clip_by_value(self, /, max_value: SupportsFloat | SupportsIndex) -> Gradients:
        """
        Every value within plus or minus max_value.

        Raises:
            ConfigError: The bound is not above 0.
            TrainingError: A value is not finite.
        """
    def get(self, /, name: str) -> tuple[list[int], bytearray]:
        """
        Shape and float32 values, as bytes, of one gradient.

        Raises:
            KeyError: There is no such parameter.
        """
    def names(self, /) -> list[str]:
        """
        The names of the parameters.
        """
    def norm(self, /) -> float:
        """
        L2 norm over all gradients together.
        """
    def replace(
        self,
        /,
        gradients: SupportsGetItem[int, tuple[str, SupportsGetItem[int, SupportsIndex], Buffer]],
    ) -> Gradients:
        """
        The same with other values for some of the parameters.

        Args:
            gradients: (name, shape, float32 buffer) for each of these.

        Raises:
            TrainingError: There is no such parameter, it has another shape, or a value is not finite.
        """
    def scale(self, /, factor: SupportsFloat | SupportsIndex) -> Gradients:
        """
        Every value times a number.

        Raises:
            ConfigError: The number is not finite.
        """

@final
class ImageFile:
    """
    An uncompressed IDX file of images that stays on disk.
    """
    def __new__(cls, /, path: str | PathLike[str]) -> ImageFile:
        """
        Opens a file, whose size must be what its header says.

        Args:
            path: The file.
        """
    @property
    def offset(self, /) -> int:
        """
        Where the first image begins, in bytes.
        """
    def read(self, /, positions: Buffer) -> bytearray:
        """
        The raw pixels of the images at int64 positions, one behind the other.
        """
    @property
    def shape(self, /) -> tuple[int, int, int, int]:
        """
        Number of images, height, width and channels.
        """

@final
class Loss:
    """
    A loss with its tape.
    """
    def __float__(self, /) -> float: ...
    def backward(self, /) -> Gradients:
        """
        The gradient of the loss for every parameter. Uses up the tape.

        Raises:
            TrainingError: The tape was used before.
        """

@final
class LrScheduler:
    """
    A learning-rate schedule that goes on from step to step.
    """
    def __new__(cls, /, config: str, num_steps: SupportsIndex | None) -> LrScheduler:
        """
        A schedule before its first step.

        Args:
            config: Training configuration, JSON, of which learning_rate and lr_scheduler count.
            num_steps: What a schedule without a length takes; None where it has one.
        """
    def step(self, /) -> float:
        """
        The learning rate of the next step.
        """
    @property
    def steps(self, /) -> int:
        """
        Steps so far.
        """

@final
class Model:
    """
    A network on a device.
    """
    def __new__(
        cls,
        /,
        config: str,
        device: str,
        seed: SupportsIndex,
        class_names: SupportsGetItem[int, str] | None,
    ) -> Model:
        """
        A model with random parameters.

        Args:
            config: Model configuration, JSON.
            device: Where it computes.
            seed: What parameters and dropout masks follow from.
            class_names: Names of the classes, or None.
        """
    @property
    def about(self, /) -> str:
        """
        What is known of it beside its parameters, JSON: config, class_names, preprocessing and statistics.
        """
    def check_image_size(self, /) -> None:
        """
        Refuses a model whose images may be of any size.

        Raises:
            DataError: Their size is not known.
        """
    @property
    def config(self, /) -> str:
        """
        The model configuration, JSON.
        """
    @property
    def device(self, /) -> str:
        """
        Where it computes.
        """
    def evaluate(
        self,
        /,
        dataset: Dataset,
        batch_size: SupportsIndex,
        views: SupportsGetItem[int, str] | None,
        metrics: SupportsGetItem[int, str],
        keep: bool,
    ) -> tuple[float, float, list[list[float]], bytearray | None]:
        """
        Mean loss and accuracy without dropout.

        Args:
            dataset: Images of the model's shape.
            batch_size: Images in a forward pass.
            views: The names of the views whose probabilities are averaged; None for the image alone.
            metrics: The names of metrics.
            keep: Whether the logits are returned.

        Returns:
            Loss, accuracy, the values of each metric, and the logits, float64, [n, num_classes].
        """
    def export(self, /, path: str | PathLike[str], format: str | None, normalise: bool) -> Path:
        """
        Writes the model for another program.

        Args:
            path: The file.
            format: Its format; None for what its extension says.
            normalise: Whether an ONNX graph takes raw pixels.

        Returns:
            The path with its extension.
        """
    def forward(self, /, images: Buffer) -> bytearray:
        """
        Logits without dropout.

        Args:
            images: C-contiguous buffer of raw pixels (uint8) or pixels in 0..1 (float32), n images of the model's shape.

        Returns:
            n x num_classes float32 values, as bytes.
        """
    def forward_classification(
        self,
        /,
        images: Buffer,
        targets: Buffer,
        weights: Buffer | None,
        dropout: tuple[SupportsIndex, SupportsIndex, Buffer] | None,
    ) -> TrainingOutput:
        """
        Cross-entropy and logits with dropout; the tape is recorded.

        Args:
            images: As for forward; at least one.
            targets: n int64 classes.
            weights: n float32 numbers, what the images count in the mean; None for alike.
            dropout: What dropout masks follow from: seed, epoch and n int64 indices; None for the model's own.
        """
    def forward_regression(
        self,
        /,
        images: Buffer,
        targets: Buffer,
        weights: Buffer | None,
        dropout: tuple[SupportsIndex, SupportsIndex, Buffer] | None,
    ) -> TrainingOutput:
        """
        Mean squared error and outputs with dropout; the tape is recorded.

        Args:
            images: As for forward; at least one.
            targets: n x num_classes float32 values.
            weights: As for forward_classification.
            dropout: As for forward_classification.
        """
    @property
    def forwards(self, /) -> int:
        """
        Training forwards so far: dropout masks follow from it.
        """
    @property
    def image_size(self, /) -> tuple[int, int] | None:
        """
        Height and width of its images; None where they are not known.
        """
    @staticmethod
    def load(
        path: str | PathLike[str],
        device: str,
        image_size: tuple[SupportsIndex, SupportsIndex] | None,
        class_names: SupportsGetItem[int, str] | None,
    ) -> Model:
        """
        Loads a model file; format, precision and sizes are read from it.

        Args:
            path: The file.
            device: Where the model computes.
            image_size: Height and width of the images; None for what is known of them.
            class_names: The names of the classes; None for those that are known.
        """
    def load_state_dict(
        self,
        /,
        state: SupportsGetItem[int, tuple[str, SupportsGetItem[int, SupportsIndex], Buffer]],
    ) -> None:
        """
        Replaces the parameters.

        Args:
            state: (name, shape, float32 buffer) for every parameter.
        """
    def log_probabilities(self, /, images: Buffer, views: SupportsGetItem[int, str]) -> bytearray:
        """
        Logarithms of the mean probabilities over views of the images.

        Args:
            images: As for forward.
            views: The names of the views.

        Returns:
            n x num_classes float32 values, as bytes.
        """
    @property
    def num_params(self, /) -> int:
        """
        Number of parameters.
        """
    @staticmethod
    def restore(
        state: bytes, about: str, device: str, seed: SupportsIndex, forwards: SupportsIndex
    ) -> Model:
        """
        A model as state_bytes and the other properties gave it.

        Args:
            state: Its parameters.
            about: What is known of it, JSON.
            device: Where it computes.
            seed: What parameters and dropout masks follow from.
            forwards: Training forwards so far.
        """
    def save(self, /, path: str | PathLike[str], recorder: str, precision: str | None) -> Path:
        """
        Saves a record.

        Args:
            path: The file; the recorder's extension is appended unless it is there.
            recorder: Name of a recorder of Burn.
            precision: "half", "full" or "double"; None for the recorder's own.

        Returns:
            The path with its extension.
        """
    @property
    def seed(self, /) -> int:
        """
        What parameters and dropout masks follow from.
        """
    def state_bytes(self, /) -> bytes:
        """
        The parameters with every bit, as Burn's default recorder writes them.
        """
    def state_dict(self, /) -> list[tuple[str, list[int], bytearray]]:
        """
        The parameters: (name, shape, float32 values as bytes) each.
        """
    def summary(self, /) -> str:
        """
        A table of layers, output shapes and parameters.
        """
    def to(self, /, device: str) -> Model:
        """
        The model on another device; this one stays.
        """

@final
class Optimizer:
    """
    An optimizer with its state.
    """
    def __new__(cls, /, config: str) -> Optimizer:
        """
        An optimizer without state.

        Args:
            config: Optimizer configuration, JSON.
        """
    @staticmethod
    def restore(
        config: str, state: tuple[SupportsGetItem[int, SupportsIndex], str, str]
    ) -> Optimizer:
        """
        An optimizer as its state gave it.

        Args:
            config: Optimizer configuration, JSON.
            state: Burn's record, the configuration of the model it is of, JSON, and the device.
        """
    def state(self, /) -> tuple[bytes, str, str] | None:
        """
        What it has learned of the gradients, as restore takes it; None before the first step.
        """
    def step(
        self, /, learning_rate: SupportsFloat | SupportsIndex, model: Model, gradients: Gradients
    ) -> Model:
        """
        The model after one step; the given one stays as it is.
        """

@final
class Picture:
    """
    A picture as it is seen: upright, without transparency, grey where all of it is grey.
    """
    @staticmethod
    def decode(content: Buffer) -> Picture:
        """
        Reads a picture from the bytes of a file.

        Args:
            content: The bytes.

        Raises:
            DataError: They are no picture, or a broken one; the message says why.
        """
    @property
    def frames(self, /) -> int:
        """
        Frames or pages of the file, of which this is the first.
        """
    @staticmethod
    def from_pixels(
        pixels: Buffer,
        size: tuple[SupportsIndex, SupportsIndex],
        mode: str,
        orientation: SupportsIndex,
    ) -> Picture:
        """
        Takes the pixels of a picture that is decoded already.

        Args:
            pixels: The bytes, row by row.
            size: Width and height.
            mode: What they mean: "L", "LA", "RGB", "RGBA", or "I;16" in the order of bytes of this machine.
            orientation: How the picture is to be turned, 1 to 8 as in EXIF.

        Raises:
            DataError: The picture is too large, or the bytes are too few.
        """
    def image(
        self,
        /,
        shape: tuple[SupportsIndex, SupportsIndex, SupportsIndex],
        preprocessing: tuple[str, str | None],
    ) -> bytearray:
        """
        The raw pixels of the image that a model takes.

        Args:
            shape: Height, width and channels (1 or 3) of the image.
            preprocessing: How the picture becomes an image: fit, and prepare or None.
        """
    @staticmethod
    def is_picture(content: bytes) -> bool:
        """
        Whether bytes begin as the file of a picture does.

        Args:
            content: The bytes, or the first 32 of them.
        """
    @staticmethod
    def open(path: str | PathLike[str]) -> Picture:
        """
        Reads a picture from a file.

        Args:
            path: The file.

        Raises:
            DataError: The file is no picture, or a broken one.
            OSError: The file can't be read.
        """
    @property
    def shape(self, /) -> tuple[int, int, int]:
        """
        Height, width and channels: 1 where it is grey in all pixels, else 3.
        """

@final
class PictureFolder:
    """
    What was read of a folder of pictures.
    """
    @property
    def animated(self, /) -> list[tuple[Path, int]]:
        """
        Pictures of several frames or pages, and how many.
        """
    @property
    def broken(self, /) -> list[tuple[Path, str]]:
        """
        Pictures that can't be read, and why.
        """
    @property
    def class_names(self, /) -> list[str]:
        """
        The names of the classes.
        """
    @property
    def passed_over(self, /) -> dict[str, int]:
        """
        How many files were passed over, by what they are.
        """
    @property
    def pixels(self, /) -> bytearray:
        """
        Raw pixels, image by image.
        """
    @property
    def shape(self, /) -> tuple[int, int, int]:
        """
        Height, width and channels of the images.
        """
    @property
    def shape_rule(self, /) -> str | None:
        """
        Why they have that shape; None where it was asked for.
        """
    @property
    def targets(self, /) -> bytearray:
        """
        The classes of the images, int64 as bytes.
        """

@final
class Ranks:
    """
    The processes that share a run, each of which is a rank.
    """
    def __new__(
        cls,
        /,
        communicator: Any,
        rank: SupportsIndex,
        size: SupportsIndex,
        parts: SupportsIndex | None,
        threads: SupportsIndex | None,
    ) -> Ranks:
        """
        Ranks that a communicator joins.

        Args:
            communicator: Its method `all_reduce` sums float32 numbers, a memoryview of bytes, over all ranks, in place; its method
                `all_gather` gives the bytes of all ranks in their order. Both are called from a thread of the training.
            rank: The number of this process.
            size: How many there are.
            parts: Each batch is cut into so many parts, whose gradients are summed in their order; None for one each.
            threads: The threads of this rank, where the configuration leaves that open.

        Raises:
            ConfigError: parts is no multiple of size.
        """
    def settle(self, /, failure: str | None) -> None:
        """
        Waits until all ranks are here.

        Args:
            failure: What this rank tells the others if it has failed, unless they know; None if it has not.

        Raises:
            TrainingError: A rank has failed.
        """

@final
class RunView:
    """
    A look at a run while its observer is told of an event.
    """
    def history(self, /) -> str:
        """
        What was measured so far, JSON.

        Raises:
            TrainingError: No callback is called.
        """
    def model(self, /) -> Model:
        """
        The model as it is.

        Raises:
            TrainingError: No callback is called.
        """

@final
class TrainingOutput:
    """
    What a training forward gives.
    """
    @property
    def loss(self, /) -> Loss:
        """
        Mean loss of the batch.
        """
    @property
    def losses(self, /) -> bytearray:
        """
        The loss of each image: n float32 values, as bytes.
        """
    @property
    def output(self, /) -> bytearray:
        """
        Logits: n x num_classes float32 values, as bytes.
        """

def augment(
    config: str,
    images: Buffer,
    shape: tuple[SupportsIndex, SupportsIndex, SupportsIndex],
    indices: Buffer,
    seed: SupportsIndex,
    epoch: SupportsIndex,
) -> bytearray:
    """
    Changes images as a training does in an epoch.

    Args:
        config: Augmentation configuration, JSON.
        images: n x height x width x channels raw pixels, uint8.
        shape: Height, width and channels.
        indices: The position of each image in its data set, n int64 values of at least 0.
        seed: That of the training.
        epoch: From 1.

    Returns:
        The changed images, as bytes.

    Raises:
        ConfigError: The configuration breaks a rule.
        DataError: There are not as many bytes as the shape and the indices ask for.
    """

def batch_order(length: SupportsIndex, seed: SupportsIndex, epoch: SupportsIndex) -> bytearray:
    """
    The order in which training goes through `length` images in an epoch, as int64 bytes.
    """

def build_info() -> dict[str, str]:
    """
    How the extension was built: its version, that of Burn, the profile and the back ends.
    """

def burn_config(kind: str, text: str) -> str:
    """
    Checks a configuration and writes it as Burn's type of that name does.

    Args:
        kind: "training", "model", "augmentation", "early_stopping", "checkpoint" or the name of an optimizer, as "adamw".
        text: JSON.

    Returns:
        Indented JSON; keys that Burn lacks are left out where they hold their defaults.

    Raises:
        ConfigError: A key is unknown or a value breaks its rule.
    """

def check_cuda_compiler(architecture: str) -> None:
    """
    Compiles a kernel as CUDA's are, which takes neither a GPU nor a driver.

    Args:
        architecture: That of the GPU, as in "sm_90".

    Raises:
        DeviceError: The compiler or its headers are missing or broken.
    """

def check_weights(weights: Buffer, images: SupportsIndex) -> None:
    """
    Check that there is a weight for each image, a finite number of at least 0.

    Args:
        weights: float32.
        images: The number of images.
    """

def choose_device() -> tuple[str, list[str]]:
    """
    The fastest device that works here, and why faster ones were passed over.

    Raises:
        DeviceError: No device can be used here.
    """

def complete_config(kind: str, text: str) -> str:
    """
    Checks a configuration and fills in its defaults.

    Args:
        kind: "training", "model", "augmentation", "early_stopping", "checkpoint" or the name of an optimizer, as "adamw".
        text: JSON.

    Returns:
        JSON with every key.

    Raises:
        ConfigError: A key is unknown or a value breaks its rule.
    """

def cpu_kernels() -> str:
    """
    What computes on the CPU: the name of an instruction set, as in "avx2", or "burn" for Burn's own operations.

    Raises:
        DeviceError: MNISTBURN_KERNELS asks for one that this processor lacks.
    """

def cuda_driver() -> bool:
    """
    Whether NVIDIA's driver can be loaded.
    """

def cuda_toolkit() -> Path | None:
    """
    The CUDA toolkit whose headers kernels are compiled with: CUDA_PATH, or a usual place of one; None where there is none.
    """

def describe(path: str | PathLike[str]) -> str:
    """
    What is in a model file: JSON with format, precision, tensors, config, about, metadata and problem.
    """

def describe_datasets(
    datasets: SupportsGetItem[int, tuple[str, Dataset]], num_classes: SupportsIndex
) -> str:
    """
    What data sets hold and what is odd about them, as JSON: an object for each, with its warnings.

    Args:
        datasets: The sets with what their images are called, as in ("training images", ...). What is also in the first one is a leak of the others.
        num_classes: Number of classes.
    """

def devices() -> list[tuple[str, str, str, str | None]]:
    """
    The devices this build knows: (device, kind, name, reason why it can't be used or None).
    """

def find_rate(
    config: str,
    device: str,
    train: Dataset,
    valid: Dataset,
    range: tuple[SupportsFloat | SupportsIndex, SupportsFloat | SupportsIndex, SupportsIndex],
) -> tuple[list[float], list[float], list[float], float | None, float | None, bool]:
    """
    Trains a model of its own at growing learning rates, and says how the loss moved. Nothing is written.

    Args:
        config: Training configuration, JSON.
        device: Where it computes.
        train: The images to train with.
        valid: Those to validate on, which are checked and not used.
        range: The first rate, the last one, and the number of steps.

    Returns:
        Rates, losses, smoothed losses, the rate of the steepest descent and a tenth of that of the lowest loss, and whether the loss
        grew out of bounds.
    """

def folder_classes(path: str | PathLike[str]) -> list[str]:
    """
    The names of the sub-folders of a folder of pictures, in the order of the classes.

    Hidden folders and those that archivers and operating systems leave are none.

    Raises:
        DataError: There is no sub-folder.
        OSError: The folder can't be read.
    """

def folder_pictures(path: str | PathLike[str]) -> tuple[list[Path], dict[str, int]]:
    """
    The pictures in a folder and in those below it, sorted, and how many other files there are, by extension.

    Raises:
        OSError: A folder can't be read.
    """

def holds_run(artifact_dir: str | PathLike[str]) -> bool:
    """
    Whether a directory holds a run.
    """

def is_called_picture(name: str) -> bool:
    """
    Whether a file of this name has the extension of a picture.
    """

def is_passed_over(name: str) -> bool:
    """
    Whether a folder of this name is hidden, or one that programs leave.
    """

def load_run(
    artifact_dir: str | PathLike[str],
    device: str,
    epoch: SupportsIndex | None = None,
    last: bool = False,
) -> Model:
    """
    A model of a run, in full precision where a checkpoint of such is kept.

    Args:
        artifact_dir: Where the run is kept.
        device: Where the model computes.
        epoch: The epoch after which; None for the model that the run ended with.
        last: Whether it is the model after the last step, whatever the run ended with.

    Raises:
        ArtifactError: The checkpoint of the epoch is not kept.
        RecordError: The record is broken.
        OSError: The directory holds no run.
    """

def part_named(name: str) -> str | None:
    """
    The part of a data set that a folder of this name holds: "train", "valid" or "test"; None for the name of none.
    """

def prepare_digit(
    grey: Buffer,
    size: tuple[SupportsIndex, SupportsIndex],
    shape: tuple[SupportsIndex, SupportsIndex, SupportsIndex],
) -> tuple[bytearray, tuple[bool, bool, bool]]:
    """
    Makes a picture of a digit as MNIST was made: light strokes on a dark ground, fitted into 20 x 20 pixels, placed by their mass.

    Args:
        grey: Pixels of the picture, uint8, C-contiguous.
        size: Its height and width.
        shape: Height, width and channels of the image.

    Returns:
        The raw pixels of the image, and whether the picture was inverted, moved (cropped, scaled or centred), and blank.

    Raises:
        DataError: There are not as many pixels as the size says.
    """

def read_folder(
    path: str | PathLike[str],
    size: tuple[SupportsIndex, SupportsIndex] | None,
    channels: SupportsIndex | None,
    preprocessing: tuple[str, str | None],
    class_names: SupportsGetItem[int, str] | None,
    progress: Any | None,
) -> PictureFolder:
    """
    Reads a folder of pictures with a sub-folder for each class.

    Args:
        path: The folder.
        size: Height and width of the images; None for what the pictures have in common.
        channels: 1 for grey, 3 for colours; None for what the pictures have.
        preprocessing: How pictures become images: fit, and prepare or None.
        class_names: The classes; None for the names of the sub-folders.
        progress: Called now and then with the pictures read so far and their number.

    Raises:
        DataError: There is no sub-folder or no picture, or the sub-folders are no classes.
        OSError: A folder can't be read.
    """

def read_idx(path: str | PathLike[str], sha256: str | None = None) -> tuple[list[int], bytearray]:
    """
    Reads an IDX file of unsigned bytes, plain or gzip-compressed.

    Args:
        path: The file.
        sha256: Expected hash of the uncompressed file, in hexadecimal.

    Returns:
        Shape and bytes.

    Raises:
        DataError: The file is broken, or its hash is another.
        OSError: The file can't be read.
    """

def resolve_device(device: str) -> str:
    """
    The device that a string stands for, in its shortest form.

    Raises:
        DeviceError: There is no such device, or it can't be used here.
    """

def run_files() -> list[str]:
    """
    The names of all that a run may have in its directory.
    """

def run_history(artifact_dir: str | PathLike[str]) -> str:
    """
    What a run has measured, JSON: of one that was killed or is on, up to its newest whole checkpoint.

    Raises:
        ArtifactError: There is no checkpoint yet, or a file of the history is damaged.
        OSError: A file can't be read.
    """

def settle_run(artifact_dir: str | PathLike[str]) -> None:
    """
    Does what is left to do where a process was killed while its run took the place of an older one.

    Raises:
        ArtifactError: A run has been about that for too long.
        OSError: A file can't be moved or removed.
    """

def split_indices(
    targets: Buffer, fraction: SupportsFloat | SupportsIndex, seed: SupportsIndex
) -> tuple[bytearray, bytearray]:
    """
    Splits indices in two, class by class.

    Args:
        targets: int64 classes.
        fraction: Share of each class in the second half, above 0 and below 1.
        seed: What the choice follows from.

    Returns:
        The indices of both halves, ascending, as int64 bytes.

    Raises:
        DataError: The share is out of range, or leaves nothing on one side.
    """

def train(
    artifact_dir: str | PathLike[str],
    config: str,
    devices: SupportsGetItem[int, str],
    train: Dataset,
    valid: Dataset,
    start: Model | None,
    start_path: str | None,
    resume: bool,
    overwrite: bool,
    early_stopping: str | None,
    retention: str | None,
    metrics: SupportsGetItem[int, str],
    config_given: bool,
    data_source: str,
    observer: Any | None,
    every: SupportsGetItem[int, SupportsIndex],
    wants_all: bool,
    ranks: Ranks | None,
) -> Model:
    """
    Trains a model, and keeps the run in a directory.

    Args:
        artifact_dir: Where the run is kept.
        config: Training configuration, JSON.
        devices: Where it computes; several of one kind share each step.
        train: The images to train with.
        valid: The images to validate on.
        start: The model that a new run begins with; None for random parameters.
        start_path: Where that came from; None where it was in memory.
        resume: Whether to go on with the run in the directory.
        overwrite: Whether a new run may take the place of one in the directory.
        early_stopping: When the run stops because it gets no better, JSON; None leaves a resumed run as it was.
        retention: Which checkpoints are kept, JSON; None leaves a resumed run as it was.
        metrics: The names of the metrics that the observer measures.
        config_given: Whether config is the caller's; otherwise a resumed run has its own.
        data_source: Where the data come from, JSON; kept with the run.
        observer: Called with events, a JSON list of objects, and a view of the run; a true answer stops the run after the current
            batch. Its method `measure` is called with logits, float64, [n, num_classes], and targets, int64, [n], and gives the
            values of the metrics.
        every: The trainer waits for the observer after each step of the run whose number one of these divides.
        wants_all: Whether the observer is told of the beginnings of steps, and of the beginning and the end of validations.
        ranks: The processes that share the run; None for this one alone.

    Returns:
        The model after the last step.
    """

def unlike(
    statistics: str,
    images: Buffer,
    shape: tuple[SupportsIndex, SupportsIndex, SupportsIndex],
    pictures: bool,
) -> list[tuple[str, str]]:
    """
    How images are unlike those that a model was trained with.

    Args:
        statistics: What the training images looked like, JSON.
        images: n images of the shape, uint8, C-contiguous.
        shape: Height, width and channels.
        pictures: Whether the images were read from pictures, else they are arrays; decides the way out that is named.

    Returns:
        For each difference its kind ("inverted", "scale", "blank" or "border") and the words.

    Raises:
        DataError: The statistics are broken, or there are not as many bytes as whole images have.
    """
