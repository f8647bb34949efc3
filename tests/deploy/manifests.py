"""What `kubectl kustomize` makes of the descriptions in deploy/kubernetes."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

KUBERNETES = Path(__file__).parents[2] / "deploy" / "kubernetes"
OVERLAYS = ("overlays/cpu", "overlays/gpu")

Manifest = dict[str, Any]


@cache
def manifests(folder: str) -> dict[str, Manifest]:
    """The objects of a folder by kind; there is one of each."""
    command = ["kubectl", "kustomize", KUBERNETES / folder]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    objects = list(yaml.safe_load_all(text))
    by_kind = {found["kind"]: found for found in objects}
    assert len(by_kind) == len(objects)
    return by_kind


def pod_of(folder: str) -> Manifest:
    """The description of its Pods."""
    found = manifests(folder)
    if "InferenceService" in found:
        return dict(found["InferenceService"]["spec"]["predictor"])
    return dict(found["Deployment"]["spec"]["template"]["spec"])


def container_of(folder: str) -> Manifest:
    """The only container of its Pods."""
    (container,) = pod_of(folder)["containers"]
    return dict(container)


def variables_of(folder: str) -> dict[str, str]:
    """The EABS_* variables that the container starts with, those of Secrets left out."""
    (source,) = container_of(folder)["envFrom"]
    settings = manifests(folder)["ConfigMap"]
    assert source["configMapRef"]["name"] == settings["metadata"]["name"]
    return dict(settings["data"])
