"""docker-compose.yml is valid, fits the rooms that it puts together, and gives nobody more than is needed."""

import copy
import re
from typing import Any

import jsonschema
import pytest

from service.process.refusal import check_variables
from service.settings import Settings
from tests.docker.compose import SCHEMA, SERVERS, compose_file, filled, mebibytes, published, seconds, services
from tests.docker.dockerfile import final_stage, stages
from tests.docker.monitoring import PROMETHEUS, ROOT, read_yaml

_RESERVE_S = 10.0
EVERY_SERVICE = ("eabs", "eabs-gpu", "redis", "prometheus", "grafana")
IMAGES_OF_OTHERS = ("redis", "prometheus", "grafana")


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The server's description, with and without a GPU."""
    return services()[request.param]


def settings_of(server: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the server reads when it is started: the image's variables and the file's."""
    for name, value in {**final_stage("runtime").variables, **server["environment"]}.items():
        if name.startswith("EABS_"):
            monkeypatch.setenv(name, value)
    return Settings()


def test_the_file_fits_the_published_schema() -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(compose_file())


def test_a_field_that_compose_does_not_know_is_noticed() -> None:
    misspelt = copy.deepcopy(compose_file())
    misspelt["services"]["eabs"]["readonly"] = True
    with pytest.raises(jsonschema.ValidationError, match="readonly"):
        jsonschema.Draft7Validator(SCHEMA).validate(misspelt)


def test_the_services_are_those_that_the_tests_know() -> None:
    assert tuple(services()) == EVERY_SERVICE


def test_every_variable_is_a_setting_that_the_server_accepts(
    server: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_variables(server["environment"])
    settings = settings_of(server, monkeypatch)
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value().startswith("redis://redis:6379")
    assert str(settings.api_keys_file) in {f"/run/secrets/{name}" for name in server["secrets"]}
    assert not settings.allow_anonymous


def test_the_server_writes_only_to_its_volumes_and_tmp(server: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(server, monkeypatch)
    mounted = dict(volume.split(":", 1) for volume in server["volumes"])
    assert mounted == {"store": f"{settings.store}:ro", "prepared": str(settings.cache_dir)}
    assert [place.split(":")[0] for place in server["tmpfs"]] == ["/tmp"]  # noqa: S108
    assert mounted.keys() <= compose_file()["volumes"].keys()


def test_the_server_has_drained_before_it_is_killed(server: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(server, monkeypatch)
    drained = settings.drain_delay_s + settings.drain_timeout_s
    assert drained + _RESERVE_S <= seconds(server["stop_grace_period"])


def test_prometheus_scrapes_the_server_at_its_port_and_with_the_key_that_is_mounted(
    server: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = read_yaml(PROMETHEUS / "prometheus.yml")["scrape_configs"]
    (looked_up,) = job["dns_sd_configs"]
    assert looked_up["names"] == server["networks"]["watched"]["aliases"]
    assert looked_up["port"] == settings_of(server, monkeypatch).port
    prometheus = services()["prometheus"]
    assert "watched" in prometheus["networks"]
    (secret,) = prometheus["secrets"]
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    assert "./docker/prometheus:/etc/prometheus:ro" in prometheus["volumes"]


def test_grafana_finds_prometheus_and_its_dashboards() -> None:
    grafana = services()["grafana"]
    mounted = dict(volume.split(":", 1) for volume in grafana["volumes"] if volume.startswith("./"))
    assert all((ROOT / folder).is_dir() for folder in mounted)
    (source,) = read_yaml(ROOT / "docker/grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert source["url"] == f"http://prometheus:{published('prometheus')[1]}"
    assert set(grafana["networks"]) & set(services()["prometheus"]["networks"])
    (provider,) = read_yaml(ROOT / "docker/grafana/provisioning/dashboards/eabs.yml")["providers"]
    assert mounted["./docker/grafana/dashboards"] == f"{provider['options']['path']}:ro"
    assert grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].startswith(provider["options"]["path"])


@pytest.mark.parametrize("name", EVERY_SERVICE)
def test_nothing_runs_as_root_or_with_more_than_it_needs(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    user = service["user"] if name in IMAGES_OF_OTHERS else final_stage(service["build"]["target"]).user
    assert all(int(part) > 0 for part in user.split(":"))


@pytest.mark.parametrize("name", EVERY_SERVICE)
def test_everything_is_limited_and_started_again(name: str) -> None:
    service = services()[name]
    limits = service["deploy"]["resources"]["limits"]
    assert float(filled(limits["cpus"])) > 0
    assert mebibytes(filled(limits["memory"])) > 0
    assert limits["pids"] > 0
    assert service["restart"] == "unless-stopped"


def test_redis_stays_below_its_memory_limit_and_talks_to_the_server_alone() -> None:
    redis = services()["redis"]
    held = redis["command"][redis["command"].index("--maxmemory") + 1]
    assert mebibytes(held) <= 0.75 * mebibytes(redis["deploy"]["resources"]["limits"]["memory"])
    assert "ports" not in redis
    assert redis["networks"] == ["cache"]
    assert compose_file()["networks"]["cache"]["internal"] is True
    assert {name for name, service in services().items() if "cache" in service["networks"]} == {"redis", *SERVERS}


@pytest.mark.parametrize("name", ["eabs", "eabs-gpu", "prometheus", "grafana"])
def test_ports_are_published_on_loopback_only(name: str) -> None:
    address, _ = published(name)
    assert address == "127.0.0.1"


def test_who_needs_another_service_waits_until_it_is_healthy() -> None:
    waited = {name: service.get("depends_on", {}) for name, service in services().items()}
    healthy = {"condition": "service_healthy"}
    assert waited == {
        "eabs": {"redis": healthy},
        "eabs-gpu": {"redis": healthy},
        "redis": {},
        "prometheus": {},
        "grafana": {"prometheus": healthy},
    }
    for name in IMAGES_OF_OTHERS:
        assert services()[name]["healthcheck"]["test"][0] == "CMD"


def test_one_profile_has_the_gpu_and_the_other_has_none() -> None:
    assert {name: service.get("profiles") for name, service in services().items() if "profiles" in service} == {
        "eabs": ["cpu"],
        "eabs-gpu": ["gpu"],
    }
    (device,) = services()["eabs-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert device["capabilities"] == ["gpu"]
    assert "reservations" not in services()["eabs"]["deploy"]["resources"]
    assert services()["eabs-gpu"]["environment"]["EABS_DEVICE"] == "cuda"


@pytest.mark.parametrize("name", SERVERS)
def test_an_image_is_built_of_the_stage_that_its_name_says(name: str) -> None:
    service = services()[name]
    assert service["build"]["target"] in stages()
    assert (ROOT / service["build"]["dockerfile"]).is_file()
    version = final_stage("runtime").labels["org.opencontainers.image.version"]
    assert service["image"] == f"eabs-server:{version}-{service['build']['target']}"


@pytest.mark.parametrize("name", IMAGES_OF_OTHERS)
def test_images_of_others_have_a_version(name: str) -> None:
    tag = filled(services()[name]["image"]).rsplit(":", 1)[1]
    assert re.match(r"v?\d+\.\d+", tag)


def test_a_secret_is_a_file_and_is_asked_for_where_it_is_missing() -> None:
    for name, secret in compose_file()["secrets"].items():
        assert secret == {"file": "${SECRETS:?run scripts/secrets once, which makes the keys}/" + name}
    used = {secret for service in services().values() for secret in service.get("secrets", [])}
    assert used == compose_file()["secrets"].keys()


def test_no_secret_stands_in_the_file() -> None:
    secret = re.compile(r"key|secret|password|token", re.IGNORECASE)
    for service in services().values():
        for name, value in service.get("environment", {}).items():
            if secret.search(name):
                assert str(value).startswith("/run/secrets/"), name
    assert not re.search(r"eabs_[A-Za-z0-9_-]{20,}|sha256:[0-9a-f]{64}", (ROOT / "docker-compose.yml").read_text())
