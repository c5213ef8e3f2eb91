"""Frontends: waveforms to time-frequency representations, as torch modules."""

from deep.frontends.frontend import Frontend
from deep.frontends.log_mel import LogMelFrontend

__all__ = ["Frontend", "LogMelFrontend"]
