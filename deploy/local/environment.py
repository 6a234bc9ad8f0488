"""Make the Python environment of a checkout: `python3 deploy/local/environment.py [.venv]`.

This runs under whatever `python3` the machine has, so it imports the standard library only. What a newcomer would
get wrong: a bare Debian has neither `ensurepip` nor the permission to install into the system, so there are three
ways to an environment, tried in turn. All that is installed is checked against the hashes of the lock files.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
BOOTSTRAP_LOCK = ROOT / "requirements-bootstrap.lock"
OLDEST = (3, 11)
LATER = ("python3.14", "python3.13", "python3.12", "python3.11")
NO_PIP = (
    "Habitué's environment needs pip or uv, and this Python has neither. On Debian and Ubuntu: "
    "apt-get install python3-venv. Elsewhere: install uv. Then run this again."
)


def main(arguments: list[str]) -> None:
    """Create the environment and install exactly what the lock names; a second run repairs or updates it."""
    _need_a_recent_python()
    folder = Path(arguments[0] if arguments else ROOT / ".venv").absolute()
    pip = _create(folder)
    uv = _uv(folder, pip)
    if not (uv or pip):
        shutil.rmtree(folder)  # Else the next run would find an environment that works and cannot be filled.
        sys.exit(NO_PIP)
    if uv is None or not _run(
        uv, "pip", "sync", "--require-hashes", "--quiet", "--python", _python(folder), LOCK
    ):
        _install(pip, "--no-deps", "-r", LOCK)


def _need_a_recent_python() -> None:
    """Go on under a later Python if this one is too old and there is one."""
    if sys.version_info >= OLDEST:
        return
    for name in LATER:
        if shutil.which(name) and _quiet(
            name, "--version"
        ):  # A version manager's name may have nothing behind it.
            os.execvp(name, [name, *sys.argv])
    sys.exit(f"Habitué needs Python {OLDEST[0]}.{OLDEST[1]} or later; this is {sys.version.split()[0]}.")


def _create(folder: Path) -> list[str]:
    """Make the environment unless it is there and works; returns the command of a pip that installs into it, or []."""
    if not _works(folder):
        shutil.rmtree(folder, ignore_errors=True)
        if _quiet(sys.executable, "-m", "venv", folder):
            return [_python(folder), "-m", "pip"]
        # Without ensurepip the attempt above leaves a half environment.
        shutil.rmtree(folder, ignore_errors=True)
        if not _quiet(sys.executable, "-m", "venv", "--without-pip", folder):
            shutil.rmtree(folder, ignore_errors=True)
            _with_uv(folder)
    return _pip_for(folder)


def _works(folder: Path) -> bool:
    """Whether the environment runs, and with a Python that is recent enough."""
    wanted = f"import sys; sys.exit(sys.version_info < {OLDEST})"
    return Path(_python(folder)).exists() and _quiet(_python(folder), "-c", wanted)


def _pip_for(folder: Path) -> list[str]:
    ways = [_python(folder), "-m", "pip"], [sys.executable, "-m", "pip", "--python", _python(folder)]
    return next((way for way in ways if _quiet(*way, "--version")), [])


def _with_uv(folder: Path) -> None:
    if not shutil.which("uv") or not _run("uv", "venv", "--quiet", "--python", sys.executable, folder):
        sys.exit(NO_PIP)


def _uv(folder: Path, pip: list[str]) -> str | None:
    """uv of the locked version, else the one on the path, else None.

    It lies apart from the packages, or it would remove itself; a changed lock brings another folder.
    """
    own = folder / f".bootstrap-{hashlib.sha256(BOOTSTRAP_LOCK.read_bytes()).hexdigest()[:8]}"
    if not (own / "bin" / "uv").exists() and pip:
        _run(
            *pip, "install", "--quiet", "--require-hashes", "--upgrade", "--target", own, "-r", BOOTSTRAP_LOCK
        )
    found = own / "bin" / "uv"
    return str(found) if found.exists() and _quiet(found, "--version") else shutil.which("uv")


def _install(pip: list[str], *what: object) -> None:
    if not pip or not _run(*pip, "install", "--quiet", "--require-hashes", *what):
        sys.exit("The packages could not be installed; the lines above say why.")


def _python(folder: Path) -> str:
    return str(folder / "bin" / "python")


def _run(*command: object) -> bool:
    return subprocess.run([str(part) for part in command], check=False, env=_environment()).returncode == 0


def _quiet(*command: object) -> bool:
    parts = [str(part) for part in command]
    return subprocess.run(parts, check=False, env=_environment(), capture_output=True).returncode == 0


def _environment() -> dict[str, str]:
    """Ours, less what would send an installer elsewhere; installing as root is fine in an environment of one's own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("VIRTUAL_ENV", "PIP_USER", "PYTHONHOME")
    }
    return {**kept, "PIP_ROOT_USER_ACTION": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


if __name__ == "__main__":
    main(sys.argv[1:])
