"""Checks the API of a running daemon, with programs that share no code with evenkeel.

The OpenAPI document must be valid (openapi-spec-validator), and whatever is asked that the document
describes must be answered as it says (schemathesis). The daemon is this script's own: with a worker
name and a state of its own, and tasks whose images are not there, so that no container is made.
Usage: check-api.py EVENKEEL, run by a Python that has both.
"""

import asyncio
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from openapi_spec_validator import validate

TASK = """\
apiVersion: evenkeel/v1
kind: Task
metadata: {{name: {name}}}
spec:
  image: evenkeel/of-no-registry:1
  imagePullPolicy: Never
  replicas: {replicas}
  ports: [{{containerPort: 80, hostPort: 0, protocol: UDP}}]
  mounts: [{{path: /data, volume: data, shared: true}}, {{path: /tmp, tmpfs: {{size: 1Mi}}}}]
  resources: {{limits: {{memory: 64Mi}}, requests: {{cpu: 100m}}}}
"""

# What has no end, and what would end the daemon.
LEFT_OUT = ["/v1/watch", "/v1/down"]


async def carry(reader, writer):
    """Passes on what is read."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


# Manifests are text, whose rules the description does not tell: most of it is refused.
TEXT = """\
[[operations]]
include-path = "/v1/apply"
checks.positive_data_acceptance.expected-statuses = ["2xx", "422"]
"""

# Names that are there: what is made up is never found.
NAMES = """\
[parameters]
"path.namespace" = "default"
"path.name" = "web"
"""


async def run(at):
    """Runs schemathesis against the daemon, over TCP, as it knows no unix sockets.

    Once with names that are made up, and once with one that is there; what deletes it comes last.
    """

    async def serve(reader, writer):
        there, to_there = await asyncio.open_unix_connection(at / "state" / "evenkeel.sock")
        await asyncio.gather(carry(reader, to_there), carry(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    left_out = [word for path in LEFT_OUT for word in ("--exclude-path", path)]
    command = [
        str(pathlib.Path(sys.executable).parent / "schemathesis"), "run",
        f"http://127.0.0.1:{port}/openapi.json", "--url", f"http://127.0.0.1:{port}",
        "--max-examples", "60", "--seed", "1", "--no-color", "--generation-database", "none",
        "--phases", "examples,coverage,fuzzing", "--warnings", "off", *left_out,
    ]
    failed = 0
    keeps, deletes = ["--exclude-method", "DELETE"], ["--include-method", "DELETE"]
    for names, methods in [("", keeps), (NAMES, keeps), ("", deletes), (NAMES, deletes)]:
        (at / "schemathesis.toml").write_text(names + TEXT, encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *command, *methods, cwd=at, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said = (await process.communicate())[0].decode(errors="replace")
        failed += process.returncode
        print(said if process.returncode else f"schemathesis: {said.strip().splitlines()[-1].strip(' =')}")
    return failed


def get(evenkeel, args):
    """What a command prints, as JSON; nothing if it can't be had yet."""
    ran = subprocess.run([*evenkeel, *args], capture_output=True, text=True, check=False)
    return json.loads(ran.stdout or "null")


def main():
    """Prints what is not as it must be, and fails then."""
    program = str(pathlib.Path(sys.argv[1]).resolve())
    document = json.loads(subprocess.check_output([program, "schema", "--openapi"]))
    validate(document)
    print(f"openapi-spec-validator: {len(document['paths'])} paths are valid")
    with tempfile.TemporaryDirectory(prefix="ek-api-") as directory:
        at = pathlib.Path(directory)
        common = ["--worker", "check-api", "--state-dir", str(at / "state")]
        (at / "tasks").mkdir()
        for number, name in enumerate(["web", "db"], start=1):
            text = TASK.format(name=name, replicas=number)
            (at / "tasks" / f"{name}.yaml").write_text(text, encoding="utf-8")
        (at / "tasks" / "broken.yaml").write_text("kind: Task\n", encoding="utf-8")
        with subprocess.Popen([program, "run", str(at / "tasks"), *common, "--log", "error"]) as daemon:
            try:
                deadline = time.monotonic() + 30
                while len((get([program], ["get", "-o", "json", *common]) or {}).get("items", [])) < 2:
                    if daemon.poll() is not None or time.monotonic() > deadline:
                        sys.exit("the daemon does not come up")
                    time.sleep(0.2)
                failed = asyncio.run(run(at))
            finally:
                daemon.send_signal(signal.SIGTERM)
        if failed or daemon.returncode != 0:
            sys.exit(f"schemathesis: {failed}, the daemon ended with {daemon.returncode}")


main()
