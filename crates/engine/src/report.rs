//! Plans as tables: steps, algorithms, bytes, and for a profiled run also times and GFLOP/s.

use std::fmt;

use striate_tensor::text::{cell, pad};

/// The figures of one step of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// The layers that it computes.
    pub name: String,
    /// The operation.
    pub op: &'static str,
    /// The implementation.
    pub algorithm: String,
    /// Shape of its first output.
    pub output: String,
    /// Layout and element type of its first output.
    pub format: String,
    /// Whether it runs only once, as long as the weights do not change.
    pub once: bool,
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes read and written.
    pub bytes: u64,
    /// Mean time in seconds, if measured.
    pub seconds: Option<f64>,
}

impl StepReport {
    /// Floating-point operations per second, in GFLOP/s, if measured.
    pub fn gflops(&self) -> Option<f64> {
        let seconds = self.seconds.filter(|_| self.flops > 0)?;
        Some(self.flops as f64 / seconds.max(f64::MIN_POSITIVE) / 1e9)
    }
}

/// The figures of a plan; displays as a table, in which steps that run once are one line.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanReport {
    /// The network's name.
    pub name: String,
    /// Whether it is the plan of a training step, not of inference.
    pub trains: bool,
    /// The device.
    pub device: String,
    /// The steps, in order.
    pub steps: Vec<StepReport>,
    /// Peak memory of a run, in bytes.
    pub peak_bytes: usize,
    /// Size of the arena alone, in bytes.
    pub work_bytes: usize,
}

/// The starts of the names of operations that consist of multiplications with weights or of matrices.
const MULTIPLIES: [&str; 4] = ["conv", "linear", "locally_connected", "matmul"];
/// The operations that only move bytes, as their gradients do; conversions include transforms of weights.
const MOVES: [&str; 8] = ["reorder", "cast", "concat", "slice", "transpose", "pad", "pad_channels", "gather"];

impl PlanReport {
    /// The number of steps that run each time.
    pub fn repeated_steps(&self) -> usize {
        self.steps.iter().filter(|step| !step.once).count()
    }

    /// The seconds of the measured steps by what they do; `None` if no time was measured.
    pub fn time_shares(&self) -> Option<TimeShares> {
        let mut shares = TimeShares::default();
        let mut any = false;
        for (step, seconds) in self.steps.iter().filter_map(|step| Some((step, step.seconds?))) {
            let share = match step.op {
                op if MULTIPLIES.iter().any(|start| op.starts_with(start)) => &mut shares.convolution,
                op if MOVES.contains(&op.trim_end_matches("_gradient")) => &mut shares.moves,
                _ => &mut shares.rest,
            };
            *share += seconds;
            any = true;
        }
        any.then_some(shares)
    }

    /// Returns the report as a table: with every step that runs once if it `lists_once`, and with the percentage of
    /// `peak` GFLOP/s if it is known.
    pub fn table(&self, lists_once: bool, peak: Option<f64>) -> Table<'_> {
        Table { report: self, lists_once, peak }
    }
}

/// Seconds by what steps do.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TimeShares {
    /// Convolutions and matrix products.
    pub convolution: f64,
    /// Conversions and other steps that only move bytes.
    pub moves: f64,
    /// All other steps.
    pub rest: f64,
}

impl TimeShares {
    /// The sum.
    pub fn total(self) -> f64 {
        self.convolution + self.moves + self.rest
    }
}

impl fmt::Display for TimeShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |seconds: f64| seconds / self.total().max(f64::MIN_POSITIVE) * 100.0;
        write!(
            f,
            "time {:.2} ms: {:.1} % convolutions and matrix products, {:.1} % conversions and moves, {:.1} % the rest",
            self.total() * 1e3,
            part(self.convolution),
            part(self.moves),
            part(self.rest)
        )
    }
}

/// A report that displays as a table.
pub struct Table<'a> {
    report: &'a PlanReport,
    lists_once: bool,
    peak: Option<f64>,
}

/// Text columns, aligned to the left, and columns of figures, aligned to the right.
const HEAD: ([&str; 4], [&str; 5]) =
    (["step", "algorithm", "output", "format"], ["MFLOP", "KB moved", "time µs", "GFLOP/s", "% of peak"]);

impl Table<'_> {
    fn texts(step: &StepReport) -> [String; 4] {
        [cell(&step.name), step.algorithm.clone(), cell(&step.output), cell(&step.format)]
    }

    fn figures(&self, step: &StepReport) -> [String; 5] {
        let shown = |number: Option<f64>| number.map_or_else(String::new, |number| format!("{number:.1}"));
        let time = match step.once {
            true => "once".into(),
            false => shown(step.seconds.map(|seconds| seconds * 1e6)),
        };
        let percent = step.gflops().zip(self.peak).map(|(gflops, peak)| gflops / peak * 100.0);
        let (flops, bytes) = (step.flops as f64 / 1e6, step.bytes as f64 / 1e3);
        [format!("{flops:.3}"), format!("{bytes:.1}"), time, shown(step.gflops()), shown(percent)]
    }

    /// One line for the steps that run once: how many there are of each operation, and their bytes.
    fn once(&self) -> Option<String> {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for step in self.report.steps.iter().filter(|step| step.once) {
            match counts.iter_mut().find(|(op, _)| *op == step.op) {
                Some((_, count)) => *count += 1,
                None => counts.push((step.op, 1)),
            }
        }
        let bytes: u64 = self.report.steps.iter().filter(|step| step.once).map(|step| step.bytes).sum();
        let list: Vec<String> = counts.iter().map(|(op, count)| format!("{count} {op}")).collect();
        let list = list.join(", ");
        (!counts.is_empty())
            .then(|| format!("once, for fixed weights: {list}; {:.1} MB moved", bytes as f64 / 1e6))
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        let kind = if report.trains { "a training step" } else { "inference" };
        writeln!(f, "plan of {kind} of {} on {}", report.name, report.device)?;
        if let (false, Some(once)) = (self.lists_once, self.once()) {
            writeln!(f, "  {once}")?;
        }
        let steps = report.steps.iter().filter(|step| self.lists_once || !step.once);
        let rows = steps.map(|step| (Self::texts(step), self.figures(step)));
        let head = (HEAD.0.map(str::to_owned), HEAD.1.map(str::to_owned));
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        let count = |text: &String| text.chars().count();
        let widths: [usize; 4] =
            std::array::from_fn(|i| rows.iter().map(|row| count(&row.0[i])).max().unwrap_or(0));
        for (texts, figures) in &rows {
            let texts: Vec<String> = texts.iter().zip(widths).map(|(text, width)| pad(text, width)).collect();
            let figures: Vec<String> = figures.iter().map(|figure| format!("{figure:>9}")).collect();
            writeln!(f, "{}", format!("  {}  {}", texts.join("  "), figures.join("  ")).trim_end())?;
        }
        write!(
            f,
            "peak memory {:.2} MB, of which {:.2} MB arena",
            report.peak_bytes as f64 / 1e6,
            report.work_bytes as f64 / 1e6
        )?;
        report.time_shares().map_or(Ok(()), |shares| write!(f, "\n{shares}"))
    }
}

impl fmt::Display for PlanReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table(false, None).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(op: &'static str, milliseconds: Option<f64>) -> StepReport {
        StepReport {
            name: format!("the {op}"),
            op,
            algorithm: "kernel".into(),
            output: "[1, 2]".into(),
            format: "plain".into(),
            once: milliseconds.is_none(),
            flops: if op.starts_with("conv") { 3_000_000 } else { 0 },
            bytes: 2000,
            seconds: milliseconds.map(|milliseconds| milliseconds / 1e3),
        }
    }

    fn report(steps: Vec<StepReport>, trains: bool) -> PlanReport {
        let (name, device) = ("net".into(), "cpu".into());
        PlanReport { name, trains, device, steps, peak_bytes: 3_000_000, work_bytes: 1_000_000 }
    }

    #[test]
    fn time_is_shared_by_what_steps_do() {
        let times = [
            ("conv", 3.0),
            ("conv_weight_gradient", 1.0),
            ("linear", 0.5),
            ("matmul", 0.5),
            ("reorder", 0.25),
            ("pad_gradient", 0.25),
            ("concat", 0.5),
            ("relu", 1.0),
            ("batch_norm_gradient", 1.0),
        ];
        let mut steps: Vec<_> = times.map(|(op, time)| step(op, Some(time))).into();
        steps.push(step("reorder", None));
        let shares = report(steps, true).time_shares().unwrap();
        let found = [shares.convolution, shares.moves, shares.rest].map(|seconds| (seconds * 1e6).round());
        assert_eq!(found, [5000.0, 1000.0, 2000.0]);
        let text = "time 8.00 ms: 62.5 % convolutions and matrix products, 12.5 % conversions and moves, 25.0 % the rest";
        assert_eq!(shares.to_string(), text);
        assert_eq!(report(vec![step("conv", None)], false).time_shares(), None);
    }

    #[test]
    fn table_folds_steps_that_run_once_and_ends_with_the_shares_of_time() {
        let once = ["fold_batch_norm", "reorder", "reorder"].map(|op| step(op, None));
        let steps: Vec<_> = once.into_iter().chain([step("conv", Some(1.5))]).collect();
        let report = report(steps, false);
        let text = report.table(false, Some(40.0)).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "plan of inference of net on cpu");
        assert_eq!(lines[1], "  once, for fixed weights: 1 fold_batch_norm, 2 reorder; 0.0 MB moved");
        let words: Vec<&str> = lines[3].split_whitespace().collect();
        // 3 MFLOP in 1.5 ms are 2 GFLOP/s, 5 % of 40.
        assert_eq!(
            words,
            "the conv kernel [1, 2] plain 3.000 2.0 1500.0 2.0 5.0".split(' ').collect::<Vec<_>>()
        );
        assert_eq!(lines[4], "peak memory 3.00 MB, of which 1.00 MB arena");
        assert!(lines[5].starts_with("time 1.50 ms: 100.0 %") && lines.len() == 6);
        let all = report.table(true, None).to_string();
        assert!(!all.contains("for fixed weights") && all.matches("the reorder").count() == 2, "{all}");
        assert!(self::report(vec![], true).to_string().starts_with("plan of a training step of net"));
    }
}
