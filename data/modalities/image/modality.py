"""Images: files in one folder per class, grey or colour, of any size.

Raw examples hold the bytes of PNG and JPEG files as they are; of pictures that are not upright, are transparent or of
another format, which TensorFlow would decode otherwise or not at all, a PNG made by the client's own function.
Transformed ones hold the resized image as a PNG of uint8 pixels (lossless, and a fraction of what an int64 list of
pixels would take), so that augmentation acts on uint8 and the normalisation, by the train split's own statistics,
heads the model.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from modelmill.data.batch import Batch, mix_plain_targets
from modelmill.data.modalities.image import client
from modelmill.data.modalities.image.config import ImageConfig, ImagePolicy
from modelmill.data.modality import Described, Modality
from modelmill.data.readers import tfrecords
from modelmill.data.spec import LABEL, BadExampleError, Features, ModalityFacts, Spec, TensorSpec
from modelmill.data.splits import SplitConfig

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft
    from PIL.Image import Image

    from modelmill.data.profiling.draft import Asked, Draft
    from modelmill.data.profiling.fingerprints import Fingerprint

PNG = b"\x89PNG"  # how such a file begins
THUMBNAIL = 12  # pixels a side, of what fingerprints compare


class Images(Modality[ImageConfig]):
    """Pictures; the model takes uint8 pixels [height, width, channels]."""

    Config, Policy = ImageConfig, ImagePolicy
    PATTERN = "*/*"
    DESCRIBED = ("image", LABEL, "height", "width")
    INPUT = "image"
    CLIENT = "modelmill.data.modalities.image.client"
    BYTES = True
    SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
    PLACEHOLDERS: ClassVar[Mapping[str, Any]] = {"height": 64, "width": 64}
    COMPACT = True
    EXPLAINED = "pixels"

    def examples(self, path: str, contents: bytes, config: ImageConfig) -> Iterator[Features]:
        """One image a file."""
        import warnings

        from PIL import Image

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # ours to judge, by max_pixels
                # The checksums first: decoding forgives a missing end, which TensorFlow would not.
                with Image.open(io.BytesIO(contents), formats=client.FORMATS) as image:
                    _check_size(path, *image.size, config)
                    image.verify()
                with Image.open(io.BytesIO(contents), formats=client.FORMATS) as image:
                    _channels(path, image)
                found = client.standard(contents)
                with Image.open(io.BytesIO(found), formats=client.FORMATS) as image:
                    width, height = image.size
                    channels = _channels(path, image)
                    image.load()
        except BadExampleError:
            raise
        except Image.DecompressionBombError as error:
            raise BadExampleError(f"{path}: {error}; data.max_pixels allows {config.max_pixels:,}") from error
        except (OSError, SyntaxError, ValueError) as error:
            why = "its end is missing" if "truncated" in str(error).lower() else str(error).split(" <_io")[0]
            advice = client.FILES + " can" + (", HEIC has to be converted" if contents[4:8] == b"ftyp" else "")
            raise BadExampleError(f"{path}: no image that can be decoded ({why}); {advice}") from error
        yield {"image": found, "height": height, "width": width, "channels": channels}

    def stream_pattern(self, config: ImageConfig) -> str:
        """Return the field `files`."""
        return config.files

    def stream(self, path: str, name: str, config: ImageConfig, split: SplitConfig) -> Iterator[Features]:
        """Yield the examples of TFRecords."""
        return tfrecords.stream(path, name, config, split)

    def columns(self, config: ImageConfig) -> dict[str, str]:
        """Return the further features of TFRecords, all of them strings."""
        return tfrecords.columns(config)

    def preprocess(self, inputs: dict[str, tf.Tensor], config: ImageConfig) -> dict[str, tf.Tensor]:
        """image string -> image string (PNG), mean and stddev float32 [batch, channels]."""
        import tensorflow as tf
        import tensorflow_transform as tft

        encoded = tf.reshape(inputs["image"], [-1])
        images = tf.map_fn(lambda one: _decode(one, config), encoded, fn_output_signature=tf.uint8)
        images = tf.ensure_shape(images, [None, config.height, config.width, config.channels])
        # Whole numbers: unlike floats they have the same sum in whatever order Beam adds them up, in the last bit, too.
        sums = tf.map_fn(_sums, images, fn_output_signature=tf.TensorSpec([3, config.channels], tf.int64))
        count, total, squares = tf.unstack(tf.cast(tft.sum(sums, reduce_instance_dims=False), tf.float64))
        variance = squares / count - (total / count) ** 2
        mean, stddev = (tf.cast(found, tf.float32) for found in (total / count, tf.sqrt(tf.maximum(variance, 1.0))))
        return {
            "image": tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.string),
            "mean": tf.repeat(mean[tf.newaxis], tf.shape(encoded)[0], axis=0),
            "stddev": tf.repeat(stddev[tf.newaxis], tf.shape(encoded)[0], axis=0),
        }

    def expected(self, config: ImageConfig) -> Described:
        """Without the statistics of the data."""
        return _described(config, [0.0] * config.channels, [1.0] * config.channels)

    def describe(self, output: tft.TFTransformOutput, example: bytes, config: ImageConfig) -> Described:
        """With the statistics that Transform wrote into each example."""
        import tensorflow as tf

        floats = tf.io.FixedLenFeature([config.channels], tf.float32)
        statistics = tf.io.parse_single_example(example, {"mean": floats, "stddev": floats})
        return _described(config, statistics["mean"].numpy().tolist(), statistics["stddev"].numpy().tolist())

    def features(self, spec: Spec) -> dict[str, Any]:
        """A PNG."""
        import tensorflow as tf

        return {"image": tf.io.FixedLenFeature([], tf.string)}

    def from_transformed(self, features: dict[str, tf.Tensor], spec: Spec) -> tf.Tensor:
        """Transformed features to images uint8 [batch, *shape]."""
        import tensorflow as tf

        def decode(one: tf.Tensor) -> tf.Tensor:
            return tf.io.decode_png(one, channels=spec.input.shape[2])

        images = tf.map_fn(decode, tf.reshape(features["image"], [-1]), fn_output_signature=tf.uint8)
        return tf.ensure_shape(images, [None, *spec.input.shape])

    def augment(self, batch: Batch, seeds: tf.Tensor, policy: ImagePolicy, spec: Spec) -> Batch:
        """Augment images uint8 [batch, height, width, channels], and move masks, boxes and points as their pixels.

        See augment/pipeline.py and augment/targets.py.
        """
        from modelmill.data.modalities.image.augment import pipeline, targets

        images, matrix = pipeline.augment_with_matrix(batch[spec.input.name], seeds, policy)
        moved = {} if matrix is None else targets.move(batch, matrix, spec)
        return {**batch, **moved, spec.input.name: images}

    def mix(self, batch: Batch, seeds: tf.Tensor, policy: ImagePolicy, spec: Spec) -> Batch:
        """MixUp and CutMix of images uint8 [batch, height, width, channels]; CutMix pastes masks, too.

        See augment/mixup_cutmix.py.
        """
        from modelmill.data.modalities.image.augment import mixup_cutmix, targets

        images, share, inside = mixup_cutmix.mix(batch[spec.input.name], seeds, policy)
        mixed = {**targets.paste(batch, inside, spec), **mix_plain_targets(batch, share, spec)}
        return {**batch, **mixed, spec.input.name: images}

    def encode(self, input: tf.Tensor) -> dict[str, tf.Tensor]:
        """An image uint8 [height, width, channels] to its PNG."""
        import tensorflow as tf

        return {"image": tf.io.encode_png(input)}

    def decode(self, content: bytes, config: ImageConfig) -> tf.Tensor:
        """An encoded image to uint8 [height, width, channels]."""
        import tensorflow as tf

        return _decode(tf.convert_to_tensor(content), config)

    def show(self, input: tf.Tensor, config: ImageConfig) -> tuple[str, bytes]:
        """A PNG."""
        return "image/png", self.encode(input)["image"].numpy()

    def show_raw(self, example: Mapping[str, Any], config: ImageConfig) -> tuple[str, bytes]:
        """Return the file as it is."""
        content = bytes(example["image"])
        return "image/png" if content.startswith(PNG) else "image/jpeg", content

    def filename(self, content: bytes) -> str:
        """A name with the suffix of the image's format."""
        return "image.png" if content.startswith(PNG) else "image.jpg"

    def client_config(self, config: ImageConfig, spec: Spec) -> dict[str, Any]:
        """The size to which the reference client resizes."""
        return {"height": config.height, "width": config.width, "channels": config.channels}

    def fingerprint(self, example: Mapping[str, Any]) -> Fingerprint:
        """Return a difference hash (is each of 16 x 16 pixels lighter than its left neighbour?) and a thumbnail."""
        import numpy as np
        from PIL import Image

        from modelmill.data.profiling import fingerprints

        seen = Image.fromarray(client.pixels(bytes(example["image"]), 3))
        grey = np.asarray(seen.convert("L").resize((17, 16), Image.Resampling.BILINEAR), np.int16)
        small = seen.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
        pixels = np.asarray(small, np.float32).ravel() / np.float32(255)
        return fingerprints.Fingerprint(fingerprints.bits(np.diff(grey, axis=1)), pixels)

    def draft(self, asked: Asked) -> Draft:
        """Draft an experiment; see data/modalities/image/draft.py."""
        from modelmill.data.modalities.image import draft

        return draft.draft(asked)


def _described(config: ImageConfig, mean: list[float], stddev: list[float]) -> Described:
    pixels = TensorSpec(
        name="image",
        shape=(config.height, config.width, config.channels),
        dtype="uint8",
        mean=tuple(mean),
        stddev=tuple(stddev),
    )
    return (pixels,), ModalityFacts()


def _check_size(path: str, width: int, height: int, config: ImageConfig) -> None:
    if width * height > config.max_pixels:
        raise BadExampleError(f"{path}: {width} x {height} pixels; data.max_pixels allows {config.max_pixels:,} in all")


def _channels(path: str, image: Image) -> int:
    """Return how many channels an opened file has once decoded: 1 of grey or 3 of colour, one more with transparency.

    A palette's pixels are numbers of its colours, so the file itself has one channel, but what is decoded has those of
    the colours: one if all of them are grey. Call this before the pixels are loaded: some versions of Pillow then add
    colours to the palette that the file does not have.
    """
    import numpy as np

    if image.mode != "P":
        return len(image.getbands())
    content = bytes(image.palette.getdata()[1]) if image.palette else b""
    if not content or len(content) % 3:  # TensorFlow refuses it; Pillow makes up colours
        raise BadExampleError(f"{path}: no image that can be decoded (its palette is missing or cut)")
    colours = np.frombuffer(content, np.uint8).reshape(-1, 3)
    return (1 if (colours == colours[:, :1]).all() else 3) + ("transparency" in image.info)


def _sums(image: tf.Tensor) -> tf.Tensor:
    """Return the number of pixels of an image, their sum, and that of their squares: int64 [3, channels]."""
    import tensorflow as tf

    pixels = tf.cast(image, tf.int64)
    return tf.reduce_sum(tf.stack([tf.ones_like(pixels), pixels, pixels**2]), axis=[1, 2])


def _decode(encoded: tf.Tensor, config: ImageConfig) -> tf.Tensor:
    """Encoded PNG or JPEG, a scalar, to uint8 [height, width, channels]."""
    import tensorflow as tf

    # decode_jpeg takes PNG too, and only it can be told to decode JPEG accurately, as Pillow does on the device.
    image = tf.io.decode_jpeg(encoded, channels=config.channels, dct_method="INTEGER_ACCURATE")
    resized = tf.image.resize(image, [config.height, config.width], method="bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)
