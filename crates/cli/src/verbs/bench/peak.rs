//! `striate bench peak`: measures arithmetic, memory and core-to-core bandwidth, and the cost of a parallel
//! section.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use striate_engine::{Cpu, Isa};
use striate_kernels::peak::{Arithmetic, multiply_adds};
use striate_kernels::threads::ThreadPool;
use striate_tensor::text::counted;

use super::{memory, region};
use crate::arguments::Bench;
use crate::json;

pub fn run(args: &Bench) -> Result<()> {
    let cpu = Cpu::new(args.compute.threads)?;
    let arithmetic = |isa: Isa| {
        let one = |format| gigaops(isa, format, cpu.thread_pool());
        json!({ "f32": one(Arithmetic::F32), "bf16": one(Arithmetic::Bf16), "int8": one(Arithmetic::Int8) })
    };
    let mut result = arithmetic(cpu.isa());
    let others: serde_json::Map<String, Value> = Isa::available()
        .into_iter()
        .filter(|isa| *isa != cpu.isa())
        .map(|isa| (isa.name().to_owned(), arithmetic(isa)))
        .collect();
    result["isa"] = json!(cpu.isa().name());
    result["threads"] = json!(cpu.thread_pool().threads());
    result["memory"] = json!(memory::memory(cpu.thread_pool()));
    result["core_to_core"] = json!(memory::core_to_core());
    if let (Value::Object(result), Value::Object(regions)) = (&mut result, region::cost(cpu.thread_pool())) {
        result.extend(regions);
    }
    result["isas"] = json!(others);
    if args.compute.json {
        return Ok(json::print(&result)?);
    }
    let show = |name: &str, value: &Value| {
        let number = |key: &str| value[key].as_f64().map_or("–".into(), |x| format!("{x:.0}"));
        println!(
            "{name:8}  f32 {:>6} GFLOP/s   bf16 {:>6} GFLOP/s   int8 {:>6} GOP/s",
            number("f32"),
            number("bf16"),
            number("int8")
        );
    };
    println!("{}", counted(cpu.thread_pool().threads(), "thread"));
    show(cpu.isa().name(), &result);
    others.iter().for_each(|(name, value)| show(name, value));
    let number = |key: &str| result[key].as_f64().unwrap_or(f64::NAN);
    println!("memory read {:.1} GB/s, core to core {:.1} GB/s", number("memory"), number("core_to_core"));
    if cpu.thread_pool().threads() > 1 {
        println!(
            "parallel section: {:.2} µs, {:.2} µs after a pause of 50 µs; if all threads take part: {:.2} and {:.2} \
             µs",
            number("region_us"),
            number("region_after_gap_us"),
            number("region_all_us"),
            number("region_all_after_gap_us")
        );
    }
    Ok(())
}

/// Returns the best of many short rounds in GFLOP/s (or GOP/s), on all threads of `thread_pool`. Slower rounds were
/// disturbed, or began before every thread had its own core, and do not reflect the machine's peak.
pub(super) fn gigaops(isa: Isa, arithmetic: Arithmetic, thread_pool: &ThreadPool) -> Option<f64> {
    const MULTIPLY_ADDS: u64 = 500_000;
    const TIME: Duration = Duration::from_millis(200);
    multiply_adds(isa, arithmetic, 1)?;
    let begin = Instant::now();
    let mut best = 0.0f64;
    while begin.elapsed() < TIME {
        let start = Instant::now();
        let done = AtomicUsize::new(0);
        thread_pool.run(thread_pool.threads(), |_| {
            let operations = multiply_adds(isa, arithmetic, MULTIPLY_ADDS).unwrap_or(0);
            done.fetch_add(operations as usize, Ordering::Relaxed);
        });
        best = best.max(done.into_inner() as f64 / start.elapsed().as_secs_f64() / 1e9);
    }
    Some(best)
}
