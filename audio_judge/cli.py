"""The command ``audio-judge``: judge, train, evaluate and serve from a shell, over any number of clips.

    audio-judge score clips/ --output scores.jsonl

Exit codes: 0 all went well, 1 some clips could not be judged (each has its row with the reason), 2 the request was unusable,
130 interrupted. This module is the shell's side; each command's own module is imported only when it runs, so that ``--help``
does not wait for torch.
"""

import argparse
import importlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import audio_judge
from audio_judge.completion import COMPLETION_EXAMPLES, add_completion_options, completion
from audio_judge.hub_commands import PUSH_EXAMPLES, SERVE_EXAMPLES, add_push_options, add_serve_options
from audio_judge.inputs import UsageError
from audio_judge.judge_options import JUDGE_COMMANDS, positive_float, positive_int

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

# Which scores of a rubric are good, in a listing
BEST = {"high": "higher", "low": "lower", "middle": "middle"}

# Where the function of each command is; it has the name of the command
MODULES = {
    **dict.fromkeys(("score", "profile", "explain", "assess", "suggest", "describe"), "score_commands"),
    **dict.fromkeys(("compare", "detect", "timeline", "decide", "analyze"), "commands"),
    "data": "data_commands",
    "caption": "data_commands",
    "grade": "grade_commands",
    "report": "report_commands",
    "demo": "demo_commands",
    "push": "hub_commands",
    "serve": "hub_commands",
    "ls": "listing",
}
# They need none of the library
LIGHT = ("ls",)

DESCRIPTION = "Judge audio in words and numbers."
EXAMPLES = """examples:
  audio-judge score clip.wav --table
  audio-judge score clips/ --output scores.jsonl
  audio-judge explain clip.wav
  audio-judge compare old.wav new.wav
  audio-judge decide clip.wav --ask "Is there hum?"
  audio-judge data nisqa /data/NISQA_Corpus --tasks score,explain --out train.parquet
  audio-judge ls rubrics

`audio-judge COMMAND --help` shows the options and examples of a command. Exit code: 0, 1 if some clips could not be
judged (their rows say why), 2 if the request was unusable, 130 if interrupted."""

LS_EXAMPLES = """examples:
  audio-judge ls rubrics
  audio-judge ls tasks
  audio-judge ls corpora"""


DATA_EXAMPLES = """examples:
  audio-judge data nisqa /data/NISQA_Corpus --tasks score,profile,explain --augment scale,invert,binary,paraphrase --out train.parquet
  audio-judge data nisqa /data/NISQA_Corpus --tasks decide=3,describe,compare --balance mos --out train.jsonl
  audio-judge data speecheval /data/SpeechEval --tasks assess,compare,suggest,detect --out train.parquet
  audio-judge data mixture recipes/data/speechqualityllm.yaml --out train.parquet
  audio-judge data jastin-proxies clean_speech --music music --out /data/proxies
  audio-judge data ls
  audio-judge data show train.parquet

`audio-judge data nisqa --help` shows the options of a corpus; they are the same for all."""

CORPUS_EXAMPLES = """examples:
  audio-judge data nisqa /data/NISQA_Corpus --tasks score=2,explain --out train.parquet
  audio-judge data bvcc train_mos_list.txt --split train --option root=wav --tasks score --out train.jsonl
  audio-judge data table my.csv --tasks rate --out train.jsonl --option 'columns={"path": "file", "ratings": {"mos": "score"}}'

A number after = is a weight (tasks) or a chance (augmentation, 0.25 if none is given). Clips that lack what a task needs
are counted on stderr, with examples per task, corpus and scale and the levels of the ratings. Nothing is opened but tables."""

PROXY_EXAMPLES = """examples:
  audio-judge data jastin-proxies clean_speech --music music --out /data/proxies
  audio-judge data jastin-proxies clean_speech --proxies child_voice,reverberation --limit 1000 --out /data/proxies

Each clean clip makes one clip per proxy: FOLDER/child_voice/*.wav, with scores in FOLDER/child_voice.jsonl, as
recipes/data/jastin.yaml reads them. A run that was stopped goes on with the same command. Exit code: 0, 1 if some clips
could not be used, 2 if the request was unusable."""

CAPTION_EXAMPLES = """examples:
  audio-judge caption clips.csv --teacher http://localhost:8000/v1 --model Qwen3-8B --diverse 4 --out captions.jsonl
  audio-judge caption /data/NISQA_Corpus --corpus nisqa --pairs 5000 --teacher http://localhost:8000/v1 --model Qwen3-8B --out captions.jsonl
  audio-judge data captions captions.jsonl --tasks describe,compare --out train.parquet

clips.csv has a path (path, wav_path or filepath_deg), mos and, if known, noisiness, coloration, discontinuity, loudness
(or noi, col, dis, loud), 1 to 5. A run that was stopped goes on with the same command. Exit code: 0, 1 if some captions
failed (see FILE.failed.jsonl), 2 if the request was unusable, 130 if interrupted."""

GRADE_EXAMPLES = """examples:
  audio-judge grade predictions.jsonl --evaluator http://localhost:8000/v1 --out graded.jsonl
  audio-judge grade predictions.jsonl --evaluator Qwen/Qwen3-8B --column output=answer --column truth=meta.ratings
  audio-judge grade predictions.jsonl --evaluator https://api.example.org/v1 --model NAME --api-key-variable API_KEY

A row has a request (request, prompt, question or messages), what the judge wrote (text, output, response or completion),
the truth (truth, labels, reference or ground_truth), and a task (score, compare, suggest …) or a form (assessment,
comparison, suggestion). It is kept, with grades from 0 to 1, their weighted mean lscore, or an error. A run that was
stopped goes on with the same command. Exit code: 0, 1 if some rows got no grade (they say why), 2 if the request was
unusable or the evaluator does not answer, 130 if interrupted."""

REPORT_EXAMPLES = """examples:
  audio-judge report scores.jsonl
  audio-judge report scores.jsonl --html report.html --plots plots
  audio-judge report scores.jsonl --system-regex "samples/([^/]+)/" --by noisiness
  audio-judge report shard1.jsonl shard2.jsonl --clips-root /data --html report.html

The page holds plots and sounds itself, and opens without a network. What made a clip is said by the column `system` of the
scores, by --system-regex, or else by the clip's folder. Exit code: 0, or 2 if the request was unusable."""

DEMO_EXAMPLES = """examples:
  audio-judge demo
  audio-judge demo --judge me/my-judge --port 8080
  audio-judge demo --share

The page is for this machine only unless --host (0.0.0.0 for the local network) or --share says otherwise. Stop it with
Ctrl-C. Needs Gradio: pip install 'audio-judge[demo]'."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Words of the command line after ``audio-judge``; None for those of this process.

    Returns:
        Exit code: 0, 1 if some clips could not be judged, 2 for an unusable request, 130 after Ctrl-C.

    Raises:
        SystemExit: After ``--help`` and ``--version``, and with code 2 for an unknown option.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["eval"]:
        audio_judge.load()
        from audio_judge.eval.cli import main as evaluate

        return evaluate(words[1:], "audio-judge eval")
    parser = _parser()
    options = parser.parse_args(words)
    _accept_any_file_name()
    usual = warnings.formatwarning
    warnings.formatwarning = partial(_own_plainly, usual)
    try:
        if options.command == "completion":
            return completion(options, parser)
        if options.command not in LIGHT:
            audio_judge.load()
        module = importlib.import_module(f"audio_judge.{MODULES[options.command]}")
        return int(vars(module)[options.command](options))
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
    finally:
        warnings.formatwarning = usual


def _own_plainly(usual: Callable[..., str], message: Warning | str, category: type[Warning], *place: Any) -> str:
    """Our own warnings are for the person at the shell, who does not know our lines."""
    if category.__module__.startswith("audio_judge."):
        return f"audio-judge: {message}\n"
    return usual(message, category, *place)


def _accept_any_file_name() -> None:
    """File names may be no valid text: they come in as surrogates and go out as escapes."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _parser() -> argparse.ArgumentParser:
    shape: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = argparse.ArgumentParser("audio-judge", description=DESCRIPTION, epilog=EXAMPLES, **shape)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, add, summary, examples in (
        *JUDGE_COMMANDS,
        ("data", _add_data_options, "Turn rated corpora into training examples.", DATA_EXAMPLES),
        ("caption", _add_caption_options, "Have a language model write captions from ratings.", CAPTION_EXAMPLES),
        ("grade", _add_grade_options, "Have a language model grade finished judgements.", GRADE_EXAMPLES),
        ("report", _add_report_options, "Write scores as a page for people.", REPORT_EXAMPLES),
        ("demo", _add_demo_options, "Judge clips in the browser.", DEMO_EXAMPLES),
        ("push", add_push_options, "Put a judge on the Hub.", PUSH_EXAMPLES),
        ("serve", add_serve_options, "Serve a judge with transformers.", SERVE_EXAMPLES),
        ("ls", _add_ls_options, "List the corpora, the rubrics or the tasks.", LS_EXAMPLES),
        ("completion", add_completion_options, "Complete the command in a shell.", COMPLETION_EXAMPLES),
    ):
        command = commands.add_parser(name, help=summary, description=summary, epilog=examples, **shape)
        add(command)
    # main hands its words on; it is here to be listed
    commands.add_parser("eval", help="Evaluate judges on benchmarks, side by side.", add_help=False)
    return parser


class _Version(argparse.Action):
    """Prints the version."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"audio-judge {audio_judge.__version__}")
        parser.exit()


def _add_demo_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--judge", metavar="NAME", help="Hub id or folder of a judge (default: the one shipped)")
    parser.add_argument("--revision", metavar="NAME", help="branch, tag or commit of a judge on the Hub")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    parser.add_argument("--host", metavar="NAME", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=positive_int, metavar="N", help="port (default: the first free from 7860)")
    parser.add_argument("--share", action="store_true", help="make a public link through Gradio's servers")
    parser.add_argument(
        "--max-minutes", type=positive_float, default=10.0, metavar="M", help="refuse longer clips (default: 10)"
    )


def _add_ls_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("corpora", "rubrics", "tasks"), help="what to list")


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    shape: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser.set_defaults(path=None)
    _add_mixture_options(parser)
    parser.add_argument("--mixture", metavar="FILE", help="YAML of corpora, tasks and weights; same as `mixture FILE`")
    what = parser.add_subparsers(dest="what", metavar="CORPUS | mixture | jastin-proxies | ls | show")
    what.add_parser("ls", help="list corpora, tasks, rubrics with their scales and directions, listeners", **shape)
    show = what.add_parser("show", help="show examples as the model will see them", **shape)
    show.add_argument("path", metavar="FILE", help=".parquet or .jsonl of examples")
    show.add_argument("--number", type=positive_int, default=3, metavar="N", help="how many (default: 3)")
    show.add_argument("--judge", metavar="NAME", help="whose templates (default: the judge that is shipped)")
    mixture = what.add_parser("mixture", help="several corpora, mixed as a YAML file says", **shape)
    mixture.add_argument("path", metavar="FILE", help="YAML, as in recipes/data")
    _add_mixture_options(mixture)
    about = "make the clips and scores of Jastin's five proxies from clean clips"
    _add_proxy_options(what.add_parser("jastin-proxies", help=about, description=about, epilog=PROXY_EXAMPLES, **shape))
    for name, about in CORPORA.items():
        corpus = what.add_parser(name, help=about, description=about, epilog=CORPUS_EXAMPLES, **shape)
        corpus.add_argument("path", metavar="PATH", help="folder or file of the corpus")
        _add_corpus_options(corpus)
        _add_mixture_options(corpus)


def _add_proxy_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="FOLDER", help="clean speech, searched for sound files")
    parser.add_argument("--music", metavar="FOLDER", help="clean music, for music_distortion and sudden_silence")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where clips and tables are written")
    parser.add_argument("--proxies", metavar="NAMES", help="such as child_voice,reverberation (default: all there is)")
    parser.add_argument("--seed", type=_whole, default=0, metavar="N", help="of everything drawn (default: 0)")
    parser.add_argument("--limit", type=positive_int, metavar="N", help="only the first N clips of each folder")
    parser.add_argument(
        "--untreated", type=_share, default=0.5, metavar="P", help="share of clips left as they are (default: 0.5)"
    )


def _add_mixture_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FILE", help=".parquet or .jsonl file to write")
    parser.add_argument(
        "--seed", type=_whole, metavar="N", help="of everything that is drawn (default: 0, or the YAML's)"
    )
    parser.add_argument("--limit", type=positive_int, metavar="N", help="stop after N examples")
    parser.add_argument("--statistics", metavar="FILE", help="write the statistics as JSON, too")


def _add_corpus_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tasks", required=True, metavar="NAMES", help="such as score,explain=2; see `data ls`")
    parser.add_argument(
        "--augment", metavar="NAMES", help="scale, invert, binary, numbers, paraphrase; such as scale=0.5,invert"
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
    parser.add_argument("--variants", type=positive_int, default=1, metavar="N", help="examples per clip (default: 1)")
    parser.add_argument("--all-rubrics", action="store_true", help="ask for every rated rubric, as evaluation wants it")
    parser.add_argument("--shuffle", type=positive_int, default=10_000, metavar="N", help="buffer (default: 10000)")
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
    parser.add_argument("--limit", type=positive_int, metavar="N", help="only the first N clips")
    parser.add_argument("--seed", type=_whole, default=0, metavar="N", help="of wordings and replies (default: 0)")
    parser.add_argument(
        "--concurrency", type=positive_int, default=8, metavar="N", help="requests at a time (default: 8)"
    )
    parser.add_argument("--cache", metavar="FOLDER", help="replies that arrived (default: FILE.cache)")
    parser.add_argument("--api-key-variable", metavar="NAME", help="environment variable that holds the server's key")
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="argument of the reader; repeatable"
    )


def _add_grade_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("predictions", metavar="FILE", help=".jsonl file of judgements with their truth")
    parser.add_argument(
        "--evaluator", required=True, metavar="PLACE", help="address of a server, or folder or Hub id of a model"
    )
    parser.add_argument(
        "--model", metavar="NAME", help="name of the model as the server knows it (default: its only one)"
    )
    parser.add_argument("--out", metavar="FILE", help=".jsonl file (default: JSON lines on stdout)")
    parser.add_argument(
        "--form",
        choices=("auto", "decision", "chat"),
        default="auto",
        help="how to ask (default: decision if answered)",
    )
    parser.add_argument(
        "--task-form",
        choices=("assessment", "comparison", "suggestion"),
        help="of rows that name neither a task nor a form",
    )
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="ROLE=NAME",
        help="column of the request, output or truth; repeatable",
    )
    parser.add_argument("--weights", metavar="NAMES", help="such as accuracy=2,detail=0.5 (default: 1, 1, 2, 0.5)")
    parser.add_argument("--limit", type=positive_int, metavar="N", help="only the first N rows")
    parser.add_argument(
        "--concurrency", type=positive_int, default=8, metavar="N", help="requests at a time (default: 8)"
    )
    parser.add_argument(
        "--timeout", type=positive_float, default=120.0, metavar="S", help="longest wait for a reply (default: 120)"
    )
    parser.add_argument(
        "--max-tokens", type=positive_int, default=64, metavar="N", help="longest reply in chat (default: 64)"
    )
    parser.add_argument(
        "--max-failure-rate", type=_share, default=0.1, metavar="P", help="stop if more cases fail (default: 0.1)"
    )
    parser.add_argument("--extra", metavar="JSON", help="more fields of a chat request, as an object")
    parser.add_argument("--cache", metavar="FOLDER", help="replies that arrived (default: FILE.cache of --out)")
    parser.add_argument("--api-key-variable", metavar="NAME", help="environment variable that holds the server's key")
    parser.add_argument("--no-progress", action="store_true", help="no progress bar (there is none without a terminal)")


def _add_report_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scores", nargs="+", metavar="FILE", help=".jsonl or .csv file that `score` has written")
    parser.add_argument("--html", metavar="FILE", help="page to write (default: FILE.html)")
    parser.add_argument("--plots", metavar="FOLDER", help="write the plots as PNG files, too")
    parser.add_argument("--title", metavar="TEXT", help="title of the page")
    parser.add_argument("--by", metavar="RUBRIC", help="what ranks systems and clips (default: the first rubric)")
    parser.add_argument("--worst", type=_whole, default=9, metavar="N", help="how many of the worst clips (default: 9)")
    parser.add_argument(
        "--system-column", default="system", metavar="NAME", help="column of what made a clip (default: system)"
    )
    parser.add_argument("--system-regex", metavar="REGEX", help="finds the system in a path, as its first group")
    parser.add_argument("--path-column", metavar="NAME", help="column of the paths, as for `score`")
    parser.add_argument(
        "--clips-root", metavar="FOLDER", help="where relative paths start (default: here, or at the scores)"
    )
    parser.add_argument(
        "--clip-seconds", type=positive_float, default=12.0, metavar="S", help="longest sound (default: 12)"
    )
    parser.add_argument(
        "--embed-mb", type=positive_float, default=16.0, metavar="MB", help="room for sounds; others are linked"
    )
    parser.add_argument("--resamples", type=positive_int, default=1000, metavar="N", help="of the bootstrap")
    parser.add_argument("--seed", type=_whole, default=0, metavar="N", help="of the bootstrap (default: 0)")


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


if __name__ == "__main__":
    sys.exit(main())
