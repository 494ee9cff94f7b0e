"""Makes a Debian package: colorwatch and all that it needs as wheels, put into /opt/colorwatch when it is installed.

Run by `make deb`. The package is for the Debian or Ubuntu release (its Python) that it is made on. Nothing is fetched
when it is installed: the virtual environment is made from the wheels inside the package.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import textwrap
import tomllib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARE = "usr/share/colorwatch"
HOME = "/opt/colorwatch"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
MAINTAINER = "colorwatch <colorwatch@localhost>"

POSTINST = f"""\
#!/bin/sh
# Makes the virtual environment anew beside the old one, and changes over only when it works.
set -e
if [ "$1" = configure ]; then
    rm -rf {HOME}.new
    python3 -m venv {HOME}.new
    {HOME}.new/bin/python -m pip --isolated install --quiet --no-index --no-warn-script-location \\
        --disable-pip-version-check --find-links /{SHARE}/wheels colorwatch
    rm -rf {HOME}.old
    if [ -e {HOME} ]; then mv {HOME} {HOME}.old; fi
    mv {HOME}.new {HOME}
    # A virtual environment holds its own place in its scripts.
    sed -i 's|{HOME}\\.new|{HOME}|g' {HOME}/bin/* {HOME}/pyvenv.cfg 2>/dev/null || true
    {HOME}/bin/python -m compileall -q {HOME}/lib >/dev/null 2>&1 || true
    {HOME}/bin/colorwatch --version >/dev/null
    rm -rf {HOME}.old
    ln -sf {HOME}/bin/colorwatch /usr/bin/colorwatch
    if command -v systemd-sysusers >/dev/null; then systemd-sysusers colorwatch.conf || true; fi
    if ! getent passwd colorwatch >/dev/null; then
        useradd --system --home-dir /var/lib/colorwatch --shell /usr/sbin/nologin --user-group colorwatch
    fi
    if [ ! -e /etc/colorwatch/config.yaml ]; then
        install -D -m 644 /{SHARE}/config.yaml /etc/colorwatch/config.yaml
    fi
    install -d -o colorwatch -g colorwatch -m 2770 /srv/scans /srv/scans/inbox /srv/scans/outbox
    install -d -o colorwatch -g colorwatch -m 750 /var/lib/colorwatch
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        if systemctl is-active --quiet colorwatch; then systemctl restart colorwatch; fi
    fi
fi
"""

PRERM = """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now colorwatch || true
fi
"""

POSTRM = f"""\
#!/bin/sh
set -e
if [ "$1" = remove ] || [ "$1" = purge ]; then
    rm -rf {HOME} {HOME}.new {HOME}.old
    rm -f /usr/bin/colorwatch
    if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
fi
if [ "$1" = purge ]; then
    rm -rf /etc/colorwatch
    echo "Left for you: /srv/scans (your scans and results), /var/lib/colorwatch (what was done), user colorwatch."
fi
"""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", default=os.path.join(ROOT, "dist"), help="the folder that the package is put into")
    options = parser.parse_args(arguments)
    if shutil.which("dpkg-deb") is None:
        print("dpkg-deb is missing; make the package on Debian or Ubuntu", file=sys.stderr)
        return 1
    os.makedirs(options.output, exist_ok=True)
    with tempfile.TemporaryDirectory() as stage:
        gather_wheels(os.path.join(stage, SHARE, "wheels"))
        lay_out(stage)
        package = os.path.join(options.output, f"colorwatch_{version()}_{architecture()}.deb")
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", stage, package], check=True)
    print(package)
    return 0


def version() -> str:
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def architecture() -> str:
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def gather_wheels(folder: str) -> None:
    """colorwatch and everything it needs, as wheels for this Python; built where only a source package exists."""
    with tempfile.TemporaryDirectory() as place:
        # Debian's python3-venv brings a pip for virtual environments alone.
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        pip = [os.path.join(place, "bin", "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "wheel", "--wheel-dir", folder, ROOT, "prometheus-client"], check=True)


def lay_out(stage: str) -> None:
    """Everything of the package but the wheels, which are packed already."""
    for source, target, mode in (
        ("systemd/colorwatch.service", "lib/systemd/system/colorwatch.service", 0o644),
        ("systemd/colorwatch@.service", "lib/systemd/system/colorwatch@.service", 0o644),
        ("systemd/colorwatch.service.d/reload.conf", f"{SHARE}/reload.conf", 0o644),
        ("systemd/colorwatch.sysusers", "usr/lib/sysusers.d/colorwatch.conf", 0o644),
        ("config.example.yaml", f"{SHARE}/config.example.yaml", 0o644),
        ("README.md", "usr/share/doc/colorwatch/README.md", 0o644),
        ("CHANGELOG.md", "usr/share/doc/colorwatch/CHANGELOG.md", 0o644),
        ("LICENSE", "usr/share/doc/colorwatch/copyright", 0o644),
        ("models/LICENSE-Apache-2.0", "usr/share/doc/colorwatch/LICENSE-Apache-2.0", 0o644),
        ("THIRD-PARTY-NOTICES.md", "usr/share/doc/colorwatch/THIRD-PARTY-NOTICES.md", 0o644),
    ):
        path = os.path.join(stage, target)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copyfile(os.path.join(ROOT, source), path)
        os.chmod(path, mode)
    write(os.path.join(stage, SHARE, "config.yaml"), first_config(), 0o644)
    write(os.path.join(stage, "DEBIAN", "control"), control(kilobytes(stage)), 0o644)
    for name, text in (("postinst", POSTINST), ("prerm", PRERM), ("postrm", POSTRM)):
        write(os.path.join(stage, "DEBIAN", name), text, 0o755)


def first_config() -> str:
    """The config of a fresh installation: the folders that the unit may write without a change."""
    return textwrap.dedent("""\
        # The config of colorwatch; /usr/share/colorwatch/config.example.yaml explains every key.
        # After a change: colorwatch check-config, then systemctl reload colorwatch.
        folders:
          - inbox: /srv/scans/inbox
            outbox: /srv/scans/outbox
            originals: keep
            gallery: true
        """)


def kilobytes(stage: str) -> int:
    """What an installation takes: the wheels as they are, and unpacked to about three times that."""
    sizes = [os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(stage) for name in names]
    return sum(sizes) * 4 // 1024


def control(size: int) -> str:
    major, minor = sys.version_info[:2]
    return textwrap.dedent(f"""\
        Package: colorwatch
        Version: {version()}
        Architecture: {architecture()}
        Maintainer: {MAINTAINER}
        Depends: python3 (>= {major}.{minor}), python3 (<< {major}.{minor + 1}), python3-venv
        Installed-Size: {size}
        Section: graphics
        Priority: optional
        Description: colours black-and-white scans as they arrive in a folder
         A daemon for a home server: it waits until each scan is whole, colours it,
         puts the result into another folder, and never loses a scan.
        """)


def write(path: str, text: str, mode: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
