"""The compiled inner loops, each against the plain numpy expression, compiled and as Python."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from features import compiled
from features.kernels import spectra, waveforms

ROOT = Path(__file__).resolve().parent.parent
KERNELS = {
    name: function
    for module in (spectra, waveforms)
    for name, function in vars(module).items()
    if hasattr(function, "__wrapped__")
}
SHAPES = [(1, 1), (3, 1), (17, 5), (64, 33), (1025, 130)]


@pytest.fixture(params=["machine code", "Python"])
def kernel(request):
    """Give a kernel by name: compiled, or as the Python it is written in."""

    def get(name):
        function = KERNELS[name]
        return function if request.param == "machine code" else function.__wrapped__

    get.is_python = request.param == "Python"
    return get


def spectrum(rng, shape):
    return (rng.standard_normal(shape) ** 2).astype(np.float32)


def small(shapes, kernel):
    """Leave out what takes Python seconds."""
    return [shape for shape in shapes if not kernel.is_python or np.prod(shape) < 10_000]


def test_scaling_pads_with_zeros(rng, kernel):
    waveform = rng.standard_normal(1000).astype(np.float32)
    product = kernel("scaled")(waveform, 1e-3, 7)
    np.testing.assert_array_equal(product[7:-7], (waveform * np.float64(1e-3)).astype(np.float32))
    assert len(product) == 1014
    assert not product[:7].any()
    assert not product[-7:].any()


def test_the_largest_squares_do_not_overflow(kernel):
    largest = np.full(10, np.finfo(np.float32).max)
    assert kernel("sum_of_squares")(largest) == pytest.approx(10 * float(largest[0]) ** 2)


@pytest.mark.parametrize("n_frames", [1, 2, 9])
def test_windowed_frames_are_frames_times_window(rng, kernel, n_frames):
    samples = rng.standard_normal(16 * (n_frames - 1) + 64).astype(np.float32)
    window = np.hanning(64).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, 64)[::16]
    np.testing.assert_array_equal(kernel("windowed_frames")(samples, window, 16), frames * window)


@pytest.mark.parametrize("first", [0, 3])
def test_power_is_the_squared_magnitude_by_frequency(rng, kernel, first):
    values = rng.standard_normal((7, 33)) + 1j * rng.standard_normal((7, 33))
    values = values.astype(np.complex64)
    power = np.full((33, 10), -1.0, dtype=np.float32)
    kernel("put_power")(values, power, first)
    np.testing.assert_allclose(power[:, first : first + 7], np.abs(values.T) ** 2, rtol=1e-6)
    assert (np.delete(power, np.s_[first : first + 7], axis=1) == -1.0).all()


@pytest.mark.parametrize("n_weights", [0, 1, 3, 4, 9])
def test_filter_sums_are_a_sparse_product(rng, kernel, n_weights):
    power = spectrum(rng, (33, 6))
    bins = np.sort(rng.permutation(33)[:n_weights]).astype(np.int32)
    weights = rng.random(n_weights).astype(np.float32)
    starts = np.array([0, n_weights, n_weights], dtype=np.int32)
    sums = kernel("filter_sums")(power, weights, bins, starts)
    np.testing.assert_allclose(sums[0], weights @ power[bins], rtol=1e-5)
    assert not sums[1].any()


def test_spectral_shape_is_that_of_a_distribution(rng, kernel):
    for shape in small(SHAPES, kernel):
        weights = spectrum(rng, shape)
        frequencies = np.arange(shape[0], dtype=np.float32)
        total, mean, std, skewness, kurtosis = kernel("spectral_shape")(weights, frequencies)
        share = weights.astype(float) / weights.sum(axis=0)
        expected = (share * frequencies[:, None]).sum(axis=0)
        deviation = frequencies[:, None] - expected
        second, third, fourth = ((share * deviation**k).sum(axis=0) for k in (2, 3, 4))
        np.testing.assert_allclose(total, weights.sum(axis=0), rtol=1e-5)
        np.testing.assert_allclose(mean, expected, rtol=1e-5)
        np.testing.assert_allclose(std, np.sqrt(second), rtol=1e-5)
        if shape[0] > 1:
            np.testing.assert_allclose(skewness, third / second**1.5, atol=1e-4)
            np.testing.assert_allclose(kurtosis, fourth / second**2, rtol=1e-4)


def test_silent_frames_have_no_shape(kernel):
    shape = kernel("spectral_shape")(np.zeros((5, 2), np.float32), np.arange(5, dtype=np.float32))
    assert not shape.any()


def test_mean_rises_leave_falls_out(rng, kernel):
    levels = rng.standard_normal((4, 17)).astype(np.float32)
    expected = np.maximum(0.0, np.diff(levels, axis=1)).mean(axis=0)
    np.testing.assert_allclose(kernel("mean_rises")(levels), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("floor", [1e-10, 1e-30])
def test_the_mean_logarithm_is_numpys(rng, kernel, floor):
    values = spectrum(rng, (33, 4)) * np.float32(1e6)
    values[:, 1] = 0.0
    values[:, 2] = 1e30
    expected = np.log2(np.maximum(values.astype(float), floor)).mean(axis=0)
    np.testing.assert_allclose(kernel("mean_log2")(values, floor), expected, rtol=1e-12)


def test_bins_below_a_share_are_counted(kernel):
    values = np.array([[1, 0], [1, 0], [2, 0], [4, 8]], dtype=np.float32)
    shares = np.array([0.0, 0.25, 0.5, 1.0], dtype=np.float32)
    below = kernel("bins_below")(values, values.sum(axis=0), shares)
    np.testing.assert_array_equal(below, [[0, 0], [1, 3], [2, 3], [3, 3]])


@pytest.mark.parametrize("n", [1, 2, 9])
@pytest.mark.parametrize("n_bins", [9, 10, 12, 100])
def test_extreme_means_are_those_of_a_sorted_band(rng, kernel, n, n_bins):
    values = spectrum(rng, (n_bins + 5, 3))
    bands = np.array([[0, 9, 1], [5, 5 + n_bins, n]])
    largest, smallest = kernel("extreme_means")(values, bands)[:, 1]
    ascending = np.sort(values[5:], axis=0)
    np.testing.assert_allclose(largest, ascending[-n:].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(smallest, ascending[:n].mean(axis=0), rtol=1e-6)


def test_sums_and_peaks_are_numpys(rng, kernel):
    for shape in small(SHAPES, kernel):
        values = spectrum(rng, shape)
        sums, peaks = kernel("sums_and_peaks")(values)
        np.testing.assert_allclose(sums, values.sum(axis=0), rtol=1e-5)
        np.testing.assert_array_equal(peaks, values.max(axis=0))


@pytest.mark.parametrize("n_frames", [1, 2, 33])
def test_neighbour_products_are_sums_over_frequency(rng, kernel, n_frames):
    values = spectrum(rng, (20, n_frames))
    expected = (values[:, :-1] * values[:, 1:]).sum(axis=0)
    np.testing.assert_allclose(kernel("neighbour_products")(values), expected, rtol=1e-5)


def test_bin_products_are_sums_over_frequency(rng, kernel):
    for shape in small(SHAPES, kernel):
        values = spectrum(rng, shape)
        expected = (values[:-1] * values[1:]).sum(axis=0)
        np.testing.assert_allclose(kernel("bin_products")(values), expected, rtol=1e-4)


def test_amplitude_counts_are_numpys_histograms(rng, kernel):
    segments = rng.standard_normal((3, 500)).astype(np.float32)
    segments[1] = 0.25
    lowest, highest = segments.min(axis=1), segments.max(axis=1)
    counts = kernel("amplitude_counts")(segments, lowest, highest, 16)
    for s in (0, 2):
        np.testing.assert_array_equal(counts[:, s], np.histogram(segments[s], bins=16)[0])
    assert counts[0, 1] == 500


def test_centring_leaves_nothing_of_a_constant(rng, kernel):
    segments = rng.standard_normal((2, 100)).astype(np.float32)
    segments[1] = 1 / 3
    without = kernel("centred")(segments)
    expected = segments[0] - segments[0].astype(float).mean()
    np.testing.assert_allclose(without[0], expected, atol=1e-6)
    assert not without[1].any()


def test_order_counts_are_those_of_argsort(rng, kernel):
    segments = rng.integers(0, 4, (3, 300)).astype(np.float32)
    triples = np.lib.stride_tricks.sliding_window_view(segments, 3, axis=1)
    orders = np.argsort(triples, axis=2, kind="stable") @ [9, 3, 1]
    counts = kernel("order_counts")(segments)
    for s in range(3):
        expected = np.unique(orders[s], return_counts=True)[1]
        assert sorted(counts[counts[:, s] > 0, s]) == sorted(expected)


def test_difference_variances_are_numpys(rng, kernel):
    segments = (1e3 + rng.standard_normal((4, 200))).astype(np.float32)
    variances = kernel("difference_variances")(segments)
    exact = segments.astype(float)
    for order in range(3):
        expected = np.diff(exact, n=order, axis=1).var(axis=1)
        np.testing.assert_allclose(variances[order], expected, rtol=1e-9)


@pytest.mark.parametrize("n_frames", [1, 2, 7])
def test_frame_sums_are_those_of_each_frame(rng, kernel, n_frames):
    samples = rng.standard_normal(16 * (n_frames - 1) + 64).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, 64)[::16].astype(float)
    squares, changes = kernel("frame_sums")(samples, 64, 16)
    np.testing.assert_allclose(squares, (frames**2).sum(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(changes, np.diff(frames < 0, axis=1).sum(axis=1))


@pytest.mark.parametrize("width", [1, 3, 9])
def test_weighted_neighbours_are_a_correlation_with_repeated_ends(rng, kernel, width):
    contours = rng.standard_normal((2, 9)).astype(np.float32)
    weights = rng.standard_normal(width).astype(np.float32)
    sums = kernel("weighted_neighbours")(contours, weights)
    for contour, row in zip(contours, sums, strict=True):
        inner = np.correlate(contour, weights, mode="valid")
        expected = np.pad(inner, width // 2, mode="edge")
        np.testing.assert_allclose(row, expected, atol=1e-5)


def test_every_kernel_has_a_test():
    text = Path(__file__).read_text()
    assert len(KERNELS) > 10
    assert [name for name in KERNELS if f'"{name}"' not in text] == []


def test_numba_waits_for_the_first_call():
    code = (
        "import sys, features.feature_set; assert 'numba' not in sys.modules;"
        "import numpy as np; from features.kernels.waveforms import sum_of_squares;"
        "sum_of_squares(np.ones(3, np.float32));"
        "print('numba' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_kernels_run_where_nothing_may_be_written(tmp_path):
    """The package lies in a folder that is not ours, and there is no home to keep code in."""
    code = (
        "import numba.core.caching as caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "import numpy as np, features.kernels.waveforms as k\n"
        "print(k.sum_of_squares(np.ones(3, np.float32)))\n"
    )
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "3.0"


def test_a_kernel_keeps_its_name_and_docstring():
    def double(x):
        """Twice."""
        return 2 * x

    assert compiled.compiled(double).__doc__ == "Twice."
    assert compiled.compiled(double)(3) == 6
