"""The measurements of an unfinished run of bench/peers.py, in a file, so that the same command can continue it."""

import dataclasses
import json
import os


class State:
    """Peaks, and groups of measurements: one job in one round, with all engines one after the other."""

    def __init__(self, folder, identity, commit):
        """Continues the run in `folder` if there is one of the same `identity`; raises ValueError if there is another."""
        self.path = folder / "state.json"
        self.content = {
            "identity": identity,
            "commit": commit,
            "load": os.getloadavg()[0],
            "disturbance": 0.0,
            "peaks": [],
            "groups": [],
            "dropped": [],
        }
        if self.path.exists():
            content = json.loads(self.path.read_text())
            if content["identity"] != identity:
                raise ValueError(f"{folder} contains an unfinished run of another command or program; remove it")
            self.content = content

    def __getitem__(self, name):
        return self.content[name]

    def has(self, number, job):
        """Whether the group of `job` in round `number` is complete."""
        return any(group["round"] == number and group["job"] == as_list(job) for group in self["groups"])

    def add(self, number, job, alone, beside, dropped, disturbance):
        """Stores a group: engine -> result, alone and beside a busy process, and what is dropped so far."""
        group = {"round": number, "job": as_list(job), "alone": alone, "beside": beside}
        self["groups"].append(group)
        self.content["dropped"] = [[engine, as_list(job), reason] for (engine, job), reason in dropped.items()]
        self.content["disturbance"] = max(self["disturbance"], disturbance)
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(self.content))
        temporary.replace(self.path)

    def dropped(self, jobs):
        """Returns (engine, job) -> why it was skipped."""
        known = {tuple(as_list(job)): job for job in jobs}
        return {(engine, known[tuple(job)]): reason for engine, job, reason in self["dropped"]}

    def results(self, jobs, engines, where):
        """Returns job -> engine -> results, one per round; `where` is alone or beside."""
        groups = {job: [group[where] for group in self["groups"] if group["job"] == as_list(job)] for job in jobs}
        return {
            job: {engine: [group[engine] for group in groups[job] if engine in group] for engine in engines[job]}
            for job in jobs
        }


def as_list(job):
    return list(dataclasses.astuple(job))
