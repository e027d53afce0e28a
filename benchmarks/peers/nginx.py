"""nginx in one process, set up as its manual says.

For WebSocket it copies bytes, once the 101 has passed. An HTTP upstream's connections are kept, and
its answers pass while they arrive.
"""

import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from . import announce, options

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    keepalive_requests 100000000;
    upstream behind {{
        server 127.0.0.1:{upstream};
        keepalive 16;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://behind;
            proxy_http_version 1.1;
            {directives}
        }}
    }}
}}
"""

DIRECTIVES = {
    "proxy": 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";',
    "proxy-http": 'proxy_set_header Connection ""; proxy_buffering off;',
}


def main() -> None:
    version = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with TemporaryDirectory() as folder:
        file = Path(folder, "nginx.conf")
        about = {"folder": folder, "port": port, "directives": DIRECTIVES[options().kind]}
        file.write_text(CONFIGURATION.format(upstream=options().upstream, **about))
        command = ["nginx", "-c", str(file), "-g", f"error_log {folder}/log;"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
            while process.poll() is None and not accepts(port):
                time.sleep(0.01)
            if process.returncode is None:
                announce(port, version.strip().split(": ")[-1].replace("/", " "), pid=process.pid)
                sys.stdin.read()
                process.terminate()


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
