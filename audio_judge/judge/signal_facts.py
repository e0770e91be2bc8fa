"""What is measured in a window itself, which outranks what a judge guesses of its faults, and gives them a degree and a direction.

Level, clipping, gaps and the edges of the band are facts (``audio_judge.analysis``); a judge guesses them from what it hears, and a
small one guesses wrong. Where a fact says enough, a known fault is likely or unlikely; in between, the guess stands. Thresholds are
those at which simulated speech of known faults has the fault: of 277 clips of speakers never heard, how many are right is noted.

Some faults are exact in a signal and no judge of ours was taught them: an echo, notches, wow. Of these, what is measured is all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from audio_judge.clips import Cause
from audio_judge.tasks.common import Spans

if TYPE_CHECKING:  # they take scipy, which scores do without
    from audio_judge.analysis.echoes import Echo
    from audio_judge.analysis.hum import Hum
    from audio_judge.analysis.notches import Notches
    from audio_judge.analysis.wavering import Wow

# The probability of a fault that is not there, as in training (``audio_judge.tasks.faults``), of one that is, and of one beyond doubt
ABSENT, PRESENT, CERTAIN = 0.02, 0.9, 0.98
# Speech is made for -23 (EBU R 128) to -16 LUFS (podcasts)
USUAL_LUFS = -23.0
# Nobody calls this too quiet or too loud: a judge that does is wrong in one of three cases
RIGHT_LUFS = (-33.0, -13.0)
# Below and above this everybody does; from -42 to -33 LUFS speech may be as quiet as it was recorded (19 of 21 below, 2 of 2 above)
WRONG_LUFS = (-42.0, -11.0)
# Share of flat samples from which a clip is clipped (17 of 21; the others were driven into it by a gain), and by which nobody misses it
CLIPPED_SHARE, STRONGLY_CLIPPED_SHARE = 0.001, 0.01
# Gaps add up to one lost packet at least; a longer one is as often a pause that was muted
GAP_SECONDS, LONGEST_GAP_SECONDS = 0.02, 0.25
# The longest packet in use, and how exactly the ends of a gap are seen
LONGEST_PACKET_SECONDS, ROUNDING_SECONDS = 0.06, 0.0008
# Narrowband speech ends at 4 kHz. Where a codec is heard, the edge is its own
NARROW_HZ = 4000.0
# Sound that reaches so high, and lower than a telephone does, is no telephone's
WIDE_HZ, LOW_CUT_HZ = 16_000.0, 250.0
# Pauses that lie no further below the speech are noisy; noise that comes and goes with the speech is not in them
NOISY_DB = 20.0
# A judge that is this sure hears a slope that lies under noise, or under the torn edges of lost packets
STUBBORN = 0.7
# Packets that are played again add up to one at least, and hum is like itself, too
REPEATED_SECONDS = 0.02


@dataclass(frozen=True)
class SignalFacts:
    """What was measured in a window.

    Args:
        seconds: Its length.
        loudness_lufs: None for less than 0.4 s, and silence.
        clipping_share: Share of the samples that are cut off flat, 0 to 1.
        gaps: (start, end) in seconds of the window; empty where they cannot be told from coarse rounding.
        low_hz: Lowest frequency of the voice.
        high_hz: Highest frequency that sounds; 0 for silence.
        snr_db: How far the pauses lie below the speech; None where there are none.
        hum: Of the mains; None where there is none, as with the others.
        echo: Of all that is heard.
        notches: In the spectrum.
        wow: Of the speed.
        bits: With how many the samples were rounded, if with few.
        repeats: (start, end) in seconds of the window of packets that are played again.
    """

    seconds: float
    loudness_lufs: float | None
    clipping_share: float
    gaps: Spans
    low_hz: float
    high_hz: float
    snr_db: float | None = None
    hum: "Hum | None" = None
    echo: "Echo | None" = None
    notches: "Notches | None" = None
    wow: "Wow | None" = None
    repeats: Spans = ()
    bits: int | None = None

    @property
    def side(self) -> int:
        """-1 if the level is below what is right, 1 if above, 0 if it is right or not known."""
        level = self.loudness_lufs
        return 0 if level is None else (level > RIGHT_LUFS[1]) - (level < RIGHT_LUFS[0])

    @property
    def is_level_wrong(self) -> bool:
        """Whether everybody calls it too quiet or too loud; False if it is not known."""
        level = self.loudness_lufs
        return level is not None and not WRONG_LUFS[0] <= level <= WRONG_LUFS[1]

    @property
    def gap_seconds(self) -> float:
        """Length of all gaps that are short enough to be faults."""
        return sum(end - start for start, end in self._faulty_gaps)

    @property
    def _faulty_gaps(self) -> Spans:
        return tuple(gap for gap in self.gaps if gap[1] - gap[0] <= LONGEST_GAP_SECONDS)

    @property
    def torn_by(self) -> str:
        """What made the gaps, by their lengths: ``packet_loss`` or ``time_clipping``; empty where they tell neither.

        Packets are whole hundredths of a second, and what cuts into speech cuts equally long; a machine that speaks pauses as it comes.
        """
        lengths = [end - start for start, end in self.gaps if end - start >= GAP_SECONDS / 2]
        if not lengths:
            return ""
        usual = sorted(lengths)[len(lengths) // 2]
        equal = sum(abs(length - usual) < ROUNDING_SECONDS for length in lengths)
        whole = sum(abs(length - round(length, 2)) < ROUNDING_SECONDS for length in lengths)
        is_cut = len(lengths) > 1 and equal > 0.6 * len(lengths) and usual > LONGEST_PACKET_SECONDS + ROUNDING_SECONDS
        if whole >= 0.8 * len(lengths) and not is_cut:
            return "packet_loss"
        return "time_clipping" if len(lengths) > 1 and equal > 0.6 * len(lengths) else ""

    @property
    def is_narrow(self) -> bool:
        """Whether the band ends where narrowband speech does."""
        return 0 < self.high_hz <= NARROW_HZ

    @property
    def is_wide(self) -> bool:
        """Whether the band reaches above and below that of a telephone."""
        return self.high_hz >= WIDE_HZ and self.low_hz <= LOW_CUT_HZ

    def measured(self) -> dict[str, float]:
        """What words may say beside a score: ``lufs``, ``high_hz``, ``snr_db`` and ``gap_seconds``, as far as it is known."""
        known = {"lufs": self.loudness_lufs, "high_hz": self.high_hz, "snr_db": self.snr_db}
        gaps = {"gap_seconds": sum(end - start for start, end in self.gaps)}
        return gaps | {name: value for name, value in known.items() if value is not None}

    def probabilities(self, guessed: Mapping[str, float]) -> dict[str, float]:
        """Kinds of faults of which enough was measured, to their probability.

        Args:
            guessed: Kind of fault to the judge's probability, of all that were asked about.
        """
        found: dict[str, float] = {}
        if self.is_level_wrong:
            found["level"] = CERTAIN
        elif self.loudness_lufs is not None and self.side == 0:
            found["level"] = ABSENT
        if self.clipping_share >= CLIPPED_SHARE:
            found["clipping"] = CERTAIN if self.clipping_share >= STRONGLY_CLIPPED_SHARE else PRESENT
        if self.bits is not None:
            found["quantisation"] = CERTAIN
        # The same is heard of a repeat, and of a comb, as of a room and of a filter
        if self.echo is not None and guessed.get("reverberation", 0.0) < STUBBORN:
            found["reverberation"] = ABSENT
        if self.notches is not None:
            found |= {kind: ABSENT for kind in ("filter", "reverberation") if guessed.get(kind, 0.0) < CERTAIN}
        if self.hum is not None:
            found["noise"] = CERTAIN
        elif self.repeated_seconds >= REPEATED_SECONDS:
            found["packet_loss"] = PRESENT
        # Clicks tear edges into the sound, too
        if self.gap_seconds >= GAP_SECONDS and guessed.get("clicks", 0.0) < 0.5 and self.torn_by:
            found[self.torn_by] = PRESENT
        if self.is_narrow and guessed.get("codec", 0.0) < 0.5:
            found["band_limit"] = PRESENT
        elif self.is_wide and guessed.get("band_limit", 0.0) < STUBBORN:
            found["band_limit"] = ABSENT
        # The judge may be surer of what is there
        return {kind: p if p < 0.5 else max(p, guessed[kind]) for kind, p in found.items() if kind in guessed}

    @property
    def repeated_seconds(self) -> float:
        """Length of all packets that are played again."""
        return sum(end - start for start, end in self.repeats)

    @property
    def beside(self) -> tuple[Cause, ...]:
        """The faults that are measured and that no judge is asked about."""
        measured = {"echo": self.echo, "notch": self.notches, "wow": self.wow}
        if self.echo is not None and self.repeated_seconds >= REPEATED_SECONDS and self.echo.delay_ms < 65:
            measured.pop("echo")  # packets that were played again
        return tuple(
            Cause(kind, {"probability": PRESENT, **vars(one)}) for kind, one in measured.items() if one is not None
        )

    def opposes(self, rubric: str, fifth: int) -> bool:
        """Whether what is measured opposes the words for a score on one of NISQA's rubrics, in the worst to best fifth of its scale, 0 to 4."""
        if rubric == "loudness" and self.loudness_lufs is not None:
            return fifth >= 3 if self.is_level_wrong else self.side == 0 and fifth < 3
        if rubric == "discontinuity":
            return fifth == 4 and self.gap_seconds >= GAP_SECONDS
        return rubric == "coloration" and fifth == 4 and (self.is_narrow or self.clipping_share >= CLIPPED_SHARE)

    def noted(self, fault: Cause, start: float = 0.0) -> Cause:
        """A fault with what was measured of it as its parameters, and the times of gaps, of a window that begins at ``start``."""
        measured: dict[str, Any] = {}
        spans = fault.spans
        if fault.kind == "level" and self.side and self.loudness_lufs is not None:
            measured["gain_db"] = self.loudness_lufs - USUAL_LUFS
            spans = ()  # it is off throughout
        elif fault.kind == "clipping" and self.clipping_share >= CLIPPED_SHARE:
            measured["fraction"] = self.clipping_share
        elif fault.kind == "noise" and self.hum is not None:
            measured |= {"colour": "hum", **vars(self.hum)}
        elif fault.kind == "noise" and self.snr_db is not None and self.snr_db <= NOISY_DB:
            measured["snr_db"] = self.snr_db
        elif fault.kind == "packet_loss" and self.hum is None and self.repeated_seconds >= REPEATED_SECONDS:
            measured |= {"concealment": "repeat", "loss_rate": self.repeated_seconds / self.seconds}
            spans = spans or tuple((start + first, start + last) for first, last in self.repeats)
        elif fault.kind == "quantisation" and self.bits is not None:
            measured["bits"] = self.bits
        elif fault.kind == "band_limit" and self.is_narrow:
            measured["high_hz"] = self.high_hz
        elif fault.kind == "time_clipping" and self.gap_seconds >= GAP_SECONDS:
            measured["loss_rate"] = self.gap_seconds / self.seconds
            spans = tuple((start + first, start + last) for first, last in self._faulty_gaps)
        return replace(fault, parameters={**fault.parameters, **measured}, spans=spans)
