//! The convolution and its data gradient, which is a convolution of dy with flipped and transposed weights.
//!
//! Blocks of tiles pass through three phases: input transform, products, output transform. Small blocks stay in a
//! thread's own cache, and one thread takes each through all phases. If there are too few tiles for this, but the
//! transformed weights fit into a core's cache, there is a block for each thread. With few tiles and many weights, or
//! so many channels that small blocks would read the weights too often, blocks are large and all threads share each
//! phase.

use std::marker::PhantomData;
use std::ops::Range;

use super::axis::{Axis, Halves, MOST};
use super::packing::{PAIR, factor_stride};
use super::panel::Panel;
use super::tile::{Tiled, Tiles, places};
use super::{Algorithm, Direction, GAP};
use crate::activation::{Activation, UNBOUNDED};
use crate::conv::direct::{backward_halo, forward_formats};
use crate::conv::{ConvDesc, Residual, residual};
use crate::isa::Isa;
use crate::layout::maps::Maps;
use crate::simd::{Body, Simd, activate, dispatch};
use crate::threads::Pointer;
use crate::{Context, Format, Halo, Implementation, Kernel, Layout, Views};

/// Forward.
pub(in crate::conv) struct Forward(pub &'static Algorithm);
/// Data gradient: a forward convolution of dy with flipped and transposed weights.
pub(in crate::conv) struct DataGradient(pub &'static Algorithm);

impl Implementation<ConvDesc> for Forward {
    fn name(&self) -> &'static str {
        self.0.forward.name
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        let block = isa.block();
        let w = Layout::Packed(self.0.forward.packed(isa, d.groups));
        self.0.supports(d, block).then(|| forward_formats(d, block, w, block))
    }

    fn cost(&self, d: &ConvDesc, isa: Isa) -> f64 {
        self.0.cost(&self.0.forward, d, isa)
    }

    fn replaces_residual(&self, d: &ConvDesc, _isa: Isa) -> bool {
        d.residual
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Winograd::new(self.0, &self.0.forward, d, isa, layouts))
    }
}

impl Implementation<ConvDesc> for DataGradient {
    fn name(&self) -> &'static str {
        self.0.data_gradient.name
    }

    fn formats(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        let block = isa.block();
        let fits = self.0.supports(d, block) && (0..2).all(|axis| has_backward_tiles(d, axis));
        let dy = || Layout::Channels { block, halo: backward_halo(d) };
        let w = Layout::Packed(self.0.data_gradient.packed(isa, d.groups));
        let dx = Layout::channels(block);
        fits.then(|| Format::f32s([dy(), w, dx].into_iter().chain(d.residual.then_some(dx))))
    }

    fn cost(&self, d: &ConvDesc, isa: Isa) -> f64 {
        self.0.cost(&self.0.data_gradient, &turned(d), isa)
    }

    fn replaces_residual(&self, d: &ConvDesc, _isa: Isa) -> bool {
        d.residual
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Winograd::new(self.0, &self.0.data_gradient, &turned(d), isa, layouts))
    }
}

/// Whether the tiles of a data gradient begin at the first position of dx. With stride 2, this takes padding of 1, and
/// each tile begins in dy if dy is half as large as dx.
fn has_backward_tiles(d: &ConvDesc, axis: usize) -> bool {
    match d.stride[axis] {
        1 => d.padding[axis] < d.kernel[axis],
        _ => d.padding[axis] == 1 && d.output[axis] == d.input[axis].div_ceil(2),
    }
}

/// The data gradient as a convolution of dy, with the padding that its tiles have.
fn turned(d: &ConvDesc) -> ConvDesc {
    ConvDesc {
        in_channels: d.out_channels,
        out_channels: d.in_channels,
        input: d.output,
        output: d.input,
        padding: [0, 1].map(|axis| (d.kernel[axis] - 1 - d.padding[axis]) / d.stride[axis]),
        bias: false,
        activation: Activation::None,
        ..d.clone()
    }
}

struct Winograd {
    algorithm: &'static Algorithm,
    direction: &'static Direction,
    isa: Isa,
    groups: usize,
    /// Output channels.
    channels: usize,
    activation: Activation,
    has_bias: bool,
    x: Tiled,
    y: Maps,
    residual: Option<Maps>,
    /// Tiles in the batch.
    tiles: usize,
    division: Division,
}

/// How the tiles are divided into blocks.
#[derive(Clone, Copy)]
enum Division {
    /// A thread takes each block, of this many tiles, through all phases.
    Private(usize),
    /// Each thread takes one block through all phases. The products of a tile do not depend on its block.
    EachThread,
    /// All threads share each phase of a block of this many tiles.
    Shared(usize),
}

/// Bytes of transformed inputs and products in a private block, unless it then has too few tiles.
const PRIVATE_BYTES: usize = 1 << 19;
/// The most bytes in a private block.
const MOST_PRIVATE_BYTES: usize = 9 << 17;
/// About the fewest tiles in a private block that keep the weights worth loading.
const FEWEST_TILES: usize = 14;
/// The most bytes of transformed weights that each thread reads for a single block.
const SMALL_WEIGHTS: usize = 1 << 18;
/// The fewest tiles in the only block of a thread.
const FEWEST_OF_THREAD: usize = 8;
/// Tiles in a block that all threads share.
const SHARED_TILES: usize = 112;

impl Winograd {
    fn new(
        algorithm: &'static Algorithm,
        direction: &'static Direction,
        d: &ConvDesc,
        isa: Isa,
        layouts: &[Layout],
    ) -> Winograd {
        let last = layouts.len() - 1;
        let y_shape = [d.batch, d.out_channels, d.output[0], d.output[1]];
        let x = Maps::new([d.batch, d.in_channels, d.input[0], d.input[1]], layouts[0]);
        let y = Maps::new(y_shape, layouts[last]);
        let grid = direction.grid(d.output);
        let tiles = d.batch * grid[0] * grid[1];
        let each = algorithm.all_products() * (x.blocks + y.blocks) * isa.block() * size_of::<f32>();
        let fits = each * FEWEST_TILES <= MOST_PRIVATE_BYTES;
        let weights = algorithm.all_factors() * d.in_channels / d.groups * d.out_channels * size_of::<f32>();
        let even = |most: usize| tiles.div_ceil(tiles.div_ceil(most));
        let division = if fits && tiles >= 8 * FEWEST_TILES {
            Division::Private(even((PRIVATE_BYTES / each).max(FEWEST_TILES)))
        } else if fits && weights <= SMALL_WEIGHTS && tiles >= 2 * FEWEST_OF_THREAD {
            Division::EachThread
        } else {
            Division::Shared(even(SHARED_TILES))
        };
        Winograd {
            algorithm,
            direction,
            isa,
            groups: d.groups,
            channels: d.out_channels,
            activation: d.activation,
            has_bias: d.bias,
            x: Tiled::input(x, d.padding, grid, direction.step),
            y,
            residual: d.residual.then(|| Maps::new(y_shape, layouts[last - 1])),
            tiles,
            division,
        }
    }

    /// Tiles in a block, which the last one may lack.
    fn block(&self, threads: usize) -> usize {
        match self.division {
            Division::Private(tiles) | Division::Shared(tiles) => tiles,
            Division::EachThread => self.tiles.div_ceil(threads).max(FEWEST_OF_THREAD),
        }
    }

    /// Floats between the transformed inputs of two products, for blocks of `block` tiles.
    fn v_stride(&self, block: usize) -> usize {
        block * self.x.maps.blocks * self.x.maps.block + GAP
    }

    /// Floats between two products.
    fn m_stride(&self, block: usize) -> usize {
        block * self.y.blocks * self.y.block + GAP
    }

    /// Floats between two factors of the weights.
    fn w_stride(&self) -> usize {
        factor_stride(self.y.blocks * self.y.block * self.depth())
    }

    /// Input channels of a group.
    fn depth(&self) -> usize {
        self.x.maps.blocks / self.groups * self.x.maps.block
    }

    /// Floats of scratch memory for a block.
    fn block_len(&self, block: usize) -> usize {
        self.algorithm.all_products() * (self.v_stride(block) + self.m_stride(block))
    }

    /// Pairs of blocks of output channels in a group.
    fn pairs(&self) -> usize {
        (self.y.blocks / self.groups).div_ceil(PAIR)
    }

    /// Matrix multiplications: by each factor for each pair.
    fn multiplications(&self) -> usize {
        self.algorithm.all_factors() * self.groups * self.pairs()
    }
}

impl Kernel for Winograd {
    fn scratch_bytes(&self, threads: usize) -> usize {
        let count = if let Division::Shared(_) = self.division { 1 } else { threads };
        size_of::<f32>() * self.block_len(self.block(threads)) * count
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let (x, w) = (views.read::<f32>(0), views.read::<f32>(1));
        let bias = if self.has_bias { views.read::<f32>(2) } else { &[] };
        let (y, scratch) = (views.write::<f32>(0), views.write::<f32>(1));
        let thread_pool = context.thread_pool;
        assert!(
            x.len() >= self.x.maps.len()
                && w.len() >= self.algorithm.all_factors() * self.w_stride()
                && y.len() >= self.y.len()
                && (!self.has_bias || bias.len() == self.channels)
                && size_of_val(scratch) >= self.scratch_bytes(thread_pool.threads()),
            "operand lengths must match the layouts"
        );
        let (y, scratch) = (Pointer(y.as_mut_ptr()), Pointer(scratch.as_mut_ptr()));
        let residual = residual(self.residual, views, 2 + usize::from(self.has_bias), &y, self.y);
        let residual = residual.as_ref();
        let block = self.block(thread_pool.threads());
        let blocks = self.tiles.div_ceil(block);
        let [v_stride, m_stride] = [self.v_stride(block), self.m_stride(block)];
        let work = |part: usize, phase: Phase, index: usize| {
            // SAFETY: the scratch memory has one part that all threads share, or a part for each thread.
            let v = unsafe { scratch.get().add(part * self.block_len(block)) };
            // SAFETY: the products follow the transformed inputs.
            let m = unsafe { v.add(self.algorithm.all_products() * v_stride) };
            let tiles = index * block..((index + 1) * block).min(self.tiles);
            Work { conv: self, x, w, bias, residual, y: &y, v, m, v_stride, m_stride, block, tiles }
                .run(phase);
        };
        if let Division::Shared(_) = self.division {
            let whole = |range: usize| range..range + 1;
            for index in 0..blocks {
                thread_pool.run(self.x.maps.blocks, |item| work(0, Phase::Input(whole(item)), index));
                thread_pool.run(self.multiplications(), |item| work(0, Phase::Product(whole(item)), index));
                thread_pool.run(self.y.blocks, |item| work(0, Phase::Output(whole(item)), index));
            }
            return;
        }
        thread_pool.run_on_threads(blocks, |thread, index| {
            work(thread, Phase::Input(0..self.x.maps.blocks), index);
            work(thread, Phase::Product(0..self.multiplications()), index);
            work(thread, Phase::Output(0..self.y.blocks), index);
        });
    }
}

/// Part of the work on a block of tiles.
enum Phase {
    /// The transform of these blocks of input channels.
    Input(Range<usize>),
    /// These multiplications: (factor × groups + group) × pairs + pair.
    Product(Range<usize>),
    /// The transform of these blocks of output channels.
    Output(Range<usize>),
}

pub(super) struct Work<'a> {
    conv: &'a Winograd,
    x: &'a [f32],
    w: &'a [f32],
    bias: &'a [f32],
    residual: Option<&'a Residual>,
    y: &'a Pointer<f32>,
    /// `[products][blocks of input channels][tiles][b]`: transformed inputs.
    v: *mut f32,
    /// `[products][blocks of output channels][tiles][b]`: products.
    m: *mut f32,
    /// Floats between two products in v and in m.
    v_stride: usize,
    m_stride: usize,
    /// Tiles in a whole block.
    block: usize,
    tiles: Range<usize>,
}

impl Work<'_> {
    fn run(&self, phase: Phase) {
        let (c, direction) = (self.conv, self.conv.direction);
        match phase {
            Phase::Input(blocks) => {
                for block in blocks {
                    // SAFETY: the tiles have this place in the transformed inputs of their block.
                    let to = unsafe { self.v.add(block * self.block * c.x.maps.block) };
                    let (of, values, tiles, stride) = (&c.x, self.x, self.tiles.clone(), self.v_stride);
                    (direction.transform_input)(c.isa, Tiles { of, values, block, tiles, to, stride });
                }
            }
            Phase::Product(items) => dispatch(c.isa, Multiply { work: self, items }),
            Phase::Output(blocks) => {
                for block in blocks {
                    (direction.transform_outputs)(c.isa, OutputTiles { work: self, block });
                }
            }
        }
    }
}

/// Matrix multiplications of transformed inputs by transformed weights.
struct Multiply<'a, 'b> {
    work: &'a Work<'b>,
    items: Range<usize>,
}

impl Body for Multiply<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.items.clone().for_each(|item| self.work.multiply(s, item));
    }
}

impl Work<'_> {
    /// Multiplies the transformed inputs of all tiles by a factor of the weights of a pair of blocks of outputs.
    #[inline(always)]
    fn multiply<S: Simd>(&self, s: S, item: usize) {
        let c = self.conv;
        let (factor, pair) = (item / c.pairs(), item % c.pairs());
        let (factor, group) = (factor / c.groups, factor % c.groups);
        let (inputs, outputs) = (c.x.maps.blocks / c.groups, c.y.blocks / c.groups);
        let first_output = group * outputs + pair * PAIR;
        let w = &self.w[factor * c.w_stride() + first_output * S::LANES * c.depth()..];
        let count_of_outputs = PAIR.min(outputs - pair * PAIR);
        let widest = (S::ACCUMULATORS / PAIR).min(14);
        let count = self.tiles.len();
        let parts = count.div_ceil(widest);
        let stride = self.block * S::LANES;
        for product in c.algorithm.products_of(factor) {
            for part in 0..parts {
                let first = count * part / parts;
                let rows = count * (part + 1) / parts - first;
                // SAFETY: the tiles lie within the block, whose parts of the scratch memory begin at v and m.
                let panel = unsafe {
                    Panel {
                        v: self.v.add(product * self.v_stride + group * inputs * stride + first * S::LANES),
                        w: w.as_ptr(),
                        m: self.m.add(product * self.m_stride + first_output * stride + first * S::LANES),
                        stride,
                        blocks: inputs,
                    }
                };
                panel.run(s, rows, count_of_outputs);
            }
        }
    }
}

/// The tiles of a block of output channels.
pub(super) struct OutputTiles<'a, 'b> {
    work: &'a Work<'b>,
    block: usize,
}

/// Transforms the products of all tiles of a block of channels and stores the outputs.
pub(super) fn transform_outputs<R: Axis, C: Axis>(isa: Isa, tiles: OutputTiles) {
    dispatch(isa, TransformOutputs::<R, C>(tiles, PhantomData));
}

struct TransformOutputs<'a, 'b, R, C>(OutputTiles<'a, 'b>, PhantomData<(R, C)>);

impl<R: Axis, C: Axis> Body for TransformOutputs<'_, '_, R, C> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let OutputTiles { work, block } = self.0;
        let c = work.conv;
        let y = &c.y;
        let real = S::LANES.min(c.channels - block * S::LANES);
        let bias = work.bias(s, block, real);
        // SAFETY: the tiles have this place in the products of their block.
        let mut products = unsafe { work.m.add(block * work.block * S::LANES).cast_const() };
        for [image, row, column] in places(c.x.grid, work.tiles.clone()) {
            let map = image * y.image_len + block * y.map_len();
            let [first, left] = [row * R::OUT, column * C::OUT];
            let size = [R::OUT.min(y.size[0] - first), C::OUT.min(y.size[1] - left)];
            let residual = c.residual.map_or(0, |maps| image * maps.image_len + block * maps.map_len());
            let place = Place { map, residual, first, left, bias, real };
            // SAFETY: the pixels lie within the map and belong to this tile alone; only the first tile of a row clears
            // the halo of its lines.
            unsafe {
                // Constants let the compiler unroll the loops.
                if size == [R::OUT, C::OUT] {
                    work.store_tile::<R, C, S>(s, products, place, [R::OUT, C::OUT]);
                } else {
                    work.store_tile::<R, C, S>(s, products, place, size);
                }
                if column == 0 && y.halo != Halo::NONE {
                    let map = work.y.get().add(map);
                    (first..first + size[0]).for_each(|line| y.clear_halo_of_row(map, line));
                }
                products = products.add(S::LANES);
            }
        }
    }
}

/// Where the outputs of a tile lie, and their bias.
#[derive(Clone, Copy)]
struct Place<F> {
    /// The offsets of the map in the output and in the residual.
    map: usize,
    residual: usize,
    /// The first row and column.
    first: usize,
    left: usize,
    bias: F,
    /// Channels in the block, not counting padding.
    real: usize,
}

impl Work<'_> {
    /// Transforms the products of a tile and stores outputs of `size`.
    ///
    /// # Safety
    /// The products must be readable and the outputs writable.
    #[inline(always)]
    unsafe fn store_tile<R: Axis, C: Axis, S: Simd>(
        &self,
        s: S,
        products: *const f32,
        place: Place<S::F>,
        [height, width]: [usize; 2],
    ) {
        let (y, stride) = (&self.conv.y, self.m_stride);
        let mut halves = Halves::<S>::new();
        for column in 0..C::PRODUCTS {
            let mut line = [s.zero(); MOST];
            for row in 0..R::PRODUCTS {
                // SAFETY: the caller guarantees the address.
                line[row] = unsafe { s.load(products.add((row * C::PRODUCTS + column) * stride)) };
            }
            halves.set_column(column, R::output(s, line), R::OUT);
        }
        for row in 0..height {
            // SAFETY: all columns were set.
            let line = C::output(s, unsafe { halves.row(s, row, C::PRODUCTS) });
            for column in 0..width {
                let [at_row, at_column] = [place.first + row, place.left + column];
                let sum = s.add(line[column], place.bias);
                let value = self.finish(s, sum, place.residual, [at_row, at_column], place.real);
                let at = place.map + y.row(at_row) + at_column * S::LANES;
                // SAFETY: as above.
                unsafe { s.store(self.y.get().add(at), value) };
            }
        }
    }

    #[inline(always)]
    fn bias<S: Simd>(&self, s: S, block: usize, real: usize) -> S::F {
        let mut lanes = [0.0; 16];
        if self.conv.has_bias {
            lanes[..real].copy_from_slice(&self.bias[block * S::LANES..][..real]);
        }
        // SAFETY: vectors have at most 16 lanes.
        unsafe { s.load(lanes.as_ptr()) }
    }

    /// Adds the residual and applies the activation; padding lanes stay zero.
    #[inline(always)]
    fn finish<S: Simd>(
        &self,
        s: S,
        sum: S::F,
        residual_map: usize,
        [row, column]: [usize; 2],
        real: usize,
    ) -> S::F {
        let mut value = sum;
        if let Some(Residual { maps, values, .. }) = self.residual {
            let at = residual_map + maps.row(row) + column * S::LANES;
            // SAFETY: the pixel lies within the residual, which is as long as its layout requires.
            value = s.add(value, unsafe { s.load(values.get().add(at)) });
        }
        match self.conv.activation.clip() {
            Some((low, high)) if (low, high) == UNBOUNDED => value,
            Some((low, high)) => s.min(s.splat(high), s.max(s.splat(low), value)),
            None => s.mul(s.first_lanes(real), activate(s, self.conv.activation, value)),
        }
    }
}
