"""Child processes: what the machine has ended is told apart from what has failed by itself."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from modelmill.components.load_check import isolated_main as clean
from modelmill.data.core import subprocess_job

# In a process of its own, without TensorFlow, which the real jobs load.
MAIN = """
import errno, os, resource, signal, sys
from modelmill.data.core import subprocess_job as child
child.job = lambda arguments: {}
def work(job):
    %s
child.main(work)
"""
FULL = "os.write(os.open('file', os.O_CREAT | os.O_WRONLY), b'x'); raise AssertionError('there is room')"
ENDS = {
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", r"SIGKILL\. This says nothing .* no memory left"),
    "terminated": ("os.kill(os.getpid(), signal.SIGTERM)", r"SIGTERM\. .*see what ended it"),
    "memory": ("raise MemoryError('no')", "MemoryError: no.* no memory left"),
    "disk": ("raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))", "No space left on device.* free disk space"),
    "cause": (
        "try: raise OSError(errno.ENOSPC, '')\n    except OSError as error: raise RuntimeError('no file') from error",
        "RuntimeError: no file",
    ),
    "size": (f"resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); {FULL}", "File too large.* free disk space"),
    "tensorflow": ("raise type('ResourceExhaustedError', (Exception,), {})('OOM')", "no memory left"),
    "again": ("raise child.MachineError('trial x was ended')", r"^trial x was ended\. This [^.]*$"),
}


def program(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "doomed.py").write_text(MAIN % text)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{Path(subprocess_job.__file__).parent.parent}")
    monkeypatch.chdir(folder)
    subprocess_job.run("doomed", {})


@pytest.mark.parametrize("end", ENDS)
def test_what_the_machine_ends_is_no_failure_of_the_work(
    end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, says = ENDS[end]
    with pytest.raises(subprocess_job.MachineError, match=says) as told:
        program(text, tmp_path, monkeypatch)
    assert not told.value.crashed


@pytest.mark.parametrize("text", ["raise ValueError('no')", "raise FileNotFoundError('no')", "sys.exit('no')"])
def test_what_fails_by_itself_is_no_fault_of_the_machine(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(subprocess_job.ChildError, match=r"no$") as told:
        program(text, tmp_path, monkeypatch)
    assert not isinstance(told.value, subprocess_job.MachineError)


def test_a_crash_is_known_but_not_where_memory_ran_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, crashed in (
        ("os.abort()", True),
        ("print('std::bad_alloc', file=sys.stderr, flush=True); os.abort()", False),
    ):
        with pytest.raises(subprocess_job.MachineError, match="SIGABRT") as told:
            program(text, tmp_path, monkeypatch)
        assert told.value.crashed == crashed


def test_the_copy_that_stands_alone_is_one() -> None:
    assert (clean.TEMPORARY, clean.PASSING) == (subprocess_job.TEMPORARY, subprocess_job.PASSING)
    for error in (MemoryError(), OSError(errno.ENOSPC, ""), OSError(errno.ENOENT, ""), ValueError()):
        assert clean.is_passing(error) == subprocess_job.is_passing(error)
