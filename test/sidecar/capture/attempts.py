"""Ways out of a network namespace, some of which Node has no words for.

attempts.py '[{"how": "tcp", "address": "192.0.2.1", "port": 80}, ...]': one JSON list with what came of each.
"""

import errno
import json
import socket
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor

TIMEOUT = 0.5


def new(each, kind=socket.SOCK_STREAM, protocol=0):
    family = socket.AF_INET6 if ":" in each["address"] else socket.AF_INET
    sock = socket.socket(family, kind, protocol)
    sock.settimeout(TIMEOUT)
    return sock


def place(each):
    """With the interface of a link-local address."""
    return socket.getaddrinfo(each["address"], each.get("port", 0), 0, socket.SOCK_DGRAM)[0][4]


def answer(sock):
    return sock.recv(64).decode(errors="replace").strip() or "closed"


def tcp(each, protocol=0, options=()):
    with new(each, socket.SOCK_STREAM, protocol) as sock:
        for option in options:
            sock.setsockopt(*option)
        sock.connect(place(each))
        return answer(sock)


def fast_open(each):
    with new(each) as sock:
        # Python's own time-out would make the socket one that does not wait.
        sock.setblocking(True)
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", 0, int(TIMEOUT * 1e6)))
        sock.sendto(b"hello", socket.MSG_FASTOPEN, place(each))
        return answer(sock)


def udp(each, protocol=0, options=()):
    with new(each, socket.SOCK_DGRAM, protocol) as sock:
        for option in options:
            sock.setsockopt(*option)
        sock.sendto(b"hello", place(each))
        return answer(sock)


def udp_connected(each):
    with new(each, socket.SOCK_DGRAM) as sock:
        sock.connect(place(each))
        sock.send(b"hello")
        return answer(sock)


def ping(each):
    six = ":" in each["address"]
    with new(each, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP) as sock:
        sock.sendto(bytes([128 if six else 8, 0, 0, 0, 0, 1, 0, 1]) + b"hello", place(each))
        return answer(sock)


def join(each):
    """The kernel tells the link which groups somebody listens to."""
    index = socket.if_nametoindex("eth0")
    group = socket.inet_pton(socket.AF_INET6 if ":" in each["address"] else socket.AF_INET, each["address"])
    with new(each, socket.SOCK_DGRAM) as sock:
        if ":" in each["address"]:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("@I", index))
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("=4s4si", group, bytes(4), index))
        time.sleep(TIMEOUT)
        return "joined"


def source_routed(each):
    """Loose source route (RFC 791): to ourselves first, and from there on."""
    way = socket.inet_aton("127.0.0.1") + socket.inet_aton(each["address"])
    option = (socket.IPPROTO_IP, socket.IP_OPTIONS, bytes([1, 131, 3 + len(way), 4]) + way)
    return udp(each, options=[option])


def own_place(each, port=0):
    """Where the other would answer to."""
    with new(each, socket.SOCK_DGRAM) as sock:
        sock.connect(place(each))
        own = sock.getsockname()
        return (own[0], port, *own[2:])


def in_its_name(each, kind, options=()):
    """A socket that is bound to the other's address, which needs no capability."""
    sock = new(each, kind)
    if ":" in each["address"]:
        sock.setsockopt(socket.IPPROTO_IPV6, 78, 1)  # IPV6_FREEBIND
    else:
        sock.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
    for option in options:
        sock.setsockopt(*option)
    sock.bind(place(each))
    return sock


def forged_question(each, options=()):
    """Sends ourselves what looks as if it came from there, then the answer."""
    with new(each, socket.SOCK_DGRAM) as ours, in_its_name(each, socket.SOCK_DGRAM, options) as theirs:
        ours.bind(own_place(each))
        theirs.sendto(b"hello", ours.getsockname())
        ours.sendto(b"secret", place(each))
        return answer(ours)


def forged_connection(each):
    """The same with a connection: the second packet of its handshake is the answer."""
    with new(each) as ours, in_its_name(each, socket.SOCK_STREAM) as theirs:
        ours.bind(own_place(each))
        ours.listen()
        theirs.connect(ours.getsockname())
        return "connected"


def forged_to_sidecar(each):
    """Has the sidecar answer to there, from what it listens on beyond loopback."""
    with in_its_name(each, socket.SOCK_STREAM) as theirs:
        theirs.connect(own_place(each, 15020))
        return answer(theirs)


def forged_to_resolver(each):
    with in_its_name(each, socket.SOCK_DGRAM) as theirs:
        theirs.sendto(b"hello", ("::1" if ":" in each["address"] else "127.0.0.1", 15053))
        return answer(theirs)


def abandoned(each):
    """What is still to be sent when nobody owns the socket any more."""
    sock = new(each)
    sock.setblocking(False)
    try:
        sock.connect(place(each))
    except BlockingIOError:
        pass
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
    sock.close()
    return "closed"


device = (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\0")
HOW = {
    "tcp": tcp,
    "fast open": fast_open,
    "mptcp": lambda each: tcp(each, 262),
    "sctp": lambda each: tcp(each, 132),
    "tcp bound to eth0": lambda each: tcp(each, options=[device]),
    "abandoned": abandoned,
    "udp": udp,
    "udp connected": udp_connected,
    "udplite": lambda each: udp(each, 136),
    "udp bound to eth0": lambda each: udp(each, options=[device]),
    "source routed": source_routed,
    "ping": ping,
    "forged question": forged_question,
    "forged connection": forged_connection,
    "forged question bound to eth0": lambda each: forged_question(each, [device]),
    "forged to the sidecar": forged_to_sidecar,
    "forged to its resolver": forged_to_resolver,
    "join": join,
    "broadcast": lambda each: udp(each, options=[(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)]),
}


def outcome(each):
    try:
        return HOW[each["how"]](each)
    except TimeoutError:
        return "silence"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


# Side by side, since what is dropped waits until it gives up.
with ThreadPoolExecutor(32) as pool:
    print(json.dumps(list(pool.map(outcome, json.loads(sys.argv[1])))))
