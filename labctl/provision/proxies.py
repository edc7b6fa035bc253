"""The proxies of a lab with their passwords, which are kept in the lab's secret store."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from labctl.config.proxy import ProxyAddress, ProxySettings
from labctl.config.proxy_checks import resolve
from labctl.errors import UsageError
from labctl.messages import msg

if TYPE_CHECKING:
    from labctl.config.model import LabSpec
    from labctl.provision.secret_store import SecretStore


def proxy_settings(spec: LabSpec, secrets: SecretStore) -> ProxySettings | None:
    """Return the proxies of a lab; None if it has none.

    A password in lab.yaml or in the environment is saved. If only the user is there, the saved
    password is used.

    Raises:
        UsageError: the environment names a proxy that cannot be used, or a password is missing.
        StateError: the saved password is damaged.
    """
    found = resolve(spec, os.environ)
    if found is None:
        return None
    http, https = (
        proxy and _complete(proxy, scheme, secrets)
        for scheme, proxy in (("http", found.http), ("https", found.https))
    )
    return replace(found, http=http, https=https)


def _complete(proxy: ProxyAddress, scheme: str, secrets: SecretStore) -> ProxyAddress:
    service = f"proxy-{scheme}"
    if not proxy.user:
        return proxy
    if proxy.password:
        secrets.keep_password(service, proxy.user, proxy.password, proxy.place)
        return proxy
    known = secrets.known(service)
    if known is None or (known.user, known.address) != (proxy.user, proxy.place):
        raise UsageError(
            msg(
                "no password of {user} is known for the proxy {place}",
                user=proxy.user,
                place=proxy.place,
            ),
            hint=msg(
                "write http://{user}:PASSWORD@{place} in lab.yaml for one run; labctl keeps the "
                "password in .labctl/private, and you can remove it again",
                user=proxy.user,
                place=proxy.place,
            ),
        )
    return replace(proxy, password=known.password)
