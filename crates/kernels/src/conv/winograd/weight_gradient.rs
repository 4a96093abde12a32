//! The weight gradient: dw = Gᵀ [Σ (A dy Aᵀ) ⊙ (Bᵀ x B)] G, with the sum over all tiles.
//!
//! Tiles pass in blocks through two phases that all threads share: the transforms of x and dy, and matrix
//! multiplications, which add to the sums of all previous blocks. In the end, the sums are transformed. Without
//! AVX-512, multiplications take as many tiles at a time as stay in the L1 cache while several blocks of channels use
//! them.

use std::marker::PhantomData;
use std::ops::Range;

use super::axis::{Convolution, Halves, MOST};
use super::tile::{Tiled, Tiles};
use super::{Algorithm, GAP};
use crate::conv::direct::needed_halo;
use crate::conv::{ConvDesc, cost};
use crate::isa::Isa;
use crate::layout::maps::Maps;
use crate::simd::{Body, Simd, dispatch};
use crate::threads::Pointer;
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

/// See the module.
pub(in crate::conv) struct WeightGradient(pub &'static Algorithm);

impl Implementation<ConvDesc> for WeightGradient {
    fn name(&self) -> &'static str {
        self.0.weight_gradient
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        let block = isa.block();
        let x = Layout::Channels { block, halo: needed_halo(d) };
        let formats = || Format::f32s([x, Layout::channels(block), Layout::KernelForward { block }]);
        self.0.supports(d, block).then(formats)
    }

    fn cost(&self, d: &ConvDesc, isa: Isa) -> f64 {
        let pairs = cost::pairs(d, cost::in_blocks(d, isa.block()));
        self.0.cost(&self.0.forward, d, isa) + pairs * self.0.all_factors() as f64 * SUM
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound::new(self.0, d, isa, layouts))
    }
}

/// Multiply-adds in the time in which a sum of products is transformed; measured.
const SUM: f64 = 20.0;
/// Bytes of transformed values in a block of tiles.
const BLOCK_BYTES: usize = 4 << 20;
/// The fewest and the most tiles in a block.
const TILES: [usize; 2] = [112, 512];
/// The most blocks of output channels that are multiplied at once.
const WIDEST: usize = 3;

/// The most blocks of input channels whose products are an item, and the most tiles that are multiplied at a time, so
/// that their transformed values stay in the L1 cache while the halves of these blocks use them. Not measured with
/// AVX-512.
const fn most_at_a_time(isa: Isa) -> [usize; 2] {
    match isa {
        Isa::Avx512 => [1, TILES[1]],
        Isa::Avx2 | Isa::Scalar => [2, 128],
    }
}

struct Bound {
    algorithm: &'static Algorithm,
    isa: Isa,
    groups: usize,
    x: Tiled,
    dy: Tiled,
    /// Tiles in the batch and in a block.
    tiles: usize,
    block: usize,
}

impl Bound {
    fn new(algorithm: &'static Algorithm, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Bound {
        let x = Maps::new([d.batch, d.in_channels, d.input[0], d.input[1]], layouts[0]);
        let dy = Maps::new([d.batch, d.out_channels, d.output[0], d.output[1]], layouts[1]);
        let forward = &algorithm.forward;
        let grid = forward.grid(d.output);
        let tiles = d.batch * grid[0] * grid[1];
        let each = algorithm.all_products() * (x.blocks + dy.blocks) * isa.block() * size_of::<f32>();
        let blocks = tiles.div_ceil((BLOCK_BYTES / each).clamp(TILES[0], TILES[1]));
        Bound {
            algorithm,
            isa,
            groups: d.groups,
            x: Tiled::input(x, d.padding, grid, forward.step),
            dy: Tiled::output(dy, grid, forward.out),
            tiles,
            block: tiles.div_ceil(blocks),
        }
    }

    /// Blocks of input channels in a group.
    fn inputs(&self) -> usize {
        self.x.maps.blocks / self.groups
    }

    /// Blocks of output channels in a group.
    fn outputs(&self) -> usize {
        self.dy.maps.blocks / self.groups
    }

    /// Floats between the transformed values of two products, of x and of dy, and between the sums of two factors.
    fn strides(&self) -> [usize; 3] {
        let (lanes, [x, dy]) = (self.dy.maps.block, [self.x.maps.blocks, self.dy.maps.blocks]);
        [x * self.block * lanes, dy * self.block * lanes, x * self.outputs() * lanes * lanes]
            .map(|len| len + GAP)
    }
}

impl Kernel for Bound {
    fn scratch_bytes(&self, _threads: usize) -> usize {
        let ([x, dy, sums], algorithm) = (self.strides(), self.algorithm);
        size_of::<f32>() * (algorithm.all_products() * (x + dy) + algorithm.all_factors() * sums)
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let (x, dy) = (views.read::<f32>(0), views.read::<f32>(1));
        let (dw, scratch) = (views.write::<f32>(0), views.write::<f32>(1));
        let (lanes, products, groups) = (self.dy.maps.block, self.algorithm.all_products(), self.groups);
        let (inputs, outputs) = (self.x.maps.blocks, self.dy.maps.blocks);
        let taps = self.algorithm.taps[0] * self.algorithm.taps[1];
        assert!(
            x.len() >= self.x.maps.len()
                && dy.len() >= self.dy.maps.len()
                && dw.len() >= inputs * outputs / groups * taps * lanes * lanes
                && size_of_val(scratch) >= self.scratch_bytes(context.thread_pool.threads()),
            "operand lengths must match the layouts"
        );
        let strides = self.strides();
        let v = scratch.as_mut_ptr();
        // SAFETY: the scratch memory holds the three parts one after another.
        let [z, sums] =
            unsafe { [v.add(products * strides[0]), v.add(products * (strides[0] + strides[1]))] };
        let pointers = [v, z, sums, dw.as_mut_ptr()].map(Pointer);
        let run = |phase: Phase, tiles: Range<usize>| {
            let [v, z, sums, dw] = pointers.each_ref().map(Pointer::get);
            Work { bound: self, x, dy, v, z, sums, dw, strides, tiles }.run(phase);
        };
        for block in 0..self.tiles.div_ceil(self.block) {
            let tiles = block * self.block..((block + 1) * self.block).min(self.tiles);
            context.thread_pool.run(inputs + outputs, |item| match item.checked_sub(inputs) {
                None => run(Phase::Input(item), tiles.clone()),
                Some(block) => run(Phase::OutputGradient(block), tiles.clone()),
            });
            let of_group = self.inputs();
            let sets = of_group.div_ceil(most_at_a_time(self.isa)[0]);
            context.thread_pool.run(self.algorithm.all_factors() * groups * sets, |item| {
                let (factor, group, set) = (item / (groups * sets), item / sets % groups, item % sets);
                let [first, end] = [set, set + 1].map(|set| group * of_group + of_group * set / sets);
                run(Phase::Products(factor, first..end), tiles.clone());
            });
        }
        context.thread_pool.run(inputs * self.outputs(), |item| {
            run(Phase::Sums(item / inputs, item % inputs), 0..0);
        });
    }
}

/// Part of the work.
enum Phase {
    /// The transforms of this block of input channels.
    Input(usize),
    /// The transforms of this block of output channels of dy.
    OutputGradient(usize),
    /// The products with this factor for these blocks of input channels of a group.
    Products(usize, Range<usize>),
    /// The transform of the sums for this block of output channels of a group and this block of input channels.
    Sums(usize, usize),
}

pub(super) struct Work<'a> {
    bound: &'a Bound,
    x: &'a [f32],
    dy: &'a [f32],
    /// `[products][blocks of input channels][tiles][b]`: transformed x.
    v: *mut f32,
    /// `[products][blocks of output channels][tiles][b]`: transformed dy.
    z: *mut f32,
    /// `[factors][blocks of input channels][blocks of output channels of a group][b of input][b of output]`.
    sums: *mut f32,
    /// `[O/b][I/b][KH][KW][b of I][b of O]`, with I channels in a group.
    dw: *mut f32,
    strides: [usize; 3],
    tiles: Range<usize>,
}

impl Work<'_> {
    fn run(&self, phase: Phase) {
        let (bound, tiles) = (self.bound, self.tiles.clone());
        let (isa, algorithm, step) = (bound.isa, bound.algorithm, bound.block * bound.dy.maps.block);
        match phase {
            Phase::Input(block) => {
                // SAFETY: the tiles have this place in the transformed x of their block.
                let to = unsafe { self.v.add(block * step) };
                let (of, values, stride) = (&bound.x, self.x, self.strides[0]);
                (algorithm.forward.transform_input)(isa, Tiles { of, values, block, tiles, to, stride });
            }
            Phase::OutputGradient(block) => {
                // SAFETY: the tiles have this place in the transformed dy of their block.
                let to = unsafe { self.z.add(block * step) };
                let (of, values, stride) = (&bound.dy, self.dy, self.strides[1]);
                (algorithm.transform_output_gradient)(isa, Tiles { of, values, block, tiles, to, stride });
            }
            Phase::Products(factor, inputs) => dispatch(isa, Multiply { work: self, factor, inputs }),
            Phase::Sums(output, input) => {
                (algorithm.transform_sums)(isa, SumsOfBlocks { work: self, output, input });
            }
        }
    }
}

/// The products of all tiles with a factor, for some blocks of input channels of a group.
struct Multiply<'a, 'b> {
    work: &'a Work<'b>,
    factor: usize,
    inputs: Range<usize>,
}

impl Body for Multiply<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.work.multiply(s, self.factor, self.inputs);
    }
}

impl Work<'_> {
    /// Adds the products of all tiles with a factor to its sums for some blocks of input channels of a group.
    #[inline(always)]
    fn multiply<S: Simd>(&self, s: S, factor: usize, inputs: Range<usize>) {
        let bound = self.bound;
        let (outputs, [_, most]) = (bound.outputs(), most_at_a_time(bound.isa));
        // The first block of output channels of the group.
        let first_output = inputs.start / bound.inputs() * outputs;
        let parts = outputs.div_ceil(WIDEST);
        let step = bound.block * S::LANES;
        for part in 0..parts {
            let first = outputs * part / parts;
            let count = outputs * (part + 1) / parts - first;
            for (index, product) in bound.algorithm.products_of(factor).enumerate() {
                for tile in (0..self.tiles.len()).step_by(most) {
                    for input in inputs.clone() {
                        let [v, z] = [(self.strides[0], input), (self.strides[1], first_output + first)]
                            .map(|(stride, block)| product * stride + block * step + tile * S::LANES);
                        let sums = factor * self.strides[2] + (input * outputs + first) * S::LANES * S::LANES;
                        // SAFETY: the transformed values of these tiles, and the sums of these blocks, have these
                        // places in the scratch memory.
                        let (v, z, sums) = unsafe { (self.v.add(v), self.z.add(z), self.sums.add(sums)) };
                        let tiles = most.min(self.tiles.len() - tile);
                        let starts = [self.tiles.start, tile, index] == [0; 3];
                        let panel = Panel { v, z, sums, step, tiles, starts };
                        match count {
                            1 => s.outline(Columns::<1>(panel)),
                            2 => s.outline(Columns::<2>(panel)),
                            _ => s.outline(Columns::<WIDEST>(panel)),
                        }
                    }
                }
            }
        }
    }
}

/// A block of input channels and some blocks of output channels in a matrix multiplication.
#[derive(Clone, Copy)]
struct Panel {
    v: *const f32,
    z: *const f32,
    sums: *mut f32,
    /// Floats between blocks of channels in z.
    step: usize,
    tiles: usize,
    /// Whether these are the first tiles, whose products replace the sums.
    starts: bool,
}

/// `O` blocks of output channels.
struct Columns<const O: usize>(Panel);

impl<const O: usize> Body for Columns<O> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Panel { v, z, sums, step, tiles, starts } = self.0;
        let rows = S::LANES / 2;
        for half in 0..2 {
            let cell = |r: usize, o: usize| (o * S::LANES + half * rows + r) * S::LANES;
            let mut acc = [[s.zero(); O]; 8];
            // SAFETY: created by `Work::multiply`, which guarantees the addresses.
            unsafe {
                if !starts {
                    for r in 0..rows {
                        (0..O).for_each(|o| acc[r][o] = s.load(sums.add(cell(r, o))));
                    }
                }
                let v = v.add(half * rows);
                if const { S::HAS_PRODUCTS && S::LANES == 8 && O == WIDEST } {
                    let acc = acc.first_chunk_mut::<4>().expect("half of 8 lanes are 4 rows");
                    let (v, z) =
                        (std::array::from_fn(|r| v.add(r)), std::array::from_fn(|o| z.add(o * step)));
                    s.add_all_products::<4, O>(v, S::LANES, z, tiles, acc);
                } else {
                    for tile in 0..tiles {
                        let (v, z) = (v.add(tile * S::LANES), z.add(tile * S::LANES));
                        let outputs: [S::F; O] = std::array::from_fn(|o| s.load(z.add(o * step)));
                        for r in 0..rows {
                            let value = s.splat(*v.add(r));
                            for o in 0..O {
                                acc[r][o] = s.fma(value, outputs[o], acc[r][o]);
                            }
                        }
                    }
                }
                for r in 0..rows {
                    (0..O).for_each(|o| s.store(sums.add(cell(r, o)), acc[r][o]));
                }
            }
        }
    }
}

/// The sums of a block of input channels and a block of output channels of their group.
pub(super) struct SumsOfBlocks<'a, 'b> {
    work: &'a Work<'b>,
    output: usize,
    input: usize,
}

/// Transforms sums to gradients of weights.
pub(super) fn transform_sums<R: Convolution, C: Convolution>(isa: Isa, sums: SumsOfBlocks) {
    dispatch(isa, TransformSums::<R, C>(sums, PhantomData));
}

struct TransformSums<'a, 'b, R, C>(SumsOfBlocks<'a, 'b>, PhantomData<(R, C)>);

impl<R: Convolution, C: Convolution> Body for TransformSums<'_, '_, R, C> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let SumsOfBlocks { work, output, input } = self.0;
        let (bound, square) = (work.bound, S::LANES * S::LANES);
        let (outputs, inputs) = (bound.outputs(), bound.inputs());
        let (group, input_of_group) = (input / inputs, input % inputs);
        let taps = R::TAPS * C::TAPS;
        let weights = ((group * outputs + output) * inputs + input_of_group) * taps * square;
        for lane in 0..S::LANES {
            // SAFETY: the sums and weights of these channels lie here.
            let (sums, dw) = unsafe {
                (
                    work.sums.add((input * outputs + output) * square + lane * S::LANES),
                    work.dw.add(weights + lane * S::LANES),
                )
            };
            let mut halves = Halves::<S>::new();
            for column in 0..C::FACTORS {
                let mut line = [s.zero(); MOST];
                for row in 0..R::FACTORS {
                    // SAFETY: as above.
                    line[row] = unsafe { s.load(sums.add((row * C::FACTORS + column) * work.strides[2])) };
                }
                halves.set_column(column, R::weight_gradients(s, line), R::TAPS);
            }
            for row in 0..R::TAPS {
                // SAFETY: all columns were set.
                let line = C::weight_gradients(s, unsafe { halves.row(s, row, C::FACTORS) });
                for column in 0..C::TAPS {
                    // SAFETY: as above.
                    unsafe { s.store(dw.add((row * C::TAPS + column) * square), line[column]) };
                }
            }
        }
    }
}
