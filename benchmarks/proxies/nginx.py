"""nginx in one process, set up for WebSocket as its manual says: bytes, once the 101 has passed."""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from ..servers import listen, parse, run_program

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
    server {{
        listen 127.0.0.1:{port}{tls};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
        }}
    }}
}}
"""

TLS = """ ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.pem;
        ssl_protocols TLSv1.3"""


def configuration(folder: str, port: int) -> str:
    options = parse()
    tls = TLS.format(folder=options.tls) if options.tls else ""
    return CONFIGURATION.format(folder=folder, port=port, tls=tls, upstream=options.upstream)


def main() -> None:
    version = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    with listen() as listener:
        port = listener.getsockname()[1]
    with TemporaryDirectory() as folder:
        file = Path(folder, "nginx.conf")
        file.write_text(configuration(folder, port))
        command = ["nginx", "-c", str(file), "-g", f"error_log {folder}/log;"]
        run_program(command, port, version.strip().split(": ")[-1].replace("/", " "))


if __name__ == "__main__":
    main()
