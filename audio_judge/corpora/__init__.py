"""Readers of rated corpora: each turns published files into ``audio_judge.clips.RatedClip`` and opens no audio."""

from dataclasses import dataclass
from os import PathLike


class CorpusError(ValueError):
    """A corpus file that is missing or that cannot be trusted, named with its line.

    Args:
        path: The file, or the folder where it was looked for.
        line: Line in that file, counted from 1; None if the whole file is meant.

    >>> str(CorpusError("ratings.csv", 3, "mos is 7.0; 1 to 5 expected"))
    'ratings.csv, line 3: mos is 7.0; 1 to 5 expected'
    """

    def __init__(self, path: str | PathLike[str], line: int | None, problem: str) -> None:
        # All three go to ``args``, so that the error survives the pickling between worker processes.
        super().__init__(path, line, problem)
        self.path = path
        self.line = line
        self.problem = problem

    def __str__(self) -> str:
        place = f"{self.path}" if self.line is None else f"{self.path}, line {self.line}"
        return f"{place}: {self.problem}"


@dataclass(frozen=True)
class Known:
    """What there is to know about a reader without importing it.

    Args:
        about: What the corpus is, in half a line.
        reader: Its module in this folder and the function in it, which takes a place and ``split``.
        tells_splits: Whether it reads all splits, each clip with its own, when none is named.
        takes_data_sets: Whether it reads data sets of the Hub, too.
        unshared: What, besides clips, its publication says that no two of its splits share: fields of
            ``audio_judge.corpora.splits.check_disjoint``, which warns where they do.
    """

    about: str
    reader: str
    tells_splits: bool = False
    takes_data_sets: bool = True
    unshared: tuple[str, ...] = ()


CORPORA = {
    "nisqa": Known(
        "NISQA Corpus: five ratings per clip, simulated causes, references",
        "nisqa.read_nisqa",
        tells_splits=True,
        takes_data_sets=False,
    ),
    "speecheval": Known(
        "SpeechEval: assessed, compared, advised on, real or fake",
        "speecheval.read_speecheval",
        tells_splits=True,
        unshared=("speaker", "system"),
    ),
    "qualispeech": Known(
        "QualiSpeech: seven ratings and descriptions per clip", "qualispeech.read_qualispeech", tells_splits=True
    ),
    "aes": Known("AES: four axes for speech, music and sound", "aes.read_aes"),
    "audiomos": Known("AudioMOS-2025, track 2: AES' axes, a list per split", "aes.read_audiomos", tells_splits=True),
    "urgentmos": Known("UrgentMOS, URGENT 2026: overall rating, measures, system", "urgentmos.read_urgentmos"),
    "bvcc": Known("BVCC and lists in its style: overall rating, system", "bvcc.read_bvcc"),
    "speechjudge": Known("SpeechJudge: pairs compared for naturalness, with ties", "speechjudge.read_speechjudge"),
    "vcc2020": Known("one vote per line, summed up per clip", "vcc2020.read_votes"),
    "rated": Known("single votes, one row per clip and rubric", "rated.read_rated", tells_splits=True),
    "table": Known("any csv, tsv or jsonl of ratings; needs the option columns", "table.read_on_our_scales"),
    "pairs": Known("any csv, tsv or jsonl of comparisons; needs the option columns", "table.read_pairs"),
    "captions": Known("descriptions and A/B tests written by `audio-judge caption`", "captions.read_captions"),
    "alld": Known("ALLD's published descriptions and A/B tests of NISQA's clips", "alld.read_alld"),
    "simulated": Known(
        "a corpus made by audio_judge.corpora.simulate",
        "simulated.read_simulated",
        tells_splits=True,
        takes_data_sets=False,
    ),
}
