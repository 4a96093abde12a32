//! Convolutions of few planar channels in groups, computed as convolutions without groups whose other weights are zero.
//! The first layer of Inception V2 is one: each of three channels is convolved with eight kernels.

use super::direct::{Direct, FEW_CHANNELS, forward_formats, needed_halo};
use super::geometry::has_few_taps;
use super::tile::Single;
use super::weight_gradient::{Bound, PlanarInput};
use super::{ConvDesc, cost, direct};
use crate::isa::Isa;
use crate::threads::ThreadPool;
use crate::{Context, Format, Implementation, Kernel, Layout, Packed, Packing, Views};

/// Forward.
pub(super) struct Forward;
/// Weight gradient.
pub(super) struct WeightGradient;

fn suits(d: &ConvDesc) -> bool {
    d.groups > 1 && d.in_channels <= FEW_CHANNELS && has_few_taps(d, d.in_channels, 1)
}

/// The convolution without groups.
fn without_groups(d: &ConvDesc) -> ConvDesc {
    ConvDesc { groups: 1, ..d.clone() }
}

impl Implementation<ConvDesc> for Forward {
    fn name(&self) -> &'static str {
        "conv_direct_planar_groups_f32"
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        let block = isa.block();
        let w = Layout::Packed(Packed { packing: PACKINGS[usize::from(block == 8)], groups: d.groups });
        suits(d).then(|| forward_formats(d, 1, w, block))
    }

    fn cost(&self, d: &ConvDesc, isa: Isa) -> f64 {
        direct::PlanarInput.cost(&without_groups(d), isa)
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Direct::<Single>::forward(&without_groups(d), isa, layouts))
    }
}

/// Weights `[O/b][all I][KH][KW][b of O]` with blocks of `b`, zero between different groups.
struct ZerosBetweenGroups {
    name: &'static str,
    block: usize,
}

/// The packings for blocks of 16 and of 8 channels.
static PACKINGS: [&dyn Packing; 2] = [
    &ZerosBetweenGroups { name: "oihw16o zeros", block: 16 },
    &ZerosBetweenGroups { name: "oihw8o zeros", block: 8 },
];

impl Packing for ZerosBetweenGroups {
    fn name(&self) -> &'static str {
        self.name
    }

    fn len(&self, groups: usize, [o, i, h, w]: [usize; 4]) -> usize {
        o.next_multiple_of(self.block) * groups * i * h * w
    }

    fn cost(&self, groups: usize, shape: [usize; 4]) -> f64 {
        self.len(groups, shape) as f64 * cost::weight()
    }

    fn pack(
        &self,
        _isa: Isa,
        groups: usize,
        shape: [usize; 4],
        from: Layout,
        views: &mut Views,
        _thread_pool: &ThreadPool,
    ) {
        let (source, destination) = (views.read::<f32>(0), views.write::<f32>(0));
        destination.fill(0.0);
        each_weight(groups, shape, self.block, |index, packed| {
            destination[packed] = source[from.offset(shape, index)];
        });
    }
}

/// Calls `work` with the index of every weight and its place among those without groups.
fn each_weight(groups: usize, shape: [usize; 4], block: usize, mut work: impl FnMut([usize; 4], usize)) {
    let [outputs, inputs, h, w] = shape;
    for o in 0..outputs {
        let group = o / (outputs / groups);
        for i in 0..inputs {
            let map = o / block * groups * inputs + group * inputs + i;
            for tap in 0..h * w {
                work([o, i, tap / w, tap % w], (map * h * w + tap) * block + o % block);
            }
        }
    }
}

impl Implementation<ConvDesc> for WeightGradient {
    fn name(&self) -> &'static str {
        "conv_weight_gradient_planar_groups_f32"
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        let x = Layout::Channels { block: 1, halo: needed_halo(d) };
        suits(d).then(|| Format::f32s([x, Layout::channels(isa.block()), Layout::Plain]))
    }

    fn cost(&self, d: &ConvDesc, isa: Isa) -> f64 {
        PlanarInput.cost(&without_groups(d), isa)
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let shape = [d.out_channels, d.in_channels / d.groups, d.kernel[0], d.kernel[1]];
        let all = Bound::new(&without_groups(d), isa, layouts);
        Box::new(OwnWeights { all, groups: d.groups, shape, block: isa.block() })
    }
}

/// The weight gradient without groups, of which only the weights within groups are kept.
struct OwnWeights {
    all: Bound,
    groups: usize,
    shape: [usize; 4],
    block: usize,
}

impl Kernel for OwnWeights {
    fn scratch_bytes(&self, _threads: usize) -> usize {
        size_of::<f32>() * (self.all.dw_len() + self.all.scratch_len())
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let (x, dy, dw) = (views.read::<f32>(0), views.read::<f32>(1), views.write::<f32>(0));
        let (all, scratch) = views.write::<f32>(1).split_at_mut(self.all.dw_len());
        self.all.compute(context, x, dy, all, scratch);
        let plain = Layout::Plain;
        each_weight(self.groups, self.shape, self.block, |index, packed| {
            dw[plain.offset(self.shape, index)] = all[packed];
        });
    }
}
