"""The configuration of one Redis server. Pure."""

from __future__ import annotations

from bascule.engines.protocols import File, Launch, Rendering, Site
from bascule.engines.redis.options import Options

PORT = 6379
CONFIGURATION = "redis.conf"


def secret(name: str) -> str:
    """Key of the clients' password."""
    return f"{name}/app"


def passfile(name: str) -> str:
    """Where a consumer keeps the password of the component, below its own directory."""
    return f"secrets/{name}.password"


def render(site: Site, options: Options) -> Rendering:
    """No persistence: sessions that outlive their server are kept by having several servers, not by its disk."""
    name = site.member.component
    text = f"""\
bind {site.member.address}
port {PORT}
requirepass {site.secrets[secret(name)]}
daemonize no
logfile ""
dir {site.directory}
save ""
appendonly no
maxmemory {options.maxmemory.bytes}
maxmemory-policy {options.policy}
tcp-keepalive 5
timeout 0
"""
    program = site.programs["redis-server"]
    return Rendering(
        files=(File(path=CONFIGURATION, text=text, secret=True),),
        launch=Launch(argv=(*program.argv, str(site.directory / CONFIGURATION)), environment=dict(program.environment)),
        summary=f"in memory, at most {options.maxmemory}, {options.policy}",
    )
