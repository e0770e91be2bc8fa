import multiprocessing
import os
import signal
import time

import pytest

from audio_judge.batch.items import Columns, Item
from audio_judge.batch.lines import read
from audio_judge.batch.run import Job, Output, run
from audio_judge.batch.shards import Shard, files, locked, merge, this_shard
from audio_judge.batch.write import Answer
from audio_judge.errors import UsageError

CLIPS = ["a", "b", "gone", "a", "c", "d\ne", "f,ü", "a", "g"]
fork = multiprocessing.get_context("fork")


def items_of(names):
    return [
        Item({"path": name, "note": ""}, name, error="gone: no such file" if name == "gone" else None) for name in names
    ]


def job_of(asked=None, lives=10**9, pause=0.0, task="score"):
    """Gives each clip its name's length, and dies after so many clips."""
    asked = [] if asked is None else asked

    def answer(items):
        for item in items:
            if len(asked) == lives:
                raise KeyboardInterrupt
            asked.append(item.path)
            time.sleep(pause)
            yield Answer({"seconds": len(item.path)})

    settings = {"task": task, "model": "m"}
    return Job("scored", settings, ("seconds",), answer, Columns().identity)


@pytest.fixture
def begin(monkeypatch):
    """`begin(path, index, count, …)`: the exit code of one process of a run."""

    def call(path, index=0, count=1, names=CLIPS, *, resume=False, overwrite=False, **options):
        monkeypatch.setenv("RANK", str(index))
        monkeypatch.setenv("WORLD_SIZE", str(count))
        return run(
            job_of(**options), items_of(names), Output(path, resume=resume, overwrite=overwrite), no_progress=True
        )

    return call


@pytest.fixture(params=["jsonl", "csv"])
def out(request, tmp_path):
    return tmp_path / f"scores.{request.param}"


@pytest.fixture
def whole(out, begin):
    """What one process writes."""
    path = out.with_stem("whole")
    assert begin(path) == 1
    return path.read_bytes()


def names_beside(path):
    return sorted(one.name for one in path.parent.iterdir() if not one.name.startswith("whole"))


class TestRun:
    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
    def test_one_after_the_other_the_last_one_merges_and_answers_for_all(self, out, begin, whole, order, capsys):
        capsys.readouterr()
        asked = []
        assert [begin(out, index, 3, asked=asked) for index in order] == [None, None, 1]
        assert out.read_bytes() == whole
        assert names_beside(out) == [out.name]
        assert sorted(asked) == sorted(name for name in CLIPS if name != "gone")
        err = capsys.readouterr().err
        assert "process 0: done; the last of the 3 writes" in err or order[-1] == 0
        assert err.count("8 clips scored, 1 error:\n  gone: no such file") == 1

    @pytest.mark.parametrize("count", [1, 2, 3, 4])
    def test_killed_with_three_and_gone_on_with_another_number(self, out, begin, whole, count):
        asked = []
        assert begin(out, 1, 3, asked=asked) is None
        assert begin(out, 0, 3, lives=1) == 130
        assert begin(out, 2, 3) is None
        part = Shard(2, 3).part(out)
        part.write_bytes(part.read_bytes()[:-4])  # cut in the middle of its last row
        kept = len(asked) + 1
        asked.clear()
        codes = [begin(out, index, count, asked=asked, resume=True) for index in range(count)]
        assert codes == [None] * (count - 1) + [1]
        assert len(asked) == len(CLIPS) - 1 - kept
        assert out.read_bytes() == whole
        assert names_beside(out) == [out.name]

    def test_several_go_on_with_what_one_has_done(self, out, begin, whole):
        assert begin(out, lives=4) == 130
        asked = []
        assert [begin(out, index, 2, asked=asked, resume=True) for index in (0, 1)] == [None, 1]
        assert (len(asked), out.read_bytes()) == (4, whole)

    def test_more_clips_are_put_in_their_order(self, out, begin, whole):
        begin(out, names=CLIPS[::2])
        assert [begin(out, index, 2, resume=True) for index in (0, 1)] == [None, 1]
        assert out.read_bytes() == whole

    def test_nothing_left(self, out, begin, whole):
        begin(out)
        asked = []
        assert begin(out, 0, 2, asked=asked, resume=True) == 1
        assert (asked, out.read_bytes(), names_beside(out)) == ([], whole, [out.name])

    def test_killed_while_the_parts_are_removed(self, out, begin, whole):
        begin(out, 0, 2)
        part = Shard(0, 2).part(out)
        content = part.read_bytes()
        begin(out, 1, 2)
        part.write_bytes(content)
        assert begin(out, 1, 2, resume=True) == 1
        assert (out.read_bytes(), names_beside(out)) == (whole, [out.name])

    def test_rows_of_an_earlier_run_are_not_taken_for_new_ones(self, out, begin, whole):
        begin(out)
        asked = []
        with pytest.raises(UsageError, match="--overwrite begins anew"):
            begin(out, 0, 2)
        assert begin(out, 0, 2, asked=asked, overwrite=True) is None
        assert not out.exists()
        assert begin(out, 1, 2, asked=asked, overwrite=True) == 1
        assert (len(asked), out.read_bytes()) == (8, whole)

    @pytest.mark.parametrize(("index", "count"), [(0, 1), (0, 2), (1, 3)])
    def test_parts_of_a_run_that_was_stopped_are_not_written_over(self, out, begin, index, count):
        begin(out, 0, 2)
        with pytest.raises(UsageError, match=r"part-1-of-2\.\w+: of a run that was stopped; --resume goes on"):
            begin(out, index, count)

    def test_other_settings_are_refused_in_parts_too(self, out, begin):
        begin(out, 0, 2)
        with pytest.raises(UsageError, match="was made with task 'score', not 'rate'"):
            begin(out, 1, 2, resume=True, task="rate")

    def test_at_once_only_one_answers(self, tmp_path, monkeypatch):
        names = [f"{number}.wav" for number in range(40)]
        monkeypatch.setenv("WORLD_SIZE", "4")

        def process(index, codes):
            os.environ["RANK"] = str(index)
            out = Output(tmp_path / "scores.jsonl")
            codes.put(run(job_of(pause=0.001 * index), items_of(names), out, no_progress=True))

        codes = fork.Queue()
        running = [fork.Process(target=process, args=(index, codes)) for index in range(4)]
        for one in running:
            one.start()
        assert sorted(str(codes.get(timeout=60)) for _ in running) == ["0", "None", "None", "None"]
        for one in running:
            one.join(60)
        assert [row["path"] for _, row in read(tmp_path / "scores.jsonl")] == names
        assert names_beside(tmp_path / "scores.jsonl") == ["scores.jsonl"]

    def test_a_killed_process_is_only_started_again(self, tmp_path, begin):
        out = tmp_path / "scores.jsonl"
        names = [f"{number}.wav" for number in range(40)]
        begin(out, 0, 2, names)
        child = fork.Process(target=begin, args=(out, 1, 2, names), kwargs={"pause": 0.01})
        child.start()
        part = Shard(1, 2).part(out)
        while not part.exists() or part.read_bytes().count(b"\n") < 5:
            assert child.is_alive()
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        assert not out.exists()
        asked = []
        assert begin(out, 1, 2, names, asked=asked, resume=True) == 0
        assert 0 < len(asked) <= 15
        assert [row["path"] for _, row in read(out)] == names


class TestMerge:
    def keys_in(self, path):
        for line in path.read_bytes().splitlines(keepends=True):
            yield line[:1], (path.read_bytes().index(line), len(line))

    def test_missing_row_costs_nothing(self, tmp_path):
        path, part = tmp_path / "s.jsonl", tmp_path / "s.part-1-of-2.jsonl"
        part.write_bytes(b"b1\na1\n")
        assert not merge(path, [b"a", b"b", b"c"], self.keys_in)
        assert not merge(path, [b"a", b"a"], self.keys_in)
        assert [part.read_bytes(), path.exists()] == [b"b1\na1\n", False]

    @pytest.mark.parametrize(("keeps_others", "content"), [(False, b"a1\nb2\n"), (True, b"a1\nb2\nx1\n")])
    def test_rows_that_are_not_asked_for(self, tmp_path, keeps_others, content):
        path = tmp_path / "s.jsonl"
        path.write_bytes(b"x1\n")
        (tmp_path / "s.part-2-of-2.jsonl").write_bytes(b"b2\nx2\n")
        (tmp_path / "s.part-1-of-3.jsonl").write_bytes(b"a1")  # whole, but for its line break
        (tmp_path / "other.part-1-of-3.jsonl").write_bytes(b"a9\n")
        assert merge(path, [b"a", b"b"], self.keys_in, keeps_others=keeps_others)
        assert path.read_bytes() == content
        assert files(path) == [path]


class TestLocked:
    def test_leaves_no_file_behind(self, tmp_path):
        with locked(tmp_path / "new" / "s.jsonl"):
            assert [one.name for one in (tmp_path / "new").iterdir()] == [".s.jsonl.lock"]
        assert not list((tmp_path / "new").iterdir())


class TestShard:
    def test_every_item_is_in_one_share(self):
        shares = [Shard(index, 3).of(range(8)) for index in range(3)]
        assert sorted(item for share in shares for item in share) == list(range(8))

    def test_equal_items_are_in_one_share(self):
        assert [Shard(index, 2).of(CLIPS, str) for index in (0, 1)] == [
            ["a", "gone", "a", "d\ne", "a", "g"],
            ["b", "c", "f,ü"],
        ]

    @pytest.mark.parametrize(
        ("told", "shard"),
        [
            ({}, Shard()),
            ({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, Shard(5, 8, 1)),
            ({"RANK": "1", "WORLD_SIZE": "2"}, Shard(1, 2)),
        ],
    )
    def test_is_told_by_the_launcher(self, monkeypatch, told, shard):
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        assert this_shard() == shard

    def test_processes_go_round_the_accelerators(self, monkeypatch):
        monkeypatch.setattr("torch.accelerator.is_available", lambda: True)
        monkeypatch.setattr("torch.accelerator.device_count", lambda: 2)
        monkeypatch.setattr("torch.accelerator.current_accelerator", lambda: "cuda")
        assert Shard(3, 4, local=3).device("auto") == "cuda:1"
        assert Shard(3, 4, local=3).device("mps") == "mps"

    def test_without_an_accelerator_it_is_the_cpu(self, monkeypatch):
        monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
        assert Shard().device("auto") == "cpu"

    @pytest.mark.parametrize(("rank", "size"), [("4", "4"), ("-1", "4"), ("one", "4"), ("0", "0"), ("0", "many")])
    def test_what_does_not_fit_is_refused(self, monkeypatch, rank, size):
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", size)
        with pytest.raises(UsageError, match=f"RANK {rank} of WORLD_SIZE {size}"):
            this_shard()
