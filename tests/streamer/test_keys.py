"""Who may listen: endpoints that other machines reach, keys, and what is said of wrong ones."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import zmq

from emostream.engines.errors import ConfigError, PublishError
from emostream.streamer.client.subscriber import Cursor, Subscriber
from emostream.streamer.protocol.key_files import make_client, make_server
from emostream.streamer.protocol.keys import ServerKeys, load_client_keys
from emostream.streamer.publishing.binding import check_reach
from emostream.streamer.publishing.publisher import Publisher
from tests.streamer.replaying import LOOPBACK, numbers
from tests.streamer.running import COMMAND, one_line_error, run
from tests.streamer.samples import EMOTION

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with keys[1], a server's, with the client known; and in clients, its secret key."""
    folder = tmp_path_factory.mktemp("made")
    make_server(folder / "keys[1]")
    make_client(folder / "keys[1]", "known", folder)
    # One that was let in elsewhere.
    make_server(folder / "other")
    make_client(folder / "other", "stranger", folder)
    return folder


@pytest.fixture
def server(made):
    return made / "keys[1]"


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://127.0.0.1:5557",
        "tcp://127.1.2.3:*",
        "tcp://localhost:5557",
        "tcp://[::1]:5557",
        "ipc:///run/emostream",
        "inproc://events",
    ],
)
def test_endpoints_of_this_machine_alone(endpoint):
    check_reach(endpoint, "publish")


@pytest.mark.fault(
    "Endpoint that other machines can reach",
    "`--publish` and `--replay` with such addresses, without keys",
    "refused; the line names `--keys` and `--insecure`",
)
@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://*:5557",
        "tcp://0.0.0.0:5557",
        "tcp://[::]:5557",
        "tcp://eth0:5557",
        "tcp://lo:5557",
        "tcp://192.168.1.7:5557",
        "tcp://127.0.0.1.example.org:5557",
        "tcp://127.0.0.1:5557/0.0.0.0:1",
        "tcp://0.0.0.0:1/127.0.0.1:5557",
        "tcp://:5557",
    ],
)
@pytest.mark.parametrize("option", ["publish", "replay"])
def test_endpoints_that_others_reach_are_refused(endpoint, option):
    with pytest.raises(ConfigError) as caught:
        Publisher(**({"endpoint": LOOPBACK} | {"endpoint" if option == "publish" else "replay": endpoint}))
    assert f"--{option} {endpoint} lets other machines listen" in str(caught.value)
    assert "--keys FOLDER" in str(caught.value)
    assert "--insecure" in str(caught.value)


def test_whoever_says_insecure_may():
    with Publisher("tcp://*:*", replay="tcp://0.0.0.0:*", insecure=True) as publisher:
        assert publisher.endpoint.startswith("tcp://0.0.0.0:")
        assert publisher.replay.startswith("tcp://0.0.0.0:")


def test_the_command_refuses_too(bundle_folder, server):
    for options, message in (
        (["--publish", "tcp://*:5557"], "--publish tcp://*:5557 lets other machines listen"),
        (["--replay", "tcp://*:6557"], "--replay tcp://*:6557 lets other machines listen"),
        (["--keys", "nowhere"], "nowhere holds no server.key_secret; make it with `emostream keys nowhere`"),
    ):
        done = run("--input", "x.mp4", "--bundle", bundle_folder, *options)
        assert done.returncode == 2
        assert message in one_line_error(done)


@on_posix
def test_keys_are_made_for_their_owner_alone(tmp_path):
    keys, laptop = tmp_path / "keys", tmp_path / "laptop"
    laptop.mkdir()
    assert run("keys", keys).returncode == 0
    assert run("keys", keys, "--client", "laptop", "--to", laptop).returncode == 0
    assert {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")} == {
        "keys": 0o700,
        "keys/clients": 0o700,
        "keys/clients/laptop.key": 0o644,
        "keys/server.key": 0o644,
        "keys/server.key_secret": 0o600,
        "laptop": laptop.stat().st_mode & 0o777,
        "laptop/laptop.key_secret": 0o600,
    }
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for again in (["keys", keys], ["keys", keys, "--client", "laptop", "--to", laptop]):
        assert "never overwritten" in one_line_error(run(*again))
    assert "never overwritten" in one_line_error(run("keys", keys, "--client", "laptop", "--to", tmp_path))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert b"secret-key" not in before[keys / "server.key"] + before[keys / "clients" / "laptop.key"]


def test_what_cannot_be_made_is_refused(tmp_path, server):
    for name in ("", "../x", "a b", "x" * 65):
        with pytest.raises(ConfigError, match="not a valid name"):
            make_client(server, name, tmp_path)
    with pytest.raises(ConfigError, match="make it first with `emostream keys"):
        make_client(tmp_path, "laptop", tmp_path)
    with pytest.raises(PublishError, match="No such file or directory"):
        make_client(server, "laptop", tmp_path / "nowhere")
    assert not (server / "clients" / "laptop.key").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishError, match="choose another folder"):
        make_server(tmp_path / "file")
    assert "name the client with --client" in one_line_error(run("keys", tmp_path / "new", "--to", tmp_path))


@pytest.fixture
def publisher(server):
    with Publisher(LOOPBACK, replay=LOOPBACK, keys=ServerKeys.load(server)) as publisher:
        yield publisher


def subscriber(publisher, made, client="known", server="keys[1]", **options):
    options = {"timeout": 10, "replay": publisher.replay} | options
    return Subscriber(
        publisher.endpoint,
        server_key=made / server / "server.key",
        client_key=made / f"{client}.key_secret",
        **options,
    )


def test_a_listed_client_gets_events_and_missed_ones(publisher, made):
    desk = publisher.channel("desk", session="one", unix_offset=0.0)
    for _ in range(3):
        desk.publish(EMOTION)
    with subscriber(publisher, made, cursor=Cursor("desk", "one", 0)) as events:
        assert numbers(events.receive() for _ in range(2)) == [1, 2]
        publisher.wait_settled()
        desk.publish(EMOTION)
        assert events.receive().seq == 3


@pytest.mark.fault(
    "Listeners without a key, or with a wrong one",
    "they connect to a publisher with keys",
    "they get nothing; listed ones do",
)
def test_nobody_else_gets_anything(publisher, made):
    desk = publisher.channel("desk", session="one", unix_offset=0.0)
    desk.publish(EMOTION)
    cursor = Cursor("desk", "one", -1)
    plain = {"timeout": 10, "replay": publisher.replay, "cursor": cursor}
    with (
        subscriber(publisher, made, cursor=cursor) as known,
        subscriber(publisher, made, client="stranger", cursor=cursor) as unlisted,
        subscriber(publisher, made, server="other", cursor=cursor) as mistaken,
        Subscriber(publisher.endpoint, **plain) as bare,
    ):
        others = (unlisted, mistaken, bare)
        for other in others:  # while each connects
            with pytest.raises(TimeoutError):
                other.receive(timeout=0.3)
        for _ in range(20):
            desk.publish(EMOTION)
        assert numbers(known.receive() for _ in range(21)) == list(range(21))
        for other in others:
            with pytest.raises(TimeoutError, match="is emostream running there"):
                other.receive(timeout=0.3)
        with pytest.raises(TimeoutError, match="does it allow this key"):
            unlisted.receive(timeout=0)


def test_raw_connections_get_nothing(publisher):
    with zmq.Context() as context, context.socket(zmq.DEALER) as asker:
        asker.linger = 0
        asker.connect(publisher.replay)
        asker.send(b"{}", zmq.DONTWAIT)
        assert not asker.poll(500)


def test_nobody_is_let_in_before_the_first_client(tmp_path, caplog):
    make_server(tmp_path / "keys")
    keys = ServerKeys.load(tmp_path / "keys")
    assert "lists no client, so nobody can listen" in caplog.text
    assert not keys.clients
    make_client(tmp_path / "keys", "late", tmp_path)
    with Publisher(LOOPBACK, keys=keys) as publisher:
        desk = publisher.channel("desk", session="one", unix_offset=0.0)
        given = {"server_key": tmp_path / "keys" / "server.key", "client_key": tmp_path / "late.key_secret"}
        with Subscriber(publisher.endpoint, timeout=0.5, **given) as events:
            publisher.wait_settled()
            desk.publish(EMOTION)
            with pytest.raises(TimeoutError):
                events.receive()


def test_without_an_authenticator_nobody_is_let_in(server, made):
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        ServerKeys.load(server).protect(socket)
        socket.bind(LOOPBACK)
        endpoint = socket.get_string(zmq.LAST_ENDPOINT)
        given = {"server_key": server / "server.key", "client_key": made / "known.key_secret"}
        with Subscriber(endpoint, **given):
            assert not socket.poll(500)  # not even for its subscription


def threads():
    return {thread.name for thread in threading.enumerate()} & {"publisher", "replay", "authenticator"}


def test_the_authenticator_ends_with_the_publisher(server, made):
    publisher = Publisher(LOOPBACK, replay=LOOPBACK, keys=ServerKeys.load(server)).start()
    assert threads() == {"publisher", "replay", "authenticator"}
    with subscriber(publisher, made) as events, pytest.raises(TimeoutError):
        events.receive(timeout=0.2)
    begun = time.monotonic()
    publisher.stop()
    assert time.monotonic() - begun < 1.0
    assert threads() == set()


def test_the_authenticator_ends_where_the_start_fails(server):
    with Publisher(LOOPBACK) as first, pytest.raises(PublishError, match="in use"):
        Publisher(first.endpoint, replay=LOOPBACK, keys=ServerKeys.load(server)).start()
    assert threads() == set()


def test_listen_takes_keys(publisher, made, server):
    desk = publisher.channel("desk", session="one", unix_offset=0.0)
    keys = ["--server-key", str(server / "server.key"), "--client-key", str(made / "known.key_secret")]
    command = [*COMMAND, "listen", publisher.endpoint, "--json", "--count", "1", "--timeout", "30", *keys]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            desk.publish(EMOTION)
            time.sleep(0.05)
        assert '"label":"joy"' in process.stdout.read()
    assert process.returncode == 0
    error = one_line_error(run("listen", "--server-key", server / "server.key"))
    assert "go together" in error


def test_wrong_files_are_told_apart(tmp_path, made, server):
    public, secret = server / "server.key", made / "known.key_secret"
    for given, message in (
        ((tmp_path / "none", secret), "does not exist"),
        ((public, tmp_path / "none"), "does not exist"),
        ((tmp_path, secret), "can't be read: Is a directory"),
        ((public, server / "clients" / "known.key"), "holds a public key only"),
        ((server / "server.key_secret", secret), "holds a secret key, which only its owner may have"),
        ((None, secret), "go together"),
        ((public, None), "go together"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_client_keys(*given)
    assert load_client_keys(None, None) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe\x00",
        b"curve\n  public-key",
        b'curve\n  public-key = "short"\n',
        b'curve\n  public-key = "' + b"~" * 40 + b'"\n',
        b'curve\n  public-key = "' + b"#" * 40 + b'"\n',
        b'curve\n  public-key = "' + b"\xff" * 40 + b'"\n',
    ],
)
def test_damaged_files_are_told(tmp_path, made, server, text):
    damaged = tmp_path / "damaged.key"
    damaged.write_bytes(text)
    with pytest.raises(ConfigError, match=r"damaged\.key is damaged; expected a file that `emostream keys` made"):
        load_client_keys(damaged, made / "known.key_secret")
    with pytest.raises(ConfigError, match="is damaged"):
        load_client_keys(server / "server.key", damaged)


def test_halves_of_two_pairs_are_told(tmp_path, made, server):
    mixed = tmp_path / "mixed.key_secret"
    lines = {name: (made / f"{name}.key_secret").read_text().splitlines() for name in ("known", "stranger")}
    halves = [line for line in lines["known"] if "secret-key" not in line]
    mixed.write_text("\n".join(halves + [line for line in lines["stranger"] if "secret-key" in line]))
    with pytest.raises(ConfigError, match="do not belong together"):
        load_client_keys(server / "server.key", mixed)


def test_a_damaged_client_is_named_when_the_server_starts(tmp_path):
    make_server(tmp_path)
    (tmp_path / "clients" / "broken.key").write_text("")
    with pytest.raises(ConfigError, match=r"broken\.key is damaged"):
        ServerKeys.load(tmp_path)


def test_a_libzmq_without_curve_is_told(tmp_path, made, server, monkeypatch):
    monkeypatch.setattr(zmq, "has", lambda capability: capability != "curve")
    for use in (
        lambda: make_server(tmp_path / "keys"),
        lambda: ServerKeys.load(server),
        lambda: load_client_keys(server / "server.key", made / "known.key_secret"),
    ):
        with pytest.raises(ConfigError, match="was built without it"):
            use()
