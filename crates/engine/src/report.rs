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
    pub algorithm: &'static str,
    /// Shape and layout of its first output.
    pub output: String,
    /// Whether it runs only once, as long as the weights do not change.
    pub once: bool,
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes read and written.
    pub bytes: u64,
    /// Mean time in seconds, if measured.
    pub seconds: Option<f64>,
}

/// The figures of a plan; displays as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanReport {
    /// The network's name.
    pub name: String,
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
const MOVES: [&str; 7] = ["reorder", "concat", "slice", "transpose", "pad", "pad_channels", "gather"];

impl PlanReport {
    /// The number of steps that run each time.
    pub fn repeated_steps(&self) -> usize {
        self.steps.iter().filter(|step| !step.once).count()
    }

    /// The seconds in convolutions and matrix products, in steps that only move bytes, and in the rest; `None` if
    /// no time was measured.
    pub fn time_shares(&self) -> Option<[f64; 3]> {
        let mut shares = [0.0; 3];
        let measured = self.steps.iter().filter_map(|step| Some((step, step.seconds?)));
        let mut any = false;
        for (step, seconds) in measured {
            let share = match step.op {
                op if MULTIPLIES.iter().any(|start| op.starts_with(start)) => 0,
                op if MOVES.contains(&op.trim_end_matches("_gradient")) => 1,
                _ => 2,
            };
            shares[share] += seconds;
            any = true;
        }
        any.then_some(shares)
    }
}

impl fmt::Display for PlanReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan of {} on {}", self.name, self.device)?;
        let width = |texts: &dyn Fn(&StepReport) -> usize| self.steps.iter().map(texts).max().unwrap_or(0);
        let cells = |step: &StepReport| [cell(&step.name), step.algorithm.into(), cell(&step.output)];
        let widths = [0, 1, 2].map(|column| width(&|step| cells(step)[column].chars().count()));
        let padded = |cells: [String; 3]| {
            let [name, algorithm, output] = [0, 1, 2].map(|column| pad(&cells[column], widths[column]));
            format!("  {name}  {algorithm}  {output}")
        };
        let head = padded(["step".into(), "algorithm".into(), "output".into()]);
        writeln!(f, "{head}  {:>10}  {:>10}  {:>9}  {:>8}", "MFLOP", "KB moved", "time µs", "GFLOP/s")?;
        for step in &self.steps {
            let (time, rate) = match step.seconds {
                Some(s) if step.flops > 0 => {
                    (format!("{:.1}", s * 1e6), format!("{:.1}", step.flops as f64 / s / 1e9))
                }
                Some(s) => (format!("{:.1}", s * 1e6), String::new()),
                None if step.once => ("once".into(), String::new()),
                None => Default::default(),
            };
            let (flops, bytes) = (step.flops as f64 / 1e6, step.bytes as f64 / 1e3);
            writeln!(f, "{}  {flops:>10.3}  {bytes:>10.1}  {time:>9}  {rate:>8}", padded(cells(step)))?;
        }
        if let Some([convolution, moves, rest]) = self.time_shares() {
            let total = convolution + moves + rest;
            let part = |seconds: f64| format!("{:.1} %", seconds / total.max(f64::MIN_POSITIVE) * 100.0);
            writeln!(
                f,
                "time {:.2} ms: {} convolutions and matrix products, {} conversions and moves, {} the rest",
                total * 1e3,
                part(convolution),
                part(moves),
                part(rest)
            )?;
        }
        write!(
            f,
            "peak memory {:.2} MB, of which {:.2} MB arena",
            self.peak_bytes as f64 / 1e6,
            self.work_bytes as f64 / 1e6
        )
    }
}
