"""Where publishers offer their corpora for download, with the checksums that tell them whole.

Left out are those of which no source gives a checksum (FSDKaggle2018, FSDKaggle2019, Philharmonia),
whose address no longer answers (GTZAN, as torchaudio notes), or whose sounds are other people's
(AudioSet).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remote:
    """An archive that a publisher offers for download.

    Parameters
    ----------
    name : str
        File name, as the publisher has it: .zip (or a part of a split one), .tar.gz or .tgz.
    url : str
        Where it is; over http too, since the checksum decides what is accepted.
    checksum : str
        ``"md5:..."`` or ``"sha256:..."``.
    size : int
        Bytes; 0 where no source gives it.
    folder : str
        Folder of the corpus that it is unpacked into, empty for the corpus itself. Parts of one
        split archive name the same.
    """

    name: str
    url: str
    checksum: str
    size: int = 0
    folder: str = ""


def _zenodo(record: int, name: str, md5: str, folder: str = "") -> Remote:
    url = f"https://zenodo.org/records/{record}/files/{name}?download=1"
    return Remote(name, url, f"md5:{md5}", folder=folder)


def _magenta(part: str, md5: str) -> Remote:
    name = f"nsynth-{part}.jsonwav.tar.gz"
    url = f"http://download.magenta.tensorflow.org/datasets/nsynth/{name}"
    return Remote(name, url, f"md5:{md5}", folder=f"nsynth-{part}")


REMOTES: dict[str, tuple[Remote, ...]] = {
    # Checksums: mirdata, mirdata/datasets/irmas.py.
    "irmas": (
        _zenodo(
            1290750,
            "IRMAS-TrainingData.zip",
            "4fd9f5ed5a18d8e2687e6360b5f60afe",
        ),
    ),
    "irmas-test": (
        _zenodo(
            1290750,
            "IRMAS-TestingData-Part1.zip",
            "5a2e65520dcedada565dff2050bb2a56",
            "IRMAS-TestingData-Part1",
        ),
        _zenodo(
            1290750,
            "IRMAS-TestingData-Part2.zip",
            "afb0c8ea92f34ee653693106be95c895",
            "IRMAS-TestingData-Part2",
        ),
        _zenodo(
            1290750,
            "IRMAS-TestingData-Part3.zip",
            "9b3fb2d0c89cdc98037121c25bd5b556",
            "IRMAS-TestingData-Part3",
        ),
    ),
    # mirdata, mirdata/datasets/openmic2018.py.
    "openmic": (_zenodo(1432913, "openmic-2018-v1.0.0.tgz", "e4ccf187e2bb5ab2e115416e8aafe7f4"),),
    # soundata, soundata/datasets/urbansound8k.py.
    "urbansound8k": (_zenodo(1203745, "UrbanSound8K.tar.gz", "9aa69802bbf37fb986f71ec1483a196e"),),
    # soundata, soundata/datasets/esc50.py; hear-preprocess has the same. GitHub packs the archive
    # anew after every change of the repository, which then no longer has this checksum.
    "esc50": (
        Remote(
            "ESC-50-master.zip",
            "https://github.com/karoldvl/ESC-50/archive/master.zip",
            "md5:7771e4b9d86d0945acce719c7a59305a",
        ),
    ),
    # soundata, soundata/datasets/fsd50k.py.
    "fsd50k": (
        *(
            _zenodo(4060432, f"FSD50K.dev_audio.{part}", md5, "FSD50K.dev_audio")
            for part, md5 in (
                ("z01", "faa7cf4cc076fc34a44a479a5ed862a3"),
                ("z02", "8f9b66153e68571164fb1315d00bc7bc"),
                ("z03", "1196ef47d267a993d30fa98af54b7159"),
                ("z04", "d088ac4e11ba53daf9f7574c11cccac9"),
                ("z05", "81356521aa159accd3c35de22da28c7f"),
                ("zip", "c480d119b8f7a7e32fdb58f3ea4d6c5a"),
            )
        ),
        *(
            _zenodo(4060432, f"FSD50K.eval_audio.{part}", md5, "FSD50K.eval_audio")
            for part, md5 in (
                ("z01", "3090670eaeecc013ca1ff84fe4442aeb"),
                ("zip", "6fa47636c3a3ad5c7dfeba99f2637982"),
            )
        ),
        *(
            _zenodo(4060432, f"{folder}.zip", md5, folder)
            for folder, md5 in (
                ("FSD50K.ground_truth", "ca27382c195e37d2269c4c866dd73485"),
                ("FSD50K.metadata", "b9ea0c829a411c1d42adb9da539ed237"),
                ("FSD50K.doc", "3516162b82dc2945d3e7feba0904e800"),
            )
        ),
    ),
    # hear-preprocess, hearpreprocess/nsynth_pitch.py.
    "nsynth": (
        _magenta("train", "fde6665a93865503ba598b9fac388660"),
        _magenta("valid", "87e94a00a19b6dbc99cf6d4c0c0cae87"),
        _magenta("test", "5e6f8719bf7e16ad0a00d518b78af77d"),
    ),
    # torchaudio, datasets/speechcommands.py; the size: TensorFlow Datasets,
    # url_checksums/speech_commands.txt, with the same checksum.
    "speech-commands": (
        Remote(
            "speech_commands_v0.02.tar.gz",
            "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
            "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            2_428_923_189,
        ),
    ),
    # TensorFlow Datasets, datasets/spoken_digit/checksums.tsv.
    "fsdd": (
        Remote(
            "free-spoken-digit-dataset-1.0.9.tar.gz",
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz",
            "sha256:8bc44cde129d505cbbb6b365c09f80c663f2aa77578afc634e6141a2f87100c0",
            11_975_353,
        ),
    ),
}
"""Layout -> the archives that make up its corpus."""
