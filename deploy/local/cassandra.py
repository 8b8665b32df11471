"""Apache Cassandra, one node."""

from collections.abc import Mapping
from pathlib import Path

from deploy.local.server import Server, ask

HEAP = ["-Xms768m", "-Xmx768m", "-XX:+UseSerialGC", "-Xshare:auto", "-XX:+ExitOnOutOfMemoryError"]
QUICK_BOOT = {
    "cassandra.ring_delay_ms": "0",
    "cassandra.skip_wait_for_gossip_to_settle": "0",
    "cassandra.superuser_setup_delay_ms": "0",
    "cassandra.auth_bcrypt_gensalt_log2_rounds": "4",
}
# What Cassandra 5.0 reaches for inside the JDK 17, by module.
EXPORTS = {
    "java.base": "jdk.internal.misc jdk.internal.ref sun.nio.ch",
    "java.management.rmi": "com.sun.jmx.remote.internal.rmi",
    "java.rmi": "sun.rmi.registry sun.rmi.server sun.rmi.transport.tcp",
    "java.sql": "java.sql",
    "jdk.attach": "sun.tools.attach",
    "jdk.compiler": "com.sun.tools.javac.file",
    "jdk.unsupported": "sun.misc",
}
OPENS = {
    "java.base": (
        "java.io java.lang java.lang.module java.lang.reflect java.net java.nio java.util java.util.concurrent "
        "java.util.concurrent.atomic jdk.internal.loader jdk.internal.math jdk.internal.module jdk.internal.ref "
        "jdk.internal.reflect jdk.internal.util.jar sun.nio.ch"
    ),
    "jdk.management": "com.sun.management.internal",
}
YAML = """\
cluster_name: lockstep-local
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "127.0.0.1:{storage_port}"
listen_address: 127.0.0.1
storage_port: {storage_port}
rpc_address: 127.0.0.1
native_transport_port: {port}
endpoint_snitch: SimpleSnitch
authenticator: AllowAllAuthenticator
authorizer: AllowAllAuthorizer
data_file_directories: ["{data}/data"]
commitlog_directory: "{data}/commitlog"
hints_directory: "{data}/hints"
saved_caches_directory: "{data}/saved_caches"
commitlog_sync: batch
{writes}
commitlog_segment_size: 16MiB
commitlog_total_space: 256MiB
file_cache_size: 32MiB
key_cache_size: 8MiB
concurrent_compactors: 1
auto_snapshot: false
hinted_handoff_enabled: false
dynamic_snitch: false
"""
SMALL = "memtable_heap_space: 64MiB"
#: Memtables as they are shipped; compaction takes no core of two from those who wait for an answer.
SERVING = "compaction_throughput: 8MiB/s"
LOGBACK = """\
<configuration>
  <appender name="err" class="ch.qos.logback.core.ConsoleAppender">
    <target>System.err</target>
    <encoder><pattern>%d{ISO8601} %-5level [%thread] %logger{0}: %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="err"/></root>
</configuration>
"""


def server(
    directory: Path, port: int, storage_port: int, java: str, jars: Path, secure: str = "", writes: str = SMALL
) -> Server:
    """A Cassandra that keeps its state in `directory`; with `secure`, more of its configuration, it has roles."""
    configuration, logback, data = directory / "cassandra.yaml", directory / "logback.xml", directory / "data"
    settings = {
        "cassandra.config": configuration.as_uri(),
        "cassandra.storagedir": str(data),
        "cassandra.logdir": str(directory),
        "cassandra-foreground": "yes",
        **QUICK_BOOT,
        "logback.configurationFile": str(logback),
        "java.security.manager": "allow",
        "jdk.attach.allowAttachSelf": "true",
        "io.netty.tryReflectionSetAccessible": "true",
    }
    command = [java, *HEAP, f"-XX:ErrorFile={directory}/hs_err_%p.log"]
    command += [f"-D{key}={value}" for key, value in settings.items()]
    command += [*_access("--add-exports", EXPORTS), *_access("--add-opens", OPENS)]
    command += ["-cp", f"{jars}/*", "org.apache.cassandra.service.CassandraDaemon"]
    yaml = YAML.format(data=data, port=port, storage_port=storage_port, writes=writes) + secure
    if secure:
        yaml = yaml.replace("AllowAllAuthenticator", "PasswordAuthenticator")
        yaml = yaml.replace("AllowAllAuthorizer", "CassandraAuthorizer")
    files = {configuration: yaml, logback: LOGBACK}
    return Server("cassandra", port, command, answers, files=files)


def _access(option: str, packages: Mapping[str, str]) -> list[str]:
    return [f"{option}={module}/{name}=ALL-UNNAMED" for module, names in packages.items() for name in names.split()]


def answers(port: int) -> bool:
    """Whether a node answers OPTIONS of the native protocol, version 4, with SUPPORTED."""
    answer = ask(port, b"\x04\x00\x00\x00\x05\x00\x00\x00\x00", 5)
    return len(answer) == 5 and answer[4] == 6
