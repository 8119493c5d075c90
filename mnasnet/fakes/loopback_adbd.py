"""A phone that is not there: our own adb daemon on a port of this machine, for tests and benchmarks.

The real adb client speaks to it (CNXN, AUTH, OPEN, OKAY, WRTE, CLSE; `shell,v2` and `sync:` SEND), commands are run
by the real /bin/sh, and networks are timed by the real LiteRT. What is made up: `/data/local/tmp` and `/sys` lie in
a folder, `getprop` and `taskset` are small scripts, and so is `benchmark_model`: it asks this process to do the
timing, so that it need not load LiteRT a hundred times. It goes wrong on order: see `FAULTS`.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean, median, pstdev
from typing import Self

from mnasnet.devices.android_about import PHONE_CPU_FOLDER, PHONE_THERMAL_FOLDER
from mnasnet.devices.runner import Clock, LoadedFile
from mnasnet.fakes.loopback_adb_link import AdbLink

FAULTS = {
    "unauthorized": "nobody allows the computer on the phone's screen",
    "drop_pushing": "the cable comes out while a file is sent",
    "drop_running": "the cable comes out while a network runs",
    "drop_asking": "the cable comes out while something else is asked",
    "storage_full": "there is no space left for a file",
    "hang": "the program does not end",
    "crash": "the program crashes",
    "killed": "the system ends the program",
    "wrong_abi": "the program is for another processor",
    "cut_short": "the program ends before it has printed the times",
    "cut_in_line": "the program ends in the middle of the line with the times",
    "fallback": "an operator is left to slower kernels",
    "no_delegate": "the program knows no XNNPACK",
}
"""What can be ordered, and what it stands for."""

MODEL, RELEASE, ABI = "Loopback 8", "14", "arm64-v8a"
MOST_MHZ = (1800, 1800, 1800, 1800, 2400, 2400, 2400, 2850)
"""Of each core: a big one, three middle ones and four little ones."""

SCRIPT = """#!/bin/sh
mkfifo "$0.$$"
echo "$0.$$ $*" > {requests}
{{ read -r status signal; cat; }} < "$0.$$"
[ "$signal" = 0 ] || kill -"$signal" $$
exit "$status"
"""
"""The benchmark_model that is sent to the phone: it has this process do the work, and prints what that says."""
GETPROP = f"""#!/bin/sh
case "$1" in
ro.product.model) echo '{MODEL}';;
ro.build.version.release) echo {RELEASE};;
ro.product.cpu.abi) echo {ABI};;
esac
"""
TASKSET = '#!/bin/sh\nshift\nexec "$@"\n'
"""Whose mask is of cores that this machine may not have."""

OUTPUT = """INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Graph: [{graph}]
INFO: Use xnnpack: [1]
INFO: Loaded model {graph}
INFO: Initialized TensorFlow Lite runtime.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
{delegated}INFO: The input model file size (MB): {size_mb:g}
INFO: Initialized session in 3.1ms.
INFO: Running benchmark for at least {warmup_runs} iterations and at least {warmup_min_secs:g} seconds but \
terminate if exceeding {max_secs:g} seconds.
INFO: {warm_up}

INFO: Running benchmark for at least {num_runs} iterations and at least {min_secs:g} seconds but terminate if \
exceeding {max_secs:g} seconds.
INFO: {timed}

INFO: Inference timings in us: Init: 3100, First inference: {first}, Warmup (avg): {warm_up_us:g}, \
Inference (avg): {timed_us:g}
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual \
memory footprint of the model at runtime. Take the information at your discretion.
INFO: Memory footprint delta from the start of the tool (MB): init=1.5 overall=2.25
"""
FALLBACK = (
    "INFO: Replacing 69 out of 70 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 2 partitions for "
    "subgraph 0.\n"
)
EXPLICITLY = "INFO: Explicitly applied XNNPACK delegate, and the model graph will be "


def adb() -> str:
    """The adb client that adbutils would use."""
    found = find_spec("adbutils")
    carried = Path(next(iter(found.submodule_search_locations or []))) if found else Path()
    return shutil.which("adb") or str(carried / "binaries" / "adb")


@contextlib.contextmanager
def private_adb_server() -> Iterator[int]:
    """An adb server of its own for this process, which sees no phone but those that `connect` names; its port.

    The developer's own one, with his phones, is left alone.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    before = {name: os.environ.get(name) for name in ("ANDROID_ADB_SERVER_PORT", "ANDROID_ADB_SERVER_HOST")}
    with tempfile.TemporaryDirectory(prefix="adb-") as home:
        mine = {
            "ANDROID_ADB_SERVER_PORT": str(port),
            "HOME": home,
            "TMPDIR": home,
            "ADB_USB": "0",
            "ADB_EMU": "0",
            "ADB_MDNS": "0",
        }
        subprocess.run([adb(), "start-server"], env=os.environ | mine, check=True, capture_output=True)
        os.environ["ANDROID_ADB_SERVER_PORT"] = str(port)
        os.environ.pop("ANDROID_ADB_SERVER_HOST", None)
        try:
            yield port
        finally:
            subprocess.run([adb(), "kill-server"], env=os.environ | mine, check=False, capture_output=True)
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def ask_adb_server(request: str) -> str:
    """What the adb server of this process answers, such as to `host:connect:ADDRESS`."""
    port = int(os.environ["ANDROID_ADB_SERVER_PORT"])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as server:
        server.sendall(f"{len(request):04x}{request}".encode())
        answer = server.makefile("rb").read()
    return answer[8:].decode()


class LoopbackPhone:
    """A phone at `address`, which is its serial number too; `with` plugs it in and takes it away again.

    The adb server of this process has to be a private one.
    """

    def __init__(self) -> None:
        self.model = MODEL
        self.faults: dict[str, float] = dict.fromkeys(FAULTS, 0)
        """How often each is still to happen; infinity for always."""
        self.prints_median = True
        """False as with older versions of benchmark_model."""
        self.away_s = 0.0
        """How long it stays away after a fault took its cable out."""
        self.commands: list[str] = []
        """What its shell was given, in order."""
        self.sent: list[str] = []
        """Where the files went that were sent to it, in order, whole or not."""
        self.run_s = 0.0
        """What all runs of benchmark_model took together, their starts as processes left out."""
        self._folder = tempfile.TemporaryDirectory(prefix="phone-")
        self.root = Path(self._folder.name)
        """Where its file system lies."""
        self.tmp = self.root / "data/local/tmp"
        """What it calls /data/local/tmp."""
        self.benchmark_model = self.root / "host/benchmark_model"
        """The file to give to `AndroidDevice`."""
        self._lock = threading.RLock()
        self._links: set[AdbLink] = set()
        self._threads: list[threading.Thread] = []
        self._furnish()
        self.shells: set[subprocess.Popen[bytes]] = set()
        """What runs now."""
        self._requests = self.root / "requests"
        os.mkfifo(self._requests)
        self._adbd: socket.socket | None = None
        self._return = threading.Timer(0, self._listen)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port: int = free.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"
        self.start(self._serve_programs)

    def plug_in(self) -> None:
        """Is there, and known to the adb server.

        Raises:
            TimeoutError: the server does not reach it for ten seconds.
        """
        self._listen()
        deadline = time.monotonic() + 10
        # A server that is just connecting again when it is told to forget the phone says that it is connected
        # already, and forgets it then.
        reached = "connected to", "failed to authenticate"
        while not (answer := self._connected_anew()).startswith(reached):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the adb server does not reach {self.address}: {answer}")
            time.sleep(0.05)

    def _connected_anew(self) -> str:
        """What the adb server says to that."""
        ask_adb_server(f"host:disconnect:{self.address}")
        return ask_adb_server(f"host:connect:{self.address}")

    def unplug(self) -> None:
        """Is gone until `plug_in`."""
        with self._lock:
            self._return.cancel()
            if self._adbd is not None:
                self._adbd.shutdown(socket.SHUT_RDWR)  # which wakes who waits in accept
                self._adbd.close()
                self._adbd = None
        self._hang_up()

    def drop(self) -> None:
        """Is gone for `away_s`."""
        if self.away_s:
            self.unplug()
            self._return = threading.Timer(self.away_s, self._listen)
            self._return.start()
        else:
            self._hang_up()

    def happens(self, fault: str) -> bool:
        """Whether the fault was ordered; it happens once less from now on."""
        with self._lock:
            ordered = self.faults[fault] > 0
            self.faults[fault] -= ordered
            return ordered

    def start(self, do: Callable[..., None], *arguments: object) -> None:
        """Runs something beside everything else, until a connection ends."""

        def quietly() -> None:
            with contextlib.suppress(OSError, EOFError):
                do(*arguments)

        thread = threading.Thread(target=quietly, daemon=True)
        self._threads.append(thread)
        thread.start()

    def on_this_machine(self, command: str) -> str:
        """The command with this machine's paths in place of the phone's."""
        return command.replace("/data/local/tmp", str(self.tmp)).replace("/sys/", f"{self.root}/sys/")

    def __enter__(self) -> Self:
        self.plug_in()
        return self

    def __exit__(self, *error: object) -> None:
        self.unplug()
        ask_adb_server(f"host:disconnect:{self.address}")
        for shell in list(self.shells):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
        self._requests.write_text("end\n", encoding="utf-8")
        for thread in self._threads:
            thread.join(timeout=1)
        self._folder.cleanup()

    def _furnish(self) -> None:
        """Its folders, its programs and what its system tells."""
        self.tmp.mkdir(parents=True)
        files = {
            "bin/getprop": GETPROP,
            "bin/taskset": TASKSET,
            "host/benchmark_model": SCRIPT.format(requests=self.root / "requests"),
            f"{PHONE_THERMAL_FOLDER}/thermal_zone0/type": "cpu-0-0",
            f"{PHONE_THERMAL_FOLDER}/thermal_zone0/temp": "31500",
            f"{PHONE_THERMAL_FOLDER}/thermal_zone1/type": "soc",
            f"{PHONE_THERMAL_FOLDER}/thermal_zone1/temp": "100",
        }
        for number, mhz in enumerate(MOST_MHZ):
            folder = f"{PHONE_CPU_FOLDER}/cpu{number}/cpufreq"
            files[f"{folder}/cpuinfo_max_freq"] = f"{mhz * 1000}\n"
            files[f"{folder}/scaling_cur_freq"] = "576000\n"
            files[f"{folder}/scaling_governor"] = "schedutil\n"
        for name, text in files.items():
            path = self.root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755)

    def _listen(self) -> None:
        with self._lock:
            if self._adbd is None:
                self._adbd = socket.create_server(("127.0.0.1", self._port))
                self.start(self._serve_clients, self._adbd)

    def _serve_clients(self, listener: socket.socket) -> None:
        while True:
            self.start(self._serve_client, listener.accept()[0])

    def _serve_client(self, connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = AdbLink(self, connection)
            self._links.add(link)
            try:
                link.serve()
            finally:
                self._links.discard(link)
                link.end_shells()

    def _hang_up(self) -> None:
        for link in list(self._links):
            with contextlib.suppress(OSError):
                link.connection.shutdown(socket.SHUT_RDWR)

    def _serve_programs(self) -> None:
        """What benchmark_model does, asked by a script of that name."""
        with os.fdopen(os.open(self._requests, os.O_RDWR), "r+b", buffering=0) as requests:
            while (request := requests.readline().decode().split()) != ["end"]:
                begun = time.perf_counter()
                replies, *options = request
                if self.happens("hang"):
                    continue  # until somebody ends the script
                if self.happens("drop_running"):
                    self.drop()
                reply = self._benchmark(dict(option.lstrip("-").split("=", 1) for option in options))
                self.run_s += time.perf_counter() - begun
                self.start(
                    _write_reply, Path(replies), reply
                )  # beside, as nobody reads it where the script was ended

    def _benchmark(self, options: dict[str, str]) -> str:
        """Exit status and signal, and from the next line on what is printed."""
        graph = options["graph"]
        if self.happens("crash"):
            return f"0 {signal.SIGSEGV:d}\n"
        if self.happens("killed"):
            return f"0 {signal.SIGKILL:d}\n"
        if self.happens("wrong_abi"):
            return f"126 0\nsh: {Path(graph).with_name('benchmark_model')}: not executable: 64-bit ELF file\n"
        try:
            network = LoadedFile(graph, threads=int(options["num_threads"]))
        except ValueError as error:
            return f"1 0\nERROR: {error}\nERROR: Benchmarking failed.\n"
        clock = Clock(name="wall time", now_ns=time.perf_counter_ns)
        warm_up, timed = (
            [max(1, round(1000 * ms)) for ms in network.time_ms(clock, 1000 * float(options[name]))]
            for name in ("warmup_min_secs", "min_secs")
        )
        delegated = EXPLICITLY + "completely executed by the delegate.\n"
        if self.happens("fallback") or network.not_delegated:
            delegated = FALLBACK + EXPLICITLY + "partially executed by the delegate w/ 1 delegate kernels.\n"
        if self.happens("no_delegate"):
            delegated = ""
        output = OUTPUT.format(
            graph=graph,
            delegated=delegated,
            size_mb=Path(graph).stat().st_size / 1e6,
            warm_up=self._summary(warm_up),
            timed=self._summary(timed),
            first=warm_up[0],
            warm_up_us=fmean(warm_up),
            timed_us=fmean(timed),
            **{name: float(options[name]) for name in ("warmup_min_secs", "min_secs", "max_secs")},
            **{name: int(options[name]) for name in ("warmup_runs", "num_runs")},
        )
        summary = output.rindex("count=")
        if self.happens("cut_short"):
            output = output[:summary]
        elif self.happens("cut_in_line"):
            output = output[: output.index("curr=", summary) + len("curr=1")]
        return f"0 0\n{output}"

    def _summary(self, times_us: list[int]) -> str:
        """As `StatWithPercentiles` of TensorFlow prints it, or the older `Stat`."""
        count, last = len(times_us), times_us[-1]
        if len(set(times_us)) == 1:
            text = f"count={count} curr={last}" + ("(all same)" if count > 1 else "")
        else:
            text = (
                f"count={count} first={times_us[0]} curr={last} min={min(times_us)} max={max(times_us)} "
                f"avg={fmean(times_us):g} std={int(pstdev(times_us))}"
            )
        if not self.prints_median:
            return text
        ordered = sorted(times_us)
        return (
            f"{text} p5={ordered[count // 20]} median={int(median(ordered))} p95={ordered[count * 95 // 100]}"
        )


def _write_reply(pipe: Path, text: str) -> None:
    pipe.write_text(text, encoding="utf-8")
    pipe.unlink()
