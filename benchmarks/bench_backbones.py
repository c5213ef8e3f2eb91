"""Architectures side by side: score, size, speed, and what each is worth to a stack.

    python benchmarks/bench_backbones.py PHILHARMONIA -o runs/ [--only crnn,resnetish] [--jobs 2]

Each architecture is trained over the same five folds of notes (groups: instrument and note) with
`train`, and stacked with an SVM and boosted trees over the standard features with `fit-ensemble`.
All clips are scored by networks that never saw their fold; nothing was chosen by these scores but
what is said beside an entry. Clips/s is of training, per process, with decoding done, as `train`
logs it, the median over epochs and folds; core minutes are those of all five
networks together. A finished run is left alone, so the same command goes on after a kill.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
N_FOLDS = 5
# Settled before, on these notes: the last epoch of a falling rate is as good as a chosen one.
COMMON = {"sr": 22050, "patience": None, "validation_fraction": 0.0, "precision": "bfloat16"}
STFT = {"n_fft": 1024, "hop_length": 512, "n_mels": 64}
RESNET = {"backbone": "resnet", "frontend": "learnable-stft", "epochs": 20, "max_seconds": 1.0,
          "backbone_params": {"width": 16, "image_frames": 44}}  # fmt: skip
ARCHITECTURES = {
    "crnn": {
        "backbone": "crnn",
        "epochs": 30,
        "backbone_params": {"pooling": "attention"},
        "frontend_params": {"n_mels": 96},
    },
    "cnn, attention per label": {"backbone": "cnn", "head": "attention", "epochs": 20},
    "resnetish 18, width 16": {
        "backbone": "resnetish",
        "epochs": 20,
        "max_seconds": 1.0,
        # Rows of the grid by bands, columns by time; one of two that were tried on one fold.
        "backbone_params": {"width": 16, "image_frames": 44, "grid": [4, 1]},
        "frontend_params": {"n_fft": 2048, "hop_length": 512, "fmin": 30.0},
    },
    "resnet 18, width 16, fixed STFT": {
        **RESNET,
        "frontend_params": {**STFT, "learn_window": False},
    },
    "resnet 18, width 16, learned window": {
        **RESNET,
        "frontend_params": {**STFT, "learn_window": True},
    },
    "resnet 18, width 16, learned window and kernels": {
        **RESNET,
        "frontend_params": {**STFT, "learn_window": True, "learn_kernels": True},
    },
    # Of five small models and rates that were tried on one fold, the fastest of the two best.
    "timm:test_resnet": {
        "backbone": "timm:test_resnet",
        "epochs": 16,
        "max_seconds": 1.5,
        "backbone_params": {"image_frames": 48},
        "frontend_params": {"n_mels": 128},
    },
}


def run(*command: str) -> None:
    """Call a command of ours."""
    subprocess.run([sys.executable, "cli.py", *command], cwd=ROOT, check=True)


def measure(name: str, settings: dict, output: Path, jobs: int) -> dict:
    """Train and stack one architecture, and give its row."""
    key = "".join(letter if letter.isalnum() else "-" for letter in name)
    given = [f"--set={key}={json.dumps(value)}" for key, value in (COMMON | settings).items()]
    place = output / "runs" / key
    run("train", str(output / "notes.csv"), "-o", str(place), "--jobs", str(jobs), *given)
    bundle = output / "bundles" / key
    bundle.parent.mkdir(exist_ok=True)
    run("fit-ensemble", str(output / "X.parquet"), "-o", str(bundle), "--members", "svm,xgb",
        "--add", str(place), "--jobs", str(jobs))  # fmt: skip
    page = output / "reports" / key
    page.parent.mkdir(exist_ok=True)
    run("report", str(bundle), "-o", str(page))
    models = json.loads((page / "metrics.json").read_text())["models"]
    card = json.loads((place / "card.json").read_text())
    histories = [pd.read_csv(path) for path in place.glob("fold_*/history.csv")]
    speed = pd.concat(histories)["clips_per_second"].median()
    leaf = card["scores"]["macro_f1"]
    stack = models["stack"]["macro_f1"]
    return {
        "architecture": name,
        "parameters": card["n_parameters"],
        "macro F1": leaf["value"],
        "95 %": f"{leaf['low']:.3f} to {leaf['high']:.3f}",
        "clips/s": speed,
        "core minutes": card["minutes"],
        "stack": stack["value"],
        "stack 95 %": f"{stack['low']:.3f} to {stack['high']:.3f}",
        "svm": models["svm"]["macro_f1"]["value"],
        "average": models["average"]["macro_f1"]["value"],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("root", type=Path, help="folder of the Philharmonia notes")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--only", help="architectures whose names hold one of these")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    output = options.output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    if not (output / "notes.csv").exists():
        run(
            "manifest", str(options.root), "--layout", "philharmonia", "-o", str(output / "all.csv")
        )
        run("split", str(output / "all.csv"), "--folds", str(N_FOLDS), "--test", "0", "-o",
            str(output / "notes.csv"))  # fmt: skip
    run("extract", str(output / "notes.csv"), "-o", str(output / "X.parquet"))
    wanted = options.only.split(",") if options.only else [""]
    rows = []
    for name, settings in ARCHITECTURES.items():
        if any(part in name for part in wanted):
            rows.append(measure(name, settings, output, options.jobs))
            pd.DataFrame(rows).to_csv(output / "backbones.csv", index=False)
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
