//! `striate bench kernels`: single convolutions and matrix multiplications.

use anyhow::Result;
use serde_json::{Value, json};
use striate_engine::{Cpu, Isa, Precision};
use striate_kernels::conv::{self, ConvDesc};
use striate_kernels::{Context, Implementation, Kernel, gemm};
use striate_kernels::{Format, Layout, Operand, Views};
use striate_tensor::random::{Random, Stream};
use striate_tensor::text::counted;
use striate_tensor::{Buffer, DType, Error, Shape, bf16};

use super::problem::{Problem, Work, parse};
use super::{SECONDS, median, peak_of, rounds};
use crate::arguments::{Bench, Direction};
use crate::device::refuse_tf32;
use crate::json;
use crate::output::table;

pub fn run(args: &Bench) -> Result<()> {
    let problems = args.problems.iter().map(|text| parse(text, args.batch)).collect::<Result<Vec<_>, _>>()?;
    let problems: Vec<Problem> = problems.into_iter().flatten().collect();
    if problems.is_empty() {
        return Err(Error::input(
            "bench kernels needs a problem, such as m1024n1024k1024, or a file of problems",
        )
        .into());
    }
    refuse_for_products(args, &problems)?;
    refuse_tf32(args.precision())?;
    let cpu = Cpu::new(args.compute.threads)?;
    // Problems that cannot be measured are refused before anything is measured.
    let prepared = problems.iter().map(|problem| prepare(problem, args, cpu.isa()));
    let prepared = prepared.collect::<Result<Vec<_>>>()?;
    let peak = || peak_of(&cpu, args.precision());
    let before = peak();
    let mut results = Vec::new();
    for (problem, prepared) in problems.iter().zip(prepared) {
        results.push(measure(problem, prepared, args.seconds.unwrap_or(SECONDS), &cpu)?);
    }
    // Other processes may have disturbed one of the two measurements.
    let peak = before.max(peak());
    for result in &mut results {
        result["percent_of_peak"] = json!(number(result, "gflops") * 100.0 / peak);
    }
    let total = total(&problems, &results, peak);
    if args.compute.json {
        let value = if results.len() == 1 {
            results.remove(0)
        } else {
            json!({ "problems": results, "total": total, "peak": peak })
        };
        return Ok(json::print(&value)?);
    }
    let threads = counted(cpu.thread_pool().threads(), "thread");
    println!("{threads}, {}, {}, peak {peak:.0} GFLOP/s", cpu.isa(), args.precision());
    print!("{}", table(&rows(&results, &total)));
    Ok(())
}

/// Refuses flags for convolutions if all problems are matrix products.
fn refuse_for_products(args: &Bench, problems: &[Problem]) -> Result<()> {
    if problems.iter().any(|problem| matches!(problem.work, Work::Conv(_))) {
        return Ok(());
    }
    for (option, is_given) in [
        ("--batch", args.batch.is_some()),
        ("--direction", args.direction.is_some()),
        ("--algorithm", args.algorithm.is_some()),
        ("--precision", args.compute.precision.is_some()),
    ] {
        if is_given {
            let product = &problems[0].text;
            let what =
                format!("{option} applies only to convolutions, but {product} is a matrix product; omit it");
            return Err(Error::input(what).into());
        }
    }
    Ok(())
}

/// Sums all problems, each weighted by its count in the network.
fn total(problems: &[Problem], results: &[Value], peak: f64) -> Value {
    let with_results = || problems.iter().zip(results);
    let times = |problem: &Problem| problem.count as f64;
    let seconds: f64 = with_results().map(|(p, result)| times(p) * number(result, "seconds")).sum();
    let flops: f64 = problems.iter().map(|p| times(p) * 2.0 * p.work.macs()).sum();
    let gflops = flops / seconds / 1e9;
    json!({ "seconds": seconds, "gflops": gflops, "percent_of_peak": gflops * 100.0 / peak })
}

/// Returns the table: a row per problem, then the total if there are several.
fn rows(results: &[Value], total: &Value) -> Vec<Vec<String>> {
    let text = |result: &Value, key: &str| result[key].as_str().unwrap_or_default().to_owned();
    let figures = |result: &Value| {
        [
            format!("{:.1}", number(result, "seconds") * 1e6),
            format!("{:.1}", number(result, "gflops")),
            format!("{:.1}", number(result, "percent_of_peak")),
        ]
    };
    let row = |first: [String; 4], figures: [String; 3]| [&first[..], &figures].concat();
    let head = ["name", "problem", "×", "algorithm"].map(str::to_owned);
    let mut rows = vec![row(head, ["µs", "GFLOP/s", "% of peak"].map(str::to_owned))];
    rows.extend(results.iter().map(|result| {
        let first = [
            text(result, "name"),
            text(result, "problem"),
            result["count"].to_string(),
            text(result, "algorithm"),
        ];
        row(first, figures(result))
    }));
    if results.len() > 1 {
        let count: u64 = results.iter().filter_map(|result| result["count"].as_u64()).sum();
        let first = ["total".to_owned(), String::new(), count.to_string(), String::new()];
        rows.push(row(first, figures(total)));
    }
    rows
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(f64::NAN)
}

fn measure(problem: &Problem, prepared: Prepared, seconds: f64, cpu: &Cpu) -> Result<Value> {
    let Prepared { kernel, algorithm, reads, writes } = prepared;
    let flops = 2.0 * problem.work.macs();
    let mut random = Random::new(0, Stream::Other, 0);
    let advice = match problem.work {
        Work::Conv(_) => "try a smaller batch",
        Work::Gemm(_) => "try a smaller problem",
    };
    let zeroed = |(len, dtype): (usize, DType)| {
        let buffer = Buffer::zeroed(len * dtype.size());
        buffer.map_err(|e| e.at(&problem.text).advising(advice))
    };
    let mut filled = |operand: (usize, DType)| {
        let mut buffer = zeroed(operand)?;
        let mut value = || random.between(-1.0, 1.0);
        match operand.1 {
            DType::BF16 => buffer.as_mut_slice().iter_mut().for_each(|x| *x = bf16::from_f32(value())),
            _ => buffer.as_mut_slice::<f32>().iter_mut().for_each(|x| *x = value()),
        }
        Ok::<_, Error>(buffer)
    };
    let reads = reads.into_iter().map(&mut filled).collect::<Result<Vec<Buffer>, _>>()?;
    let scratch = (kernel.scratch_bytes(cpu.thread_pool().threads()), DType::U8);
    let mut writes = writes.into_iter().chain([scratch]).map(zeroed).collect::<Result<Vec<_>, _>>()?;
    let context = Context { thread_pool: cpu.thread_pool() };
    let mut run = || {
        let reads = reads.iter().map(|buffer| Operand::read(buffer.as_bytes()));
        let writes = writes.iter_mut().map(|buffer| Operand::write(buffer.as_bytes_mut()));
        let mut operands: Vec<Operand> = reads.chain(writes).collect();
        kernel.run(&context, &mut Views::of(&mut operands));
        Ok(())
    };
    let rates = cpu.thread_pool().as_caller(|| rounds(seconds, &mut run))?;
    let gflops: Vec<f64> = rates.iter().map(|rate| rate * flops / 1e9).collect();
    Ok(json!({
        "problem": problem.text,
        "name": problem.name,
        "count": problem.count,
        "algorithm": algorithm,
        "seconds": 1.0 / median(&rates),
        "gflops": median(&gflops),
        "rounds": gflops,
    }))
}

/// A kernel with the number of elements of each operand and their type.
struct Prepared {
    kernel: Box<dyn Kernel>,
    algorithm: &'static str,
    reads: Vec<(usize, DType)>,
    writes: Vec<(usize, DType)>,
}

/// The type of the operands of a convolution in `precision`.
fn dtype_of(precision: Precision) -> DType {
    match precision {
        Precision::F32 | Precision::Tf32 => DType::F32,
        Precision::Bf16 => DType::BF16,
    }
}

/// Largest number of elements of a convolution's operand: more than fits in memory, and few enough that no size
/// computed by a kernel overflows, including that of its scratch memory.
const MAX_ELEMENTS: usize = 1 << 42;

fn prepare(problem: &Problem, args: &Bench, isa: Isa) -> Result<Prepared> {
    Ok(match &problem.work {
        Work::Conv(desc) => prepare_conv(&problem.text, desc, args, isa)?,
        Work::Gemm(desc) => Prepared {
            kernel: gemm::kernel(desc, isa),
            algorithm: "gemm_f32",
            reads: vec![(desc.m * desc.k, DType::F32), (desc.k * desc.n, DType::F32)],
            writes: vec![(desc.m * desc.n, DType::F32)],
        },
    })
}

fn prepare_conv(text: &str, desc: &ConvDesc, args: &Bench, isa: Isa) -> Result<Prepared> {
    let x = Shape::from([desc.batch, desc.in_channels, desc.input[0], desc.input[1]]);
    let w = Shape::from([desc.out_channels, desc.in_channels / desc.groups, desc.kernel[0], desc.kernel[1]]);
    let y = Shape::from([desc.batch, desc.out_channels, desc.output[0], desc.output[1]]);
    let (list, shapes) = match args.direction.unwrap_or(Direction::Forward) {
        Direction::Forward => (conv::forward(), [x, w, y]),
        Direction::Data => (conv::data_gradient(), [y, w, x]),
        Direction::Weights => (conv::weight_gradient(), [x, y, w]),
    };
    if args.precision() == Precision::Bf16 && args.direction.is_some_and(|d| d != Direction::Forward) {
        let what = "--precision bf16: has only the forward direction; use --direction forward";
        return Err(Error::input(what).into());
    }
    let first = Layout::channels(isa.block());
    let supports = |candidate: &&&dyn Implementation<ConvDesc>| {
        let wanted = args.algorithm.as_deref().is_none_or(|name| name == candidate.name());
        let dtype = |formats: Vec<Format>| formats[0].dtype == dtype_of(args.precision());
        wanted && candidate.formats(desc, isa, first).is_some_and(dtype)
    };
    let cost = |candidate: &&&dyn Implementation<ConvDesc>| candidate.cost(desc, isa);
    let supporting = list.iter().filter(supports);
    let chosen = supporting.min_by(|a, b| cost(a).total_cmp(&cost(b))).ok_or_else(|| {
        let names: Vec<&str> = list.iter().map(|candidate| candidate.name()).collect();
        let with = format!("in {}; available: {}", args.precision(), names.join(", "));
        let name = args.algorithm.as_deref();
        let what = name.map_or("no implementation supports".to_owned(), |name| {
            format!("--algorithm {name}: does not support")
        });
        Error::input(format!("{what} problem {text} {with}"))
    })?;
    let formats = chosen.formats(desc, isa, first).expect("it supports the problem");
    let layouts = Format::layouts(&formats);
    let size = |(format, shape): (&Format, &Shape)| {
        let len = format.layout.checked_len(shape).filter(|len| *len <= MAX_ELEMENTS)?;
        Some((len, format.dtype))
    };
    let sizes: Option<Vec<(usize, DType)>> = formats.iter().zip(&shapes).map(size).collect();
    let sizes = sizes.ok_or_else(|| Error::input(format!("problem {text}: too large; use smaller sizes")))?;
    Ok(Prepared {
        kernel: chosen.prepare(desc, isa, &layouts),
        algorithm: chosen.name(),
        reads: sizes[..2].to_vec(),
        writes: sizes[2..].to_vec(),
    })
}
