"""Images: PNG and JPEG files in one folder per class, grey or colour, of any size.

Raw examples hold the encoded bytes. Transformed ones hold the resized image as a PNG of uint8 pixels (lossless, and
a fraction of what an int64 list of pixels would take), so that augmentation acts on uint8 and the normalisation,
by the train split's own statistics, heads the model.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from modelmill.data.modalities.image.config import Config as Config
from modelmill.data.modalities.image.config import Policy as Policy
from modelmill.data.readers import tfrecords
from modelmill.data.spec import LABEL, BadExampleError, Features, Spec

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft
    from PIL.Image import Image

PATTERN = "*/*"
DESCRIBED = ("image", LABEL, "height", "width")
INPUT = "image"
CLIENT = "modelmill.data.modalities.image.client"
BYTES = True
FORMATS = ("PNG", "JPEG")


# Where `files` names TFRecords, each of many examples.
stream, columns = tfrecords.stream, tfrecords.columns


def examples(path: str, contents: bytes, config: Config) -> Iterator[Features]:
    """One image a file."""
    import warnings

    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # ours to judge, by max_pixels
            # The checksums first: decoding forgives a missing end, which TensorFlow would not.
            with Image.open(io.BytesIO(contents), formats=FORMATS) as image:
                _check_size(path, *image.size, config)
                image.verify()
            with Image.open(io.BytesIO(contents), formats=FORMATS) as image:
                width, height = image.size
                if image.mode == "CMYK":
                    raise BadExampleError(f"{path}: a CMYK image; allowed are grey and RGB, convert it")
                channels = _channels(path, image)
                image.load()
    except Image.DecompressionBombError as error:
        raise BadExampleError(f"{path}: {error}; data.max_pixels allows {config.max_pixels:,}") from error
    except (OSError, SyntaxError) as error:
        why = "its end is missing" if "truncated" in str(error).lower() else str(error).split(" <_io")[0]
        raise BadExampleError(f"{path}: no PNG or JPEG image that can be decoded ({why})") from error
    yield {"image": contents, "height": height, "width": width, "channels": channels}


def _check_size(path: str, width: int, height: int, config: Config) -> None:
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
        raise BadExampleError(f"{path}: no PNG or JPEG image that can be decoded (its palette is missing or cut)")
    colours = np.frombuffer(content, np.uint8).reshape(-1, 3)
    return (1 if (colours == colours[:, :1]).all() else 3) + ("transparency" in image.info)


def preprocess(inputs: dict[str, tf.Tensor], config: Config) -> dict[str, tf.Tensor]:
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


def _sums(image: tf.Tensor) -> tf.Tensor:
    """Return the number of pixels of an image, their sum, and that of their squares: int64 [3, channels]."""
    import tensorflow as tf

    pixels = tf.cast(image, tf.int64)
    return tf.reduce_sum(tf.stack([tf.ones_like(pixels), pixels, pixels**2]), axis=[1, 2])


def _decode(encoded: tf.Tensor, config: Config) -> tf.Tensor:
    """Encoded PNG or JPEG, a scalar, to uint8 [height, width, channels]."""
    import tensorflow as tf

    # decode_jpeg takes PNG too, and only it can be told to decode JPEG accurately, as Pillow does on the device.
    image = tf.io.decode_jpeg(encoded, channels=config.channels, dct_method="INTEGER_ACCURATE")
    resized = tf.image.resize(image, [config.height, config.width], method="bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


def expected(config: Config) -> Spec:
    """Without the statistics of the data."""
    shape, channels = (config.height, config.width, config.channels), config.channels
    return Spec(modality="image", shape=shape, dtype="uint8", mean=(0.0,) * channels, stddev=(1.0,) * channels)


def spec(output: tft.TFTransformOutput, example: bytes, config: Config) -> Spec:
    """With the statistics that Transform wrote into each example."""
    import tensorflow as tf

    floats = tf.io.FixedLenFeature([config.channels], tf.float32)
    statistics = tf.io.parse_single_example(example, {"mean": floats, "stddev": floats})
    return Spec(
        modality="image",
        shape=(config.height, config.width, config.channels),
        dtype="uint8",
        mean=tuple(statistics["mean"].numpy().tolist()),
        stddev=tuple(statistics["stddev"].numpy().tolist()),
    )


def features(spec: Spec) -> dict[str, Any]:
    """A PNG."""
    import tensorflow as tf

    return {"image": tf.io.FixedLenFeature([], tf.string)}


def from_transformed(features: dict[str, tf.Tensor], spec: Spec) -> tf.Tensor:
    """Transformed features to images uint8 [batch, *spec.shape]."""
    import tensorflow as tf

    def decode(one: tf.Tensor) -> tf.Tensor:
        return tf.io.decode_png(one, channels=spec.shape[2])

    images = tf.map_fn(decode, tf.reshape(features["image"], [-1]), fn_output_signature=tf.uint8)
    return tf.ensure_shape(images, [None, *spec.shape])


def augment(inputs: tf.Tensor, seeds: tf.Tensor, policy: Policy) -> tf.Tensor:
    """Augments images uint8 [batch, height, width, channels]; see data/modalities/image/augment/pipeline.py."""
    from modelmill.data.modalities.image.augment import pipeline

    return pipeline.augment(inputs, seeds, policy)


def mix(inputs: tf.Tensor, labels: tf.Tensor, seeds: tf.Tensor, policy: Policy) -> tuple[tf.Tensor, tf.Tensor]:
    """MixUp and CutMix of images uint8 [batch, height, width, channels]; see augment/mixup_cutmix.py."""
    from modelmill.data.modalities.image.augment import mixup_cutmix

    return mixup_cutmix.mix(inputs, labels, seeds, policy)


def encode(input: tf.Tensor) -> dict[str, tf.Tensor]:
    """An image uint8 [height, width, channels] to its PNG."""
    import tensorflow as tf

    return {"image": tf.io.encode_png(input)}


def decode(content: bytes, config: Config) -> tf.Tensor:
    """An encoded image to uint8 [height, width, channels]."""
    import tensorflow as tf

    return _decode(tf.constant(content), config)


def show(input: tf.Tensor, config: Config) -> tuple[str, bytes]:
    """A PNG."""
    return "image/png", encode(input)["image"].numpy()


def filename(content: bytes) -> str:
    """A name with the suffix of the image's format."""
    return "image.png" if content.startswith(b"\x89PNG") else "image.jpg"


def client_config(config: Config, spec: Spec) -> dict[str, Any]:
    """The size to which the reference client resizes."""
    return {"height": config.height, "width": config.width, "channels": config.channels}
