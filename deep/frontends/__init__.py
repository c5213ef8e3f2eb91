"""Frontends: waveforms to frames, as torch modules; importing this package registers all."""

from deep.frontends.frontend import Frontend
from deep.frontends.kaldi_fbank import KaldiFbankFrontend
from deep.frontends.learnable_stft import LearnableStftFrontend
from deep.frontends.log_mel import LogMelFrontend
from deep.frontends.mfcc import MfccFrontend
from deep.frontends.registry import create_frontend, list_frontends, register_frontend
from deep.frontends.scalogram import ScalogramFrontend
from deep.frontends.sinc import SincFrontend
from deep.frontends.three_features import ThreeFeaturesFrontend
from deep.frontends.waveform import WaveformFrontend

__all__ = [
    "Frontend",
    "KaldiFbankFrontend",
    "LearnableStftFrontend",
    "LogMelFrontend",
    "MfccFrontend",
    "ScalogramFrontend",
    "SincFrontend",
    "ThreeFeaturesFrontend",
    "WaveformFrontend",
    "create_frontend",
    "list_frontends",
    "register_frontend",
]
