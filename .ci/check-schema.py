"""Checks the schema with check-jsonschema, which shares no code with evenkeel.

The manifests must pass. Of tests/broken the files 2xx must fail, each of them; 3xx and 4xx must
pass, because what is wrong with them (and is found by `evenkeel validate`) no schema can say.
Usage: check-schema.py PATH-OF-CHECK-JSONSCHEMA
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile


def documents(files, into):
    """Writes each document of each file into a file of its own: check-jsonschema reads one a file."""
    for file in files:
        parts = re.split(r"(?m)^---[ \t]*$", file.read_text(encoding="utf-8"))
        for number, text in enumerate(parts):
            if re.search(r"(?m)^[^#\s]", text):
                part = into / f"{file.stem}.{number}.yaml"
                part.write_text(text, encoding="utf-8")
                yield part


def refused(program, files):
    """Those of the files that the schema does not take."""
    command = [program, "--schemafile", "schema/task.v1.json", "--output-format", "json"]
    run = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    try:
        report = json.loads(run.stdout)
    except ValueError:
        sys.exit(f"check-jsonschema failed: {run.stdout}{run.stderr}")
    if report["parse_errors"]:
        sys.exit(f"not read: {json.dumps(report['parse_errors'], indent=1)}")
    return {pathlib.Path(error["filename"]): error["message"] for error in report["errors"]}


def main():
    """Prints what is not as it must be, and fails then."""
    program = sys.argv[1]
    broken = sorted(pathlib.Path("tests/broken").glob("[234]*.yaml"))
    wrong = []
    with tempfile.TemporaryDirectory() as directory:
        good = list(documents(sorted(pathlib.Path("manifests").glob("*.yaml")), pathlib.Path(directory)))
        taken = good + [file for file in broken if not file.name.startswith("2")]
        bad = [file for file in broken if file.name.startswith("2")]
        told = refused(program, taken + bad)
        wrong += [f"{file} must be valid: {told[file]}" for file in taken if file in told]
        wrong += [f"{file} must be refused" for file in bad if file not in told]
    if not good or not bad:
        wrong.append("there are no files to check")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"check-jsonschema: {len(taken)} valid as they must be, {len(bad)} refused as they must be")


main()
