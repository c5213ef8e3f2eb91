"""Networks from text files: the original's size, plain torch as reference, errors by line."""

import json
from itertools import pairwise

import pytest
import torch
from torch import nn

from deep.backbones.creation import create_backbone
from deep.backbones.layered import LayeredBackbone
from deep.backbones.layers_file import describe_layers, list_layers_files, read_layers
from deep.backbones.layers_file.parser import parse_layers
from deep.backbones.layers_file.stack import make_layers
from deep.backbones.layers_file.value import parse_value
from deep.frontends.frontend import Frontend


def written(*layers: str) -> str:
    """Write layers, each a kind and its options in one line, as a file has them."""
    lines = []
    for layer in layers:
        kind, *options = layer.split()
        lines += [f"[{kind}]", *options]
    return "\n".join(lines) + "\n"


CONV = written("conv2d out_channels=3 kernel_size=3 padding=same")
STEPS = written("moddims permute=[2,1,0] collapse=[1,2]")
CHANNELS = written("moddims collapse=[0,1]")
LAST = written("moddims permute=[1]")
MEAN = written("adaptiveavgpool1d output_size=1", "moddims collapse=[0,1]")
END = written("dense_module", "dropout", "batchnorm1d", "linear out_features=9")

# For frames of 1 x 6 channels and bands.
FILES = {
    "same": CONV + written("elu") + CONV + STEPS + LAST + END,
    "strided": CONV + "stride=2\n" + written("batchnorm2d", "sigmoid") + CONV + STEPS + LAST + END,
    "wide-padding": written("conv2d out_channels=2 kernel_size=[1,2] padding=[0,3]")
    + (STEPS + LAST + END),
    "dilated": CONV + "dilation=2\n" + written("relu") + CONV + "groups=3\n" + STEPS + LAST + END,
    "max-pool": CONV
    + written("maxpool2d kernel_size=[2,3] stride=2 padding=1")
    + (STEPS + LAST + END),
    "mean-pool": CONV
    + written("avgpool2d kernel_size=3 stride=[1,2] padding=1")
    + (STEPS + LAST + END),
    "conv1d": CHANNELS
    + written("conv1d out_channels=4 kernel_size=5 padding=2 stride=2", "tanh")
    + written("maxpool1d kernel_size=2 stride=1 padding=1")
    + written("avgpool1d kernel_size=3 stride=2 padding=1")
    + (MEAN + END),
    "transposed": written(
        "convtranspose2d out_channels=2 kernel_size=[1,5] stride=[1,3] padding=[0,1] "
        "output_padding=[0,1]",
        "leakyrelu negative_slope=0.1",
    )
    + (STEPS + LAST + END),
    "transposed1d": CHANNELS
    + written("convtranspose1d out_channels=5 kernel_size=4 stride=2")
    + CONV.replace("2d", "1d")
    + (MEAN + END),
    "lstm-both": STEPS
    + written("lstm hidden_size=4 num_layers=2 bidirectional=True", "dropout")
    + (LAST + END),
    "gru-both": STEPS + written("gru hidden_size=4 bidirectional=True") + LAST + END,
    "rnn": STEPS
    + written("rnn hidden_size=4 nonlinearity=relu", "batchnorm1d", "linear out_features=3")
    + (LAST + END),
    "adaptive": CONV
    + written("dropout2d", "adaptivemaxpool2d output_size=[2,3]", "moddims collapse=[0,1,2]")
    + END,
    "bands-only": CONV
    + written("adaptiveavgpool2d output_size=[1,None]", "moddims permute=[2,0]")
    + (written("gru hidden_size=3") + LAST + END),
    "values-of-steps": CHANNELS
    + written("batchnorm1d", "adaptivemaxpool1d output_size=[4]")
    + (written("moddims permute=[1,0] collapse=[1,0]") + END),
}


class Frames(Frontend):
    """A frontend by its sizes alone."""

    def __init__(self, n_channels: int = 1, n_bands: int = 6) -> None:
        super().__init__()
        self.n_channels, self.n_bands = n_channels, n_bands


def layered(text: str, **sizes: int) -> LayeredBackbone:
    torch.manual_seed(0)
    backbone = LayeredBackbone(Frames(**sizes), architecture={"name": "x.cfg", "text": text})
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return backbone.eval()


def weightless(layers: str) -> LayeredBackbone:
    with torch.device("meta"):
        return LayeredBackbone(Frames(n_bands=128), layers=layers)


def size_of(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


@pytest.mark.parametrize(
    ("layers", "size"), [("crnn", 139_786), ("crnn-bidirectional", 256_266)], ids=str
)
def test_the_original_network_has_its_published_size(layers, size):
    network = create_backbone("layers", n_classes=10, layers=layers)
    assert network.frontend.n_bands == 128
    assert size_of(network) == size
    assert describe_layers(layers)["n_parameters"].sum() == size


def test_what_ships_differs_as_its_names_say():
    assert list_layers_files() == ["cnn", "crnn", "crnn-bidirectional", "rnn"]
    kinds = {name: {s.kind for s in read_layers(name).layers} for name in list_layers_files()}
    assert "lstm" not in kinds["cnn"]
    assert "conv2d" not in kinds["rnn"]
    assert kinds["crnn"] == kinds["crnn-bidirectional"] >= {"conv2d", "lstm"}


def test_outputs_are_those_of_the_same_modules_put_together_by_hand():
    backbone = LayeredBackbone(Frames(n_bands=128)).eval()
    parts = backbone.parts

    def block(i: int, n_in: int, n_out: int, pool: int) -> list[nn.Module]:
        conv, norm = nn.Conv2d(n_in, n_out, 3), nn.BatchNorm2d(n_out)
        conv.load_state_dict(parts["convs"][f"conv2d_{i}"].module.state_dict())
        norm.load_state_dict(parts["convs"][f"batchnorm2d_{i}"].module.state_dict())
        return [conv, norm, nn.ELU(), nn.MaxPool2d(pool)]

    convs = nn.Sequential(*block(0, 1, 32, 3), *block(1, 32, 64, 4), *block(2, 64, 64, 4)).eval()
    lstm = nn.LSTM(128, 64, 2, batch_first=True)
    lstm.load_state_dict(parts["recur"]["lstm_0"].module.state_dict())
    frames = torch.randn(1, 1, 128, 200)
    maps = convs(frames)
    assert maps.shape == (1, 64, 2, 3)
    states, _ = lstm(maps.permute(0, 3, 2, 1).flatten(start_dim=2))
    expected = states[:, -1] / (1 + 1e-5) ** 0.5
    actual = backbone(frames, torch.tensor([200]))
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FILES)
def test_an_embedding_is_the_same_alone_and_beside_others(name):
    backbone = layered(FILES[name])
    lengths = torch.tensor([29, backbone.min_frames, 12, 13, 29, 7]).clamp_min(backbone.min_frames)
    frames = torch.randn(6, 1, 6, 31)
    for clip, length in zip(frames, lengths, strict=True):
        clip[..., length:] = 0
    together = backbone(frames, lengths)
    assert together.shape == (6, backbone.embedding_size)
    for clip, length, actual in zip(frames, lengths, together, strict=True):
        alone = backbone(clip[None, ..., :length], length[None])[0]
        torch.testing.assert_close(actual, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FILES)
def test_steps_are_counted_as_the_layers_count_them(name):
    layers = make_layers(parse_layers(FILES[name], file="x"), n_channels=1, n_bands=6)
    backbone = layered(FILES[name])
    for n_frames in (backbone.min_frames, backbone.min_frames + 1, 18, 19, 20):
        values, n_steps = torch.randn(2, 1, 6, n_frames), torch.full((2,), n_frames)
        for layer in layers:
            values, n_steps = layer.eval()(values, n_steps)
            found = [n_steps[0] if size is None else size for size in layer.shape.sizes]
            assert list(values.shape[1:]) == found


@pytest.mark.parametrize("name", list_layers_files())
def test_a_clip_of_the_fewest_frames_still_gives_one_step(name):
    table = describe_layers(name)
    steps = table["n_steps"].dropna().tolist()
    assert steps[0] == weightless(name).min_frames
    assert min(steps) == 1
    if steps[0] > 1:
        assert describe_layers(name, n_frames=steps[0] - 1)["n_steps"].dropna().min() == 0
    assert all(before >= after for before, after in pairwise(steps))


def test_same_padding_leaves_as_much_as_the_stride_lets_be():
    layers = make_layers(parse_layers(FILES["strided"], file="x"), n_channels=1, n_bands=6)
    assert layers[0].shape.sizes == (3, 3, None)
    assert [layers[0].steps(n) for n in (1, 2, 3, 8, 9)] == [1, 1, 2, 4, 5]


def test_the_last_step_backwards_is_the_first():
    text = STEPS + "[lstm]\nhidden_size=2\nbidirectional=True\n" + LAST + END
    backbone = layered(text.replace("[batchnorm1d]\n", ""))
    lstm, frames = backbone.parts["main"]["lstm_0"].module, torch.randn(1, 1, 6, 5)
    states, _ = lstm(frames[0].permute(0, 2, 1))
    expected = torch.cat([states[0, -1, :2], states[0, 0, 2:]])
    torch.testing.assert_close(backbone(frames, torch.tensor([5]))[0], expected)


def test_values_are_joined_in_the_order_that_is_named():
    text = "[moddims]\npermute=[2, 0, 1]\ncollapse={}\n[lstm]\nhidden_size=1\n" + LAST + END
    frames = torch.arange(12.0).reshape(1, 2, 3, 2)
    for order, expected in (("[1, 2]", [0, 2, 4, 6, 8, 10]), ("[2, 1]", [0, 6, 2, 8, 4, 10])):
        file = parse_layers(text.format(order), file="x")
        moddims = make_layers(file, n_channels=2, n_bands=3)[0]
        joined, _ = moddims(frames, torch.tensor([2]))
        assert joined[0, 0].tolist() == expected


def test_repetitions_are_written_out_and_numbered():
    text = "REPEATx2\n[relu]\nrepeat x 3\n[elu] # twice three\nalpha=2\nEND\nend\n[relu]\n"
    layers = parse_layers(text, file="x").layers
    names = ["relu_0", "elu_0", "elu_1", "elu_2", "relu_1", "elu_3", "elu_4", "elu_5", "relu_2"]
    assert [section.name for section in layers] == names
    assert [section.line for section in layers] == [2, 4, 4, 4, 2, 4, 4, 4, 8]
    assert layers[6].options == {"alpha": 2}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-0.5", -0.5),
        ("1e-3", 0.001),
        ("True", True),
        ("false", False),
        ("None", None),
        ("same", "same"),
        ("[2, None, 0.5]", [2, None, 0.5]),
        ("(3,)", [3]),
        ("[]", []),
    ],
    ids=str,
)
def test_values_are_numbers_words_and_lists(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    ["__import__('os').getcwd()", "1+1", "'a'", "[[1]]", "{}", "9" * 5000, "[1, 2", "a.b", ""],
    ids=lambda text: text[:12],
)
def test_what_would_have_to_be_evaluated_is_refused(text):
    with pytest.raises(ValueError, match="must be a number"):
        parse_value(text)


def test_repetitions_cannot_fill_the_memory():
    with pytest.raises(ValueError, match="line 8: there must be at most 1000 layers"):
        parse_layers("REPEATx999\n" * 9 + "[relu]\n" + "END\n" * 9, file="x.cfg")


def after(layers: str) -> str:
    return layers + STEPS + LAST + END


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[conv3d]\n" + END, r"x.cfg, line 1: \[conv3d\] must be one of conv1d, "),
        ("kernel_size=3\n" + END, "line 1: kernel_size must stand under the"),
        ("[relu]\nwhat is this\n" + END, r"line 2: a line must be a \[section\].*got 'what is"),
        ("[conv2d\n" + END, "line 1: a line must be"),
        ("[elu]\nalpha=1\nalpha=2\n" + END, "line 3: alpha must be set once, and line 2 sets it"),
        ("[elu]\nalpha=f(1)\n" + END, r"line 2: alpha: a value must be.*got 'f\(1\)'"),
        ("[elu]\nbeta=1\n" + END, r"line 2: \[elu\] has no option 'beta'; its options are: alpha"),
        ("[conv2d]\nkernel_size=3\n" + END, r"line 1: \[conv2d\] must set out_channels: a whole"),
        (
            "[conv2d]\nout_channels=0\nkernel_size=[3, 3, 3]\n" + END,
            r"(?s)line 2: .*out_channels must be a whole number from 1.*got 0\n"
            r".*line 3: .*kernel_size must be .*list of 2, got \[3, 3, 3\]",
        ),
        (
            "[maxpool2d]\nkernel_size=3\n" + END,
            r"line 1: \[maxpool2d\] must set stride",
        ),
        ("[dropout]\np=1\n" + END, "p must be a number from 0 to less than 1, got 1"),
        ("REPEATx2\n[relu]\n" + END, "line 1: REPEAT must have an END"),
        ("[relu]\nEND\n" + END, "line 2: END must have a REPEATxN"),
        ("REPEATx0\n[relu]\nEND\n" + END, "line 1: REPEAT must be done at least once"),
        ("REPEATx2\nEND\n" + END, "line 1: REPEAT must have layers"),
        ("REPEATx2\n[a_module]\n[relu]\nEND\n" + END, "line 2: .* between REPEAT and END"),
        ("[a_module]\n[relu]\n[a_module]\n" + END, "line 3: .*line 1 has it already"),
        ("[keys_module]\n" + after(CONV), "line 2: .*called 'keys': torch uses it"),
        ("[relu]\n[input]\nshape=[1, 6, 9]\n" + END, r"line 2: \[input\] must stand once, before"),
        ("[input]\nshape=[1, 6]\n" + after(CONV), r"line 1: \[input\] must set shape=\[channels"),
        ("[input]\nshape=[1, 9, 40]\n" + after(CONV), r"line 2: .*is for 1 x 9 .*gives 1 x 6"),
        ("", "x.cfg must have layers, got none"),
        ("[relu]\n", r"line 1: \[relu\] must not be the last layer"),
        (CONV + END, r"line 7: \[batchnorm1d\] must be given values, .*got \(3, 6, time\)"),
        (CONV + "[linear]\nout_features=2\n", r"line 5: .*got \(3, 6, time\)"),
        (STEPS + "[linear]\nout_features=2\n", r"line 4: .*one axis of values.*got \(time, 6\)"),
        ("[lstm]\nhidden_size=2\n" + END, r"line 1: \[lstm\] must be given time and values, got"),
        (STEPS + CONV.replace("2d", "1d") + END, r"line 4: .*not time for channels, got \(time, 6"),
        (CONV + "[conv1d]\nout_channels=2\nkernel_size=1\n" + END, "line 5: .*channels and one"),
        (
            "[conv2d]\nout_channels=2\nkernel_size=7\n" + END,
            r"line 1: .*at least \[7, 7\] along the axes after channels, got \(1, 6, time\)",
        ),
        (CONV.replace("3\np", "4\np") + END, "line 4: .*padding=same must go with an odd"),
        (CONV + "groups=2\n" + END, "line 5: .*groups must divide .* 1 and 3, got 2"),
        (
            "[maxpool2d]\nkernel_size=2\nstride=2\npadding=2\n" + END,
            "line 4: .*padding must be at most half of kernel_size, got 2 and 2",
        ),
        (
            "[convtranspose2d]\nout_channels=1\nkernel_size=3\noutput_padding=1\n" + END,
            "line 4: .*output_padding must be smaller than stride",
        ),
        ("[moddims]\npermute=[0, 3, 1]\n" + END, "line 2: .*permute must name axes from 0 to 2"),
        ("[moddims]\npermute=[0, 0]\n" + END, "permute must be a list of different"),
        ("[moddims]\npermute=[0, 2]\n" + END, r"line 2: .*time and those of size 1, got \[0, 2\]"),
        ("[moddims]\ncollapse=[1, 2]\n" + END, "line 2: .*collapse must leave time alone"),
        (STEPS + "[dropout2d]\n" + END, r"line 4: \[dropout2d\] must be given channels"),
        (after(CONV) + "bias=False\n", r"line 15: \[linear\] bias must be True in the last"),
    ],
)
def test_an_error_says_the_line_what_must_hold_and_what_was_given(text, message):
    with pytest.raises(ValueError, match=message):
        layered(text)


def test_all_wrong_lines_are_named_at_once_and_each_once():
    text = "REPEATx3\n[dropout]\np=2\nEND\n[what]\n" + END
    with pytest.raises(ValueError) as error:
        layered(text)
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == [
        "x.cfg, line 3",
        "x.cfg, line 5",
    ]


def test_a_file_is_found_by_name_or_path(tmp_path):
    path = tmp_path / "mine.cfg"
    path.write_text("# ours\n" + after(CONV), encoding="utf-8")
    assert [section.kind for section in read_layers(path).layers][:2] == ["conv2d", "moddims"]
    with pytest.raises(FileNotFoundError, match=r"one of \['cnn', 'crnn'.*got 'crn'"):
        read_layers("crn")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="must be text in UTF-8"):
        read_layers(path)


def test_a_network_is_made_anew_from_its_card_when_its_file_is_gone(tmp_path):
    path = tmp_path / "mine.cfg"
    path.write_text(after(CONV), encoding="utf-8")
    options = {"frontend_params": {"n_mels": 16, "n_fft": 256}, "sr": 8000, "layers": str(path)}
    network = create_backbone("layers", n_classes=3, **options).eval()
    card = json.loads(json.dumps(network.backbone.architecture))
    path.unlink()
    again = create_backbone("layers", n_classes=3, architecture=card, **options).eval()
    again.load_state_dict(network.state_dict())
    batch = torch.randn(2, 4000), torch.tensor([4000, 4000])
    assert torch.equal(again(*batch), network(*batch))
    with pytest.raises(ValueError, match="must have the name and text of a layers file"):
        create_backbone("layers", n_classes=3, architecture={"layers": 1})


def test_every_weight_of_a_recurrence_both_ways_learns():
    backbone = layered(FILES["lstm-both"]).train()
    backbone(torch.randn(4, 1, 6, 9), torch.tensor([9, 5, 4, 9])).square().sum().backward()
    idle = [name for name, weight in backbone.named_parameters() if not weight.grad.any()]
    # What batch normalisation takes away again: a constant added before it.
    assert [name for name in idle if "lstm" in name] == []


def test_padding_that_is_passed_over_leaves_training_finite():
    backbone = layered(FILES["max-pool"]).train()
    frames, lengths = torch.randn(3, 1, 6, 20), torch.tensor([20, 3, 5])
    backbone(frames, lengths).sum().backward()
    assert all(weight.grad.isfinite().all() for weight in backbone.parameters())


def test_maps_to_look_at_are_those_before_the_last_pool():
    backbone = weightless("crnn")
    assert isinstance(backbone.get_submodule(backbone.map_layer), nn.ELU)
    assert weightless("rnn").map_layer is None


def test_the_table_of_layers_says_what_each_gives():
    table = describe_layers("crnn", n_frames=400, n_classes=4).set_index("layer")
    assert table.loc["conv2d_0", ["line", "part"]].tolist() == [5, "convs"]
    assert table.loc["maxpool2d_2", "shape"] == "(64, 2, time)"
    assert table.loc["lstm_0", "n_steps"] == 7
    assert table.loc["linear_0", ["shape", "n_parameters"]].tolist() == ["(4)", 260]


def test_the_table_takes_sizes_from_the_file(tmp_path):
    path = tmp_path / "mine.cfg"
    path.write_text("[input]\nshape=[2, 6, 31]\n" + after(CONV), encoding="utf-8")
    table = describe_layers(path)
    assert table.loc[0, ["line", "shape", "n_steps"]].tolist() == [1, "(2, 6, time)", 31]
    assert table.loc[1, "n_parameters"] == 3 * 2 * 9 + 3
