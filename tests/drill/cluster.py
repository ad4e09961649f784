"""A broker of three nodes on loopback, as processes: RabbitMQ with quorum queues, or NATS with JetStream R3.

Gates and ingesters know one address, as they would behind any balancer: here a
small one that passes each connection on to a node that is up. A node that is
killed takes its connections along; who reconnects gets another node.

Both are Debian's packages (`rabbitmq-server`, `nats-server`); neither starts by itself here.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.brokers import LOOPBACK, free_port

NODES: Final = 3
_PATH: Final = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:" + os.environ.get("PATH", "")


@dataclass
class Node:
    """One node: started, killed and started again on the same ports, with what it kept on disk."""

    command: list[str]
    environment: dict[str, str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, within_s: float = 300.0) -> None:
        with self.log.open("ab") as log:
            # A session of its own: Erlang's virtual machine has children that must end with it.
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=self.environment, start_new_session=True
            )
        give_up = time.monotonic() + within_s
        while not _accepts(self.port):
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            assert time.monotonic() < give_up, self.log.read_text()[-2000:]
            time.sleep(0.1)

    def kill(self) -> None:
        """As a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


class Balancer:
    """Passes each TCP connection on to the next node that takes it."""

    def __init__(self, ports: list[int]) -> None:
        self._ports, self._next = ports, 0
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._run, name="balancer", daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        node = self._node()
        if node is None:
            client.close()
            return
        for one in (client, node):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_carry, args=(node, client), daemon=True).start()
        _carry(client, node)

    def _node(self) -> socket.socket | None:
        for _ in self._ports:
            self._next = (self._next + 1) % len(self._ports)
            with contextlib.suppress(OSError):
                return socket.create_connection((LOOPBACK, self._ports[self._next]), timeout=2)
        return None


def _carry(source: socket.socket, sink: socket.socket) -> None:
    source.settimeout(None)
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@contextmanager
def nats(folder: Path) -> Iterator[tuple[list[Node], Balancer]]:
    """Three NATS servers, MQTT on JetStream with three replicas.

    `ack_wait` is 2 s: the usual 30 s would hold up for so long what a gone ingester had not settled.
    """
    program = shutil.which("nats-server", path=_PATH)
    if program is None:
        raise SystemExit("nats-server is not installed; run: apt-get install nats-server")
    folder.mkdir(parents=True)
    routes = [free_port() for _ in range(NODES)]
    nodes = []
    for number in range(NODES):
        mqtt, client = free_port(), free_port()
        conf = folder / f"node-{number + 1}.conf"
        conf.write_text(
            f"""server_name: node-{number + 1}
listen: {LOOPBACK}:{client}
jetstream {{ store_dir: "{folder / f"store-{number + 1}"}" }}
cluster {{ name: menshen, listen: {LOOPBACK}:{routes[number]}
  routes: [{", ".join(f'"nats://{LOOPBACK}:{route}"' for route in routes)}] }}
mqtt {{ listen: {LOOPBACK}:{mqtt}, ack_wait: "2s", max_ack_pending: 100, stream_replicas: {NODES} }}
"""
        )
        nodes.append(
            Node([program, "-c", str(conf)], dict(os.environ), mqtt, folder / f"node-{number + 1}.log")
        )
    yield from _running(nodes)


@contextmanager
def rabbitmq(folder: Path) -> Iterator[tuple[list[Node], Balancer]]:
    """Three RabbitMQ nodes; sessions that last are quorum queues."""
    program = shutil.which("rabbitmq-server", path=_PATH)
    if program is None:
        raise SystemExit("rabbitmq-server is not installed; run: apt-get install rabbitmq-server")
    script = Path(program).resolve()
    real = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # Debian's own insists on the user rabbitmq
    folder.mkdir(parents=True)
    epmd, epmd_port = shutil.which("epmd", path=_PATH), free_port()  # ours alone: nodes find each other by it
    names = [f"menshen{os.getpid()}{number}@localhost" for number in range(1, NODES + 1)]
    (folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
    cookie = folder / ".erlang.cookie"
    cookie.write_text("menshen-drill")
    cookie.chmod(0o400)
    nodes = []
    for number, name in enumerate(names, 1):
        mqtt, amqp, distribution = free_port(), free_port(), free_port()
        conf = folder / f"node-{number}.conf"
        peers = "".join(
            f"cluster_formation.classic_config.nodes.{n} = {peer}\n" for n, peer in enumerate(names, 1)
        )
        conf.write_text(
            f"""listeners.tcp.1 = {LOOPBACK}:{amqp}
mqtt.listeners.tcp.1 = {LOOPBACK}:{mqtt}
mqtt.allow_anonymous = true
mqtt.durable_queue_type = quorum
mqtt.prefetch = 100
cluster_formation.peer_discovery_backend = classic_config
{peers}loopback_users = none
"""
        )
        environment = dict(os.environ) | {
            "HOME": str(folder),
            "PATH": _PATH,
            "RABBITMQ_NODENAME": name,
            "RABBITMQ_CONFIG_FILE": str(conf),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / f"data-{number}"),
            "RABBITMQ_LOG_BASE": str(folder / f"log-{number}"),
            "RABBITMQ_PID_FILE": str(folder / f"node-{number}.pid"),
            "RABBITMQ_DIST_PORT": str(distribution),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(epmd_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
        }
        command = [str(real if real.exists() else script)]
        nodes.append(Node(command, environment, mqtt, folder / f"node-{number}.log"))
    names_of = subprocess.Popen([str(epmd), "-port", str(epmd_port), "-address", LOOPBACK])
    try:
        yield from _running(nodes)
    finally:
        names_of.terminate()
        names_of.wait(20)


def _running(nodes: list[Node]) -> Iterator[tuple[list[Node], Balancer]]:
    with ExitStack() as stack:
        for node in nodes:
            stack.callback(node.stop)
        starting = [threading.Thread(target=node.start) for node in nodes]
        for thread in starting:
            thread.start()
        for thread in starting:
            thread.join()
        balancer = Balancer([node.port for node in nodes])
        stack.callback(balancer.close)
        yield nodes, balancer


BROKERS: Final = {"nats": nats, "rabbitmq": rabbitmq}
