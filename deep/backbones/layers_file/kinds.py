"""The kinds of layers that a file can have."""

from __future__ import annotations

from deep.backbones.layers_file.adaptive_pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
)
from deep.backbones.layers_file.batch_norm import BatchNorm1d, BatchNorm2d
from deep.backbones.layers_file.convolution import Conv1d, Conv2d
from deep.backbones.layers_file.layer import Layer
from deep.backbones.layers_file.linear import Linear
from deep.backbones.layers_file.moddims import ModDims
from deep.backbones.layers_file.option import find_problems
from deep.backbones.layers_file.pointwise import (
    Dropout,
    Dropout2d,
    Elu,
    LeakyRelu,
    Relu,
    Sigmoid,
    Tanh,
)
from deep.backbones.layers_file.pooling import AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d
from deep.backbones.layers_file.recurrent import Gru, Lstm, Rnn
from deep.backbones.layers_file.section import LayersFile, Section
from deep.backbones.layers_file.shape import Shape
from deep.backbones.layers_file.transposed_convolution import ConvTranspose1d, ConvTranspose2d

KINDS: dict[str, type[Layer]] = {
    "conv1d": Conv1d,
    "conv2d": Conv2d,
    "convtranspose1d": ConvTranspose1d,
    "convtranspose2d": ConvTranspose2d,
    "batchnorm1d": BatchNorm1d,
    "batchnorm2d": BatchNorm2d,
    "relu": Relu,
    "elu": Elu,
    "leakyrelu": LeakyRelu,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "dropout": Dropout,
    "dropout2d": Dropout2d,
    "maxpool1d": MaxPool1d,
    "maxpool2d": MaxPool2d,
    "avgpool1d": AvgPool1d,
    "avgpool2d": AvgPool2d,
    "adaptiveavgpool1d": AdaptiveAvgPool1d,
    "adaptiveavgpool2d": AdaptiveAvgPool2d,
    "adaptivemaxpool1d": AdaptiveMaxPool1d,
    "adaptivemaxpool2d": AdaptiveMaxPool2d,
    "linear": Linear,
    "lstm": Lstm,
    "gru": Gru,
    "rnn": Rnn,
    "moddims": ModDims,
}
LAST_KIND = "linear"


def check_kinds(layers: LayersFile) -> LayersFile:
    """Make sure that there are such layers with such options, and that the last one is linear.

    Parameters
    ----------
    layers : LayersFile
        As it was read.

    Returns
    -------
    LayersFile
        The same.

    Raises
    ------
    ValueError
        If not; names all lines.
    """
    problems: list[str] = []
    for section in layers.layers:
        if section.kind in KINDS:
            problems += find_problems(section, KINDS[section.kind].options)
        else:
            problems.append(section.problem(f"must be one of {', '.join(KINDS)}, or NAME_module"))
    if not layers.layers:
        problems.append(f"{layers.file} must have layers, got none")
    elif layers.layers[-1].kind != LAST_KIND:
        problems.append(
            layers.layers[-1].problem(
                "must not be the last layer: that is a [linear] whose out_features are the classes"
            )
        )
    if problems:
        # A repeated section says the same each time.
        raise ValueError("\n".join(dict.fromkeys(problems)))
    return layers


def create_layer(section: Section, shape: Shape) -> Layer:
    """Make a layer.

    Parameters
    ----------
    section : Section
        What the file says; `check_kinds` found nothing wrong with it.
    shape : Shape
        What the layer is given.

    Returns
    -------
    Layer
        With random weights from torch's generator.

    Raises
    ------
    ValueError
        If the layer does not take such a shape.
    """
    return KINDS[section.kind](section, shape)
