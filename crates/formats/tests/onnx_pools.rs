//! ONNX pools with all kinds of padding and strides, compared with a naive version.

use striate_engine::{Cpu, Inference};
use striate_formats::read_onnx_bytes;
use striate_tensor::Shape;

use crate::common::onnx::{int, ints_attribute, model, node};

mod common;

/// Extent of both axes of the maps in these models.
const EXTENT: usize = 8;

/// A pool with the same parameters on both axes.
#[derive(Debug, Clone, Copy)]
struct Pool {
    kernel: usize,
    stride: usize,
    dilation: usize,
    pads: [usize; 2],
    ceil: bool,
}

impl Pool {
    /// For each window along an axis, the taps within the padded map.
    fn windows(&self) -> Vec<Vec<usize>> {
        let Pool { kernel, stride, dilation, pads: [before, behind], ceil } = *self;
        let padded = before + EXTENT + behind;
        let reach = dilation * (kernel - 1) + 1;
        let mut starts: Vec<usize> =
            (0..).map(|i| i * stride).take_while(|at| at + reach <= padded).collect();
        let next = starts.len() * stride;
        if ceil && next < before + EXTENT && (starts.last().map_or(0, |last| last + reach) < padded) {
            starts.push(next);
        }
        let taps = |start: usize| (0..kernel).map(move |tap| start + tap * dilation);
        starts.iter().map(|start| taps(*start).filter(|at| *at < padded).collect()).collect()
    }

    /// The index in the map of position `at` of the padded axis, if it lies within the map.
    fn inside(&self, at: usize) -> Option<usize> {
        at.checked_sub(self.pads[0]).filter(|at| *at < EXTENT)
    }

    /// Applies `of` to each window: to its elements, and the number of its positions in the padded map.
    fn run(&self, map: &[f32], of: impl Fn(&[f32], usize) -> f32) -> Vec<f32> {
        let windows = self.windows();
        let one = |(rows, columns): (&Vec<usize>, &Vec<usize>)| {
            let sides = rows.iter().flat_map(|row| columns.iter().map(move |column| (*row, *column)));
            let element = |(row, column)| Some(map[self.inside(row)? * EXTENT + self.inside(column)?]);
            of(&sides.filter_map(element).collect::<Vec<_>>(), rows.len() * columns.len())
        };
        windows.iter().flat_map(|rows| windows.iter().map(move |columns| (rows, columns))).map(one).collect()
    }

    /// All pools whose windows overlap the map.
    fn all() -> Vec<Pool> {
        let mut all = Vec::new();
        for kernel in 1..=4 {
            for (stride, dilation, ceil) in
                [(1, 1, false), (2, 1, false), (3, 1, true), (2, 1, true), (1, 2, false), (3, 2, true)]
            {
                for pads in [[0, 0], [1, 1], [0, 3], [2, 2], [3, 1], [3, 3]] {
                    let pool = Pool { kernel, stride, dilation, pads, ceil };
                    let sees = |taps: &Vec<usize>| taps.iter().any(|at| pool.inside(*at).is_some());
                    all.extend(Some(pool).filter(|pool| pool.windows().iter().all(sees)));
                }
            }
        }
        all
    }
}

#[test]
fn pools_with_any_padding_match_the_naive_version() {
    let numbers: Vec<f32> = (0..3 * EXTENT * EXTENT).map(|i| ((i * 37 % 101) as f32 - 50.0) / 8.0).collect();
    let mut wide = 0;
    for pool in Pool::all() {
        let side = pool.pads.map(|pad| pad as i64);
        let attributes = [
            ints_attribute("kernel_shape", &[pool.kernel as i64; 2]),
            ints_attribute("strides", &[pool.stride as i64; 2]),
            ints_attribute("dilations", &[pool.dilation as i64; 2]),
            ints_attribute("pads", &[side[0], side[0], side[1], side[1]]),
            int("ceil_mode", pool.ceil.into()),
        ];
        let run = |op: &str, more: &[_]| {
            let bytes = model(&[node(op, &["x"], "y", &[&attributes, more].concat())], &[]);
            let read =
                read_onnx_bytes(&bytes, "pool", 1 << 20).unwrap_or_else(|e| panic!("{op} {pool:?}: {e}"));
            let cpu = Cpu::new(1).unwrap();
            let inference = Inference::new(read.network.clone(), &read.weights, cpu).unwrap();
            let (shape, found) = inference.run(&Shape::from([1, 3, EXTENT, EXTENT]), &numbers).unwrap();
            (read.network.layers.len(), shape, found)
        };
        let naive = |of: &dyn Fn(&[f32], usize) -> f32| {
            numbers.chunks(EXTENT * EXTENT).flat_map(|map| pool.run(map, of)).collect::<Vec<_>>()
        };
        let mean = |seen: &[f32], count: usize| seen.iter().sum::<f32>() / count as f32;
        let count = pool.windows().len();
        for (op, more, expected) in [
            ("MaxPool", vec![], naive(&|seen, _| seen.iter().copied().fold(f32::MIN, f32::max))),
            ("AveragePool", vec![], naive(&|seen, _| mean(seen, seen.len()))),
            ("AveragePool", vec![int("count_include_pad", 1)], naive(&mean)),
        ] {
            let (layers, shape, found) = run(op, &more);
            wide += usize::from(layers > 1);
            assert_eq!(shape, Shape::from([1, 3, count, count]), "{op} {pool:?}");
            let differs =
                expected.iter().zip(&found).find(|(a, b)| (**a - **b).abs() > 1e-5 * a.abs().max(1.0));
            assert!(differs.is_none(), "{op} {pool:?} {more:?}: {differs:?}", more = more.len());
        }
    }
    assert!(wide > 100, "only {wide} pools had padding that Striate's pools do not support");
}
