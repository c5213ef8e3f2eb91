"""Networks from text files, in the format of the UrbanSound8K CRNN system.

A file names layers in their order, each as ``[kind]`` with its options under it as ``option=value``
(see `KINDS`); sizes that follow from the layer before are not written. ``[NAME_module]`` starts a
named part. What stands between ``REPEATx3`` and ``END`` is there three times. ``#`` starts a
comment, and indentation means nothing. Values are numbers, ``True``, ``False``, ``None``, words and
lists of these; they are read by hand and never evaluated.

Shapes are without the axis of clips and start as (channels, bands, time), where time has no fixed
size. ``[moddims]`` puts axes in the order of ``permute`` and joins those of ``collapse``; leaving
out time takes the last valid step. ``padding`` is ``valid`` (none, the default), ``same`` (half of
an odd kernel: a stride of s leaves ceil(n / s) of n), a number, or one for each axis. Adaptive
pools make as many values of any clip, after which time is an axis like others. ``[input]`` with
``shape=[channels, bands, frames]``, first of all, makes sure that the file is used on such frames.
The last layer is a ``[linear]`` that gives the classes, whatever its ``out_features``; what it is
given is the embedding.

References
----------
https://github.com/ksanjeevan/torchparse (the format) and
https://github.com/ksanjeevan/crnn-audio-classification (its use)
"""

from deep.backbones.layers_file.description import describe_layers
from deep.backbones.layers_file.head import LastLayerHead
from deep.backbones.layers_file.kinds import KINDS
from deep.backbones.layers_file.reading import list_layers_files, read_layers

__all__ = ["KINDS", "LastLayerHead", "describe_layers", "list_layers_files", "read_layers"]
