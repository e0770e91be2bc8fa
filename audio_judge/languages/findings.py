"""What was decided and measured of a clip, in sentences that differ with it: their words, as data, in the languages that have them.

A template has alternatives in square brackets (``[a|b]``, one of which may be empty) and fields in braces. Whoever fills it
draws the alternatives by a seed made of the facts, so that equal facts get equal words. Causes are named so that
``Language.causes`` finds them; the names of the levels of the overall quality stand in verdicts alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from audio_judge.languages.words import Texts


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Args:
        phrases: What is heard if it is slight, clear and strong; ``{direction}`` is such as "too loud".
        measures: Parameter to what is said of it; ``{value}``, and what else the parameter gives.
    """

    phrases: tuple[str, str, str]
    measures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Findings:
    """Templates of one language.

    Args:
        faults: Kind of fault to its words.
        remedies: Kind of fault to what an engineer would try first; ``remedies_by_side`` the same of what is off in a direction
            (-1 below, 1 above, 0 not known).
        general: Rubric to advice against a low score that no fault explains.
        nothing_to_do: Where no advice is needed, ``{x}`` being the score of the whole.
        turn: What sets a level right that is below, and above.
        hedge: Stands before a phrase of which the judge is not sure.
        together: Joins two phrases.
        labels: Rubric to what is in order if its score is high.
        hurts: Sentences about faults and the score that they hurt, for a low, a middling and a high one. Fields: ``{cause}``,
            ``{dim}``, ``{x}`` (the score) and ``{cost}`` (what it lacks to the best).
        because: Verdicts that give the fault that weighs most as their reason.
        leads: Stand before the sentence about the worst score if others follow; ``more`` before later ones.
        unexplained: Rubric to what is said of a low score that no fault explains: the three lowest fifths, worst first.
        alone: Sentences about such a score: ``{words}`` of ``unexplained``, ``{label}``, ``{dim}``, ``{x}``, in some
            ``{share}``, and ``{unknown}``, that no fault is known that would explain it.
        middling: Sentences about scores in the middle that no fault explains, ``{list}``; ``middling_one`` of one alone.
        share: The level that most listeners would choose, and how many do.
        sure: How sure a fault is of which nothing was measured.
        fine: Sentences about what is in order, ``{list}``; ``fine_one`` of one rubric alone; ``but`` more of both, where
            something else is not.
        item: A score in a list: ``{dim}``, ``{label}``, ``{x}`` and in some ``{note}``, one of ``measures``.
        measures: Rubric to what was measured beside its score.
        flawless: Opens an explanation of a clip without faults.
        verdicts: With ``{level}``, ``{mos}`` and in some ``{std}``.
        wins: Of two clips, where one is better: ``{winner}``, ``{loser}`` and ``{aspects}``, each with ``against`` behind it.
        against: The scores of winner and loser, ``{x}`` and ``{y}``.
        decides: A fault of the loser that the winner has not, ``{cause}``; of a tie, of either.
        differs: What was measured of the two and differs: parameter to ``{a}`` and ``{b}``, of SpeechA and SpeechB.
        choices: Verdicts on the whole, with ``{x}`` and ``{y}``, and in some ``{share}``; ``ties`` where there is none.
        spans: When a fault is heard: once, in up to three places, in more, and all the time.
    """

    faults: Mapping[str, Fault]
    remedies: Mapping[str, Texts]
    remedies_by_side: Mapping[tuple[str, int], Texts]
    general: Mapping[str, Texts]
    nothing_to_do: Texts
    turn: Mapping[int, str]
    hedge: str
    together: Texts
    labels: Mapping[str, str]
    hurts: tuple[Texts, Texts, Texts]
    because: Texts
    leads: str
    more: str
    unexplained: Mapping[str, tuple[str, str, str]]
    alone: Texts
    unknown: str
    middling: Texts
    middling_one: Texts
    share: str
    sure: str
    fine: Texts
    fine_one: Texts
    but: tuple[str, str]
    item: Texts
    measures: Mapping[str, str]
    flawless: Texts
    verdicts: Texts
    wins: Texts
    against: str
    decides: Texts
    differs: Mapping[str, str]
    choices: Texts
    ties: Texts
    spans: tuple[str, str, str, str]


_SLIGHT, _CLEAR, _STRONG = (
    "[a little|slight|some faint|a trace of|mild|minor|weak]",
    "[clear|noticeable|audible|plain|distinct|evident]",
    "[strong|heavy|severe|massive|intense|pronounced]",
)


def _mass(*nouns: str) -> tuple[str, str, str]:
    noun = nouns[0] if len(nouns) == 1 else f"[{'|'.join(nouns)}]"
    return f"{_SLIGHT} {noun}", f"{_CLEAR} {noun}", f"{_STRONG} {noun}"


def _one(*nouns: str) -> tuple[str, str, str]:
    noun = nouns[0] if len(nouns) == 1 else f"[{'|'.join(nouns)}]"
    return (
        f"[a slight|a faint|a hint of a] {noun}",
        f"[a clear|a noticeable|a distinct] {noun}",
        f"[a strong|a severe|a dominant] {noun}",
    )


def _several(*nouns: str) -> tuple[str, str, str]:
    noun = nouns[0] if len(nouns) == 1 else f"[{'|'.join(nouns)}]"
    return f"[a few|one or two|isolated] {noun}", f"[several|repeated|some] {noun}", f"[many|frequent|countless] {noun}"


def _either(*groups: tuple[str, str, str]) -> tuple[str, str, str]:
    slight, clear, strong = (f"[{'|'.join(phrases)}]" for phrases in zip(*groups, strict=True))
    return slight, clear, strong


_DEGREES = ("[slightly|a little|somewhat]", "[clearly|noticeably|plainly]", "[far|much|way]")

# What an engineer would try first, with what is measured in it where it is known; what goes in one direction is kept by its side
REMEDIES: dict[str, Texts] = {
    "noise": (
        "[record|sit] closer to the microphone or in a quieter room[, then|; after that] take {reduce} dB off with a [gentle denoiser|spectral gate]",
        "[high-pass at 80 Hz|a high-pass at 80 Hz] against rumble, [then|and] {reduce} dB of [gentle denoising|spectral gating]",
        "[find and switch off the source|move away from the source][, or|; failing that,] denoise by 6 to 10 dB, no more",
        "[halve the distance to the microphone, which gains 6 dB|go closer to the microphone][;|, and] high-pass at 80 Hz",
    ),
    "hum": ("[notch out 50 or 60 Hz and its multiples|high-pass at 80 Hz], and look for a ground loop",),
    "hiss": (
        "[set the preamplifier's gain higher and the later stages lower|denoise gently above 4 kHz, by 6 dB or so]",
    ),
    "packet_loss": (
        "[raise the packet-loss concealment|switch on loss concealment or forward error correction][, or|;] [enlarge the jitter buffer to 80 ms or more|give the jitter buffer 40 ms more]",
        "[send every packet twice, or with redundancy|turn on in-band forward error correction][;|, and] [prefer a wired link|check the link for loss]",
        "[a deeper jitter buffer (80 ms and up)|a jitter buffer of 100 ms] [first|to begin with], [then|and] better concealment",
    ),
    "jitter": (
        "[enlarge the jitter buffer, to 80 ms to begin with|give the jitter buffer 40 ms more]",
        "[let the playout adapt more slowly|smooth the playout's adaptation][,| and] buffer [60 to 100 ms|at least 80 ms]",
    ),
    "time_clipping": (
        "[lower the threshold of the gate or voice detector by 6 dB|open the gate earlier, 6 dB lower][,| and] hold it for 200 ms",
        "[give the voice detector 200 ms of hangover|lengthen the gate's hold to 200 ms][;|, and] look for buffers that run empty",
    ),
    "band_limit": (
        "[record and send at 16 kHz or more|use a wideband connection, 16 kHz or more][;|, and] [take out low-passes on the way|look for a resampler on the way]",
        "[choose a wideband or fullband coder|change to a wideband coder][,|;] since nothing brings back what lies above",
    ),
    "filter": (
        "[undo the tilt with a shelf, 3 dB at a time|equalise it flat in steps of 3 dB]",
        "[take the filter out of the chain|find the equaliser that does it], or [turn it round|apply its inverse] within 6 dB",
    ),
    "notch": ("[take the notch out, or make it narrower|narrow the notch to a Q of 30 or more]",),
    "codec": (
        "[code once only|avoid coding twice][, and|;] [give it 24 kbit/s or more|double the bit rate]",
        "[raise the bit rate, to 24 kbit/s or more for speech|go up to 24 kbit/s or more][,|;] [and keep a lossless master|and code the original]",
    ),
    "clipping": (
        "[record again|do it again] with the input gain {headroom} dB lower[, as no repair gives the peaks back|; a declipper only guesses the peaks]",
        "[leave {headroom} dB more headroom|take {headroom} dB off the input gain][,|;] and put a declipper on what cannot be recorded again",
        "[set the input gain 6 to 12 dB lower|leave 6 to 12 dB of headroom][,|;] and record again",
    ),
    "quantisation": ("[store at least 16 bits|keep 16 bits or more], with dither[, and use the full scale|]",),
    "noise_suppression": (
        "[limit the suppression to 10 or 12 dB|suppress by 10 dB at most][,|;] and [smooth its gains over time|raise its floor]",
        "[ease the suppressor|turn the suppressor down a step][,|;] [to 12 dB at most|and let some noise through]",
    ),
    "musical_noise": (
        "[smooth the suppressor's gains over time and raise its floor to -12 dB|suppress less, with a floor at -12 dB]",
    ),
    "vocoder": (
        "[use the recording itself if there is one|go back to the recording][;|, or] [train the vocoder longer|try a stronger vocoder]",
        "[check pitch and phase of the resynthesis|check the resynthesis for pitch and phase], or [bypass it|leave it out]",
    ),
    "reverberation": (
        "[halve the distance to the microphone, which gains 6 dB over the room|go closer to the microphone, or clip it on]",
        "[damp the room with curtains or carpets|record in a room with soft walls][;|, or] [dereverberate what is recorded|use a directional microphone]",
    ),
    "echo": (
        "[wear headphones|use headphones][, or|;] [switch on an echo canceller with a tail of 200 ms or more|let an echo canceller work]",
        "[turn the loudspeaker down and the microphone away from it|keep loudspeaker and microphone apart]",
    ),
    "channel": ("[call over a wideband connection|use a wideband connection]",),
    "clicks": (
        "[double the audio buffer, to 512 samples or more|raise the audio buffer to 512 samples][,|;] and [check plugs and clocks|check for a loose plug]",
        "[look for a loose plug, or buffers that run empty|check cables and clock settings first][;|, then] [declick what is recorded|run a declicker]",
    ),
    "pumping": (
        "[lengthen the release to 300 ms and take the ratio down to 2:1|release more slowly, at a ratio of 2:1]",
    ),
    "wow": (
        "[check the drive and its clock|have the drive serviced][;|, or] [straighten the pitch with a time warp|undo it by resampling along a steady tone]",
    ),
}
REMEDIES_BY_SIDE: dict[tuple[str, int], Texts] = {
    ("level", -1): (
        "[raise|lift|turn up] the level by {value} dB[, to the usual -23 LUFS|]",
        "+{value} dB[ of gain|, with a limiter at -1 dBFS|]",
        "[give it {value} dB more gain|bring it up {value} dB][, before the coder|, at the preamplifier rather than later|]",
    ),
    ("level", 1): (
        "[lower|turn down|reduce] the level by {value} dB[, to the usual -23 LUFS|]",
        "-{value} dB[ of gain|]",
        "[take {value} dB off|bring it down {value} dB][, before the coder|, at the preamplifier rather than later|]",
    ),
    ("level", 0): ("[normalise|bring] the [level|loudness] [to -23 LUFS|to the usual -23 LUFS]",),
    ("speed", -1): ("[play it faster, at its true sampling rate|check the sampling rate in the header, and resample]",),
    ("speed", 1): ("[play it slower, at its true sampling rate|check the sampling rate in the header, and resample]",),
    ("speed", 0): ("[check the sampling rate in the header, and resample|look for 44.1 kHz played as 48 kHz]",),
}

FAULTS = {
    "noise": Fault(
        _mass("background noise", "noise in the background"),
        {
            "snr_db": "[in the pauses only|with the pauses just|its floor] {value} dB [below|under] the speech",
        },
    ),
    "hum": Fault(_one("mains hum"), {"frequency_hz": "at {value} Hz"}),
    "hiss": Fault(_mass("hiss")),
    "packet_loss": Fault(_either(_mass("packet loss"), _several("lost packets"))),
    "jitter": Fault(_either(_mass("jitter"), _several("late packets"))),
    "time_clipping": Fault(
        _several("muted gaps", "cut-off words"),
        {"loss_rate": "[{value} % of the time lost|which is {value} % of the time]"},
    ),
    "band_limit": Fault(
        (
            "a [slightly|somewhat] limited bandwidth",
            "[a clearly limited bandwidth|a plainly limited bandwidth|clear band limiting]",
            "[a severely limited bandwidth|a narrow, limited bandwidth|heavy band limiting]",
        ),
        {"high_hz": "[the sound ends at|the band stops at|cut off above] {value} kHz"},
    ),
    "filter": Fault(_either(_mass("filtering"), _one("tilt of the spectrum"))),
    "notch": Fault(_one("notch in the spectrum", "hole in the spectrum")),
    "codec": Fault(_mass("codec distortion", "coding artefacts")),
    "clipping": Fault(
        _mass("clipping"), {"fraction": "[{value} % of the samples cut off flat|flat tops on {value} % of the samples]"}
    ),
    "quantisation": Fault(_mass("quantisation distortion", "rounding distortion")),
    "noise_suppression": Fault(_mass("noise suppression", "noise reduction")),
    "musical_noise": Fault(_mass("musical noise")),
    "vocoder": Fault(_one("vocoder sound", "machine sound")),
    "reverberation": Fault(_mass("reverberation", "room sound"), {"rt60_s": "[a decay of|dying away over] {value} s"}),
    "echo": Fault(_one("echo", "repeat of the voice"), {"delay_ms": "[{value} ms late|after {value} ms]"}),
    "channel": Fault(_one("phone sound", "call sound")),
    "clicks": Fault(_either(_several("clicks"), _mass("crackle"))),
    "level": Fault(
        tuple(f"[speech that is|a voice that is|a level] {degree} {{direction}}" for degree in _DEGREES),  # type: ignore[arg-type]
        {"gain_db": "[{lufs} LUFS, {value} dB {side} the usual -23|{value} dB {side} the usual -23 LUFS]"},
    ),
    "pumping": Fault(_mass("pumping", "unsteady gain")),
    "speed": Fault(
        tuple(f"[speech that is|playback that is] {degree} {{direction}}" for degree in _DEGREES)  # type: ignore[arg-type]
    ),
    "wow": Fault(_mass("wow"), {"rate_hz": "the pitch swings {value} times a second"}),
}

# Against a low score that no known fault explains: its rubric to a sentence with ``{x}`` and what was measured
GENERAL: dict[str, Texts] = {
    "noisiness": (
        "noisiness {x}[, without a known fault|]: [record in a quieter room|move the microphone closer][,|;] and high-pass at 80 Hz.",
        "[a noisiness of|noisiness at] {x}: [look for the noisiest link of the chain|listen to a pause with the gain up], [from the room on|and start there].",
    ),
    "coloration": (
        "coloration {x}[, without a known fault|]: [compare with a flat microphone|bypass filters and coders one by one][|, and keep what helps].",
        "[a coloration of|coloration at] {x}: [check the chain for an equaliser|try another microphone or coder].",
        "coloration {x}, with the sound ending at {high} kHz: [record and send at 16 kHz or more|use a wideband connection].",
    ),
    "discontinuity": (
        "discontinuity {x}[, without a known fault|]: [log what the link loses or delays|look into the log of the link][,|;] and buffer 40 ms more.",
        "[a discontinuity of|discontinuity at] {x}: [look for gates and detectors that cut in|record again without gate or detector].",
    ),
    "loudness": (
        "loudness {x}, at {lufs} LUFS: [{turn} it by {gap} dB|{turn} the level, by {gap} dB].",
        "loudness {x}[, without a known fault|]: [even out the level with 2:1 compression|ride the level by hand].",
    ),
    "intelligibility": (
        "intelligibility {x}: [raise the voice 3 to 6 dB over all else|lift 2 to 4 kHz by 3 dB].",
        "[an intelligibility of|intelligibility at] {x}: [lift 2 to 4 kHz by 3 dB, where the consonants lie|come closer to the microphone and speak slower].",
    ),
    "mos": (
        "overall {x}[, without a known fault|]: [start from a cleaner source if there is one|check the chain from microphone to file].",
        "[a whole of|overall at] {x}: [record again, closer and in a quieter room|try one stage of the chain at a time].",
    ),
}
NOTHING_TO_DO: Texts = (
    "[nothing needs to change|no improvement is needed|keep it as it is|leave it as it is]: [overall {x}|{x} of 5].",
    "[at {x} overall|with {x} of 5], [nothing needs to change|no improvement is needed|it can stay as it is].",
)

_SCORE = "[the {dim} score|the score for {dim}|the mark for {dim}|{dim}]"
_DOWN = (
    "[is down to|drops to|falls to|sinks to|slides to|ends at|stands at|gets only|is left with|reaches just|is cut to|"
    "is pulled down to|goes no higher than|bottoms out at]"
)
_STAYS = "[stays at|remains at|settles at|comes to|is held to|gets|ends up at|levels off at|amounts to]"
_HEAR = "[I hear|One hears|You can hear|The ear catches|There I notice|I make out|One notices]"
_ONLY = "[only |just |no more than |a mere |]"

EN = Findings(
    faults=FAULTS,
    remedies=REMEDIES,
    remedies_by_side=REMEDIES_BY_SIDE,
    general=GENERAL,
    nothing_to_do=NOTHING_TO_DO,
    turn={-1: "[raise|lift|turn up]", 1: "[lower|turn down|reduce]"},
    hedge="[probably|apparently|presumably|seemingly]",
    together=(" together with ", " plus ", " and ", " as well as ", " along with ", " next to "),
    labels={
        "noisiness": "[the background|the noise floor]",
        "coloration": "[the timbre|the tone of the voice|the sound of the voice|the tone]",
        "discontinuity": "[the flow|the flow of the words|the continuity|the run of the speech]",
        "loudness": "[the level|the loudness|the volume]",
    },
    hurts=(
        (
            f"[Because of|Owing to|Due to|With] {{cause}}, {_SCORE} {_DOWN} {{x}}.",
            f"{_SCORE} {_DOWN} {{x}}[, and the reason is|: blame|; this comes from|, brought down by| after|, a victim of| through] {{cause}}.",
            f"{_HEAR} {{cause}}[: that is|, which means|, and so|:|, hence] {{cost}} points [lost|gone|missing|short] [for|in] {{dim}}.",
            f"What [hurts|damages|drags down|spoils|weighs on] {_SCORE}[ ({{x}})| (now {{x}})| ({{x}} of 5)|, at {{x}},] is {{cause}}.",
            f"{_SCORE} [loses|gives up|forfeits|sheds] {{cost}} [of its 4 points|points|of 4] [to|for|because of] {{cause}}.",
            f"The {{dim}} score of {_ONLY}{{x}} [points to|speaks of|tells of|comes with|bears out|reflects] {{cause}}.",
            f"{{cause}}[, leaving|: that leaves|, and that leaves] {_SCORE} [at|with] {{x}}.",
            "{cause}, at the [price|cost|expense] of {cost} points [in|of|for] {dim}.",
            "[Minus|Take off] {cost} [in|for] {dim} [over|on account of] {cause}.",
            "{dim} {x}: {cause}.",
        ),
        (
            f"{_HEAR} {{cause}}, [which keeps|holding|keeping|and that holds|which limits|capping] {_SCORE} [at|to] {{x}}.",
            f"{_SCORE} {_STAYS} {{x}}[, held back by| on account of|, given|, short of more through|; the reason is] {{cause}}.",
            f"[Because of|Owing to|With|Given] {{cause}}, {_SCORE} {_STAYS} {{x}}.",
            f"{{cause}} [can be heard|can be made out|can be noticed]: {_SCORE} [loses|gives up|drops] {{cost}} points.",
            "[The price|The cost|The toll] of {cause} is {cost} points [in|of|for] {dim}.",
            "{cost} points [in|of] {dim} [go to|are lost to] {cause}.",
            "{dim} {x}, [through|from|because of] {cause}.",
        ),
        (
            f"{{cause}} [can be made out|can be heard|can be noticed], [with little harm|though hardly in the way]: {_SCORE} [keeps|is still|holds] {{x}}.",
            f"{_HEAR} {{cause}}, [yet|but|though|while] {_SCORE} [holds at|keeps|still reaches|is still at|still gets] {{x}}.",
            f"[Despite|Even with|In spite of] {{cause}}, {_SCORE} [keeps|holds|is still at|still gets] {{x}}.",
            f"{_SCORE} [gives up|loses|sheds] [only|just|no more than|a mere] {{cost}} [points|of 4 points|of 4] to {{cause}}.",
        ),
    ),
    because=(
        "overall the quality is {level}, {mos}, [mainly|chiefly|above all|mostly] [because of|through|due to] {cause}[, which leaves {dim} at {x}| ({dim} {x})|: {dim} {x}].",
        "[listeners|a panel] would say {level} ({mos}), put off [mainly|chiefly|above all|mostly] by {cause}[ ({dim} {x})|: {dim} {x}|, with {dim} at {x}].",
        "[with|given|hearing] {cause}, {dim} gets {x} and the whole {mos}[, which is|, in a word|:] {level}.",
        "{mos} overall[, which is|, in a word|:] {level}. [Chiefly|Mainly|Above all|Mostly] to blame: {cause}[ ({dim} {x})|, {dim} {x}|, with {dim} at {x}].",
    ),
    leads="[Above all: |First of all, |The main trouble: |Most of all, |What weighs most: |Worst: |To begin with, ||]",
    more="[Besides, |Then |Beyond that, |Next, |Also, |Further, |On top, |In addition, |||]",
    unexplained={
        "noisiness": (
            "[the voice drowns in noise|noise covers the voice|little but noise is left]",
            "[the clip is noisy|noise disturbs the voice|it is noisy]",
            "[there is some noise|some noise lies under the voice|the noise is easy to hear]",
        ),
        "coloration": (
            "[the voice sounds very unnatural|the timbre is ruined|little is left of the timbre]",
            "[the voice sounds unnatural|the timbre is distorted|the voice has lost its timbre]",
            "[the voice is somewhat coloured|the timbre is changed|the voice is not quite natural]",
        ),
        "discontinuity": (
            "[the speech is broken into pieces|hardly a word comes through whole]",
            "[the speech is often interrupted|words break again and again]",
            "[the speech is interrupted at times|some words break|the speech halts here and there]",
        ),
        "loudness": (
            "[the loudness does not suit at all|the loudness is far off]",
            "[the loudness does not suit|the loudness is off]",
            "[the loudness could suit more|the loudness is not quite right|the loudness is somewhat off]",
        ),
    },
    alone=(
        "{words}[ ({dim} {x}, {share})|, {dim} {x}| ({x} for {dim}; {share})|: {dim} {x}, {share}]{unknown}.",
        "[listen to|mind|note|watch] {label}: {words} ({share}; {dim} {x}).",
        "{share}: {dim} {x}.",
        "{label} [falls short|is the trouble|suffers], {dim} {x}: {words}.",
    ),
    unknown="[|, whatever the cause|, for no reason that I could name|, cause unknown]",
    middling=(
        "[Middling|So-so|In between|Halfway]: {list}.",
        "[There is room to improve in|Not all is well with|One could wish for more in|Not at its best yet:|Some way from the top:] {list}.",
        "{list} [could be better|fall short of the best|stay in the middle|leave something to wish for].",
    ),
    middling_one=(
        "[Middling|So-so|In between|Halfway]: {list}.",
        "[There is room to improve in|Not all is well with|One could wish for more in|Not at its best yet:|Some way from the top:] {list}.",
        "{list} [could be better|falls short of the best|stays in the middle|leaves something to wish for].",
    ),
    share="[{level} to {share} %|{share} % say {level}|{level} for {share} in 100|{share} of 100 say {level}|{share} % would call it {level}]",
    sure="[{share} % sure|sure to {share} %|at {share} % certainty|{share} % likely]",
    fine=(
        "{list} [need no work|raise no complaint|are in order|are as they should be|are no concern|can stay].",
        "[Nothing to correct in|No complaint about|Nothing speaks against|I would not touch] {list}.",
        "[In order|Unharmed|Intact]: {list}.",
    ),
    but=(
        "[By contrast|On the other hand|Meanwhile|Otherwise], {list} [hold up|do well|pass].",
        "[By contrast|On the other hand|Meanwhile|Otherwise], {list} [holds up|does well|passes].",
    ),
    fine_one=(
        "{list} [needs no work|raises no complaint|is in order|is as it should be|is no concern|can stay].",
        "[Nothing to correct in|No complaint about|Nothing speaks against|I would not touch] {list}.",
        "[In order|Unharmed|Intact]: {list}.",
    ),
    item=(
        "{label} ({dim} {x}[, {note}])",
        "{dim} ({x}[; {note}])",
        "{dim} at {x}[ ({note})|]",
        "{label} at {x}[ ({note})|]",
        "{label} ({x}[; {note}])",
        "{label} ({x} for {dim}[, {note}])",
        "{label} ({note}; {dim} {x})",
    ),
    measures={
        "loudness": "{lufs} LUFS",
        "coloration": "[sound up to {high} kHz|a band to {high} kHz]",
        "noisiness": "[pauses {snr} dB down|pauses {snr} dB below the speech]",
        "discontinuity": "[no gap in {seconds} s|{seconds} s in one piece]",
    },
    flawless=(
        "[I find no fault|No fault stands out|Nothing disturbs|I hear nothing wrong] [in these|over the|throughout the|in all] {seconds} s.",
        "[{seconds} s without a fault|A clean {seconds} s|Clean for all of its {seconds} s].",
    ),
    verdicts=(
        "overall the quality is {level}[, at {mos}|: {mos}| ({mos})].",
        "[all in all|on the whole|taken together|in sum|altogether|so], the quality is {level}[, {mos} of 5|, about {mos}| at {mos}].",
        "[the verdict|the sum of it|the bottom line|overall]: {level}, [{mos} of 5|with {mos}|at {mos}].",
        "[that|this|all of it] [adds up to|comes to|makes|sums to] {mos}[ overall| of 5|][, which is|, in a word|:] {level}.",
        "[listeners|a panel] would call the whole {level}[, at {mos} give or take {std}|: {mos}, spread {std}|, within {std} of {mos}].",
        "[expect|I expect] [listeners to say|votes of] {level} [on average|in the mean]: {mos}[|, spread {std}].",
        "[{share} of 100 listeners|{share} % of a panel|{share} in 100] would say {level}; the mean is {mos}[|, give or take {std}].",
        "{mos} of 5[, give or take {std}|] [overall|for the whole]: {level}.",
    ),
    wins=(
        "{winner} [is clearly better than|beats|is ahead of|has the advantage over|outperforms] {loser} in {aspects}.",
    ),
    against="[ ({x} against {y})| ({x} to {y})|, {x} against {y},]",
    decides=(
        "[What decides|The deciding difference|What tells them apart]: [in {loser} I hear|{loser} comes with|{loser} carries] {cause}.",
        "in {loser} [alone |]one hears {cause}[, which decides it|, and that decides it|, and that tells them apart].",
    ),
    differs={
        "lufs": "[SpeechA lies at {a} LUFS, SpeechB at {b} LUFS|their levels are {a} LUFS (SpeechA) and {b} LUFS (SpeechB)].",
        "high_hz": "[the sound of SpeechA ends at {a} kHz, that of SpeechB at {b} kHz|SpeechA reaches {a} kHz, SpeechB {b} kHz].",
        "snr_db": "[the pauses lie {a} dB under the speech in SpeechA, {b} dB in SpeechB|between speech and pauses lie {a} dB in SpeechA, {b} dB in SpeechB].",
    },
    choices=(
        "overall {winner} [sounds better|wins], [{x} to {y}|with {x} against {y}|at {x} against {y}].",
        "overall {winner} [sounds better|wins].",
        "[my choice is|I prefer] {winner}[, {x} to {y}|: {x} against {y}|, with {x} against {y}].",
        "[{share} of 100 listeners|{share} % of a panel] would [prefer|choose] {winner}.",
    ),
    ties=(
        "overall neither wins[: {x} and {y}|, {x} to {y}|, at {x} and {y}].",
        "[I have no preference|both come out alike][: {x} and {y}|, {x} to {y}|, at {x} and {y}].",
    ),
    spans=(
        "[from {start} to {end} s|between {start} and {end} s]",
        "at {times} s",
        "[in {n} places|{n} times] [from {start} to {end} s|between {start} and {end} s], {sum} s in all",
        "[for|through] {share} % of the [clip|time]",
    ),
)

FINDINGS: Mapping[str, Findings] = {"en": EN}
