"""The record of a run of bench/peers.py as Markdown: machine, commit, peak, and a table per job."""

import pathlib
import statistics
import subprocess
from dataclasses import dataclass

# Above this number of networks, a table has a row per network instead of one per engine.
MANY = 6
FORMATS = [("f32", "GFLOP/s"), ("bf16", "GFLOP/s"), ("int8", "GOP/s")]
NOTES = {
    "onednn": "`onednn` is torch's oneDNN on its own blocked layouts with prepacked weights, forward only; "
    "`torch` and `torch-channels-last` are the cost of a call, including reorders.",
    "torch-compile": "`torch-compile` is `torch.compile` with its defaults.",
    "openvino-bf16": "OpenVINO's default is bf16 on this processor; the precision is always set here.",
}


@dataclass
class Run:
    """The content of a record."""

    name: str
    date: str
    command: str
    # Of the checkout when the run began.
    commit: str
    machine: str
    threads: int
    # Load average before the run, and the largest share of the machine used by others during a measurement.
    load: float
    disturbance: float
    # Results of `striate bench peak`, one per round.
    peaks: list
    # Job -> engine -> results, one per round; `beside` the same next to a busy process.
    results: dict
    beside: dict
    # (engine, job) -> why it was skipped.
    dropped: dict


def commit():
    def git(*arguments):
        command = ["git", "-C", str(pathlib.Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (" with uncommitted changes" if changed else "")


def median_of(results, key="images_per_second"):
    return statistics.median(result[key] for result in results)


def number(value):
    """Formats a number with three or four digits and thousands separators."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def rounds_text(values):
    return ", ".join(number(value) for value in values)


def of_precision(engine):
    return "bf16" if "bf16" in engine else "f32"


def table(head, rows):
    return "\n".join(["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]) + "\n"


def network_section(job, results):
    """Returns a table of images per second, with the ratio to the best peer of each precision."""
    median = {engine: median_of(rounds) for engine, rounds in results.items() if rounds}
    rows, sums = [], []
    for precision in ("f32", "bf16"):
        ours = "striate" if precision == "f32" else "striate-bf16"
        peers = {e: m for e, m in median.items() if not e.startswith("striate") and of_precision(e) == precision}
        ordered = ([ours] if ours in median else []) + sorted(peers, key=peers.get, reverse=True)
        for engine in ordered:
            ratio = f"{median[ours] / median[engine]:.2f}" if ours in median else "–"
            rounds = rounds_text([result["images_per_second"] for result in results[engine]])
            rows.append([engine, precision, number(median[engine]), rounds, ratio])
        if ours in median and peers:
            best = max(peers, key=peers.get)
            sums.append(f"In {precision} striate is {median[ours] / peers[best]:.2f} times the best peer, {best}.")
    text = f"## {job.title()}\n\n"
    text += table(["engine", "precision", "images/s", "rounds", "striate's ratio to it"], rows)
    ours = results.get("striate") or []
    if ours:
        sums.append(f"Striate computes at {median_of(ours, 'percent_of_peak'):.0f} % of the peak.")
    return text + "\n" + " ".join(sums) + "\n"


def networks_section(title, jobs):
    """Returns a table with a row per network, of medians with the rounds in brackets, in f32; `jobs` is job -> engine ->
    results."""
    engines = {engine for results in jobs.values() for engine, rounds in results.items() if rounds}
    peers = sorted(engine for engine in engines if not engine.startswith("striate") and of_precision(engine) == "f32")
    rows = []
    for job, results in jobs.items():
        median = {engine: median_of(results[engine]) for engine in ("striate", *peers) if results.get(engine)}
        cells = []
        for engine in ("striate", *peers):
            rounds = rounds_text([result["images_per_second"] for result in results.get(engine, [])])
            cells.append(f"{number(median[engine])} ({rounds})" if engine in median else "–")
        best = max((median[peer] for peer in peers if peer in median), default=None)
        ratio = f"{median['striate'] / best:.2f}" if best and "striate" in median else "–"
        rows.append([job.subject, *cells, ratio])
    head = ["network", *(f"{engine} (rounds)" for engine in ("striate", *peers)), "ratio to the best peer"]
    return f"## {title}\n\nImages per second.\n\n" + table(head, rows)


def busy_section(job, alone, beside):
    rows = []
    for engine in alone:
        if alone[engine] and beside[engine]:
            a, b = median_of(alone[engine]), median_of(beside[engine])
            figures = [
                rounds_text([r["images_per_second"] for r in rounds]) for rounds in (alone[engine], beside[engine])
            ]
            rows.append([engine, f"{number(a)} ({figures[0]})", f"{number(b)} ({figures[1]})", f"{b / a:.0%}"])
    head = ["engine", "images/s alone (rounds)", "beside one busy process (rounds)", "share"]
    return f"## {job.title()}\n\n" + table(head, rows)


def kernels_section(job, results):
    """Returns a line per problem in GFLOP/s, and totals weighted by the counts of the problems."""
    title = f"## {job.title()}\n\n"
    if not results["striate"]:
        return title + "Striate did not take part.\n"
    ours = [result.get("problems", [result]) for result in results["striate"]]
    problems = ours[0]
    operations = [problem["gflops"] * problem["seconds"] for problem in problems]
    # Engine -> median seconds of each problem; None if it has no such kernel.
    seconds = {"striate": medians([[problem["seconds"] for problem in result] for result in ours])}
    for engine, rounds in results.items():
        if engine != "striate" and rounds:
            values = medians([result["seconds"] for result in rounds])
            if any(values):
                seconds[engine] = values
    percent = medians([[problem["percent_of_peak"] for problem in result] for result in ours])

    rows = []
    for i, problem in enumerate(problems):
        times = {engine: values[i] for engine, values in seconds.items()}
        name = problem["name"] or problem["problem"]
        name += f" ×{problem['count']}" if problem["count"] > 1 else ""
        rows.append(kernels_row(name, operations[i], times, percent[i]))
    counts = [problem["count"] for problem in problems]
    total = {
        engine: sum(c * s for c, s in zip(counts, values)) if None not in values else None
        for engine, values in seconds.items()
    }
    work = sum(c * o for c, o in zip(counts, operations))
    # Of the peaks the rows' own percentages are of.
    peak = statistics.median(p["gflops"] * 100 / p["percent_of_peak"] for result in ours for p in result)
    rows.append(kernels_row("total", work, total, work / total["striate"] * 100 / peak))
    head = ["problem", "striate (of peak)", *(engine for engine in seconds if engine != "striate"), "ratio to the best"]
    return title + "GFLOP/s, medians of rounds.\n\n" + table(head, rows)


def kernels_row(name, operations, times, percent):
    cells = [f"{operations / time:.0f}" if time else "–" for time in times.values()]
    cells[0] += f" ({percent:.0f} %)"
    best = min((time for engine, time in times.items() if engine != "striate" and time), default=None)
    return [name, *cells, f"{best / times['striate']:.2f}" if best else "–"]


def medians(rounds):
    """Returns element-wise medians over rounds of equal length; None stays None."""
    return [None if None in values else statistics.median(values) for values in zip(*rounds)]


def sections(run):
    """Returns a section per job, or one for many networks in the same mode at the same batch size."""
    alike = {}
    for job, results in run.results.items():
        alike.setdefault((job.mode, job.batch, job.direction), {})[job] = results
    parts = []
    for (mode, batch, _), jobs in alike.items():
        if mode in ("infer", "train") and len(jobs) > MANY:
            title = {"infer": "Inference", "train": "Training"}[mode]
            parts.append(networks_section(f"{title}, batch {batch}", jobs))
            continue
        for job, results in jobs.items():
            if mode == "busy":
                parts.append(busy_section(job, results, run.beside[job]))
            elif mode == "kernels":
                parts.append(kernels_section(job, results))
            else:
                parts.append(network_section(job, results))
    return parts


def record(run):
    """Returns the record as Markdown."""
    used = {engine for engines in run.results.values() for engine, rounds in engines.items() if rounds}
    rounds_of_all = [rounds for engines in run.results.values() for rounds in engines.values()]
    versions = sorted({result["version"] for rounds in rounds_of_all for result in rounds if "version" in result})

    def measured(key):
        return ", ".join(f"{peak[key]:.3g}" for peak in run.peaks)

    formats = [f"{key} {measured(key)} {unit}" for key, unit in FORMATS if run.peaks[0][key]]
    lines = [
        f"# {run.name}, {run.date}",
        "",
        f"Machine: {run.machine}. Instruction set of striate: {run.peaks[0]['isa']}. Threads: {run.threads} for "
        "every engine.",
        f"Commit: {run.commit}. Precision: f32 unless a table says bf16.",
        f"Peak at the start of each round: {'; '.join(formats)}; memory {measured('memory')} GB/s; core to core "
        f"{measured('core_to_core')} GB/s.",
        f"Peers: {', '.join(versions) or 'none'}. {len(run.peaks)} interleaved rounds, each measurement in its own "
        "process; medians.",
        f"Load average before: {run.load:.2f}; other processes used at most {run.disturbance:.0%} of the machine during "
        "a measurement.",
        *(text for engine, text in NOTES.items() if engine in used),
        "",
        f"    {run.command}",
        "",
    ]
    lines += sections(run)
    for (engine, job), reason in run.dropped.items():
        lines.append(f"{engine} did not take part in {job.title()}: {reason}\n")
    return "\n".join(lines).rstrip() + "\n"
