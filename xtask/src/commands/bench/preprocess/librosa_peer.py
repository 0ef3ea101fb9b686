"""One process of `bench preprocess` of the peer: the same files by librosa, step by step timed."""

import json
import multiprocessing
import resource
import sys
import time

import librosa
import soundfile

threads, sample_rate, n_fft, hop_length, n_mels = map(int, sys.argv[1:6])
files = json.load(sys.stdin)


def log_mel(file):
    """Seconds of decoding, of mixing and resampling, of the transform; seconds of audio."""
    started = time.perf_counter()
    samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    mono = librosa.to_mono(samples.T)
    if rate != sample_rate:
        mono = librosa.resample(mono, orig_sr=rate, target_sr=sample_rate)
    resampled = time.perf_counter()
    mel = librosa.feature.melspectrogram(
        y=mono,
        sr=sample_rate,
        n_fft=n_fft,
        hop_length=hop_length,
        n_mels=n_mels,
        pad_mode="reflect",
    )
    librosa.power_to_db(mel)
    transformed = time.perf_counter()
    return resampled - started, transformed - resampled, len(mono) / sample_rate


if threads == 1:
    log_mel(files[0])  # compiles what is compiled, fills the caches
    started = time.perf_counter()
    times = [log_mel(file) for file in files]
    wall_s = time.perf_counter() - started
    who = resource.RUSAGE_SELF
else:
    with multiprocessing.get_context("fork").Pool(threads) as pool:
        pool.map(log_mel, files[:1] * threads, chunksize=1)
        started = time.perf_counter()
        times = pool.map(log_mel, files, chunksize=1)
        wall_s = time.perf_counter() - started
        pool.close()
        pool.join()
    who = resource.RUSAGE_CHILDREN
resample_s, transform_s, audio_s = map(sum, zip(*times))
peak_mib = resource.getrusage(who).ru_maxrss / 1024
print(
    json.dumps(
        dict(
            wall_s=wall_s,
            audio_s=audio_s,
            resample_s=resample_s,
            transform_s=transform_s,
            peak_mib=peak_mib,
            version=librosa.__version__,
        )
    )
)
