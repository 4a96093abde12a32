#!/usr/bin/env python3
"""Striate beside other engines, in interleaved rounds, written to a dated record.

    cargo build --release && scripts/peers-setup.sh
    target/peers-venv/bin/python bench/peers.py --name lenet5 infer:lenet5:1,64 train:lenet5:64
    target/peers-venv/bin/python bench/peers.py --name base kernels:bench/problems/base.txt
    target/peers-venv/bin/python bench/peers.py --name busy busy:lenet5:64

A job is one of

    infer:NETWORK:BATCHES    forward passes, images per second
    train:NETWORK:BATCHES    training steps: SGD with momentum 0.9 on one batch, without data loading
    busy:NETWORK:BATCH       training steps alone and beside one busy process; the remaining share
    kernels:FILE:DIRECTIONS[:BATCH]    the problems of a file; directions forward,data,weights (default: all)

NETWORK is lenet5, resnet20 (and the other ResNets for CIFAR-10), a torchvision name (resnet50, inception_v3 …), or with
`--onnx striate` any name in `striate models`; several are separated by commas, and `all` stands for all of striate's.
Each measurement runs in its own process (bench/peer.py for the peers); a round runs all jobs with all engines once, so
that drift of the machine affects all equally, and the median of rounds is reported. Each round starts by measuring the
machine's peak. A measurement disturbed by other processes is repeated. With `--minutes`, a long run is split: the same
command continues it until it is complete. This script needs only standard Python; a peer whose package is missing is
reported and skipped.
"""

import argparse
import contextlib
import datetime
import fcntl
import hashlib
import importlib.util
import json
import os
import pathlib
import platform
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from peers_record import Run, commit, record
from peers_state import State

ROOT = pathlib.Path(__file__).resolve().parents[1]
DIRECTIONS = ["forward", "data", "weights"]

# The engines for each kind of job; those with "bf16" only if the processor supports it.
PEERS = {
    "infer": ["torch", "torch-channels-last", "torch-compile", "onnxruntime", "openvino", "torch-bf16", "openvino-bf16"],
    "train": ["torch", "torch-channels-last", "torch-compile", "tensorflow", "torch-bf16"],
    "busy": ["torch"],
    "kernels": ["torch", "torch-channels-last", "onednn"],
}  # fmt: skip
ONNX_READERS = {"onnxruntime", "openvino", "openvino-bf16"}
PACKAGES = {
    "torch": ["torch", "torchvision"],
    "onednn": ["torch"],
    "onnxruntime": ["torch", "torchvision", "onnx", "onnxruntime"],
    "openvino": ["torch", "torchvision", "onnx", "openvino"],
    "tensorflow": ["tensorflow", "torch", "torchvision"],
}


@dataclass(frozen=True)
class Job:
    """One table of the record: a network at one batch size, or a file of problems in one direction."""

    mode: str
    subject: str
    batch: int | None = None
    direction: str | None = None

    def title(self):
        if self.mode == "kernels":
            batch = f", batch {self.batch}" if self.batch else ""
            return f"Convolutions of {self.subject}, {self.direction}{batch}"
        what = {"infer": "Inference of", "train": "Training of", "busy": "Beside one busy process: training of"}
        return f"{what[self.mode]} {self.subject}, batch {self.batch}"


def fail(text):
    print(f"peers: {text}", file=sys.stderr)
    sys.exit(2)


def say(text):
    print(f"peers: {text}", file=sys.stderr, flush=True)


def jobs_of(text, models):
    mode, *rest = text.split(":")
    if mode not in PEERS or not rest:
        fail(f"{text}: not a job; see --help")
    try:
        if mode == "kernels":
            if not os.path.isfile(rest[0]):
                fail(f"{text}: file {rest[0]} not found")
            directions = rest[1].split(",") if len(rest) > 1 and rest[1] else DIRECTIONS
            if not set(directions) <= set(DIRECTIONS):
                fail(f"{text}: directions must be among {', '.join(DIRECTIONS)}")
            batch = int(rest[2]) if len(rest) > 2 else None
            return [Job(mode, rest[0], batch, direction) for direction in directions]
        networks = list(models) if rest[0] == "all" else rest[0].split(",")
        batches = rest[1].split(",") if len(rest) > 1 else ["1" if mode == "infer" else "16"]
        return [Job(mode, network, int(batch)) for batch in batches for network in networks]
    except ValueError:
        fail(f"{text}: the batch must be a number")


class Machine:
    """Returns the description of the machine for the record."""

    def __init__(self):
        info = {}
        with contextlib.suppress(OSError):
            for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
                key, _, value = line.partition(":")
                info.setdefault(key.strip(), value.strip())
        self.processor = info.get("model name") or platform.processor() or platform.machine()
        flags = set(info.get("flags", info.get("Features", "")).split())
        self.sets = [
            name for name in ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if name in flags
        ]
        self.virtual = "hypervisor" in flags
        self.bf16 = bool(flags & {"avx512_bf16", "amx_bf16"})
        self.cores = cores()

    def text(self):
        virtual = ", virtual" if self.virtual else ""
        return f"{self.processor} ({self.cores} cores{virtual}; {', '.join(self.sets) or platform.machine()}), {platform.system()}"


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def busy_seconds():
    """Returns the processor time used, or stolen by other guests of the host, since the start, over all cores."""
    try:
        ticks = [int(x) for x in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    except OSError:
        return None
    user, nice, system, _idle, _wait, irq, softirq, steal = ticks
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def busy_process():
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


class Bench:
    """Runs measurements, one at a time."""

    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        # Network of a job -> its name in `striate models`.
        self.names = {}
        # (engine, job) -> why it was skipped.
        self.dropped = {}
        # The largest share of the machine used by other processes during an accepted measurement.
        self.worst = 0.0
        # Writes a network of striate's as ONNX.
        self.exporter = args.striate.parent / "examples/export_onnx"
        # Each engine has its own thread setting; all OpenMP engines use this one.
        self.environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(args.threads),
            "TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor",
        }

    def run(self, command, beside=contextlib.nullcontext):
        """Runs `command`, and repeats it a few times if other processes used the machine meanwhile. (Other guests of the
        host count too, if the system reports stolen time.)"""
        for attempt in range(self.args.attempts):
            with self.lock():
                begin, used, children = time.monotonic(), busy_seconds(), children_seconds()
                with beside():
                    done = subprocess.run(command, capture_output=True, text=True, env=self.environment)
                seconds = time.monotonic() - begin
            if done.returncode != 0 or used is None:
                return done
            others = busy_seconds() - used - (children_seconds() - children)
            share = min(max(others / (seconds * cores()), 0.0), 1.0)
            if share <= self.args.disturbance:
                break
            if attempt + 1 < self.args.attempts:
                say(f"other processes used {share:.0%} of the machine; measuring again")
                time.sleep(5 * 3**attempt)
        self.worst = max(self.worst, share)
        return done

    @contextlib.contextmanager
    def lock(self):
        if not self.args.lock:
            yield
            return
        with open(self.args.lock, "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def striate(self, *arguments, beside=contextlib.nullcontext):
        """Returns the binary's JSON output and None, or None and the line that states what is missing."""
        command = [str(self.args.striate), *arguments, "--json"]
        done = self.run(command, beside)
        if done.returncode != 0:
            return None, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "it failed"
        return json.loads(done.stdout), None

    def peak(self):
        result, error = self.striate("bench", "peak", "--threads", str(self.args.threads))
        if result is None:
            fail(f"striate bench peak: {error}")
        return result

    def models(self):
        """Returns the parameter counts of striate's networks by name."""
        result, error = self.striate("models")
        if result is None:
            fail(f"striate models: {error}")
        return {model["name"]: model["params"] for model in result["models"]}

    @contextlib.contextmanager
    def onnx(self, job):
        """Provides striate's ONNX file of the network of `job`, if the peers are to read it."""
        if self.args.onnx != "striate" or job.mode != "infer" or job.subject not in self.names:
            yield
            return
        path = pathlib.Path(self.folder) / f"{job.subject}.onnx"
        command = [str(self.exporter), self.names[job.subject], str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            fail(f"export_onnx: {done.stderr.strip()}")
        # Hundreds of megabytes, which should not be written during a measurement.
        os.sync()
        yield
        path.unlink()

    def measure(self, job, engine, beside=contextlib.nullcontext):
        """Returns the result of one engine in one round; None if it cannot take part, which is reported once."""
        if (engine, job) in self.dropped:
            return None
        mode = "train" if job.mode == "busy" else job.mode
        seconds = self.args.kernel_seconds if mode == "kernels" else self.args.seconds
        common = ["--threads", str(self.args.threads), "--seconds", str(seconds)]
        if job.batch:
            common += ["--batch", str(job.batch)]
        if job.direction:
            common += ["--direction", job.direction]
        if engine.startswith("striate"):
            precision = ["--precision", "bf16" if "bf16" in engine else "f32"]
            subject = self.names.get(job.subject, job.subject)
            result, error = self.striate("bench", mode, subject, *common, *precision, beside=beside)
        else:
            script = pathlib.Path(__file__).with_name("peer.py")
            command = [sys.executable, str(script), mode, engine, job.subject, *common, "--folder", self.folder]
            done = self.run(command, beside)
            lines = done.stdout.strip().splitlines()
            result = json.loads(lines[-1]) if done.returncode == 0 else None
            error = (done.stderr.strip().splitlines() or ["it failed"])[-1]
        if result is None:
            self.dropped[engine, job] = error
            say(f"{engine} does not take part in {job.title()}: {error}")
        return result


def missing(engine):
    names = PACKAGES[engine.split("-")[0]]
    return [name for name in names if importlib.util.find_spec(name) is None]


def pinned(packages):
    """Returns the packages with the versions installed by scripts/peers-setup.sh."""
    pins = {}
    for file in ("peers-requirements.txt", "peers-tensorflow.txt"):
        lines = (ROOT / "scripts" / file).read_text().splitlines()
        pins |= {line.split("==")[0].removesuffix("-cpu"): line for line in lines if "==" in line}
    return " ".join(pins[name] for name in packages)


def engines_of(job, args, machine, names):
    """Returns striate, if it has the network, followed by the installed and requested peers."""
    peers = [peer for peer in PEERS[job.mode] if machine.bf16 or "bf16" not in peer]
    if args.peers:
        peers = [peer for peer in args.peers.split(",") if peer in PEERS[job.mode]]
    ours = ["striate"] if job.mode == "kernels" or job.subject in names else []
    ours += ["striate-bf16"] if ours and any("bf16" in peer for peer in peers) else []
    return ours + [peer for peer in peers if not missing(peer)]


def say_what_is_missing(jobs, args, machine):
    """Prints a line for each set of packages that is not installed."""
    wanted = {peer for job in jobs for peer in PEERS[job.mode]}
    lacks = {}
    for peer in wanted & set(args.peers.split(",")) if args.peers else wanted:
        if missing(peer):
            lacks.setdefault(tuple(missing(peer)), set()).add(peer)
    for packages, peers in lacks.items():
        command = f"{sys.executable} -m pip install {pinned(packages)}"
        say(f"without {', '.join(sorted(peers))}: not installed; {command}")
    if not machine.bf16:
        say("without bf16: this processor does not compute in it")


def torch_parameters(network):
    """Returns torch's parameter count, which distinguishes variants of a name; None without torch or the network."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import torch, torch_networks\n"
        "with torch.device('meta'): network = torch_networks.torch_network(sys.argv[2])\n"
        "print(sum(p.numel() for p in network.parameters()))"
    )
    command = [sys.executable, "-c", code, str(pathlib.Path(__file__).parent), network]
    done = subprocess.run(command, capture_output=True, text=True)
    return int(done.stdout.split()[-1]) if done.returncode == 0 else None


def find_networks(jobs, args, models):
    """Returns the name in `striate models` of each network that has as many parameters as torch's; for others, prints a
    line, and the peers run alone."""
    names = {}
    # Striate's own export is the same network without a check.
    same_export = args.onnx == "striate" and args.peers and set(args.peers.split(",")) <= ONNX_READERS
    for network in sorted({job.subject for job in jobs if job.mode != "kernels"}):
        theirs = None if same_export else torch_parameters(network)
        like = [n for n in (network, network.replace("_", "-"), f"{network}-torchvision") if n in models]
        same = [name for name in like if theirs in (None, models[name])]
        if same:
            names[network] = same[0]
        elif like:
            counts = ", ".join(f"{name} with {models[name]:,}" for name in like)
            say(f"{network} with {theirs:,} parameters: striate has only {counts}; the peers run alone")
        else:
            say(f"{network}: not in striate models, which has {', '.join(models)}; the peers run alone")
    return names


def run_rounds(bench, jobs, engines, state):
    """Adds the missing measurements to `state`; returns whether all are there, or the minutes are over."""
    minutes = bench.args.minutes
    end = time.monotonic() + 60 * minutes if minutes else float("inf")
    for number in range(1, bench.args.rounds + 1):
        if len(state["peaks"]) < number:
            state["peaks"].append(bench.peak())
        for job in jobs:
            if state.has(number, job):
                continue
            if time.monotonic() > end:
                return False
            with bench.onnx(job):
                alone, beside = run_job(bench, job, engines[job], number)
            state.add(number, job, alone, beside, bench.dropped, bench.worst)
    return True


def run_job(bench, job, engines, number):
    """Returns engine -> result, alone and beside a busy process."""
    alone, beside = {}, {}
    for engine in engines:
        say(f"round {number} of {bench.args.rounds}: {job.title()}: {engine}")
        alone[engine] = bench.measure(job, engine)
        if job.mode == "busy" and alone[engine] is not None:
            beside[engine] = bench.measure(job, engine, busy_process)
    return [{engine: result for engine, result in of.items() if result is not None} for of in (alone, beside)]


def command_line(args):
    """Returns the command line without paths of this machine."""
    words = ["bench/peers.py", "--name", args.name, "--rounds", str(args.rounds), "--threads", str(args.threads)]
    words += ["--seconds", f"{args.seconds:g}", "--kernel-seconds", f"{args.kernel_seconds:g}"]
    words += ["--peers", args.peers] if args.peers else []
    words += ["--onnx", args.onnx] if args.onnx != "torch" else []
    return shlex.join([*words, *args.jobs])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("jobs", nargs="+", metavar="JOB")
    parser.add_argument("--name", required=True, help="name of the record: bench/records/DATE-NAME.md")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=cores(), help="threads of every engine (default: all cores)")
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds per measurement of a network")
    parser.add_argument("--kernel-seconds", type=float, default=0.3, help="seconds per problem")
    parser.add_argument("--peers", help="only these peers, separated by commas")
    whose = "whose ONNX export the peers read (default: torch's)"
    parser.add_argument("--onnx", choices=["torch", "striate"], default="torch", help=whose)
    parser.add_argument("--minutes", type=float, help="stop after this time; the same command continues")
    parser.add_argument("--records", type=pathlib.Path, default=ROOT / "bench/records", help="folder of the record")
    default = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/striate"
    parser.add_argument("--striate", type=pathlib.Path, default=default, help="striate binary")
    parser.add_argument("--lock", help="file to lock (flock) during each measurement, on a shared machine")
    parser.add_argument("--disturbance", type=float, default=0.05, help="largest share of the machine that other processes may use")
    parser.add_argument("--attempts", type=int, default=4, help="attempts for a disturbed measurement")
    args = parser.parse_args()
    args.date = datetime.date.today().isoformat()
    known = {peer for peers in PEERS.values() for peer in peers}
    if args.peers and not set(args.peers.split(",")) <= known:
        fail(f"--peers must be among {', '.join(sorted(known))}")
    if args.rounds < 1 or args.threads < 1 or args.attempts < 1:
        fail("--rounds, --threads and --attempts must be at least 1")
    if not args.name.replace("-", "").replace(".", "").replace("_", "").isalnum():
        fail("--name may contain only letters, digits, '-', '_' and '.'")
    if not args.striate.is_file():
        fail(f"{args.striate} not found; run cargo build --release, or use --striate")
    if args.onnx == "striate" and not (args.striate.parent / "examples/export_onnx").is_file():
        fail("--onnx striate needs the example export_onnx; run cargo build --release --package striate --examples")
    return args


@contextlib.contextmanager
def run_folder(args):
    """Provides the folder of the run's files: with --minutes one that stays until the run is complete."""
    if not args.minutes:
        with tempfile.TemporaryDirectory() as folder:
            yield pathlib.Path(folder)
        return
    folder = ROOT / "target/peers" / args.name
    folder.mkdir(parents=True, exist_ok=True)
    yield folder


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main():
    args = arguments()
    machine = Machine()
    with run_folder(args) as folder:
        bench = Bench(args, folder)
        models = bench.models()
        jobs = [job for text in args.jobs for job in jobs_of(text, models)]
        say_what_is_missing(jobs, args, machine)
        try:
            state = State(folder, [command_line(args), digest(args.striate)], commit())
        except ValueError as reason:
            fail(reason)
        bench.dropped = state.dropped(jobs)
        bench.names = find_networks(jobs, args, models)
        engines = {job: engines_of(job, args, machine, bench.names) for job in jobs}
        if not run_rounds(bench, jobs, engines, state):
            say(f"{len(state['groups'])} of {args.rounds * len(jobs)} groups measured; the same command continues")
            sys.exit(3)
        run = Run(
            name=args.name,
            date=args.date,
            command=command_line(args),
            commit=state["commit"],
            machine=machine.text(),
            threads=args.threads,
            load=state["load"],
            disturbance=state["disturbance"],
            peaks=state["peaks"],
            results=state.results(jobs, engines, "alone"),
            beside=state.results(jobs, engines, "beside"),
            dropped=bench.dropped,
        )
        text = record(run)
        path = args.records / f"{args.date}-{args.name}.md"
        path.write_text(text)
        if args.minutes:
            shutil.rmtree(folder)
    print(text)
    say(f"written to {path}")


if __name__ == "__main__":
    main()
