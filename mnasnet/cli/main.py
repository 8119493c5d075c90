"""`mnasnet`: from a verb to the module that serves it, and from what is raised to one line and an exit status."""

import importlib
import os
import signal
import sys
from collections.abc import Sequence

VERBS = {
    "search": "mnasnet.cli.search",
    "report": "mnasnet.cli.report",
    "zoo": "mnasnet.cli.zoo",
    "cost": "mnasnet.cli.cost",
    "train": "mnasnet.cli.train",
    "evaluate": "mnasnet.cli.evaluate",
    "predict": "mnasnet.cli.predict",
    "export": "mnasnet.cli.export",
    "measure": "mnasnet.cli.measure",
    "doctor": "mnasnet.cli.doctor",
    "reach": "mnasnet.cli.reach",
    "calibrate": "mnasnet.cli.calibrate",
}

USAGE = """usage: mnasnet VERB [OPTIONS]

  search    search for networks on your images and your device (no options: a demonstration on digits)
  report    write a search's report again, also while it runs, and for another target
  zoo       list the networks that can be had by name
  cost      count a network's parameters and multiply-adds, layer by layer
  train     train a network by name on your images, from scratch or from weights
  evaluate  count how many labelled images a network or a model file gets right
  predict   say what is in images
  export    write a network as a file for a device, with its labels and normalisation inside
  measure   time model files on a device and say which are faster, and which tied
  doctor    examine a device: what it is, how noisy, and what to do about it
  reach     before any training: which latencies a space can reach on a device
  calibrate make a table of a device, for when it is not at hand

`mnasnet VERB --help` lists the options of a verb."""

REQUEST, INTERRUPTED, TERMINATED = 2, 130, 143
"""Exit status of a request that cannot be served, of Ctrl-C and of SIGTERM; `mnasnet.cli.parse` has the others."""


class _TerminatedError(BaseException):
    """SIGTERM, raised as Ctrl-C is, so that what is open is closed and what is temporary goes."""


def _terminated(number: int, frame: object) -> None:
    raise _TerminatedError


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve `arguments` (default: the command line's) and return the exit status."""
    verb, *options = [*(sys.argv[1:] if arguments is None else arguments), ""]
    options = options[:-1]
    if verb in ("", "-h", "--help"):
        print(USAGE, file=sys.stdout if verb else sys.stderr)
        return 0 if verb else REQUEST
    if verb == "--version":
        from mnasnet import __version__

        print(f"mnasnet {__version__}")
        return 0
    if verb not in VERBS:
        import difflib

        near = difflib.get_close_matches(verb, VERBS, n=1)
        nearest = f"the nearest is {near[0]!r}, of" if near else "give one of"
        print(f"mnasnet: no verb {verb!r}; {nearest} {', '.join(VERBS)}", file=sys.stderr)
        return REQUEST
    if arguments is None:  # as a program of its own
        signal.signal(signal.SIGTERM, _terminated)
        # Before torch is there. Its threads wait for each other by spinning, which may keep from their work those
        # that are late: where one of two cores was taken, a step of a small training took up to nine times as long
        # (`benchmarks/evidence.jsonl`, waiting-numpy-spinning). Where both are free, spinning is a little faster
        # (`benchmarks/evidence.jsonl`, waiting-idle-spinning).
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        status: int = importlib.import_module(VERBS[verb]).main(options)
    except KeyboardInterrupt:  # while torch was still being imported
        print(f"mnasnet {verb}: stopped before it began", file=sys.stderr)
        return INTERRUPTED
    except _TerminatedError:
        print(f"mnasnet {verb}: ended by SIGTERM", file=sys.stderr)
        return TERMINATED
    return status


if __name__ == "__main__":
    sys.exit(main())
