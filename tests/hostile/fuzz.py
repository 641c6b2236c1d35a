"""Coverage-guided fuzzing of every parser at the door: `make fuzz`, or `python -m tests.hostile.fuzz NAME`.

Each parser gets some seconds in a process of its own, which libFuzzer ends. What breaks one is kept in its
corpus, where `make test` replays it until it is mended.
"""

import argparse
import hashlib
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_INSTRUMENTED = ["bot", "handlers", "routing", "yaml", "python_multipart", "starlette", "wechatpy"]
_SLOWEST = 10  # seconds for one body
_LARGEST = 64 * 1024  # bytes of one
_MEMORY = 2048  # megabytes of the process
_LONGEST_LINE = 200  # of what libFuzzer says; longer ones are bodies


def main() -> int:
    """Fuzz the named parsers, or all; how many were broken."""
    asked = _asked()
    from tests.hostile.targets import TARGETS  # a child has to be instrumented before it imports anything

    names = asked.names or list(TARGETS)
    _say(f"fuzz: {len(names)} parsers, {asked.seconds} s each, --seed {asked.seed}")
    return sum(not _survives(name, asked.seconds, asked.seed) for name in names)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    return parser.parse_args()


def _survives(name: str, seconds: int, seed: int) -> bool:
    """Whether nothing broke it; what did is in the corpus then."""
    from tests.hostile.targets import CORPUS, TARGETS

    with tempfile.TemporaryDirectory() as temporary:
        bodies, found = Path(temporary, "bodies"), Path(temporary, "found")
        shutil.copytree(CORPUS / name, bodies)
        found.mkdir()
        if (shipped := TARGETS[name].shipped) is not None:
            shutil.copy(shipped, bodies)
        done = subprocess.run(  # noqa: S603 (our own module)
            [sys.executable, "-m", __spec__.name, "--child", name, str(found), str(bodies),
             f"-artifact_prefix={found}/", f"-max_total_time={seconds}", f"-seed={seed}",
             f"-timeout={_SLOWEST}", f"-max_len={_LARGEST}", f"-rss_limit_mb={_MEMORY}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        )  # fmt: skip
        kept = [_keep(one, CORPUS / name) for one in found.iterdir()]
    said = [line for line in done.stdout.splitlines() if line and len(line) < _LONGEST_LINE]
    _say(
        f"{name}: {', '.join(kept) or ('broken' if done.returncode else 'survived')}",
        *said[-1 if not done.returncode else -20 :],
    )
    return not done.returncode


def _say(*lines: str) -> None:
    print(*lines, sep="\n  ", flush=True)  # noqa: T201 (a command of its own)


def _keep(finding: Path, corpus: Path) -> str:
    body = finding.read_bytes()
    kept = corpus / f"found-{hashlib.sha256(body).hexdigest()[:8]}"
    kept.write_bytes(body)
    return f"{corpus.name}/{kept.name}"


def _fuzz(name: str, found: Path, arguments: list[str]) -> None:
    """Never returns. libFuzzer keeps what takes too long, and we what raises."""
    import atheris

    with atheris.instrument_imports(include=_INSTRUMENTED):
        from tests.hostile.targets import CORPUS, TARGETS
    target = TARGETS[name]

    def one(body: bytes) -> None:
        try:
            target(body)
        except BaseException:
            (found / "raised").write_bytes(body)
            raise

    for path in (CORPUS / name).iterdir():
        one(path.read_bytes())  # imports what is imported late, which no body is to blame for

    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _fuzz(sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
    sys.exit(min(main(), 1))
