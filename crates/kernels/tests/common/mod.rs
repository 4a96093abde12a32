//! Runs every implementation of an operation on every instruction set and compares with expected values.

#![allow(dead_code)]

use striate_kernels::isa::Isa;
use striate_kernels::reorder;
use striate_kernels::threads::ThreadPool;
use striate_kernels::{Context, Implementation};
use striate_kernels::{Format, Halo, Layout, Operand as Slice, Views};
use striate_tensor::Shape;
use striate_tensor::random::{Random, Stream};

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

/// Checks every implementation that supports the descriptor, on every instruction set, with one and two threads, with
/// narrow and with wide halos; returns the names of those that ran.
pub fn check<D>(case: &Case<D>) -> Vec<&'static str> {
    let mut ran = Vec::new();
    for isa in instruction_sets() {
        for implementation in case.list {
            for first in firsts(case.reads[0].shape[0], isa) {
                let Some(formats) = implementation.formats(case.desc, isa, first) else { continue };
                let layouts = Format::layouts(&formats);
                assert_eq!(layouts.len(), case.reads.len() + case.writes.len(), "{}", implementation.name());
                ran.push(implementation.name());
                for wide in [0, 2] {
                    let layouts: Vec<Layout> = layouts
                        .iter()
                        .enumerate()
                        .map(|(i, layout)| widen(*layout, wide * (i % 3)))
                        .collect();
                    run(case, *implementation, isa, &layouts);
                }
            }
        }
    }
    ran
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

fn lay(operand: &Operand, layout: Layout, isa: Isa) -> Vec<f32> {
    let values: Vec<f32> = operand.values.iter().map(|x| *x as f32).collect();
    let mut laid = vec![f32::NAN; layout.len(&Shape::from(operand.shape))];
    let kernel = reorder::kernel(operand.shape, Layout::Plain, layout, isa);
    let context = Context { thread_pool: &ThreadPool::new(2) };
    kernel.run(&context, &mut Views::of(&mut [Slice::read(&values), Slice::write(&mut laid)]));
    laid
}

fn run<D>(case: &Case<D>, implementation: &dyn Implementation<D>, isa: Isa, layouts: &[Layout]) {
    let kernel = implementation.prepare(case.desc, isa, layouts);
    let (read_layouts, write_layouts) = layouts.split_at(case.reads.len());
    let reads: Vec<Vec<f32>> = case.reads.iter().zip(read_layouts).map(|(o, l)| lay(o, *l, isa)).collect();
    let mut results: Vec<Vec<Vec<f32>>> = Vec::new();
    for threads in [1, 2] {
        let pool = ThreadPool::new(threads);
        let mut writes: Vec<Vec<f32>> = case
            .writes
            .iter()
            .zip(write_layouts)
            .map(|((before, after), layout)| match before {
                Some(before) => lay(before, *layout, isa),
                None => vec![f32::NAN; layout.len(&Shape::from(after.shape))],
            })
            .collect();
        writes.push(vec![f32::NAN; kernel.scratch_bytes(threads).div_ceil(4)]);
        let read_slices = reads.iter().map(|values| Slice::read(values));
        let write_slices = writes.iter_mut().map(|values| Slice::write(values));
        let mut operands: Vec<Slice> = read_slices.chain(write_slices).collect();
        kernel.run(&Context { thread_pool: &pool }, &mut Views::of(&mut operands));
        writes.pop();
        results.push(writes);
    }
    for (index, ((_, expected), layout)) in case.writes.iter().zip(write_layouts).enumerate() {
        let got = &results[0][index];
        let place = format!("{} on {isa}, write {index}, {layout}", implementation.name());
        let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(got), bits(&results[1][index]), "{place}: results depend on the number of threads");
        let mut plain = vec![0.0f32; expected.values.len()];
        reorder::reorder(expected.shape, *layout, Layout::Plain, got, &mut plain);
        // Transforms of tiles round more than a sum does.
        let tolerance = case.tolerance * if implementation.name().contains("winograd") { 4.0 } else { 1.0 };
        let largest = expected.values.iter().fold(1.0f64, |most, x| most.max(x.abs()));
        for (i, (got, expected)) in plain.iter().zip(&expected.values).enumerate() {
            let agrees = (f64::from(*got) - expected).abs() <= tolerance * largest;
            let both_nan = got.is_nan() && expected.is_nan();
            assert!(agrees || both_nan, "{place}, element {i}: {got} instead of {expected}");
        }
        // The padding is zero: converting the plain values again yields the same.
        let mut again = vec![f32::NAN; got.len()];
        reorder::reorder(expected.shape, Layout::Plain, *layout, &plain, &mut again);
        let same = |(a, b): (&f32, &f32)| a == b || a.is_nan() && b.is_nan();
        assert!(got.iter().zip(&again).all(same), "{place}: halo or padding lanes are not zero");
    }
}

/// The values of a list of operands, for the reference.
pub fn values(operands: &[Operand]) -> Vec<&[f64]> {
    operands.iter().map(|operand| operand.values.as_slice()).collect()
}
