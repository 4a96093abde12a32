//! `striate bench peak`: arithmetic, memory and the way between two cores, measured.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};
use striate_engine::{Cpu, Isa};
use striate_kernels::peak::{Format, multiply_adds};
use striate_kernels::pool::Pool;

use super::{ROUNDS, median};
use crate::arguments::Bench;
use crate::json;

pub fn run(args: &Bench) -> Result<()> {
    let cpu = Cpu::new(args.compute.threads)?;
    let arithmetic = |isa: Isa| {
        let one = |format| gigaops(isa, format, cpu.pool());
        json!({ "f32": one(Format::F32), "bf16": one(Format::Bf16), "int8": one(Format::Int8) })
    };
    let mut result = arithmetic(cpu.isa());
    let others: serde_json::Map<String, Value> = Isa::available()
        .into_iter()
        .filter(|isa| *isa != cpu.isa())
        .map(|isa| (isa.name().to_owned(), arithmetic(isa)))
        .collect();
    result["isa"] = json!(cpu.isa().name());
    result["threads"] = json!(cpu.pool().threads());
    result["memory"] = json!(memory(cpu.pool()));
    result["core_to_core"] = json!(core_to_core());
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
    println!("{} threads", cpu.pool().threads());
    show(cpu.isa().name(), &result);
    others.iter().for_each(|(name, value)| show(name, value));
    println!(
        "memory {:.1} GB/s read, core to core {:.1} GB/s",
        result["memory"].as_f64().unwrap_or(0.0),
        result["core_to_core"].as_f64().unwrap_or(0.0)
    );
    Ok(())
}

/// Median of several rounds in GFLOP/s (or GOP/s), on all threads of `pool`.
pub(super) fn gigaops(isa: Isa, format: Format, pool: &Pool) -> Option<f64> {
    const MULTIPLY_ADDS: u64 = 2_000_000;
    multiply_adds(isa, format, 1)?;
    let round = || {
        let start = Instant::now();
        let done = AtomicUsize::new(0);
        pool.run(pool.threads(), |_| {
            let operations = multiply_adds(isa, format, MULTIPLY_ADDS).unwrap_or(0);
            done.fetch_add(operations as usize, Ordering::Relaxed);
        });
        done.into_inner() as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    Some(median(&(0..ROUNDS).map(|_| round()).collect::<Vec<_>>()))
}

/// Reading an array that fits no cache, in GB/s, on all threads.
fn memory(pool: &Pool) -> f64 {
    const WORDS: usize = 32 << 20;
    let data = vec![1u64; WORDS];
    let round = || {
        let start = Instant::now();
        let total = AtomicUsize::new(0);
        let piece = WORDS / 64;
        pool.run(64, |item| {
            let words = &data[item * piece..(item + 1) * piece];
            total.fetch_add(
                words.iter().fold(0u64, |sum, x| sum.wrapping_add(*x)) as usize,
                Ordering::Relaxed,
            );
        });
        std::hint::black_box(total.into_inner());
        (WORDS * 8) as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    median(&(0..ROUNDS).map(|_| round()).collect::<Vec<_>>())
}

/// A block that two threads write in turn, each reading what the other wrote, in GB/s.
fn core_to_core() -> f64 {
    const WORDS: usize = 16 << 10;
    const TURNS: usize = 2000;
    let block: Vec<AtomicUsize> = (0..WORDS).map(AtomicUsize::new).collect();
    let turn = AtomicUsize::new(0);
    let play = |mine: usize| {
        for number in (mine..TURNS).step_by(2) {
            while turn.load(Ordering::Acquire) != number {
                std::hint::spin_loop();
            }
            for word in &block {
                word.store(word.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
            }
            turn.store(number + 1, Ordering::Release);
        }
    };
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| play(1));
        play(0);
    });
    (WORDS * 8 * TURNS) as f64 / start.elapsed().as_secs_f64() / 1e9
}
