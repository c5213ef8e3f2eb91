"""The commands: parse, call, exit code.

Exit codes: 0 done (also with listed failures), 1 internal error, 2 the user's mistake.
Heavy libraries are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import io
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence

import typer

from commands.auditing import audit_labels, audit_nuisance, audits, split_label
from commands.checking import check
from commands.console import show_warning, tell
from commands.corpora import compare, manifest, split
from commands.demonstration import demo
from commands.downloading import download, layouts
from commands.explaining import explain
from commands.extraction import describe_features, extract, list_features, resample
from commands.models import ablate, evaluate, fit_ensemble, predict, tune
from commands.ranking import rank
from commands.reporting import listen, report, stats
from commands.synthesis import mix, render
from commands.training import augmentations, backbones, embed, pretrain, train

# Exit code after Ctrl-C: 128 and the number of the signal.
INTERRUPTED = 130

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    help="Labelled recordings to an honest, deployable sound classifier.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=HELP_OPTIONS,
)
COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "render": render,
    "mix": mix,
    "layouts": layouts,
    "download": download,
    "manifest": manifest,
    "split": split,
    "check": check,
    "compare": compare,
    "split-label": split_label,
    "stats": stats,
    "listen": listen,
    "resample": resample,
    "extract": extract,
    "rank": rank,
    "tune": tune,
    "backbones": backbones,
    "train": train,
    "embed": embed,
    "pretrain": pretrain,
    "explain": explain,
    "augmentations": augmentations,
    "fit-ensemble": fit_ensemble,
    "evaluate": evaluate,
    "ablate": ablate,
    "report": report,
    "predict": predict,
}
for name, command in COMMANDS.items():
    app.command(name)(command)

features_app = typer.Typer(rich_markup_mode=None, context_settings=HELP_OPTIONS)
features_app.callback(invoke_without_command=True)(list_features)
features_app.command("describe")(describe_features)
app.add_typer(features_app, name="features")

audit_app = typer.Typer(
    help="Ask whether a score could come from something other than the sound.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings=HELP_OPTIONS,
)
audit_app.callback()(audits)
audit_app.command("nuisance")(audit_nuisance)
audit_app.command("labels")(audit_labels)
app.add_typer(audit_app, name="audit")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code.

    Parameters
    ----------
    arguments : sequence of str or None
        The command line; None means the process's own.

    Raises
    ------
    SystemExit
        Always: 0 done, 1 internal error, 2 the user's mistake.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Wanted after the fact, so it is understood at any place of the line.
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    warnings.showwarning = show_warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file's name may hold what no terminal can show; better odd than not at all.
            stream.reconfigure(errors="backslashreplace")
    try:
        app(words, prog_name="timbrestack")
    except SystemExit as leaving:
        # Typer has turned Ctrl-C into this code by now.
        if leaving.code == INTERRUPTED:
            tell("stopped; run it again to go on, or to begin anew; nothing half-written is left")
        raise
    except Exception as error:
        if debug:
            traceback.print_exc()
        told = "; ".join([str(error), *getattr(error, "__notes__", [])])
        if isinstance(error, ValueError | OSError | ImportError):
            tell(f"error: {told}")
            raise SystemExit(2) from error
        tell(f"internal error: {type(error).__name__}: {told} (--debug shows where)")
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
