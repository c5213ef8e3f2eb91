"""Augmentation of training batches, on their device; importing this package registers all kinds."""

from deep.augmentation.augmentation import Augmentation
from deep.augmentation.band_mask import BandMask
from deep.augmentation.concatenation import Concatenation
from deep.augmentation.crop import Crop
from deep.augmentation.cutmix import Cutmix
from deep.augmentation.filters import Filters
from deep.augmentation.gain import Gain
from deep.augmentation.mixup import Mixup
from deep.augmentation.noise import Noise
from deep.augmentation.pitch_shift import PitchShift
from deep.augmentation.polarity import Polarity
from deep.augmentation.random_erasing import RandomErasing
from deep.augmentation.random_resized_crop import RandomResizedCrop
from deep.augmentation.recorded_noise import RecordedNoise
from deep.augmentation.registry import (
    RECIPES,
    create_augmentation,
    get_augmentation,
    list_augmentations,
    register_augmentation,
)
from deep.augmentation.reverb import Reverb
from deep.augmentation.sum_clips import SumClips
from deep.augmentation.time_mask import TimeMask
from deep.augmentation.time_shift import TimeShift
from deep.augmentation.time_stretch import TimeStretch

__all__ = [
    "RECIPES",
    "Augmentation",
    "BandMask",
    "Concatenation",
    "Crop",
    "Cutmix",
    "Filters",
    "Gain",
    "Mixup",
    "Noise",
    "PitchShift",
    "Polarity",
    "RandomErasing",
    "RandomResizedCrop",
    "RecordedNoise",
    "Reverb",
    "SumClips",
    "TimeMask",
    "TimeShift",
    "TimeStretch",
    "create_augmentation",
    "get_augmentation",
    "list_augmentations",
    "register_augmentation",
]
