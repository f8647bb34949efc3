"""The descriptions for Kubernetes are valid, and agree with the server that they start."""

import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.middleware.probes import PROBES
from service.process.refusal import check_variables
from service.settings import Settings
from service.telemetry.metrics import Metrics
from tests.deploy.manifests import KUBERNETES, OVERLAYS, Manifest, container_of, manifests, pod_of, variables_of
from tests.deploy.published_models import expect_known

pytestmark = pytest.mark.kubectl

EVERYWHERE = (*OVERLAYS, "kserve")
# The first that sleeps before it stops a container, and the newest that is known.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
_RESERVE_S = 10


@pytest.fixture(params=EVERYWHERE)
def folder(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def settings(folder: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a replica."""
    for name, value in variables_of(folder).items():
        monkeypatch.setenv(name, value)
    return Settings()


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_fits_the_published_schema(overlay: str, version: str) -> None:
    kinds = set()
    for kind, manifest in manifests(overlay).items():
        if kind != "ServiceMonitor":  # the operator's own
            kubernetes_validate.validate(manifest, version, strict=True)
            kinds.add(kind)
    assert kinds == {"ConfigMap", "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"}


def test_a_field_that_kubernetes_does_not_know_is_noticed() -> None:
    manifest = {**manifests("overlays/cpu")["Deployment"], "replicas": 2}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


def test_the_inference_service_is_what_kserve_knows() -> None:
    expect_known(manifests("kserve")["InferenceService"], "V1beta1InferenceService")


def test_a_field_that_kserve_does_not_know_is_noticed() -> None:
    with pytest.raises(AssertionError, match="has no"):
        expect_known({"predictor": {"protocolVersion": "v2"}}, "V1beta1InferenceServiceSpec")


def test_kserve_is_told_the_protocol_by_the_variable_that_it_reads() -> None:
    assert {"name": "PROTOCOL", "value": "v2"} in container_of("kserve")["env"]


def test_every_variable_is_a_setting_that_the_server_accepts(folder: str, settings: Settings) -> None:
    secret = [entry["name"] for entry in container_of(folder)["env"] if "valueFrom" in entry]
    check_variables(dict.fromkeys([*variables_of(folder), *secret], ""))
    assert settings.host == "0.0.0.0"  # noqa: S104 - inside a Pod


def test_kubernetes_adds_no_variables_of_its_own_for_the_service(folder: str) -> None:
    assert pod_of(folder)["enableServiceLinks"] is False


def test_the_server_has_drained_before_it_is_killed(folder: str, settings: Settings) -> None:
    pod = pod_of(folder)
    asleep = container_of(folder)["lifecycle"]["preStop"]["sleep"]["seconds"]
    drained = asleep + settings.drain_delay_s + settings.drain_timeout_s
    assert drained + _RESERVE_S <= pod["terminationGracePeriodSeconds"]
    assert settings.drain_timeout_s > settings.request_timeout_s


def test_a_balancer_hears_of_the_end_before_connections_are_refused(folder: str, settings: Settings) -> None:
    probe = container_of(folder)["readinessProbe"]
    asleep = container_of(folder)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert probe["periodSeconds"] <= asleep + settings.drain_delay_s


def test_probes_ask_what_the_server_answers_without_a_key(folder: str, settings: Settings) -> None:
    container = container_of(folder)
    (port,) = container["ports"]
    assert port["containerPort"] == settings.port
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[name]["httpGet"]
        assert asked["path"] in PROBES - {"/metrics"}
        assert asked["port"] in {port["name"], settings.port}


def test_only_a_dead_process_is_restarted(folder: str) -> None:
    assert container_of(folder)["livenessProbe"]["httpGet"]["path"] in {"/healthz", "/v2/health/live"}
    assert container_of(folder)["startupProbe"]["httpGet"]["path"] == "/readyz"


def test_nothing_runs_as_root_or_writes_elsewhere_than_in_its_volumes(folder: str, settings: Settings) -> None:
    pod, container = pod_of(folder), container_of(folder)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] > 0
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    places = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    assert "emptyDir" in places[str(settings.cache_dir)]
    assert "emptyDir" in places["/tmp"]  # noqa: S108 - a volume of the Pod's own
    assert settings.api_keys_file is not None
    keys = places[str(settings.api_keys_file.parent)]["secret"]
    assert settings.api_keys_file.name in {item["path"] for item in keys["items"]}
    assert keys["defaultMode"] & 0o022 == 0, "the server refuses keys that others may write"


def test_a_replica_gets_whole_cores_and_no_more_than_it_asked_for(folder: str) -> None:
    resources = container_of(folder)["resources"]
    assert resources["requests"] == resources["limits"]
    assert int(resources["limits"]["cpu"]) >= 1


def test_the_gpu_overlay_has_a_gpu_and_the_other_one_none() -> None:
    assert container_of("overlays/gpu")["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert "nvidia.com/gpu" not in container_of("overlays/cpu")["resources"]["limits"]
    assert variables_of("overlays/gpu")["EABS_DEVICE"] == "cuda"


def test_both_ways_to_deploy_describe_the_same_pod() -> None:
    def shared(folder: str) -> dict[str, Any]:
        # KServe names the container and its port, asks its protocol's routes, and places Pods itself.
        pod = {k: v for k, v in pod_of(folder).items() if k not in {"containers", "topologySpreadConstraints"}}
        names = ("command", "volumeMounts", "securityContext", "lifecycle", "resources", "image")
        return {**pod, **{name: container_of(folder)[name] for name in names}}

    plain = shared("overlays/cpu")
    served = {name: value for name, value in shared("kserve").items() if not name.endswith("Replicas")}
    assert served == plain


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_whatever_selects_pods_selects_these(overlay: str) -> None:
    found = manifests(overlay)
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    spread = [rule["labelSelector"]["matchLabels"] for rule in pod_of(overlay)["topologySpreadConstraints"]]
    selectors = [
        found["Deployment"]["spec"]["selector"]["matchLabels"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        *spread,
    ]
    for selector in selectors:
        assert selector
        assert selector.items() <= labels.items()
    target = found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", found["Deployment"]["metadata"]["name"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_prometheus_is_led_to_the_service_and_has_a_key(overlay: str) -> None:
    found = manifests(overlay)
    service, monitor = found["Service"], found["ServiceMonitor"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,), (port,) = monitor["endpoints"], service["spec"]["ports"]
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")
    assert port["targetPort"] == container_of(overlay)["ports"][0]["name"]
    (keys,) = (volume["secret"] for volume in pod_of(overlay)["volumes"] if "secret" in volume)
    assert endpoint["authorization"]["credentials"]["name"] == keys["secretName"]


def adapted() -> dict[str, str]:
    """The series that each metric of the autoscaler is made of."""
    values = yaml.safe_load((KUBERNETES / "prometheus" / "adapter-values.yaml").read_text())
    rules: list[Manifest] = values["rules"]["custom"]
    series = [re.match(r"\w+", rule["seriesQuery"])[0] for rule in rules]  # type: ignore[index]
    return {rule.get("name", {}).get("as", name): name for rule, name in zip(rules, series, strict=True)}


def test_every_metric_of_the_autoscaler_is_made_of_one_that_the_server_has() -> None:
    suffixes = {"counter": "_total", "histogram": "_sum"}
    known = {family.name + suffixes.get(family.type, "") for family in Metrics().registry.collect()}
    assert set(adapted().values()) <= known
    for overlay in OVERLAYS:
        asked = manifests(overlay)["HorizontalPodAutoscaler"]["spec"]["metrics"]
        assert {metric["pods"]["metric"]["name"] for metric in asked} == set(adapted())


@pytest.mark.parametrize("folder", OVERLAYS, indirect=True)
def test_replicas_are_added_before_the_queue_refuses(folder: str, settings: Settings) -> None:
    asked = manifests(folder)["HorizontalPodAutoscaler"]["spec"]["metrics"]
    targets = {metric["pods"]["metric"]["name"]: metric["pods"]["target"]["averageValue"] for metric in asked}
    assert int(targets["eabs_queue_depth"]) <= settings.max_queue / 4
    # Cores, or the one GPU; in thousandths.
    places = 1 if settings.device == "cuda" else int(container_of(folder)["resources"]["limits"]["cpu"])
    assert int(targets["eabs_busy_places"].removesuffix("m")) == 700 * places
