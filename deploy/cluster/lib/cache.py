"""Installs the engines, once, into a folder outside the repository.

`$XDG_CACHE_HOME/log-analytics-cluster` (default `~/.cache/log-analytics-cluster`) holds the jars of Kafka, ZooKeeper and
Flink (from Maven Central) and the ClickHouse engine (chdb, from PyPI), each in a folder named after what was asked for,
so that a changed version is a new folder. Ceph comes from Debian's packages: root installs it, others are told what to
ask for. A folder appears under its name only when it is complete.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
FLINK_JOB = HERE.parent / "flink"
CHDB = "chdb-core==26.9.0"
CEPH_PACKAGES = ("ceph-mon", "ceph-osd", "ceph-common", "radosgw")


class Missing(Exception):
    """Something is not installed that only an administrator can install."""


def folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = Path(base) / "log-analytics-cluster"
    path.mkdir(parents=True, exist_ok=True)
    return path


def jars(engine: str) -> Path:
    """The folder with the jars of an engine: a profile of pom.xml."""
    pom = HERE / "pom.xml"
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()[:12]

    def fill(target: Path) -> None:
        _run("mvn", "-q", "-B", "-f", str(pom), "-P", engine, "dependency:copy-dependencies",
             f"-DoutputDirectory={target}")

    return _once(f"{engine}-{digest}", fill)


def chdb() -> Path:
    """A folder to put on Python's path. The engine alone: its optional companions (pandas, pyarrow) are not used."""

    def fill(target: Path) -> None:
        _run(sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--root-user-action=ignore",
             "--no-deps", "--target", str(target), CHDB)

    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    return _once(f"{CHDB.replace('==', '-')}-{python}", fill)


def ceph() -> None:
    """Debian's Ceph: the object gateway, and the smallest store it runs on."""
    if all(shutil.which(program) for program in ("ceph-mon", "ceph-osd", "ceph", "radosgw", "radosgw-admin")):
        return
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        raise Missing(f"install the Debian packages {' '.join(CEPH_PACKAGES)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"],
                    ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *CEPH_PACKAGES]):
        _run(*command, env=environment)


def job_jar() -> Path:
    """The window job's jar, built anew when its sources have changed."""
    sources = sorted(path for path in (FLINK_JOB / "src" / "main").rglob("*") if path.is_file())
    digest = hashlib.sha256((FLINK_JOB / "pom.xml").read_bytes())
    for source in sources:
        digest.update(source.relative_to(FLINK_JOB).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")

    def fill(target: Path) -> None:
        # Built from a copy, so that nothing is written into the repository and two builds cannot meet.
        copy = target / "build"
        copy.mkdir()
        shutil.copy(FLINK_JOB / "pom.xml", copy)
        shutil.copytree(FLINK_JOB / "src" / "main", copy / "src" / "main")
        _run("mvn", "-q", "-B", "-f", str(copy / "pom.xml"), "-Dmaven.test.skip=true", "package")
        shutil.move(copy / "target" / "window-job.jar", target / "window-job.jar")
        shutil.rmtree(copy)

    return _once(f"window-job-{digest.hexdigest()[:12]}", fill) / "window-job.jar"


def _once(name: str, fill) -> Path:
    """The folder of this name, filled if it is not there. Of several processes one fills it and the others wait."""
    target = folder() / name
    with (folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            print(f"installing {name}", file=sys.stderr, flush=True)
            temporary = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=folder()))
            try:
                fill(temporary)
                temporary.rename(target)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    return target


def _run(*command: str, env=None) -> None:
    """Runs a command to its end; its output is shown only if it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
