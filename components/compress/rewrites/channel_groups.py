"""Which channels of a Functional model belong together: they can be removed only together.

A *space* is a set of channels that some layers make (convolutions, dense, recurrent ones and embeddings) and others
read. What is added must have the same channels, so an addition ties the spaces of its inputs; a concatenation lays
them one behind the other; flattening repeats them position by position. A layer that is not known here is a barrier:
what goes into it and what comes out keeps all its channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from modelmill.components.compress.rewrites import functional
from modelmill.components.upstream import keras_internals

if TYPE_CHECKING:
    import tf_keras

# Of layers that change nothing about the channels, or work on each by itself.
PASSING = {
    *("ReLU", "LeakyReLU", "ELU", "ThresholdedReLU", "Dropout", "GaussianNoise", "GaussianDropout", "AlphaDropout"),
    *(f"SpatialDropout{rank}D" for rank in (1, 2)),
    *(f"{kind}Pooling{rank}D" for kind in ("Max", "Average", "GlobalMax", "GlobalAverage") for rank in (1, 2)),
    *(f"{kind}{rank}D" for kind in ("ZeroPadding", "Cropping", "UpSampling") for rank in (1, 2)),
}
# Of ours, by the names under which Keras knows them, those that lay channels one behind the other.
JOINING = {"modelmill>BothWays"}
NORMS = {"BatchNormalization", "LayerNormalization"}
DEPTHWISE = {"DepthwiseConv1D", "DepthwiseConv2D"}
CONVOLUTIONS = {"Conv1D", "Conv2D", "Conv1DTranspose", "Conv2DTranspose", "SeparableConv1D", "SeparableConv2D"}
RECURRENT = {"LSTM": 4, "GRU": 3}  # and how many gates
MERGING = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"}
# What a layer that makes channels calls their number in its config.
WIDTHS = {"Dense": "units", "Embedding": "output_dim", **dict.fromkeys(RECURRENT, "units")}
WIDTHS |= dict.fromkeys(CONVOLUTIONS, "filters")

# Channels of a tensor: pieces one behind the other, each (spaces, how often all of them are repeated).
Layout = tuple[tuple[tuple[int, ...], int], ...]


@dataclass
class Space:
    """Channels that are removed together, or not at all: then `fixed` says why."""

    size: int
    makers: list[tf_keras.layers.Layer] = field(default_factory=list)
    norms: list[tf_keras.layers.Layer] = field(default_factory=list)
    fixed: str = ""


class Channels:
    """The spaces of a model, and in which of them each layer reads and writes."""

    def __init__(self, model: tf_keras.Model) -> None:
        self._spaces: list[Space] = []
        self._root: list[int] = []
        self._calls = functional.calls(model)
        self._layouts: dict[str, Layout] = {}
        self.reads: dict[str, list[Layout]] = {}
        self.writes: dict[str, Layout] = {}
        for one in model.inputs:
            self._layouts[str(id(one))] = self._new(int(one.shape[-1] or 0), fixed="it is the model's input")
        for node in keras_internals.nodes(model):
            self._visit(node)
        for one in model.outputs:
            self._fix(self._layouts[str(id(one))], "it is the model's output")

    def spaces(self) -> dict[int, Space]:
        """By number: each set of tied channels once."""
        return {number: space for number, space in enumerate(self._spaces) if self._find(number) == number}

    def kept(self, layout: Layout, keep: dict[int, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        """Which channels of a tensor are left, bool [channels], if those of each space in `keep` are."""
        pieces = []
        for numbers, repeat in layout:
            roots = [self._find(number) for number in numbers]
            one = [keep.get(root, np.ones(self._spaces[root].size, bool)) for root in roots]
            pieces.append(np.tile(np.concatenate(one), repeat))
        return np.concatenate(pieces)

    def _visit(self, node: Any) -> None:
        import tensorflow as tf
        import tf_keras

        layer, kind = node.layer, type(node.layer).__name__
        tensors = list(node.keras_inputs)
        layouts = [self._layouts[str(id(tensor))] for tensor in tensors]
        reason = self._barrier(layer, kind, tensors, layouts)
        if reason:
            for layout in layouts:
                self._fix(layout, f"{layer.name} reads them, and {reason}")
            for name, output in zip(node.flat_output_ids, tf.nest.flatten(node.outputs), strict=True):
                self._layouts[name] = self._new(int((output.shape[-1] if output.shape.rank else 0) or 0), fixed=reason)
            return
        if kind in WIDTHS:
            made = self._new(int(layer.get_config()[WIDTHS[kind]]), layer)
        elif kind == "Concatenate" or tf_keras.utils.get_registered_name(type(layer)) in JOINING:
            made = tuple(piece for layout in layouts for piece in layout)
        elif kind == "Flatten" and tensors[0].shape.rank > 2:
            positions = int(np.prod(tensors[0].shape[1:-1]))
            made = tuple((numbers, repeat * positions) for numbers, repeat in layouts[0])
        else:
            made = layouts[0]
        for other in layouts[1:] if kind in MERGING else ():
            self._tie(made, other)
        if kind in NORMS:
            self._norm(layer, made)
        self.reads[layer.name], self.writes[layer.name] = layouts, made
        (output,) = node.flat_output_ids
        self._layouts[output] = made

    def _barrier(self, layer: Any, kind: str, tensors: list[Any], layouts: list[Layout]) -> str:
        """Why a layer can't be seen through; empty if it can."""
        import tf_keras
        from tf_keras import layers

        config = layer.get_config()
        if tf_keras.utils.get_registered_name(type(layer)) in JOINING:
            return ""
        if type(layer) is not getattr(layers, kind, None):
            return f"what {kind} does with channels is not known"
        if self._calls[layer.name] > 1:
            return f"{layer.name} is called more than once"
        if config.get("data_format", "channels_last") != "channels_last":
            return f"{layer.name} has its channels first"
        if config.get("groups", 1) != 1 or config.get("depth_multiplier", 1) != 1:
            return f"{layer.name} works on groups of channels"
        if kind in NORMS | {"Concatenate"}:
            last = tensors[0].shape.rank - 1
            axis = config["axis"] if isinstance(config["axis"], (list, tuple)) else [config["axis"]]
            return "" if [one % (last + 1) for one in axis] == [last] else f"{layer.name} does not work on channels"
        if kind in MERGING:
            same = all(_widths(self, one) == _widths(self, layouts[0]) for one in layouts)
            return "" if same else f"{layer.name} merges unequal channels"
        if kind == "Reshape":
            same = tensors[0].shape[-1] == config["target_shape"][-1]
            return "" if same else f"{layer.name} mixes channels and positions"
        if kind == "Flatten":
            return f"{layer.name} has inputs of any size" if None in tensors[0].shape[1:].as_list() else ""
        if kind == "Activation":
            return f"{layer.name} is a softmax over the channels" if config["activation"] == "softmax" else ""
        if kind in RECURRENT:
            return f"{layer.name} is stateful or given a state" if config["stateful"] or len(tensors) > 1 else ""
        known = PASSING | DEPTHWISE | set(WIDTHS)
        return "" if kind in known else f"what {kind} does with channels is not known"

    def _new(self, size: int, maker: tf_keras.layers.Layer | None = None, fixed: str = "") -> Layout:
        self._spaces.append(Space(size, [maker] if maker else [], fixed=fixed))
        self._root.append(len(self._root))
        return (((len(self._root) - 1,), 1),)

    def _find(self, number: int) -> int:
        while self._root[number] != number:
            number = self._root[number]
        return number

    def _tie(self, one: Layout, other: Layout) -> None:
        for first, second in zip(_numbers(one), _numbers(other), strict=True):
            root, joined = self._find(first), self._find(second)
            if root == joined:
                continue
            self._root[joined] = root
            kept, gone = self._spaces[root], self._spaces[joined]
            kept.makers += gone.makers
            kept.norms += gone.norms
            kept.fixed = kept.fixed or gone.fixed

    def _fix(self, layout: Layout, reason: str) -> None:
        for number in _numbers(layout):
            space = self._spaces[self._find(number)]
            space.fixed = space.fixed or reason

    def _norm(self, layer: tf_keras.layers.Layer, layout: Layout) -> None:
        if len(layout) == 1 and len(layout[0][0]) == 1 and layout[0][1] == 1:
            self._spaces[self._find(layout[0][0][0])].norms.append(layer)


def _numbers(layout: Layout) -> list[int]:
    return [number for numbers, _ in layout for number in numbers]


def _widths(channels: Channels, layout: Layout) -> list[tuple[list[int], int]]:
    sizes = channels._spaces
    return [([sizes[channels._find(number)].size for number in numbers], repeat) for numbers, repeat in layout]
