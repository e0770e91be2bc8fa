"""The command ``audio-judge``: score, explain and decide from a shell, over any number of clips.

    audio-judge score clips/ --output scores.jsonl

Exit codes: 0 all went well, 1 some clips could not be judged (each has its row with the reason), 2 the request was unusable,
130 interrupted. This module is the shell's side, ``audio_judge.commands`` does the work.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from audio_judge.inputs import PATH_COLUMNS, UsageError

SCALES = ("1-5", "1-10", "0-100")
# Same as audio_judge.mixtures.READERS, which is too heavy for --help
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
    "simulated": "a corpus made by audio_judge.corpora.simulated",
}

DESCRIPTION = "Judge audio in words and numbers."
EXAMPLES = """examples:
  audio-judge score clip.wav --table
  audio-judge score clips/ --output scores.jsonl
  audio-judge explain clip.wav
  audio-judge decide clip.wav --ask "Is there hum?"
  audio-judge data nisqa /data/NISQA_Corpus --tasks score,explain --out train.parquet
  audio-judge ls rubrics

`audio-judge COMMAND --help` shows the options and examples of a command."""

SCORE_EXAMPLES = """examples:
  audio-judge score clip.wav other.mp3 clips/ --output scores.jsonl
  audio-judge score "takes/**/*.flac" --table
  audio-judge score degraded.wav --reference clean.wav --rubric mos
  audio-judge score rows.jsonl --output scores.csv --resume
  audio-judge score corpus.csv --path-column filename --scale 0-100 > scores.jsonl
  find . -name "*.wav" | audio-judge score - --output scores.jsonl

A row of a .jsonl or .csv list has `path` and may have `start_time`, `end_time` (in seconds) and `reference`; paths are
relative to the list. All its other keys are kept in the output; one that the judgement needs becomes input_<key>.
CSV output has no shares per level and no timeline. Exit code: 0, 1 if some clips could not be judged (their rows say
why), 2 if the request was unusable, 130 if interrupted."""

EXPLAIN_EXAMPLES = """examples:
  audio-judge explain clip.wav
  audio-judge explain degraded.wav --reference clean.wav

For words in a file, use `audio-judge score clips/ --explain --output scores.jsonl`."""

DECIDE_EXAMPLES = """examples:
  audio-judge decide clip.wav --ask "Is there hum?" --ask "Does the speaker sound tired?"
  audio-judge decide clips/ --questions questions.json > answers.jsonl

questions.json:
  {"hum": {"type": "noul", "instructions": "Is there hum?"},
   "kind": {"type": "choice", "instructions": "What is heard?", "criteria": {"speech": null, "music": "songs too"}},
   "noise": {"type": "score", "instructions": "How noisy is it?", "criteria": ["very", "somewhat", "not"]}}

The answers are probabilities; no question changes the answer to another."""

LS_EXAMPLES = """examples:
  audio-judge ls rubrics
  audio-judge ls tasks"""


DATA_EXAMPLES = """examples:
  audio-judge data nisqa /data/NISQA_Corpus --tasks score,profile,explain --augment scale,invert,binary,paraphrase --out train.parquet
  audio-judge data nisqa /data/NISQA_Corpus --tasks decide=3,describe,compare --balance mos --out train.jsonl
  audio-judge data speecheval /data/SpeechEval --tasks assess,compare,suggest,detect --out train.parquet
  audio-judge data mixture recipes/data/nisqa.yaml --out train.parquet
  audio-judge data ls
  audio-judge data show train.parquet

`audio-judge data nisqa --help` shows the options of a corpus; they are the same for all."""

CORPUS_EXAMPLES = """examples:
  audio-judge data nisqa /data/NISQA_Corpus --tasks score=2,explain --out train.parquet
  audio-judge data bvcc train_mos_list.txt --split train --option root=wav --tasks score --out train.jsonl
  audio-judge data table my.csv --tasks rate --out train.jsonl --option 'columns={"path": "file", "ratings": {"mos": "score"}}'

A number after = is a weight (tasks) or a chance (augmentation, 0.25 if none is given). Clips that lack what a task needs
are counted on stderr, with examples per task, corpus and scale and the levels of the ratings. Nothing is opened but tables."""

CAPTION_EXAMPLES = """examples:
  audio-judge caption clips.csv --teacher http://localhost:8000/v1 --model Qwen3-8B --diverse 4 --out captions.jsonl
  audio-judge caption /data/NISQA_Corpus --corpus nisqa --pairs 5000 --teacher http://localhost:8000/v1 --model Qwen3-8B --out captions.jsonl
  audio-judge data captions captions.jsonl --tasks describe,compare --out train.parquet

clips.csv has a path (path, wav_path or filepath_deg), mos and, if known, noisiness, coloration, discontinuity, loudness
(or noi, col, dis, loud), 1 to 5. A run that was stopped goes on with the same command. Exit code: 0, 1 if some captions
failed (see FILE.failed.jsonl), 2 if the request was unusable, 130 if interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Words of the command line after ``audio-judge``; None for those of this process.

    Returns:
        Exit code: 0, 1 if some clips could not be judged, 2 for an unusable request, 130 after Ctrl-C.

    Raises:
        SystemExit: After ``--help`` and ``--version``, and with code 2 for an unknown option.
    """
    options = _parser().parse_args(arguments)
    from audio_judge import commands, data_commands  # heavy, and not needed for --help

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may be no valid text
    runs = {"score": commands.score, "explain": commands.explain, "decide": commands.decide, "ls": commands.ls}
    runs |= {"data": data_commands.data, "caption": data_commands.caption}
    try:
        return runs[options.command](options)
    except UsageError as error:
        print(f"audio-judge {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has left; without this, Python complains once more when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    shape: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = argparse.ArgumentParser("audio-judge", description=DESCRIPTION, epilog=EXAMPLES, **shape)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, add, summary, examples in (
        ("score", _add_score_options, "Score clips on rubrics.", SCORE_EXAMPLES),
        ("explain", _add_clip_options, "Score clips and say in words why.", EXPLAIN_EXAMPLES),
        ("decide", _add_decide_options, "Answer closed questions about clips.", DECIDE_EXAMPLES),
        ("data", _add_data_options, "Turn rated corpora into training examples.", DATA_EXAMPLES),
        ("caption", _add_caption_options, "Have a language model write captions from ratings.", CAPTION_EXAMPLES),
        ("ls", _add_ls_options, "List the rubrics or the tasks.", LS_EXAMPLES),
    ):
        command = commands.add_parser(name, help=summary, description=summary, epilog=examples, **shape)
        add(command)
    return parser


class _Version(argparse.Action):
    """Prints the version; looks it up only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from audio_judge import __version__

        print(f"audio-judge {__version__}")
        parser.exit()


def _add_clip_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "clips", nargs="+", metavar="PATH", help="file, glob, directory, .jsonl or .csv list, or - for stdin"
    )
    parser.add_argument("--judge", metavar="NAME", help="Hub id or folder of a judge (default: the one shipped)")
    parser.add_argument("--revision", metavar="NAME", help="branch, tag or commit of a judge on the Hub")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    parser.add_argument(
        "--batch-size", type=_positive_int, default=8, metavar="N", help="windows per forward pass (default: 8)"
    )
    parser.add_argument("--reference", metavar="FILE", help="undegraded original of all clips whose row names none")
    parser.add_argument(
        "--path-column", metavar="NAME", help=f"column of the paths in a list (default: {', '.join(PATH_COLUMNS)})"
    )
    parser.add_argument(
        "--reference-column", default="reference", metavar="NAME", help="column of the originals (default: reference)"
    )
    parser.add_argument("--limit", type=_positive_int, metavar="N", help="judge only the first N clips")
    parser.add_argument(
        "--max-hours", type=_positive_float, default=2.0, metavar="H", help="refuse longer clips (default: 2)"
    )
    parser.add_argument("--no-progress", action="store_true", help="no progress bar (there is none without a terminal)")


def _add_score_options(parser: argparse.ArgumentParser) -> None:
    _add_clip_options(parser)
    parser.add_argument(
        "--rubric",
        action="append",
        metavar="NAME",
        help="one of `ls rubrics`; repeatable (default: mos and its four dimensions)",
    )
    parser.add_argument("--scale", choices=SCALES, default="1-5", help="scale of all scores (default: 1-5)")
    parser.add_argument("--explain", action="store_true", help="add reasons in words (slower)")
    parser.add_argument("--output", metavar="FILE", help=".jsonl or .csv file, - for JSON lines on stdout (default)")
    parser.add_argument("--table", action="store_true", help="show a table for people on stdout")
    parser.add_argument("--resume", action="store_true", help="skip the rows, errors too, that the output has already")


def _add_decide_options(parser: argparse.ArgumentParser) -> None:
    _add_clip_options(parser)
    parser.add_argument("--questions", metavar="FILE", help="JSON file: name to question")
    parser.add_argument("--ask", action="append", default=[], metavar="TEXT", help="a yes-or-no question; repeatable")


def _add_ls_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("rubrics", "tasks"), help="what to list")


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    shape: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser.set_defaults(path=None)
    _add_mixture_options(parser)
    parser.add_argument("--mixture", metavar="FILE", help="YAML of corpora, tasks and weights; same as `mixture FILE`")
    what = parser.add_subparsers(dest="what", metavar="CORPUS | mixture | ls | show")
    what.add_parser("ls", help="list corpora, tasks, rubrics with their scales and directions, listeners", **shape)
    show = what.add_parser("show", help="show examples as the model will see them", **shape)
    show.add_argument("path", metavar="FILE", help=".parquet or .jsonl of examples")
    show.add_argument("--number", type=_positive_int, default=3, metavar="N", help="how many (default: 3)")
    show.add_argument("--judge", metavar="NAME", help="whose templates (default: the judge that is shipped)")
    mixture = what.add_parser("mixture", help="several corpora, mixed as a YAML file says", **shape)
    mixture.add_argument("path", metavar="FILE", help="YAML, as in recipes/data")
    _add_mixture_options(mixture)
    for name, about in CORPORA.items():
        corpus = what.add_parser(name, help=about, description=about, epilog=CORPUS_EXAMPLES, **shape)
        corpus.add_argument("path", metavar="PATH", help="folder or file of the corpus")
        _add_corpus_options(corpus)
        _add_mixture_options(corpus)


def _add_mixture_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FILE", help=".parquet or .jsonl file to write")
    parser.add_argument(
        "--seed", type=_whole, metavar="N", help="of everything that is drawn (default: 0, or the YAML's)"
    )
    parser.add_argument("--limit", type=_positive_int, metavar="N", help="stop after N examples")
    parser.add_argument("--statistics", metavar="FILE", help="write the statistics as JSON, too")


def _add_corpus_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tasks", required=True, metavar="NAMES", help="such as score,explain=2; see `data ls`")
    parser.add_argument(
        "--augment", metavar="NAMES", help="scale, invert, binary, paraphrase; such as scale=0.5,invert"
    )
    parser.add_argument("--paraphrases", metavar="FILE", help="wordings of a language model, used besides our own")
    splits = ("train", "validation", "test", "all")
    parser.add_argument("--split", choices=splits, default="train", help="which split to use (default: train)")
    parser.add_argument(
        "--no-split-check", dest="check_splits", action="store_false", help="do not look for clips of other splits"
    )
    references = ("never", "sometimes", "always")
    parser.add_argument(
        "--with-reference",
        choices=references,
        default="never",
        help="hear the undegraded original too (default: never)",
    )
    parser.add_argument(
        "--listener", type=_share, default=0.0, metavar="P", help="chance to name whose standard counts"
    )
    parser.add_argument(
        "--balance", metavar="NAME", help="make the levels of a rubric, label or preference as frequent"
    )
    parser.add_argument("--variants", type=_positive_int, default=1, metavar="N", help="examples per clip (default: 1)")
    parser.add_argument("--all-rubrics", action="store_true", help="ask for every rated rubric, as evaluation wants it")
    parser.add_argument("--shuffle", type=_positive_int, default=10_000, metavar="N", help="buffer (default: 10000)")
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="argument of the reader; repeatable"
    )


def _add_caption_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clips", metavar="PATH", help="table of rated clips, or the corpus named by --corpus")
    parser.add_argument("--teacher", required=True, metavar="URL", help="address of an OpenAI-compatible server")
    parser.add_argument("--model", required=True, metavar="NAME", help="name of the model as the server knows it")
    parser.add_argument("--out", required=True, metavar="FILE", help=".jsonl file; continued if it exists")
    parser.add_argument("--diverse", type=_whole, default=0, metavar="N", help="captions besides the greedy one")
    parser.add_argument(
        "--pairs", type=_whole, default=0, metavar="N", help="comparisons of neighbours, too (default: 0)"
    )
    parser.add_argument("--corpus", choices=tuple(CORPORA), default="table", help="what PATH is (default: table)")
    splits = ("train", "validation", "test")
    parser.add_argument("--split", choices=splits, default="train", help="which split to use (default: train)")
    parser.add_argument("--limit", type=_positive_int, metavar="N", help="only the first N clips")
    parser.add_argument("--seed", type=_whole, default=0, metavar="N", help="of wordings and replies (default: 0)")
    parser.add_argument(
        "--concurrency", type=_positive_int, default=8, metavar="N", help="requests at a time (default: 8)"
    )
    parser.add_argument("--cache", metavar="FOLDER", help="replies that arrived (default: FILE.cache)")
    parser.add_argument("--api-key-variable", metavar="NAME", help="environment variable that holds the server's key")
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="argument of the reader; repeatable"
    )


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}; a whole number is needed")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}; a number from 0 to 1 is needed")
    return value


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}; a whole number above 0 is needed")
    return int(text)


def _positive_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r}; a number above 0 is needed")
    return value


if __name__ == "__main__":
    sys.exit(main())
