"""Features of any frozen image encoder that was exported to an ONNX file, such as DINOv2 or CLIP."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from bench.interfaces import Context, Float, Items, Unavailable
from methods.backbones import ImageSize
from methods.parameters import Natural, Positive, Share, check_values

BATCH = 32
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


@dataclass(kw_only=True, eq=False)
class Onnx:
    """An output of the encoder in an ONNX file, by ONNX Runtime: ``pip install -e '.[foundation]'``.

    What the backbone has seen stands in the column ``remarks``. The file must hold its weights itself: keys know
    nothing of tensors in other files.

    ``path``: the file, whose input is float32 [b, 3, ``image_size``, ``image_size``]
    ``sha256``: the file's digest, or its first digits; "" checks nothing
    ``seen``: the data that the encoder was trained on; "" says what is known by the file's name
    ``image_size``, ``resize``, ``interpolation``, ``mean``, ``std``: the shorter side of an image is resized to
        ``resize`` pixels (0: the image is squashed), the middle cropped, and pixels of 0 to 1 normalised
    ``input``, ``output``: names of tensors; "" is the first of the file
    ``pooling``: of tokens [b, t, d] the first ("first") or the mean, of maps [b, d, h, w] the mean, of vectors "none"
    ``normalise``: features have unit length
    """

    path: Path | None = None
    sha256: str = ""
    seen: str = ""
    image_size: ImageSize = 224
    resize: Natural = 256
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    mean: tuple[Share, Share, Share] = (0.485, 0.456, 0.406)
    std: tuple[Positive, Positive, Positive] = (0.229, 0.224, 0.225)
    input: str = ""
    output: str = ""
    pooling: Literal["none", "first", "mean"] = "none"
    normalise: bool = True

    def __post_init__(self) -> None:
        check_values(type(self), {"image_size": self.image_size, "resize": self.resize, "pooling": self.pooling})
        if 0 < self.resize < self.image_size:
            raise ValueError(f"resize = {self.resize}: must be 0, or at least image_size = {self.image_size}")
        if self.path is not None:
            _check_file(self.path)
        self._session: Any = None

    def fit(self, train: Items, context: Context) -> Self:
        """Open the file; nothing is trained.

        Raises ValueError: the file is missing or unfit. Raises Unavailable: onnxruntime is not installed.
        """
        from methods.embedding.preprocessing import Preprocessing, seen
        from methods.trunk import images_of

        images_of(train)
        if self.path is None:
            raise ValueError("path is missing: --set onnx.path=FILE.onnx names the encoder")
        if find_spec("onnxruntime") is None:
            raise Unavailable("onnxruntime is not installed: python -m pip install -e '.[foundation]'")
        self._session = self._opened(self.path, context.device)
        self._input = _named(self._session.get_inputs(), self.input, "input")
        self._output = _named(self._session.get_outputs(), self.output, "output").name
        self._check_input()
        self._preprocessing = Preprocessing(self.image_size, self.resize, self.interpolation, self.mean, self.std)
        context.say(seen(self.seen, self.path.name))
        self.dim = self._features(train, range(1)).shape[1]
        return self

    def embed(self, items: Items) -> Float:
        """float32 [n, dim]."""
        if self._session is None:
            raise ValueError("onnx: fit comes before embed")
        fixed = self._input.shape[0]
        step = fixed if isinstance(fixed, int) else BATCH
        starts = range(0, len(items), step)
        made = [self._features(items, range(start, min(start + step, len(items)))) for start in starts]
        return np.concatenate(made) if made else np.empty((0, self.dim), np.float32)

    def _opened(self, path: Path, device: str) -> Any:
        import onnxruntime

        if not sha256(path.read_bytes()).hexdigest().startswith(self.sha256.lower()):
            raise ValueError(f"sha256 = {self.sha256!r}: {path} has another digest")
        wanted = ["CPUExecutionProvider"] if device == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
        offered = onnxruntime.get_available_providers()
        try:
            return onnxruntime.InferenceSession(str(path), providers=[one for one in wanted if one in offered])
        except Exception as fault:
            raise ValueError(f"path = {path}: no ONNX file that onnxruntime opens ({fault})") from fault

    def _check_input(self) -> None:
        """Raises ValueError: the file's input takes no images of this size."""
        right = [3, self.image_size, self.image_size]
        shape = list(self._input.shape)
        fits = len(shape) == 4 and all(
            not isinstance(side, int) or side == own for side, own in zip(shape[1:], right, strict=True)
        )
        if not fits or self._input.type != "tensor(float)":
            raise ValueError(
                f"path = {self.path}: input {self._input.name!r} is {self._input.type} {shape}; "
                f"right is tensor(float) [b, 3, {self.image_size}, {self.image_size}] (image_size = {self.image_size})"
            )

    def _features(self, items: Items, rows: range) -> Float:
        """The pooled features of the items at ``rows``, float32 [b, dim]. A file of a fixed batch gets full ones."""
        from methods.embedding.preprocessing import unit_length
        from methods.trunk import images_of

        batch = self._preprocessing.read(images_of(items), rows)
        fixed = self._input.shape[0]
        if isinstance(fixed, int):
            batch = np.concatenate([batch, np.repeat(batch[-1:], fixed - len(batch), axis=0)])
        made = self._session.run([self._output], {self._input.name: batch})[0][: len(rows)]
        features = np.array(self._pooled(made), dtype=np.float32)
        return unit_length(features) if self.normalise else features

    def _pooled(self, made: Float) -> Float:
        """Raises ValueError: the pooling does not go with the shape of the output."""
        match self.pooling, made.ndim:
            case "none", 2:
                return made
            case "first", 3:
                return made[:, 0]
            case "mean", 3:
                return made.mean(axis=1)
            case "mean", 4:
                return made.mean(axis=(2, 3))
        right = {2: "'none'", 3: "'first' or 'mean'", 4: "'mean'"}.get(made.ndim, "none of them: name another output")
        raise ValueError(f"pooling = {self.pooling!r}: output {self._output!r} is {list(made.shape)}; right is {right}")


def _check_file(path: Path) -> None:
    """Raises ValueError: there is no such file, or it is a pickle under another name."""
    if not path.is_file():
        raise ValueError(f"path = {path}: there is no such file")
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(PICKLES):
        raise ValueError(f"path = {path}: a pickle or an archive of torch.save, which is not opened; right is ONNX")


def _named(tensors: list[Any], name: str, what: str) -> Any:
    known = [one.name for one in tensors]
    if name and name not in known:
        raise ValueError(f"{what} = {name!r}: the file has {', '.join(known)}")
    return tensors[known.index(name) if name else 0]
