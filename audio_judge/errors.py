"""The error of every request that cannot be carried out, the exit codes of the commands, and where a warning belongs."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

_PACKAGE = str(Path(__file__).parent) + os.sep


class UsageError(ValueError):
    """A request that cannot be carried out at all; the message names the value and the fix."""


def exit_code(command: str, work: Callable[[], int], stopped: str = "stopped") -> int:
    """Do the work of a command, and say on stderr what kept it from its end.

    Args:
        command: As it was called, such as ``audio-judge score``.
        work: Gives the exit code of the command itself.
        stopped: What to say after Ctrl-C.

    Returns:
        That of the work; 2 for an unusable request or what the system refuses, 130 after Ctrl-C, 1 if nobody reads stdout any more.
    """
    try:
        return work()
    except UsageError as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{stopped}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has left; without this, Python complains once more when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # such as a name that no disk can hold
        place = "" if error.filename is None else f"{str(error.filename)[:200]}: "
        print(f"{command}: {place}{error.strerror or error}", file=sys.stderr)
        return 2


def callers_stacklevel() -> int:
    """The ``stacklevel`` of a warning that is given where this is called: that of the line that called this package.

    What lies between, such as a progress bar that asks for the next clip, is no such line.
    """
    level, found = 1, 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(_PACKAGE):
            found = level + 1
        level, frame = level + 1, frame.f_back
    return found
