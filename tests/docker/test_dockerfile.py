"""docker/Dockerfile is without a linter's complaint, and what it makes is confined, whole and of locked files only."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from service.settings import Settings
from tests.docker.dockerfile import DOCKERFILE, final_stage, stages
from tests.docker.monitoring import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def hadolint(file: Path) -> subprocess.CompletedProcess[str]:
    """Looks for what is wrong with a Dockerfile."""
    command = [Path(sys.executable).parent / "hadolint", "--no-color", file]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_hadolint_has_no_complaint() -> None:
    ended = hadolint(DOCKERFILE)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_hadolint_would_complain(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\nCMD eabs serve\n")
    ended = hadolint(tmp_path / "Dockerfile")
    assert ended.returncode != 0
    assert {"DL3006", "DL3025"} <= set(ended.stdout.replace(":", " ").split())


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_a_server_image_serves_without_root_and_gets_signals(target: str) -> None:
    stage = final_stage(target)
    assert [*stage.form("ENTRYPOINT"), *stage.form("CMD")] == ["eabs", "serve"]
    assert ("STOPSIGNAL", "SIGTERM") in stage.instructions
    assert stage.user == "10001:10001"
    assert stage.form("HEALTHCHECK") == ["python3", "-IS", "/opt/healthcheck.py"]


def test_its_variables_are_settings_that_the_server_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {k: v for k, v in final_stage("runtime").variables.items() if k.startswith("EABS_")}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert {name.removeprefix("EABS_").lower() for name in variables} == settings.model_fields_set
    assert ("EXPOSE", str(settings.port)) in final_stage("runtime").instructions


def test_without_keys_it_refuses_to_start() -> None:
    assert final_stage("runtime").variables["EABS_HOST"] == "0.0.0.0"  # noqa: S104 - inside a container
    assert not [name for name in final_stage("runtime").variables if "KEYS" in name or "ANONYMOUS" in name]


@pytest.mark.parametrize("target", ["cpu", "cuda", "training"])
def test_nothing_is_run_in_a_final_stage_but_what_is_needed_for_its_user(target: str) -> None:
    stage = stages()["cuda" if target == "training" else target]
    assert "RUN" not in [name for name, _ in stage.instructions]
    copied = [rest.split()[0] for name, rest in stage.instructions if name == "COPY"]
    # What changes most often comes last: its layer alone is made and pulled again.
    assert copied == [f"--from=torch-{stage_name(target)}", "--from=libraries", "--from=package"]


def stage_name(target: str) -> str:
    return "cpu" if target == "cpu" else "cuda"


@pytest.mark.parametrize("stage", ["libraries", "torch-cpu", "torch-cuda"])
def test_packages_are_wheels_whose_hashes_are_locked(stage: str) -> None:
    built = final_stage(stage)
    assert built.variables["PIP_ONLY_BINARY"] == ":all:"
    assert built.variables["PIP_NO_DEPS"] == "1"
    installs = [rest for name, rest in stages()[stage].instructions if name == "RUN" and "pip" in rest]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]


def test_every_package_of_the_project_is_copied_and_let_through() -> None:
    rooms = {room.removesuffix("*") for room in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    copied = {rest.split()[0] for name, rest in stages()["package"].instructions if name == "COPY"}
    assert rooms <= copied
    assert {f"!/{room}" for room in rooms} <= set(ignore)
    assert ignore[1] == "*", "everything is left out but what is named"


def test_whatever_is_copied_is_let_through() -> None:
    let_through = {line.removeprefix("!/") for line in (ROOT / ".dockerignore").read_text().splitlines()}
    for stage in stages().values():
        for name, rest in stage.instructions:
            if name == "COPY" and "--from" not in rest:
                sources = [word for word in rest.split()[:-1] if not word.startswith("--")]
                assert all({source, source.split("/")[0]} & let_through for source in sources), rest


def test_its_version_is_the_projects() -> None:
    labels = final_stage("cpu").labels
    assert labels["org.opencontainers.image.version"] == PROJECT["project"]["version"]
    assert labels["org.opencontainers.image.licenses"] == PROJECT["project"]["license"]


def test_the_training_image_is_not_asked_whether_it_serves() -> None:
    assert ("HEALTHCHECK", "NONE") in stages()["training"].instructions
    assert stages()["training"].base == "cuda"
