#!/usr/bin/env python3
"""Resampled sounds and log-mel spectrograms by torchaudio, and files written and read by libsndfile, for the tests.

    python3 -m venv venv
    venv/bin/pip install torch==2.15.0 torchaudio==2.11.1 scipy==1.17.1 soundfile==0.13.1
    venv/bin/python scripts/reference/sound_torchaudio.py

Writes crates/sound/tests/sounds.json and the sound files beside it. The sounds are formulas, given by the test too.
Resampling is that of `torchaudio.functional.resample` with 16 zero crossings and a rolloff of 0.95, computed in f64.
It also prints the largest difference from SciPy's `resample_poly` with a long filter, on sounds without frequencies
near the limit, apart from the ends.
"""

import json
import pathlib

import numpy as np
import scipy.signal
import soundfile
import torch
import torchaudio

TESTS = pathlib.Path(__file__).parents[2] / "crates/sound/tests"


def formula(rate, count, channel=0):
    """Two tones and noise, in f32."""
    n = np.arange(count, dtype=np.uint64)
    time = n.astype(np.float64) / rate
    noise = (((n + np.uint64(7919 * channel)) * 2654435761 % 4294967296) >> 16).astype(np.float64) / 65536.0 - 0.5
    pitch = 440.0 + 110.0 * channel
    tones = 0.4 * np.sin(2 * np.pi * pitch * time) + 0.2 * np.sin(2 * np.pi * 1234.5 * time)
    return (tones + 0.1 * noise).astype(np.float32)


def resampled():
    for rate, to, count in [(44100, 16000, 2000), (8000, 16000, 700), (22050, 8000, 1500), (48000, 44100, 900)]:
        sound = torch.from_numpy(formula(rate, count).astype(np.float64))
        values = torchaudio.functional.resample(sound, rate, to, lowpass_filter_width=16, rolloff=0.95)
        yield {"rate": rate, "to": to, "count": count, "values": rounded(values.numpy())}


def spectrograms():
    for rate, count, mels, window, hop in [(16000, 4000, 64, 400, 160), (8000, 3000, 40, 200, 80),
                                           (22050, 2500, 32, 512, 200), (16000, 1200, 20, 333, 100)]:
        size = 1 << (window - 1).bit_length()
        transform = torchaudio.transforms.MelSpectrogram(
            rate, n_fft=size, win_length=window, hop_length=hop, n_mels=mels).double()
        energies = transform(torch.from_numpy(formula(rate, count).astype(np.float64)))
        values = torch.log(energies.clamp_min(1e-5)).numpy()
        yield {"rate": rate, "count": count, "mels": mels, "window": window, "hop": hop,
               "frames": values.shape[1], "values": rounded(values.ravel()[::3])}


def decoded():
    """Stereo files, of which the test averages the channels."""
    rate, count = 8000, 1600
    sound = np.stack([formula(rate, count, channel) for channel in range(2)], axis=1)
    for name, kind, subtype in [("pcm16.wav", "WAV", "PCM_16"), ("pcm24.wav", "WAV", "PCM_24"),
                                ("float.wav", "WAV", "FLOAT"), ("tone.flac", "FLAC", "PCM_16"),
                                ("tone.ogg", "OGG", "VORBIS"), ("tone.mp3", "MP3", "MPEG_LAYER_III")]:
        path = TESTS / name
        soundfile.write(path, sound, rate, format=kind, subtype=subtype)
        values, found = soundfile.read(path, dtype="float32")
        assert found == rate
        yield {"name": name, "rate": rate, "count": len(values), "values": rounded(values.mean(axis=1)[::5])}


def rounded(values):
    return [float(f"{value:.8g}") for value in values]


def difference_from_scipy():
    worst = 0.0
    for rate, to in [(44100, 16000), (8000, 16000), (22050, 8000), (48000, 44100)]:
        time = np.arange(rate) / rate
        sound = 0.4 * np.sin(2 * np.pi * 440.0 * time) + 0.2 * np.sin(2 * np.pi * 1234.5 * time)
        divisor = np.gcd(rate, to)
        up, down = to // divisor, rate // divisor
        factor = max(up, down)
        taps = scipy.signal.firwin(2 * 64 * factor + 1, 1.0 / factor, window=("kaiser", 12.0))
        expected = scipy.signal.resample_poly(sound, up, down, window=taps)
        found = torchaudio.functional.resample(
            torch.from_numpy(sound), rate, to, lowpass_filter_width=16, rolloff=0.95).numpy()
        inner = slice(400, to - 400)
        worst = max(worst, np.abs(expected[inner] - found[inner]).max())
    print(f"largest difference from SciPy's resample_poly: {worst:.2e}")


if __name__ == "__main__":
    cases = {"resampled": list(resampled()), "spectrograms": list(spectrograms()), "decoded": list(decoded())}
    (TESTS / "sounds.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
    difference_from_scipy()
