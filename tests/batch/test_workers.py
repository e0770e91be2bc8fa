import operator
import os
import signal
import subprocess
import sys
import time

import pytest

from audio_judge.batch.workers import in_processes
from audio_judge.errors import UsageError

PARENT = """
import os, time
from audio_judge.batch.workers import in_processes
if __name__ == "__main__":
    for number in in_processes(getattr(os, "getpid"), [()], 1):
        print(number, flush=True)
        time.sleep(600)
"""


class TestInProcesses:
    def test_what_was_done_is_given_before_the_error(self):
        jobs = [(6, 3), (6, 2), (6, 0), *[(6, 1)] * 500]
        given = []
        with pytest.raises(ZeroDivisionError):
            given.extend(in_processes(operator.floordiv, jobs, 1))
        assert {2, 3} <= set(given)
        assert len(given) < 500

    def test_killed_worker_is_said_and_does_not_hang(self):
        with pytest.raises(UsageError, match="a worker process was killed"):
            list(in_processes(os._exit, [(1,)], 1))

    def test_workers_end_with_a_parent_that_was_killed(self):
        with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
            worker = int(parent.stdout.readline())
            assert is_running(worker)
            parent.send_signal(signal.SIGKILL)
            parent.wait()
        for _ in range(1200):  # a worker that stays fails here; one that ends does so at once
            if not is_running(worker):
                return
            time.sleep(0.05)
        os.kill(worker, signal.SIGKILL)
        raise AssertionError("the worker outlived its parent")


def is_running(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
