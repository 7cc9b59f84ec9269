"""The actor's voice: a formant synthesiser that babbles syllables with the prosody of an emotion.

Source and filter, after Klatt: a pulse train with jitter and shimmer, plus breath, goes through a cascade of
five resonators that moves from consonant to vowel to consonant; fricatives and bursts are shaped noise beside
it. The words mean nothing, but a voice activity detector hears speech.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLEAR_PROSODIES", "PROSODIES", "SAMPLE_RATE_HZ", "Prosody", "Voice"]

SAMPLE_RATE_HZ = 16_000

Floats = NDArray[np.float64]
_Rng = np.random.Generator

_HOP = 64  # samples between two settings of the resonators
_FFT = 512  # long enough for the resonances to die away
_BANDWIDTHS_HZ = (70.0, 100.0, 150.0, 250.0, 350.0)
_ROOM_RMS = 4e-4
_SHORTEST_SYLLABLE_S = 0.15  # the longest consonant leaves time for a vowel in it


@dataclass(frozen=True)
class Prosody:
    """How an emotion sounds.

    Attributes:
        pitch: factor on the actor's pitch.
        span_st: how far accents leave the mean pitch, in semitones.
        slope_st: change of pitch from a phrase's start to its end, in semitones.
        rate_hz: syllables a second.
        level_db: loudness against the neutral voice.
        tension: 0 for a soft voice with a dark spectrum, 1 for a pressed, bright one.
        breath: noise in the voice, against its pulses.
        tremor_st: depth of a 6.5 Hz tremor of the pitch, in semitones.
    """

    pitch: float
    span_st: float
    slope_st: float
    rate_hz: float
    level_db: float
    tension: float
    breath: float
    tremor_st: float = 0.0


_AROUSED = Prosody(1.25, 4.0, -2.0, 4.8, 4.0, 0.9, 0.03)
_SUBDUED = Prosody(0.90, 1.2, -3.0, 4.0, -5.0, 0.2, 0.08)

PROSODIES: dict[str, Prosody] = {
    "anger": _AROUSED,
    "joy": _AROUSED,
    "sadness": _SUBDUED,
    "disgust": _SUBDUED,
    "fear": Prosody(1.30, 1.5, 1.0, 5.2, -1.0, 0.5, 0.12, tremor_st=0.7),
    "surprise": Prosody(1.15, 3.0, 6.0, 4.2, 2.0, 0.6, 0.05),
    "neutral": Prosody(1.00, 2.0, -2.5, 4.5, 0.0, 0.5, 0.05),
}

CLEAR_PROSODIES: dict[str, Prosody] = {
    "anger": Prosody(1.60, 8.5, -1.0, 3.7, 4.0, 0.82, 0.10),
    "joy": Prosody(1.28, 6.0, -5.0, 3.0, 2.0, 0.65, 0.25, tremor_st=1.0),
    "sadness": Prosody(1.95, 2.0, -1.0, 2.8, -3.0, 0.6, 0.20, tremor_st=2.0),
    "fear": Prosody(1.45, 1.9, 0.0, 6.5, 0.0, 0.22, 0.03, tremor_st=2.0),
}
"""As strong as on a stage: of what a network hears in it that learnt from real actors alone. Where there is none,
the plain one is played."""

# Formants 1 to 3 in Hz of an adult male voice.
_VOWELS = np.array(
    [
        (380, 2150, 2850),
        (470, 1900, 2550),
        (600, 1750, 2500),
        (730, 1150, 2500),
        (680, 1400, 2450),
        (540, 950, 2450),
        (420, 1050, 2350),
        (500, 1450, 2450),
    ],
    dtype=np.float64,
)


@dataclass(frozen=True)
class _Consonant:
    """One consonant: its length, the formants it pulls to, and its sound during closure and at release."""

    seconds: float
    formants: tuple[float, float, float]
    voiced: float
    noise: float = 0.0
    burst: float = 0.0
    band_hz: tuple[float, float] = (2000.0, 6000.0)


_CONSONANTS = (
    _Consonant(0.065, (270, 1000, 2250), 0.30),  # m
    _Consonant(0.060, (280, 1650, 2550), 0.30),  # n
    _Consonant(0.060, (360, 1250, 2650), 0.40),  # l
    _Consonant(0.055, (350, 1250, 1750), 0.40),  # r
    _Consonant(0.060, (300, 750, 2250), 0.40),  # w
    _Consonant(0.055, (290, 2150, 2900), 0.40),  # j
    _Consonant(0.050, (250, 900, 2250), 0.12, burst=0.15, band_hz=(500, 2500)),  # b
    _Consonant(0.050, (250, 1700, 2650), 0.12, burst=0.25, band_hz=(2500, 6000)),  # d
    _Consonant(0.050, (250, 1800, 2200), 0.12, burst=0.25, band_hz=(1500, 4000)),  # g
    _Consonant(0.070, (300, 1750, 2650), 0.0, burst=0.5, band_hz=(3000, 7000)),  # t
    _Consonant(0.070, (300, 1850, 2250), 0.0, burst=0.5, band_hz=(1500, 4000)),  # k
    _Consonant(0.095, (320, 1650, 2600), 0.0, noise=0.35, band_hz=(4200, 7600)),  # s
    _Consonant(0.090, (320, 1800, 2500), 0.0, noise=0.35, band_hz=(2200, 6000)),  # sh
    _Consonant(0.075, (320, 1000, 2300), 0.25, noise=0.10, band_hz=(1500, 7600)),  # v
)


class _Score:
    """What is to be spoken: breakpoints of every control in order of time, and noises beside the voice."""

    def __init__(self) -> None:
        self.points: list[tuple[float, ...]] = []
        self.noises: list[tuple[float, float, float, tuple[float, float]]] = []

    def point(self, seconds: float, formants: Floats, voiced: float, pitch_st: float) -> None:
        """Set the formants in Hz, the strength of the voice and its pitch in semitones at a moment."""
        self.points.append((seconds, *formants, voiced, pitch_st))

    def rest(self, seconds: float) -> None:
        """Let the voice fade out until a moment, and stay silent."""
        *_, formant_1, formant_2, formant_3, _, pitch_st = self.points[-1]
        self.points.append((seconds, formant_1, formant_2, formant_3, 0.0, pitch_st))

    def noise(self, seconds: float, duration: float, level: float, band_hz: tuple[float, float]) -> None:
        """Put a shaped noise beside the voice."""
        self.noises.append((seconds, duration, level, band_hz))

    def controls(self, seconds: Floats) -> Floats:
        """Every control on a time axis [n], float64 [5, n]: three formants, voice, pitch."""
        points = np.array(self.points)
        return np.stack([np.interp(seconds, points[:, 0], column) for column in points.T[1:]])


class Voice:
    """One actor's voice.

    Args:
        actor: seed of the person: pitch and length of the vocal tract.
        seed: seed of the take: syllables, accents, noise.
    """

    def __init__(self, actor: int, seed: int = 0) -> None:
        self._key = (actor, seed)
        rng = np.random.default_rng((101, actor))
        high = rng.random() < 0.5
        self.pitch_hz = float(rng.uniform(170, 195) if high else rng.uniform(105, 130))
        self._formant_scale = float(rng.uniform(1.08, 1.17) if high else rng.uniform(0.97, 1.05))

    def room(self, n_samples: int, take: int = 0) -> NDArray[np.float32]:
        """Faint room noise, float32 [n_samples], mono 16 kHz."""
        noise = np.random.default_rng((102, *self._key, take)).standard_normal(n_samples + 1)
        return np.asarray(_ROOM_RMS * (noise[1:] + noise[:-1]) / np.sqrt(2), dtype=np.float32)

    def speak(self, emotion: str, n_samples: int, take: int = 0, *, clear: bool = False) -> NDArray[np.float32]:
        """Babble for a while, with short pauses between phrases.

        Args:
            emotion: a key of `PROSODIES`.
            n_samples: length at 16 kHz.
            take: tells several lines of one clip apart.
            clear: play it as in `CLEAR_PROSODIES`.

        Returns:
            Speech in faint room noise, float32 [n_samples], mono 16 kHz, within [-1, 1]; the noise alone
            where not even a syllable fits (below 0.3 s).
        """
        rng = np.random.default_rng((103, *self._key, take))
        prosody = (CLEAR_PROSODIES if clear else PROSODIES).get(emotion, PROSODIES[emotion])
        score = self._compose(prosody, n_samples / SAMPLE_RATE_HZ, rng)
        sound = self.room(n_samples, take)
        if score.points:
            sound += self._render(score, prosody, n_samples, rng).astype(np.float32)
        return np.asarray(np.clip(sound, -1.0, 1.0))

    def _compose(self, prosody: Prosody, seconds: float, rng: _Rng) -> _Score:
        """Choose syllables and accents, phrase by phrase, until the time is filled."""
        score = _Score()
        time = 0.02
        end = seconds - 0.12  # a detector hears a voice a little longer than it lasts
        while end - time > _SHORTEST_SYLLABLE_S:
            n_syllables = int(rng.integers(6, 11))
            stress = int(rng.integers(0, 3))
            for i in range(n_syllables):
                left = end - time
                if left < _SHORTEST_SYLLABLE_S:
                    break
                duration = rng.uniform(0.85, 1.2) / prosody.rate_hz if left * prosody.rate_hz > 2 else left
                accent = rng.uniform(0.6, 1.0) if i % 3 == stress else rng.uniform(-0.5, 0.0)
                pitch_st = prosody.span_st * accent + prosody.slope_st * (i / (n_syllables - 1) - 0.5)
                self._syllable(score, time, duration, pitch_st, rng)
                time += duration
            score.rest(time + 0.04)
            time += rng.uniform(0.08, 0.14)
        return score

    def _syllable(self, score: _Score, time: float, duration: float, pitch_st: float, rng: _Rng) -> None:
        consonant = _CONSONANTS[rng.integers(len(_CONSONANTS))]
        vowel = self._formant_scale * _VOWELS[rng.integers(len(_VOWELS))]
        locus = self._formant_scale * np.array(consonant.formants)
        release = time + consonant.seconds
        if consonant.noise:
            score.noise(time, consonant.seconds, consonant.noise, consonant.band_hz)
        if consonant.burst:
            score.noise(release - 0.015, 0.030, consonant.burst, consonant.band_hz)
        score.point(time + 0.012, locus, consonant.voiced, pitch_st)
        score.point(release - 0.005, locus, consonant.voiced, pitch_st)
        score.point(release + 0.020, 0.7 * vowel + 0.3 * locus, 1.0, pitch_st)
        score.point(release + 0.040, vowel, 1.0, pitch_st)
        score.point(time + duration - 0.01, vowel, 0.5, pitch_st)

    def _render(self, score: _Score, prosody: Prosody, n_samples: int, rng: _Rng) -> Floats:
        """Turn a score into sound, float64 [n_samples]."""
        n_hops = n_samples // _HOP + 2
        seconds = np.arange(n_hops * _HOP) / SAMPLE_RATE_HZ
        f1, f2, f3, voiced, pitch_st = score.controls(seconds)
        pitch_st = _smooth(pitch_st, 960) + prosody.tremor_st * np.sin(2 * np.pi * 6.5 * seconds)
        pitch_hz = self.pitch_hz * prosody.pitch * 2 ** (pitch_st / 12)
        source = _glottis(pitch_hz, prosody, rng) * _smooth(voiced, 160)
        fixed = [np.full(n_hops, self._formant_scale * hz) for hz in (3500.0, 4400.0)]
        formants = np.stack([*(_smooth(f, 240)[::_HOP] for f in (f1, f2, f3)), *fixed])
        speech = _through_tract(source, formants, tilt_hz=1000.0 + 3500.0 * prosody.tension)
        speech *= 0.1 / np.sqrt(np.mean(np.square(speech[voiced > 0.5])))
        for start, duration, level, band_hz in score.noises:
            noise = _band_noise(int(duration * SAMPLE_RATE_HZ), band_hz, rng)
            at = int(start * SAMPLE_RATE_HZ)
            speech[at : at + len(noise)] += 0.1 * level * noise[: len(speech) - at]
        return np.asarray(10 ** (prosody.level_db / 20) * speech[:n_samples])


def _smooth(values: Floats, n: int) -> Floats:
    """A centred moving average over n samples, edges repeated."""
    padded = np.concatenate([np.full(n // 2 + 1, values[0]), values, np.full(n - n // 2 - 1, values[-1])])
    total = np.cumsum(padded)
    return np.asarray((total[n:] - total[:-n]) / n)


def _glottis(pitch_hz: Floats, prosody: Prosody, rng: _Rng) -> Floats:
    """The derivative of the glottal flow for a pitch contour [n], with breath, float64 [n].

    The pulse is Klatt's: the flow rises as x^2 - x^3 in the open part of a cycle and is 0 in the rest.
    """
    phase = np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    cycles = np.arange(int(phase[-1]) + 2)
    # Each cycle starts a little early or late, which is jitter without a drift of the pitch.
    phase = np.interp(phase, cycles, cycles + 0.012 * rng.standard_normal(len(cycles)))
    cycle = np.floor(phase).astype(np.int64)
    shimmer = 1 + 0.05 * rng.standard_normal(len(cycles))
    x = (phase - cycle) / (0.75 - 0.25 * prosody.tension)
    pulse = np.where(x < 1, 2 * x - 3 * x * x, 0.0) * shimmer[cycle]
    breath = rng.standard_normal(len(x)) * np.where(x < 1, 1.0, 0.4)
    return np.asarray(pulse + prosody.breath * breath)


def _through_tract(source: Floats, formants: Floats, tilt_hz: float) -> Floats:
    """Filter a source [n_hops * _HOP] by resonators that move, formants [5, n_hops] in Hz, float64 as source.

    Windows of two hops are filtered one by one in the frequency domain and added up.
    """
    n_hops = formants.shape[1]
    z = np.exp(-2j * np.pi * np.arange(_FFT // 2 + 1) / _FFT)
    pole = np.exp(-2 * np.pi * tilt_hz / SAMPLE_RATE_HZ)
    response = np.broadcast_to((1 - pole) / (1 - pole * z), (n_hops, len(z)))
    for centre_hz, bandwidth_hz in zip(formants, _BANDWIDTHS_HZ, strict=True):
        radius = np.exp(-np.pi * bandwidth_hz / SAMPLE_RATE_HZ)
        b = -2 * radius * np.cos(2 * np.pi * centre_hz / SAMPLE_RATE_HZ)[:, None]
        response = response * (1 + b + radius**2) / (1 + b * z + radius**2 * z * z)
    halves = np.concatenate([source, np.zeros(_HOP)]).reshape(n_hops + 1, _HOP)
    window = 0.5 - 0.5 * np.cos(np.pi * np.arange(2 * _HOP) / _HOP)
    frames = window * np.concatenate([halves[:-1], halves[1:]], axis=1)
    pieces = np.fft.irfft(np.fft.rfft(frames, _FFT) * response, _FFT).reshape(n_hops, -1, _HOP)
    out = np.zeros((n_hops + pieces.shape[1], _HOP))
    for k in range(pieces.shape[1]):
        out[k : k + n_hops] += pieces[:, k]
    return out[:n_hops].reshape(-1)


def _band_noise(n: int, band_hz: tuple[float, float], rng: _Rng) -> Floats:
    """Noise of unit power in a band with soft edges, swelling and fading, float64 [n]."""
    hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE_HZ)
    low, high = band_hz
    shape = 1 / (1 + (low / np.maximum(hz, 1.0)) ** 6) / (1 + (hz / high) ** 6)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * shape, n) * np.hanning(n)
    return np.asarray(noise / (np.std(noise) + 1e-12))
