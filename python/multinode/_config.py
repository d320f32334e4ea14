"""Which API to talk to: from the environment, or else from what ``multinode login`` saved."""

import json
import os
from pathlib import Path
from typing import Any, Dict, NamedTuple
from urllib.parse import urlsplit

from multinode import _environment as environment
from multinode.errors import ConfigurationError, MissingEnvironmentVariableError


class Config(NamedTuple):
    """An API and the key for it."""

    api_url: str
    api_key: str


def load_config() -> Config:
    """Read the configuration; each environment variable wins over the file's entry.

    Raises:
        MissingEnvironmentVariableError: the URL or the key is in neither place.
        ConfigurationError: the file is damaged, or the URL is not one.
    """
    api_url = os.environ.get(environment.API_URL)
    api_key = os.environ.get(environment.API_KEY)
    if not (api_url and api_key):
        saved = _read_file(config_file())
        api_url = api_url or saved.get("api_url")
        api_key = api_key or saved.get("api_key")
    missing = []
    if not api_url:
        missing.append(environment.API_URL)
    if not api_key:
        missing.append(environment.API_KEY)
    if not api_url or not api_key:
        raise MissingEnvironmentVariableError(
            "Multinode is not configured here: run `multinode login`, or set the environment "
            f"variable{'s' if len(missing) > 1 else ''} {' and '.join(missing)}."
        )
    return Config(_checked_url(str(api_url)), _checked_key(str(api_key)))


def config_file() -> Path:
    """Return the file that ``multinode login`` writes."""
    return Path.home() / ".multinode" / "config.json"


def _read_file(path: Path) -> Dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"The configuration in {path} cannot be read ({error}): run `multinode login` again."
        ) from error
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"The configuration in {path} is damaged: run `multinode login` again."
        )
    return content


def _checked_url(url: str) -> str:
    if not _is_url(url):
        raise ConfigurationError(
            f"{url!r} is not the URL of a Multinode API: it must start with http:// or https:// "
            "and go on with a host, such as http://127.0.0.1:8470. "
            f"Run `multinode login`, or mend the environment variable {environment.API_URL}."
        )
    return url.rstrip("/")


def _is_url(url: str) -> bool:
    if not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _checked_key(key: str) -> str:
    # Anything else could not be sent in a header; the key itself is never shown.
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError(
            "The API key holds characters that no key has. Run `multinode login`, or mend the "
            f"environment variable {environment.API_KEY}."
        )
    return key
