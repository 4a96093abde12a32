//! Runs every implementation of an operation on every instruction set and compares with expected values.

#![allow(dead_code)]

use striate_kernels::isa::Isa;
use striate_kernels::reorder;
use striate_kernels::threads::ThreadPool;
use striate_kernels::{Context, Implementation};
use striate_kernels::{Format, Halo, Layout, Operand as Slice, Views};
use striate_tensor::random::{Random, Stream};
use striate_tensor::{Buffer, DType, Element, Shape, bf16};

/// The instruction sets to check: those of this machine, or the one that `STRIATE_ISA` names.
pub fn instruction_sets() -> Vec<Isa> {
    match std::env::var("STRIATE_ISA") {
        Ok(name) => vec![Isa::select(Some(&name)).unwrap()],
        Err(_) => Isa::available(),
    }
}

/// The number of cases of each property: `PROPTEST_CASES`, or 60.
pub fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(60, |cases| cases.parse().unwrap())
}

/// An operand: its extents as `[N, C, H, W]` and its values in plain order.
#[derive(Clone, Debug)]
pub struct Operand {
    pub shape: [usize; 4],
    pub values: Vec<f64>,
}

impl Operand {
    pub fn new(shape: [usize; 4], values: Vec<f64>) -> Operand {
        assert_eq!(shape.iter().product::<usize>(), values.len());
        Operand { shape, values }
    }

    /// Random `f32` values from −1 to 1.
    pub fn random(shape: [usize; 4], seed: u64) -> Operand {
        let mut random = Random::new(seed, Stream::Other, 0);
        let count = shape.iter().product();
        Operand { shape, values: (0..count).map(|_| f64::from(random.between(-1.0, 1.0))).collect() }
    }

    /// Rounds the values to `bf16`.
    #[must_use]
    pub fn rounded(mut self) -> Operand {
        self.values.iter_mut().for_each(|x| *x = f64::from(bf16::from_f64(*x)));
        self
    }

    /// Sets one element, chosen by `seed`, to NaN.
    #[must_use]
    pub fn with_nan(mut self, seed: u64) -> Operand {
        let index = seed % self.values.len() as u64;
        self.values[index as usize] = f64::NAN;
        self
    }

    pub fn row(values: Vec<f64>) -> Operand {
        Operand { shape: [1, values.len(), 1, 1], values }
    }
}

/// The operands of an operation and its expected results.
pub struct Case<'a, D> {
    pub desc: &'a D,
    pub list: &'a [&'a dyn Implementation<D>],
    pub reads: Vec<Operand>,
    /// For values updated in place, the values before the run; and the expected values after it.
    pub writes: Vec<(Option<Operand>, Operand)>,
    pub tolerance: f64,
}

/// Checks every implementation for `f32` that supports the descriptor, on every instruction set, with one and two
/// threads, with operands as it wants them, and with wider halos, in half of all cases in parts of wider values;
/// returns the names of those that ran.
pub fn check<D>(case: &Case<D>) -> Vec<&'static str> {
    check_those(case, false)
}

/// Like [`check`], for implementations with operands of `bf16`, whose values must be given as such.
pub fn check_bf16<D>(case: &Case<D>) -> Vec<&'static str> {
    check_those(case, true)
}

fn check_those<D>(case: &Case<D>, narrow: bool) -> Vec<&'static str> {
    let mut ran = Vec::new();
    let in_parts = case.reads[0].shape.iter().sum::<usize>().is_multiple_of(2);
    for isa in instruction_sets() {
        for implementation in case.list {
            for first in firsts(case.reads[0].shape[0], isa) {
                let Some(formats) = implementation.formats(case.desc, isa, first) else { continue };
                assert_eq!(formats.len(), case.reads.len() + case.writes.len(), "{}", implementation.name());
                if formats.iter().any(|format| format.dtype == DType::BF16) != narrow {
                    continue;
                }
                ran.push(implementation.name());
                for (wide, is_part) in [(0, false), (2, in_parts)] {
                    let shapes = case.reads.iter().chain(case.writes.iter().map(|(_, after)| after));
                    let change = |(i, (Format { layout, dtype }, operand)): (usize, (&Format, &Operand))| {
                        let layout = widen(*layout, wide * ((i + 1) % 3));
                        let part = || as_part(layout, isa, operand.shape[1], i % 3);
                        if is_part { part() } else { layout }.of(*dtype)
                    };
                    let formats: Vec<Format> = formats.iter().zip(shapes).enumerate().map(change).collect();
                    run(case, *implementation, isa, &formats, false);
                    if implementation.replaces_residual(case.desc, isa) {
                        run(case, *implementation, isa, &with_residual_like_result(formats), true);
                    }
                }
            }
        }
    }
    ran
}

/// The formats of operands, the last of which is the result and the one before it the residual, which gets its format.
fn with_residual_like_result(mut formats: Vec<Format>) -> Vec<Format> {
    let [.., residual, result] = &mut formats[..] else { panic!("there are a residual and a result") };
    *residual = *result;
    formats
}

/// The layouts that the first operand may have, for `batch` images.
fn firsts(batch: usize, isa: Isa) -> Vec<Layout> {
    let block = isa.block();
    let images = batch.is_multiple_of(block).then_some(Layout::Images { block });
    [Layout::channels(block), Layout::Plain].into_iter().chain(images).collect()
}

fn widen(layout: Layout, by: usize) -> Layout {
    let Halo { top, left, bottom, right } = layout.halo();
    let halo = Halo { top: top + by, left: left + by, bottom: bottom + by / 2, right: right + by / 2 };
    layout.with_halo(halo)
}

/// The layout of a part of a value with `more` additional blocks of channels.
fn as_part(layout: Layout, isa: Isa, channels: usize, more: usize) -> Layout {
    match layout {
        Layout::Channels { block, halo } if block == isa.block() => {
            Layout::Part { block, halo, blocks: channels.div_ceil(block) + more }
        }
        layout => layout,
    }
}

/// A value in memory, all of whose bits are ones at first: NaN in every format.
fn unset(operand: &Operand, format: Format) -> Buffer {
    filled(format.layout.len(&Shape::from(operand.shape)) * format.dtype.size())
}

fn filled(bytes: usize) -> Buffer {
    Buffer::from_vec(vec![u8::MAX; bytes]).unwrap()
}

fn lay(operand: &Operand, format: Format, isa: Isa) -> Buffer {
    let values: Vec<f32> = operand.values.iter().map(|x| *x as f32).collect();
    let plain = if format.dtype == DType::BF16 {
        let narrow: Vec<bf16> = values.iter().map(|x| bf16::from_f32(*x)).collect();
        let is_exact = |(narrow, x): (&bf16, &f32)| narrow.to_f32() == *x;
        assert!(narrow.iter().zip(&values).all(is_exact), "operands of bf16 are given as such");
        Buffer::from_vec(narrow).unwrap()
    } else {
        Buffer::from_vec(values).unwrap()
    };
    let mut laid = unset(operand, format);
    let kernel = reorder::kernel(operand.shape, Layout::Plain.of(format.dtype), format.layout, isa);
    let context = Context { thread_pool: &ThreadPool::new(2) };
    let mut operands = [Slice::read(plain.as_bytes()), Slice::write(laid.as_bytes_mut())];
    kernel.run(&context, &mut Views::of(&mut operands));
    laid
}

/// The values of `laid` in `format`, in plain order; checks that the padding is zero.
fn read(laid: &Buffer, shape: [usize; 4], format: Format, place: &str) -> Vec<f32> {
    if format.dtype == DType::BF16 {
        return plain::<bf16>(laid, shape, format.layout, place).into_iter().map(bf16::to_f32).collect();
    }
    plain::<f32>(laid, shape, format.layout, place)
}

fn plain<T: Element + PartialOrd>(laid: &Buffer, shape: [usize; 4], layout: Layout, place: &str) -> Vec<T> {
    let laid: &[T] = laid.as_slice();
    let mut plain = vec![T::zeroed(); shape.iter().product()];
    reorder::reorder(shape, layout, Layout::Plain, laid, &mut plain);
    // Converting the plain values again yields the same.
    let mut again = filled(size_of_val(laid));
    let again: &mut [T] = again.as_mut_slice();
    reorder::reorder(shape, Layout::Plain, layout, &plain, again);
    let is_nan = |value: &T| value.partial_cmp(value).is_none();
    let same = |(a, b): (&T, &T)| a == b || is_nan(a) && is_nan(b);
    assert!(laid.iter().zip(&*again).all(same), "{place}: halo or padding lanes are not zero");
    plain
}

/// Runs an implementation and checks its results; if it `replaces` the last operand to read, this is in the place of
/// the result before the run.
fn run<D>(
    case: &Case<D>,
    implementation: &dyn Implementation<D>,
    isa: Isa,
    formats: &[Format],
    replaces: bool,
) {
    let kernel = implementation.prepare(case.desc, isa, &Format::layouts(formats));
    let (read_formats, write_formats) = formats.split_at(case.reads.len());
    let (replaced, others) = case.reads.split_last().expect("every operation reads something");
    let operands = if replaces { others } else { &case.reads[..] };
    let replaced = replaces.then_some(replaced);
    let reads: Vec<Buffer> = operands.iter().zip(read_formats).map(|(o, f)| lay(o, *f, isa)).collect();
    let mut results: Vec<Vec<Buffer>> = Vec::new();
    for threads in [1, 2] {
        let pool = ThreadPool::new(threads);
        let writes = case.writes.iter().zip(write_formats);
        let mut writes: Vec<Buffer> = writes
            .map(|((before, after), format)| match replaced.or(before.as_ref()) {
                Some(before) => lay(before, *format, isa),
                None => unset(after, *format),
            })
            .collect();
        writes.push(filled(kernel.scratch_bytes(threads)));
        let read_slices = reads.iter().map(|buffer| Slice::read(buffer.as_bytes()));
        let write_slices = writes.iter_mut().map(|buffer| Slice::write(buffer.as_bytes_mut()));
        let mut operands: Vec<Slice> = read_slices.chain(write_slices).collect();
        kernel.run(&Context { thread_pool: &pool }, &mut Views::of(&mut operands));
        writes.pop();
        results.push(writes);
    }
    for (index, ((_, expected), format)) in case.writes.iter().zip(write_formats).enumerate() {
        let got = &results[0][index];
        let place = format!("{} on {isa}, write {index}, {format}", implementation.name());
        let again = results[1][index].as_bytes();
        assert_eq!(got.as_bytes(), again, "{place}: results depend on the number of threads");
        let plain = read(got, expected.shape, *format, &place);
        // Transforms of tiles round more than a sum does.
        let tolerance = case.tolerance * if implementation.name().contains("winograd") { 4.0 } else { 1.0 };
        let rounding = if format.dtype == DType::BF16 { f64::from(bf16::EPSILON) / 2.0 } else { 0.0 };
        let largest = expected.values.iter().fold(1.0f64, |most, x| most.max(x.abs()));
        for (i, (got, expected)) in plain.iter().zip(&expected.values).enumerate() {
            let error = (f64::from(*got) - expected).abs();
            let agrees = error <= tolerance * largest + rounding * expected.abs();
            let both_nan = got.is_nan() && expected.is_nan();
            assert!(agrees || both_nan, "{place}, element {i}: {got} instead of {expected}");
        }
    }
}

/// The values of a list of operands, for the reference.
pub fn values(operands: &[Operand]) -> Vec<&[f64]> {
    operands.iter().map(|operand| operand.values.as_slice()).collect()
}
