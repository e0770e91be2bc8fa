"""Readers of rated corpora: each turns published files into ``audio_judge.clips.RatedClip``, without opening any audio."""

from os import PathLike


class CorpusError(ValueError):
    """A corpus file that is missing or that cannot be trusted, named with its line.

    Args:
        path: The file, or the folder where it was looked for.
        line: Line in that file, counted from 1; None if the whole file is meant.
        problem: What is wrong, the value and the fix.

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


# Same as audio_judge.corpora.corpus.READERS, which is too heavy for --help
CORPORA = {
    "nisqa": "NISQA Corpus: five ratings per clip, simulated causes, references",
    "speecheval": "SpeechEval: assessed, compared, advised on, real or fake",
    "qualispeech": "QualiSpeech: seven ratings and descriptions per clip",
    "aes": "AES, AudioMOS-2025: four axes for speech, music and sound",
    "bvcc": "BVCC and lists in its style: overall rating, system",
    "speechjudge": "SpeechJudge: pairs compared for naturalness, with ties",
    "vcc2020": "one vote per line, summed up per clip",
    "table": "any csv, tsv or jsonl of ratings; needs the option columns",
    "pairs": "any csv, tsv or jsonl of comparisons; needs the option columns",
    "captions": "descriptions and A/B tests written by `audio-judge caption`",
    "simulated": "a corpus made by audio_judge.corpora.simulate",
}
