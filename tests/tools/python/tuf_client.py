"""Refreshes a TUF repository and downloads one target, trusting a root file only.

LOCAL_DIR keeps the last state seen: a second run with the same one refuses an older state.
"""

import pathlib
import sys

from tuf.ngclient import Updater


def fetch(root_file: str, metadata_url: str, targets_url: str, local: str, target: str) -> str:
    directory = pathlib.Path(local)
    metadata, targets = directory / "metadata", directory / "targets"
    metadata.mkdir(parents=True, exist_ok=True)
    targets.mkdir(exist_ok=True)
    updater = Updater(
        str(metadata),
        metadata_url,
        str(targets),
        targets_url,
        bootstrap=pathlib.Path(root_file).read_bytes(),
    )
    updater.refresh()
    info = updater.get_targetinfo(target)
    if info is None:
        raise LookupError(f"target {target}: not in the repository")
    return updater.download_target(info)


def main() -> int:
    if len(sys.argv) != 6:
        print("usage: tuf_client.py ROOT_FILE METADATA_URL TARGETS_URL LOCAL_DIR TARGET_NAME", file=sys.stderr)
        return 2
    try:
        print(fetch(*sys.argv[1:]))
    except Exception as error:  # whatever it refuses for, the caller wants one line
        print(f"refused: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
