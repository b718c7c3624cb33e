"""The image without Docker: the steps of the Dockerfile, read from it, in roots of their own.

Each stage is a folder that a process gets as its root, in a mount namespace (`unshare`): of this machine it sees the
system's programs and the Python that the tests run with, read-only, in place of the image that the stage builds upon.
So it needs root, and takes other versions of Python than the image has."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import orjson

SYSTEM_PATH = f"{sys.base_prefix}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SEEN = ("/usr", sys.base_prefix)
LINKS = ("bin", "lib", "lib64", "sbin")
ENTER = """
root=$1 user=$2 place=$3; shift 3
for each in $SEEN; do mount --bind -o ro "$each" "$root$each"; done
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
exec chroot --userspec="$user" "$root" sh -c 'cd "$0" && exec "$@"' "$place" "$@"
"""
LOOPBACK_UP = "import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14x', b'lo', 0x41))"


class Step(NamedTuple):
    """One instruction."""

    word: str
    rest: str


def stages(dockerfile: str) -> list[list[Step]]:
    """The steps of each stage, the first of which is its FROM."""
    text = re.sub(r"^#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", " ")
    found: list[list[Step]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        step = Step(*line.split(None, 1))
        if step.word == "FROM":
            found.append([])
        if found:
            found[-1].append(step)
    return found


class Image:
    """What the stages come to; its members are the last one's."""

    def __init__(self, context: Path, folder: Path) -> None:
        self._context = context
        self._folder = folder
        self._named: dict[str, Path] = {}
        self.env: dict[str, str] = {}
        self.user = "0:0"
        self.place = "/"
        self.command: list[str] = []
        self.health: list[str] = []
        self.done: list[str] = []
        """What was run."""
        for number, steps in enumerate(stages((context / "Dockerfile").read_text())):
            self._begin(folder / str(number), steps[0])
            for step in steps[1:]:
                self._do(step)

    def argv(self, *command: str, net: bool = False) -> list[str]:
        """What runs a command in the image as its user, as the very process that it begins as. `net`: in a network of
        its own, which has nothing but a loopback."""
        script = f'{shlex.quote(sys.executable)} -c "{LOOPBACK_UP}"\n{ENTER}' if net else ENTER
        namespaces = ["--mount", "--propagation", "private", *(["--net"] if net else [])]
        return ["unshare", *namespaces, "sh", "-ec", script, "sh", str(self.root), self.user, self.place, *command]

    def beside(self, process: int, *command: str) -> list[str]:
        """What runs a command where one that `argv` began is running."""
        user, group = self.user.split(":")
        within = ["--mount", "--net", "--root", "--wd", "--setuid", user, "--setgid", group]
        return ["nsenter", "--target", str(process), *within, *command]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of what runs in it."""
        return {"SEEN": " ".join(SEEN), "PATH": SYSTEM_PATH, "HOME": "/root", **self.env}

    def _begin(self, root: Path, base: Step) -> None:
        self.root, self.env, self.user, self.place = root, {}, "0:0", "/"
        name = re.search(r" AS (\S+)$", base.rest)
        if name is not None:
            self._named[name[1]] = root
        for each in (*SEEN, "/dev", "/proc", "/tmp", "/root"):
            (root / each.lstrip("/")).mkdir(parents=True, exist_ok=True)
        (root / "tmp").chmod(0o1777)
        for link in LINKS:
            if Path("/", link).is_symlink():
                (root / link).symlink_to(os.readlink(f"/{link}"))
        subprocess.run(["cp", "-a", "/etc", root], check=True)  # it has accounts, certificates, and where pip looks
        settings = Path.home() / ".config/pip"
        if settings.is_dir():
            shutil.copytree(settings, root / "root/.config/pip")

    def _do(self, step: Step) -> None:
        match step.word:
            case "RUN":
                self._run(step.rest)
            case "COPY":
                self._copy(*shlex.split(step.rest))
            case "ENV":
                for pair in shlex.split(step.rest):
                    name, _, value = pair.partition("=")
                    self.env[name] = value.replace("$PATH", SYSTEM_PATH)
            case "USER":
                users = [line.split(":") for line in (self.root / "etc/passwd").read_text().splitlines()]
                self.user = next(":".join(each[2:4]) for each in users if each[0] == step.rest)
            case "WORKDIR":
                self.place = step.rest
            case "HEALTHCHECK":
                self.health = _words(step.rest.partition("CMD ")[2])
            case "CMD":
                self.command = _words(step.rest)
            case "VOLUME" | "EXPOSE":
                pass
            case other:
                raise AssertionError(f"{other} is no step that is known here")

    def _run(self, command: str) -> None:
        # Where packages come from is this machine's affair.
        kept = re.compile(r"PIP_|.*proxy$", re.IGNORECASE)
        pip = {name: value for name, value in os.environ.items() if kept.match(name)}
        ran = subprocess.run(
            self.argv("sh", "-ec", command),
            env={**self.environment, **pip},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
        self.done.append(command)

    def _copy(self, *words: str) -> None:
        named = [each.partition("=")[2] for each in words if each.startswith("--from=")]
        *sources, target = [each for each in words if not each.startswith("--")]
        from_, to = (self._named[named[0]] if named else self._context), self.root / target.lstrip("/")
        to.mkdir(parents=True, exist_ok=True)
        left_out = [] if named else (self._context / ".dockerignore").read_text().splitlines()
        for source in sources:
            origin = from_ / source.lstrip("/")
            if origin.is_file():
                shutil.copy(origin, to)
            else:
                shutil.copytree(origin, to, symlinks=True, dirs_exist_ok=True, ignore=_leave_out(from_, left_out))


def _words(form: str) -> list[str]:
    words: Any = orjson.loads(form)
    return list(map(str, words))


def _leave_out(context: Path, patterns: list[str]) -> Any:
    """Leaves out of a copy what .dockerignore names: at the top, or anywhere after `**/`."""
    anywhere = [each.removeprefix("**/") for each in patterns if each.startswith("**/")]

    def left_out(folder: str, names: list[str]) -> set[str]:
        here = [*anywhere, *(patterns if Path(folder) == context else [])]
        return {name for name in names if any(fnmatch(name, each) for each in here)}

    return left_out
