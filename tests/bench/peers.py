"""The servers that are compared: how each is started with one worker, answering hits from memory."""

import os
import pathlib
import shutil


class Peer:
    """A caching proxy on `port` in front of the origin on `origin`, with its files in `directory`."""

    name = ""
    program = ""

    def __init__(self, directory, port, origin):
        self.directory = pathlib.Path(directory) / self.name
        self.directory.mkdir(parents=True)
        os.chmod(self.directory, 0o777)
        self.port, self.origin = port, origin

    @classmethod
    def missing(cls):
        """Why it cannot take part, or None."""
        return None if shutil.which(cls.program) else f"{cls.program} is not installed"

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def command(self):
        raise NotImplementedError

    def environment(self):
        return dict(os.environ)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"


class Floor(Peer):
    """One recv and one send a request; see floor.rs. It has one size, and no origin."""

    name, program = "floor", ""
    binary, body_bytes = "", 0

    @classmethod
    def missing(cls):
        return None

    def command(self):
        return [self.binary, f"127.0.0.1:{self.port}", str(self.body_bytes)]


class Proxyd(Peer):
    name, program = "proxyd", ""
    binary = ""

    @classmethod
    def missing(cls):
        return None

    def environment(self):
        return {**os.environ, "XDG_RUNTIME_DIR": str(self.directory), "PROXYD_LOG": "info,access=off"}

    def command(self):
        config = self.write("proxyd.toml", "udp = []\n")
        return [self.binary, "--config", config, "--http", f"127.0.0.1:{self.port}",
                "--origin", f"http://127.0.0.1:{self.origin}", "--threads", "1"]


class Nginx(Peer):
    name, program = "nginx", "nginx"

    def command(self):
        config = self.write("nginx.conf", f"""
daemon off; worker_processes 1; pid {self.directory}/pid; error_log {self.directory}/error;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; keepalive_requests 100000000;
  proxy_cache_path {self.directory}/cache keys_zone=z:10m max_size=256m;
  upstream origin {{ server 127.0.0.1:{self.origin}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{self.port} backlog=4096;
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_cache z;
    }}
  }}
}}
""")
        return ["nginx", "-c", config, "-e", f"{self.directory}/error"]


class Haproxy(Peer):
    name, program = "haproxy", "haproxy"

    def command(self):
        config = self.write("haproxy.cfg", f"""
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  http-reuse always
cache hits
  total-max-size 256
  max-object-size 200000
  max-age 3600
frontend front
  bind 127.0.0.1:{self.port}
  http-request cache-use hits
  http-response cache-store hits
  default_backend back
backend back
  server origin 127.0.0.1:{self.origin}
""")
        return ["haproxy", "-db", "-f", config]


class Varnish(Peer):
    name, program = "varnish", "varnishd"

    def command(self):
        return ["varnishd", "-F", "-n", str(self.directory / "work"), "-a", f"127.0.0.1:{self.port}",
                "-b", f"127.0.0.1:{self.origin}", "-s", "malloc,256m",
                "-p", "thread_pools=1", "-p", "thread_pool_min=50"]


class TrafficServer(Peer):
    name, program = "trafficserver", "traffic_server"

    def command(self):
        places = {name: self.directory / name for name in ("etc", "run", "log", "cache", "data")}
        for name, place in places.items():
            if name != "etc":
                place.mkdir()
        shutil.copytree("/etc/trafficserver", places["etc"])
        runroot = self.write("runroot.yaml", f"""
prefix: /usr
exec_prefix: /usr
bindir: /usr/bin
sbindir: /usr/sbin
sysconfdir: {places["etc"]}
datadir: {places["data"]}
includedir: /usr/include
libdir: /usr/lib/trafficserver
libexecdir: /usr/lib/trafficserver/modules
localstatedir: {self.directory}
runtimedir: {places["run"]}
logdir: {places["log"]}
cachedir: {places["cache"]}
""")
        settings = {
            "proxy.config.http.server_ports": f"STRING {self.port}:ip-in=127.0.0.1",
            "proxy.config.exec_thread.autoconfig": "INT 0",
            "proxy.config.exec_thread.limit": "INT 1",
            "proxy.config.accept_threads": "INT 0",
            "proxy.config.url_remap.pristine_host_hdr": "INT 1",
            "proxy.config.log.logging_enabled": "INT 0",
            "proxy.config.cache.ram_cache.size": "INT 268435456",
        }
        records = places["etc"] / "records.config"
        kept = [line for line in records.read_text().splitlines()
                if not any(f" {key} " in line for key in settings)]
        given = [f"CONFIG {key} {value}" for key, value in settings.items()]
        records.write_text("\n".join(kept + given) + "\n")
        (places["etc"] / "remap.config").write_text(f"map / http://127.0.0.1:{self.origin}/\n")
        (places["etc"] / "storage.config").write_text(f"{places['cache']} 256M\n")
        for path in self.directory.rglob("*"):
            os.chmod(path, 0o777)
        return ["traffic_server", f"--run-root={runroot}"]


def origin_command(directory, port):
    """nginx with bodies of known sizes: /hit/… may be cached, /pass/… may not."""
    directory = pathlib.Path(directory) / "origin"
    for kind in ("hit", "pass"):
        (directory / kind).mkdir(parents=True)
        for name, size in (("1k", 1024), ("64k", 65536)):
            (directory / kind / name).write_bytes(b"x" * size)
    config = directory / "nginx.conf"
    config.write_text(f"""
daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/error;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; keepalive_requests 100000000; open_file_cache max=100;
  server {{
    listen 127.0.0.1:{port} backlog=4096; root {directory};
    location /hit/ {{ add_header Cache-Control "public, max-age=3600"; }}
    location /pass/ {{ add_header Cache-Control "no-store"; }}
  }}
}}
""")
    os.chmod(directory, 0o755)
    return ["nginx", "-c", str(config), "-e", f"{directory}/error"]
