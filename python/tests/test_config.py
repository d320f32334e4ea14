"""Where the client learns which API to talk to."""

from __future__ import annotations

from pathlib import Path

import pytest

from multinode._config import Config, config_file, load_config
from multinode.errors import ConfigurationError, MissingEnvironmentVariableError

pytestmark = pytest.mark.usefixtures("clean_environment")


def save(text: str) -> None:
    config_file().parent.mkdir()
    config_file().write_text(text, encoding="utf-8")


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    save("damaged, but not needed")
    monkeypatch.setenv("MULTINODE_API_URL", "https://api.test/")
    monkeypatch.setenv("MULTINODE_API_KEY", "key")
    assert load_config() == Config("https://api.test", "key")


def test_from_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    save('{"api_url": "http://saved.test", "api_key": "saved", "more": 1}')
    assert config_file() == Path.home() / ".multinode" / "config.json"
    assert load_config() == Config("http://saved.test", "saved")
    monkeypatch.setenv("MULTINODE_API_KEY", "other")
    assert load_config() == Config("http://saved.test", "other")


@pytest.mark.parametrize(
    ("saved", "missing"),
    [
        (None, "variables MULTINODE_API_URL and MULTINODE_API_KEY"),
        ("{}", "variables MULTINODE_API_URL and MULTINODE_API_KEY"),
        ('{"api_url": "http://x", "api_key": null}', "variable MULTINODE_API_KEY"),
        ('{"api_key": "k"}', "variable MULTINODE_API_URL"),
    ],
)
def test_missing(saved: str, missing: str) -> None:
    if saved:
        save(saved)
    with pytest.raises(MissingEnvironmentVariableError, match=f"multinode login.*{missing}"):
        load_config()


@pytest.mark.parametrize("saved", ["", "{", "[]", '"x"', "null"])
def test_a_damaged_login(saved: str) -> None:
    save(saved)
    with pytest.raises(ConfigurationError, match="run `multinode login` again"):
        load_config()


@pytest.mark.parametrize(
    "url",
    [
        "localhost:80",
        "ftp://x",
        "http://a b",
        "api.test",
        "http://",
        "https://:8470",
        "http://host:port",
        "http://host:99999",
        "http://[::1",
        "http://host\n",
    ],
)
def test_a_malformed_url(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("MULTINODE_API_URL", url)
    monkeypatch.setenv("MULTINODE_API_KEY", "key")
    with pytest.raises(ConfigurationError, match="must start with http"):
        load_config()


@pytest.mark.parametrize("key", ["se\ncret", "sécret"])
def test_a_malformed_key_is_not_shown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("MULTINODE_API_URL", "http://x")
    monkeypatch.setenv("MULTINODE_API_KEY", key)
    with pytest.raises(ConfigurationError) as raised:
        load_config()
    assert key not in str(raised.value)
