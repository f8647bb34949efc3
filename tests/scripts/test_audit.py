"""scripts/audit with the real pip-audit, and a small advisory database of its own."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VULNERABLE = "bad-package"


class _Advisories(BaseHTTPRequestHandler):
    """What OSV answers: one flaw of one package."""

    def do_POST(self) -> None:
        package = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]
        flaw = {
            "id": "TEST-1",
            "summary": "a flaw",
            "aliases": [],
            "affected": [
                {
                    "package": package,
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}],
                }
            ],
        }
        body = json.dumps({"vulns": [flaw]} if package["name"] == VULNERABLE else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def database() -> Iterator[str]:
    """The address of the advisory database."""
    server = HTTPServer(("127.0.0.1", 0), _Advisories)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def audit(folder: Path, database: str, *packages: str) -> subprocess.CompletedProcess[str]:
    """Runs the script on a project that locks these packages, in an environment that is set up already."""
    (folder / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "audit", folder / "scripts")
    (folder / "scripts" / "setup").write_text("#!/bin/sh\n")
    (folder / "scripts" / "setup").chmod(0o755)
    (folder / ".venv").symlink_to(sys.prefix)
    entries = "".join(f"{package}==1.0 --hash=sha256:{'0' * 64}\n" for package in packages)
    (folder / "requirements-dev.lock").write_text(entries)
    (folder / "requirements-cuda.lock").write_text("")
    variables = {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": database}
    return subprocess.run(
        [folder / "scripts" / "audit"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | variables | {"HOME": str(folder)},
    )


def test_a_known_vulnerability_fails_and_is_named(tmp_path: Path, database: str) -> None:
    done = audit(tmp_path, database, "good-package", VULNERABLE)
    assert done.returncode == 1, done.stderr
    assert "bad-package 1.0: TEST-1, fixed in 2.0" in done.stderr


def test_nothing_known_passes_and_says_how_much_was_looked_up(tmp_path: Path, database: str) -> None:
    done = audit(tmp_path, database, "good-package", "other-package")
    assert done.returncode == 0, done.stderr
    assert "2 packages, 0 known vulnerabilities" in done.stdout


def test_a_database_out_of_reach_passes_and_is_told_aloud(tmp_path: Path) -> None:
    done = audit(tmp_path, "http://127.0.0.1:1", "good-package")
    assert done.returncode == 0
    assert "NOTHING WAS AUDITED" in done.stderr
    assert "0 known vulnerabilities" not in done.stdout
