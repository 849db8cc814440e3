"""The configuration of one PostgreSQL server under Patroni 4. Pure.

Sources: Patroni 4.1 documentation, "Dynamic Configuration Settings", "Replication modes"; PostgreSQL manual, ch. 19.
"""

from __future__ import annotations

import io
import shlex
from pathlib import Path

from ruamel.yaml import YAML

from bascule.engines.addresses import network
from bascule.engines.etcd.render import CLIENT_PORT as ETCD_PORT
from bascule.engines.postgresql.options import Options, is_synchronous, store, synchronous_count
from bascule.engines.protocols import File, Launch, Rendering, Site
from bascule.kernel.quantities import Duration

PORT = 5432
REST_PORT = 8008
CONFIGURATION = "patroni.yml"
APPLICATION_SQL = "application.sql"
SUPERUSER, REPLICATION_USER, REWIND_USER = "postgres", "replicator", "rewinder"
SYNCHRONOUS_TAG = "synchronous_cluster"
"""A tag of our own, given back by GET /patroni: in such a cluster a standby is whole only once it is synchronous."""
_BUILTIN_LOCALE, _IO_METHOD = 17, 18  # first PostgreSQL with `locale-provider=builtin`, and with `io_method`


def secret_keys(name: str) -> tuple[str, ...]:
    """Keys of the passwords that the component needs."""
    return tuple(f"{name}/{use}" for use in ("superuser", "replication", "rewind", "app"))


def passfile(name: str) -> str:
    """Where a consumer keeps its PGPASSFILE for the component, below its own directory."""
    return f"secrets/{name}.pgpass"


def passfile_text(password: str, options: Options) -> str:
    """One line for the application's role, at whatever address: it may be a proxy's."""
    return f"*:*:{options.database}:{options.user}:{password}\n"


def _major(site: Site) -> int:
    return int(site.programs["postgres"].version.split(".")[0])


def _seconds(duration: Duration) -> int:
    return round(duration.seconds)


def _milliseconds(duration: Duration) -> str:
    return f"{round(duration.seconds * 1000)}ms"


def parameters(options: Options, major: int) -> dict[str, str | int | float | bool]:
    """PostgreSQL's own settings: small, logging to standard error, and quick to notice a peer that went away."""
    silence = _milliseconds(options.standby_timeout)
    io_settings: dict[str, str | int | float | bool] = {"io_method": "sync"} if major >= _IO_METHOD else {}
    return {
        "max_connections": options.max_connections,
        "shared_buffers": f"{max(1, options.shared_buffers.bytes >> 10)}kB",
        "max_wal_senders": 10,
        "max_replication_slots": 10,
        "max_worker_processes": 4,
        "max_parallel_workers": 0,
        "max_logical_replication_workers": 0,
        "autovacuum_max_workers": 1,
        **io_settings,
        "jit": "off",
        "dynamic_shared_memory_type": "mmap",  # in the data directory: a killed server leaves nothing in /dev/shm
        "wal_level": "replica",
        "wal_log_hints": "on",
        "wal_keep_size": "64MB",
        "min_wal_size": "48MB",
        "max_wal_size": "256MB",
        "hot_standby": "on",
        "hot_standby_feedback": "off",  # a standby that is gone must not hold back the primary's vacuum
        "wal_retrieve_retry_interval": "100ms",  # the default of 5 s is added to a promotion when it strikes badly
        "wal_sender_timeout": silence,
        "wal_receiver_timeout": silence,
        "wal_receiver_status_interval": "1s",
        "tcp_keepalives_idle": 1,
        "tcp_keepalives_interval": 1,
        "tcp_keepalives_count": max(1, _seconds(options.standby_timeout)),
        "tcp_user_timeout": silence,
        "password_encryption": "scram-sha-256",
        "log_destination": "stderr",
        "logging_collector": "off",
        "log_line_prefix": "%m [%p] ",
        "log_checkpoints": "off",
        **options.parameters,
    }


def access(site: Site, options: Options) -> list[str]:
    """pg_hba.conf: the lab's network alone, with passwords; the superuser from its own host alone."""
    lab = network(site.member.address)
    own = lab if lab.startswith("127.") else f"{site.member.address}/32"
    return [
        f"host all {SUPERUSER} {own} scram-sha-256",
        f"host replication {REPLICATION_USER} {lab} scram-sha-256",
        f"host postgres {REWIND_USER} {lab} scram-sha-256",
        f"host {options.database} {options.user} {lab} scram-sha-256",
    ]


def _shared(site: Site, options: Options) -> dict[str, object]:
    """What the store keeps for the whole cluster, written at the first start."""
    count = synchronous_count(site.system, site.member.component, options)
    replication: dict[str, object] = {"synchronous_mode": False}
    if is_synchronous(site.system, options):
        replication = {
            "synchronous_mode": True,
            "synchronous_mode_strict": False,
            "synchronous_node_count": max(1, count),
        }
    return {
        "ttl": _seconds(options.ttl),
        "loop_wait": _seconds(options.loop_wait),
        "retry_timeout": _seconds(options.retry_timeout),
        "maximum_lag_on_failover": options.maximum_lag.bytes,
        "primary_start_timeout": _seconds(options.primary_start_timeout),
        "failsafe_mode": options.failsafe,
        **replication,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            # A former primary that cannot be rewound is cloned again: what it alone had is on no surviving timeline.
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
            "parameters": parameters(options, _major(site)),
        },
    }


def _initdb(major: int) -> list[object]:
    """A new cluster: UTF-8, no locale of the machine's, checksums; `no-sync` because it can be made again.

    Nothing depends on it yet, and every fault that a lab makes spares the page cache: only the machine's own crash
    would lose the unsynced files, and the lab with them.
    """
    locale: list[object] = [{"locale": "C.UTF-8"}]
    if major >= _BUILTIN_LOCALE:
        locale.insert(0, {"locale-provider": "builtin"})
    return [{"encoding": "UTF8"}, *locale, "data-checksums", "no-sync"]


def _store_access(site: Site, name: str) -> dict[str, object]:
    """How the store is reached: by its nearest member (`url`), and by any of the others (`hosts`) while that is away.

    Told the hosts alone, Patroni asks etcd for its members and takes any of them at random, be it across the slowest
    link, which every renewal and every step of a switchover then pays. It begins with the member that `url` names and
    stays with it, as long as it answers (`patroni/dcs/etcd.py`, `_refresh_machines_cache`). `use_proxies` would keep
    to a list too, but then Patroni ends when the first of it does not answer at the start.
    """
    urls = [f"http://{each.address}:{ETCD_PORT}" for each in site.of(store(site.system, name))]
    return {"url": urls[0], "hosts": urls}


def document(site: Site, options: Options) -> dict[str, object]:
    """patroni.yml as plain data."""
    me, name = site.member, site.member.component
    superuser, replication, rewind, _ = (site.secrets[key] for key in secret_keys(name))
    binaries = Path(site.programs["postgres"].path).parent
    sql = site.directory / APPLICATION_SQL
    allowed = network(me.address) if me.address.startswith("127.") else f"{me.address}/32"
    after = [str(binaries / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(sql)]
    return {
        "scope": f"{site.system.system}-{name}",
        "namespace": "/bascule/",
        "name": me.name,
        "log": {"level": "INFO", "traceback_level": "DEBUG", "deduplicate_heartbeat_logs": True},
        "restapi": {
            "listen": f"{me.address}:{REST_PORT}",
            "connect_address": f"{me.address}:{REST_PORT}",
            "allowlist": [allowed],
            "allowlist_include_members": True,
        },
        "etcd3": _store_access(site, name),
        "bootstrap": {
            "dcs": _shared(site, options),
            "initdb": _initdb(_major(site)),
            "post_bootstrap": shlex.join(after),
        },
        "postgresql": {
            "listen": f"{me.address}:{PORT}",
            "connect_address": f"{me.address}:{PORT}",
            "use_unix_socket": False,
            "use_unix_socket_repl": False,
            "data_dir": str(site.directory / "data"),
            "bin_dir": str(binaries),
            "pgpass": str(site.directory / "patroni.pgpass"),
            "basebackup": [{"checkpoint": "fast"}, "no-sync"],
            "authentication": {
                "superuser": {"username": SUPERUSER, "password": superuser},
                "replication": {"username": REPLICATION_USER, "password": replication},
                "rewind": {"username": REWIND_USER, "password": rewind},
            },
            "parameters": {"unix_socket_directories": ""},
            "pg_hba": access(site, options),
        },
        "tags": {SYNCHRONOUS_TAG: is_synchronous(site.system, options)},
    }


def application_sql(password: str, options: Options) -> str:
    """Run once, on the first primary: the role and the database of the applications."""
    quoted = password.replace("'", "''")
    return (
        f"CREATE ROLE \"{options.user}\" LOGIN PASSWORD '{quoted}';\n"
        f'CREATE DATABASE "{options.database}" OWNER "{options.user}";\n'
    )


def render(site: Site, options: Options) -> Rendering:
    """Patroni keeps the server; both log to standard error, so one log tells the whole story."""
    name = site.member.component
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)  # what Patroni's reader speaks: a plain `off` would be false to it
    yaml.default_flow_style = False
    yaml.dump(document(site, options), stream)
    count = synchronous_count(site.system, name, options)
    waits = f"commits wait for {count} standbys" if count else "commits wait for nobody"
    patroni = site.programs["patroni"]
    return Rendering(
        files=(
            File(path=CONFIGURATION, text=stream.getvalue(), secret=True),
            File(path=APPLICATION_SQL, text=application_sql(site.secrets[f"{name}/app"], options), secret=True),
        ),
        launch=Launch(
            argv=(*patroni.argv, str(site.directory / CONFIGURATION)),
            environment={
                **patroni.environment,
                "LC_ALL": "C.UTF-8",
                "PYTHONUNBUFFERED": "1",
                "TMPDIR": str(site.directory),  # a killed bootstrap leaves its password file there and nowhere else
            },
        ),
        summary=f"{waits}, lease {options.ttl}",
    )
