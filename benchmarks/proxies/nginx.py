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
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
        }}
    }}
}}
"""


def main() -> None:
    version = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    with listen() as listener:
        port = listener.getsockname()[1]
    with TemporaryDirectory() as folder:
        configuration = Path(folder, "nginx.conf")
        configuration.write_text(
            CONFIGURATION.format(folder=folder, port=port, upstream=parse().upstream)
        )
        command = ["nginx", "-c", str(configuration), "-g", f"error_log {folder}/log;"]
        run_program(command, port, version.strip().split(": ")[-1].replace("/", " "))


if __name__ == "__main__":
    main()
