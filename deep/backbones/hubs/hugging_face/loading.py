"""Reading models as transformers saves them: from the hub, its cache, or a folder.

Configurations and weights are read, code never is: a repository's own Python is not run, and
weights that are pickled are refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

INSTALL = "pip install 'timbrestack[transformers]'"

# A model's configuration, its weights, and either of the names that feature extractors have.
ADAPTER_NAME = "adapter_config.json"
CONFIG_NAME, EXTRACTOR_NAMES = "config.json", ("preprocessor_config.json", "processor_config.json")
WEIGHTS_NAME = "model.safetensors"
PICKLED = "pytorch_model*.bin"


def import_transformers() -> Any:
    """Import transformers.

    Returns
    -------
    module
        It.

    Raises
    ------
    ImportError
        If it is not installed; says what installs it.
    """
    try:
        import transformers
    except ImportError as error:
        raise ImportError(f"Hugging Face models need transformers: {INSTALL}") from error
    return transformers


@dataclass(frozen=True, slots=True)
class Architecture:
    """All that making a model anew needs, besides its weights.

    Parameters
    ----------
    config : transformers.PreTrainedConfig
        Sizes.
    extractor : mapping
        What its feature extractor does to waveforms.
    """

    config: Any
    extractor: Mapping[str, Any]

    @property
    def model_type(self) -> str:
        """What transformers calls models of this kind."""
        return self.config.model_type

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON has it.

        Returns
        -------
        dict
            For `from_json`; without the path that it was read from.
        """
        config = json.loads(self.config.to_json_string(use_diff=False))
        config.pop("_name_or_path", None)
        return {"config": config, "extractor": dict(self.extractor)}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Architecture:
        """Make it from what `as_json` gave.

        Parameters
        ----------
        found : mapping
            From a card.

        Returns
        -------
        Architecture
            The same.
        """
        config = dict(found["config"])
        kind = import_transformers().AutoConfig.for_model(config["model_type"])
        return cls(type(kind).from_dict(config), dict(found["extractor"]))


def read_architecture(model: str) -> Architecture:
    """Read a model's configuration and what its feature extractor does.

    Parameters
    ----------
    model : str
        A folder, or a name on the hub.

    Returns
    -------
    Architecture
        Without weights.

    Raises
    ------
    ImportError
        If transformers is not installed.
    OSError
        If the model cannot be reached; says what to fetch and where to put it.
    ValueError
        If a folder lacks files, or the model needs code of its own.
    """
    transformers = import_transformers()
    _check_folder(model)
    with _explained(model), quiet():
        model = os.path.expanduser(model)
        given = {"trust_remote_code": False, "local_files_only": _is_local(model)}
        config = transformers.AutoConfig.from_pretrained(model, **given)
        extractor = transformers.AutoFeatureExtractor.from_pretrained(model, **given)
    # Of CLAP its other half listens to texts.
    config = config.audio_config if config.model_type == "clap" else config
    return Architecture(config, _plain_values(extractor.to_dict()))


def default_architecture(
    model_type: str, extractor: str, changes: Mapping[str, Any]
) -> Architecture:
    """Give what transformers takes for the usual sizes of a kind of model.

    Parameters
    ----------
    model_type : str
        What transformers calls the kind.
    extractor : str
        Name of the class of its feature extractors.
    changes : mapping
        Values in place of the configuration's own.

    Returns
    -------
    Architecture
        Nothing is read or fetched.

    Raises
    ------
    ValueError
        If the configuration does not take the changes.
    """
    transformers = import_transformers()
    with _explained(model_type), quiet():
        config = transformers.AutoConfig.for_model(model_type, **changes)
        settings = _plain_values(getattr(transformers, extractor)().to_dict())
    same = {"num_mel_bins": "num_mel_bins", "max_length": "max_length"}
    same |= {"feature_size": "num_mel_bins"} if "fft_window_size" in settings else {}
    settings |= {
        name: getattr(config, of)
        for name, of in same.items()
        if name in settings and hasattr(config, of)
    }
    return Architecture(config, settings)


def load_model(kind: str, model: str, config: Any) -> tuple[nn.Module, list[str]]:
    """Load weights.

    Parameters
    ----------
    kind : str
        Name of a class of transformers.
    model : str
        A folder, or a name on the hub.
    config : transformers.PreTrainedConfig
        Sizes.

    Returns
    -------
    model : nn.Module
        In float32.
    missing : list of str
        Names of weights that the file did not have, and that are random.

    Raises
    ------
    OSError
        If the model cannot be reached.
    ValueError
        If its weights are not of these sizes, or not in safetensors.
    """
    transformers = import_transformers()
    _check_folder(model)
    with _explained(model), quiet():
        made, info = getattr(transformers, kind).from_pretrained(
            os.path.expanduser(model),
            config=config,
            use_safetensors=True,
            local_files_only=_is_local(model),
            dtype=torch.float32,
            output_loading_info=True,
        )
    return made, sorted(info["missing_keys"])


def create_model(kind: str, config: Any) -> nn.Module:
    """Make a model with random weights.

    Parameters
    ----------
    kind : str
        Name of a class of transformers.
    config : transformers.PreTrainedConfig
        Sizes.

    Returns
    -------
    nn.Module
        From torch's generator, in float32.
    """
    return getattr(import_transformers(), kind)(config).float()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from drawing progress bars and telling of weights that are not needed.

    Yields
    ------
    None
        What it said before is said again afterwards.
    """
    logging = import_transformers().utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _is_local(model: str) -> bool:
    return Path(model).expanduser().is_dir()


def _check_folder(model: str) -> None:
    """Make sure that a folder holds what is read from it."""
    folder = Path(model).expanduser()
    if not folder.is_dir():
        if model.startswith((".", "/", "~")):
            raise OSError(f"there must be a folder {model} with {CONFIG_NAME} and {WEIGHTS_NAME}")
        return
    problems = [f"it has no {CONFIG_NAME}"] if not (folder / CONFIG_NAME).is_file() else []
    if not any((folder / name).is_file() for name in EXTRACTOR_NAMES):
        problems.append(
            f"it has no {EXTRACTOR_NAMES[0]}, which tells the sampling rate and what is done to "
            "waveforms; it lies beside the weights where they come from"
        )
    if (folder / ADAPTER_NAME).is_file():
        problems.append(
            f"its {ADAPTER_NAME} names another model to be changed: merge the two with peft and "
            "save_pretrained them as one"
        )
    if not any(folder.glob("*.safetensors")):
        problems.append(f"it has no {WEIGHTS_NAME}")
        if any(folder.glob(PICKLED)):
            problems.append(
                "its pickled weights are not read, since a pickle can run anything: load them "
                "with transformers where that does no harm, and save_pretrained them anew"
            )
    if problems:
        raise ValueError(f"{model} must be a folder as save_pretrained makes it: {problems}")


@contextmanager
def _explained(model: str) -> Iterator[None]:
    """Say of errors of transformers what to do about them."""
    try:
        yield
    except OSError as error:
        if _is_local(model):
            raise ValueError(f"{model} cannot be read: {error}") from error
        raise OSError(
            f"{model!r} is neither a folder nor could it be fetched from the Hugging Face hub. "
            f"Where there is a connection, fetch {CONFIG_NAME}, {EXTRACTOR_NAMES[0]} and "
            f"{WEIGHTS_NAME} from https://huggingface.co/{model}, put them into one folder, and "
            f"name it: hf:FOLDER. Transformers says: {error}"
        ) from error
    except (ImportError, RuntimeError, ValueError, KeyError) as error:
        raise ValueError(
            f"{model!r} cannot be loaded; models that need code of their own are never run. "
            f"Transformers says: {error}"
        ) from error


def _plain_values(found: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what JSON has and is a single value."""
    return {
        name: value
        for name, value in sorted(found.items())
        if isinstance(value, bool | int | float | str)
    }
