//! Forward convolution of `bf16`: products of pairs of channels, summed in `f32`.
//!
//! On machines without an instruction for it, the halves of a pair are widened and multiplied one after the other.

use striate_tensor::{DType, bf16};

use super::direct::{Direct, needed_halo};
use super::geometry::{groups_fill_blocks, has_few_taps};
use super::{ConvDesc, cost, reference};
use crate::isa::Isa;
use crate::threads::ThreadPool;
use crate::{Context, Format, Implementation, Kernel, Layout, Packed, Packing, Views};

/// Direct convolution of x and weights of `bf16` in blocks of channels, with bias and residual of `f32` and a result of
/// type `y`.
pub(super) struct Forward {
    pub name: &'static str,
    pub y: DType,
}

impl Implementation<ConvDesc> for Forward {
    fn name(&self) -> &'static str {
        self.name
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        let block = isa.block();
        let fits = groups_fill_blocks(d, block) && has_few_taps(d, d.in_channels / d.groups, block);
        // Smooth activations are computed from the stored result.
        let is_precise = self.y == DType::F32 || d.activation.clip().is_some();
        (fits && is_precise).then(|| {
            let x = Layout::Channels { block, halo: needed_halo(d) };
            let w = Layout::Packed(Packed { packing: PAIRS[usize::from(block == 8)], groups: d.groups });
            operands(d, [x, w, Layout::Plain, Layout::channels(block)], self.y)
        })
    }

    /// Half the time of `f32` where the machine has the instruction; no other implementation competes.
    fn cost(&self, d: &ConvDesc, isa: Isa) -> f64 {
        cost::direct(d, cost::in_blocks(d, isa.block())) / 2.0
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Direct::of_pairs(d, isa, layouts, self.y == DType::BF16))
    }
}

/// The formats of x, w, the optional bias and residual, and y, in the layouts of x, w, bias, and both others.
fn operands(d: &ConvDesc, [x, w, bias, y]: [Layout; 4], dtype: DType) -> Vec<Format> {
    let mut formats = vec![x.of(DType::BF16), w.of(DType::BF16)];
    formats.extend(d.bias.then_some(bias.f32()));
    formats.extend(d.residual.then_some(y.f32()));
    formats.push(y.of(dtype));
    formats
}

/// Weights `[O/b][I/b][KH][KW][b/2 of I][b of O][2 of I]` with blocks of `b`.
struct PairPacking {
    name: &'static str,
    block: usize,
}

/// The packings for blocks of 16 and of 8 channels.
static PAIRS: [&dyn Packing; 2] =
    [&PairPacking { name: "oihw8i16o2i", block: 16 }, &PairPacking { name: "oihw4i8o2i", block: 8 }];

impl Packing for PairPacking {
    fn name(&self) -> &'static str {
        self.name
    }

    fn len(&self, _groups: usize, [o, i, h, w]: [usize; 4]) -> usize {
        o.next_multiple_of(self.block) * i.next_multiple_of(self.block) * h * w
    }

    /// Reads and writes once.
    fn cost(&self, groups: usize, shape: [usize; 4]) -> f64 {
        self.len(groups, shape) as f64 * cost::weight()
    }

    fn pack(
        &self,
        _isa: Isa,
        _groups: usize,
        shape: [usize; 4],
        from: Layout,
        views: &mut Views,
        thread_pool: &ThreadPool,
    ) {
        let (source, destination) = (views.read::<bf16>(0), views.write::<bf16>(0));
        let [outputs, inputs, h, w] = shape;
        let (block, taps) = (self.block, h * w);
        let blocks = inputs.div_ceil(block);
        thread_pool.pieces(destination, taps * block * block, |index, out| {
            let (o, i) = (index / blocks * block, index % blocks * block);
            out.fill(bf16::ZERO);
            for output in 0..block.min(outputs - o) {
                for input in 0..block.min(inputs - i) {
                    for tap in 0..taps {
                        let at = from.offset(shape, [o + output, i + input, tap / w, tap % w]);
                        let pair = (tap * block / 2 + input / 2) * block + output;
                        out[2 * pair + input % 2] = source[at];
                    }
                }
            }
        });
    }
}

/// The naive kernel on widened operands, whose result is rounded to `y`.
pub(super) struct Reference {
    pub name: &'static str,
    pub y: DType,
}

impl Implementation<ConvDesc> for Reference {
    fn name(&self) -> &'static str {
        self.name
    }

    fn formats(&self, d: &ConvDesc, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(operands(d, [Layout::Plain; 4], self.y))
    }

    fn cost(&self, _d: &ConvDesc, _isa: Isa) -> f64 {
        crate::reference::LAST_RESORT
    }

    fn prepare(&self, d: &ConvDesc, _isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        let x = d.batch * d.in_channels * d.input[0] * d.input[1];
        let w = d.out_channels * (d.in_channels / d.groups) * d.kernel[0] * d.kernel[1];
        let y = d.batch * d.out_channels * d.output[0] * d.output[1];
        Box::new(Widened { desc: d.clone(), lens: [x, w, y], narrow: self.y == DType::BF16 })
    }
}

struct Widened {
    desc: ConvDesc,
    /// Elements of x, w and y.
    lens: [usize; 3],
    narrow: bool,
}

impl Kernel for Widened {
    fn scratch_bytes(&self, _threads: usize) -> usize {
        self.lens.iter().sum::<usize>() * size_of::<f32>()
    }

    fn run(&self, _context: &Context, views: &mut Views) {
        let d = &self.desc;
        let [x_len, w_len, y_len] = self.lens;
        let bias = d.bias.then(|| views.read::<f32>(2));
        let residual = d.residual.then(|| views.read::<f32>(views.reads() - 1));
        let (x, rest) = views.write::<f32>(1).split_at_mut(x_len);
        let (w, y) = rest.split_at_mut(w_len);
        widen(views.read(0), x);
        widen(views.read(1), w);
        let y = &mut y[..y_len];
        reference::forward(d, x, w, bias, residual, y);
        if self.narrow {
            let out = views.write::<bf16>(0);
            out.iter_mut().zip(y).for_each(|(out, y)| *out = bf16::from_f32(*y));
        } else {
            views.write::<f32>(0).copy_from_slice(y);
        }
    }
}

fn widen(from: &[bf16], to: &mut [f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = from.to_f32());
}
