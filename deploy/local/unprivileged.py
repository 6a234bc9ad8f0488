"""Running a server as nobody when we are root, as PostgreSQL demands.

A newcomer would only change the user. But nobody cannot enter root's home, where checkouts, environments and caches
often are; and opening those folders to everyone is not ours to do. So what is out of reach gets another place.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

from deploy.local.downloads import exclusive

NOBODY = 65534
_ROOTS_PLACE = Path("/var/lib/habitue")


def server_user() -> int | None:
    """The user that servers run as: nobody if we are root, else None, which means ourselves."""
    return NOBODY if os.geteuid() == 0 else None


def folder_within_reach(folder: Path, user: int | None) -> Path:
    """`folder`, created for `user`; if `user` could not enter it, one elsewhere, always the same for this `folder`."""
    if user is None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder
    place = folder if reachable(folder.parent, user) else _place_for_servers() / _tag(folder)
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o700)
    os.chown(place, user, user)
    return place


def copy_within_reach(package: Path, parts: list[Path], user: int | None) -> Path:
    """`package`, or a copy of it (made once, of all `parts`, which lie side by side) that `user` can reach."""
    if user is None or reachable(package, user):
        return package
    home = _place_for_servers()
    copy = home / f"programs-{_tag(package)}-{int(package.stat().st_mtime)}"
    with exclusive(home / ".lock"):
        if not copy.exists():
            aside = Path(tempfile.mkdtemp(prefix=".partial-", dir=home))
            for part in parts:
                shutil.copytree(part, aside / part.name, symlinks=True)
            aside.chmod(0o755)
            aside.rename(copy)
    return copy / package.name


def reachable(path: Path, user: int) -> bool:
    """Whether `user`, a member of no group of interest, may enter every folder down to `path` (as far as it exists)."""
    return all(_enterable(folder, user) for folder in (path, *path.parents) if folder.exists())


def _enterable(folder: Path, user: int) -> bool:
    status = folder.stat()
    return bool(status.st_mode & (stat.S_IXUSR if status.st_uid == user else stat.S_IXOTH))


def _place_for_servers() -> Path:
    """Root's folder for what servers need to reach."""
    _ROOTS_PLACE.mkdir(parents=True, exist_ok=True)
    return _ROOTS_PLACE


def _tag(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]
