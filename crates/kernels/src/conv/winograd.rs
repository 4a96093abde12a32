//! Winograd convolution F(4×4, 3×3): tiles of 4 × 4 outputs from 6 × 6 inputs, with 36 multiplications per pair of
//! channels where the direct convolution has 144.
//!
//! Y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A. The products over the input channels are 36 matrix multiplications of transformed
//! tiles and transformed weights. The interpolation points 0, ±5/8, ±3/2, ∞ give a smaller rounding error than the usual
//! 0, ±1, ±2, ∞ at the same cost.
//!
//! Blocks of tiles pass through three phases: input transform, products, output transform. With few channels, a block is
//! small enough for a thread's own cache and one thread takes it through all phases. With many channels, the transformed
//! weights are larger than any cache, so blocks are large and all threads share each phase.
//!
//! Sources: Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016; Barabasz et al., "Error
//! analysis and improving the accuracy of Winograd convolution", ACM TOMS 2020 (points).

use std::ops::Range;

use super::ConvDesc;
use super::direct::forward_layouts;
use crate::activation::{Activation, UNBOUNDED};
use crate::isa::Isa;
use crate::maps::Maps;
use crate::simd::{Body, Simd, activate, dispatch};
use crate::threads::{Pointer, ThreadPool};
use crate::{Context, Halo, Implementation, Kernel, Layout, Packed, Packing, Views};

/// Outputs along the side of a tile.
const OUT: usize = 4;
/// Inputs along the side of a tile.
const IN: usize = 6;
/// Products of a tile and pair of channels.
const PRODUCTS: usize = IN * IN;
/// Squares of the interpolation points other than 0 and ∞.
const A: f32 = 0.625;
const B: f32 = 1.5;
/// Floats between the products of a tile, in addition to their length, so that they do not compete for the same lines
/// of the cache.
const GAP: usize = 80;
/// Blocks of output channels that are multiplied at once.
const PAIR: usize = 2;

/// Forward.
pub(super) struct Forward;
/// Data gradient: a forward convolution of dy with flipped and transposed weights.
pub(super) struct DataGradient;

impl Implementation<ConvDesc> for Forward {
    fn name(&self) -> &'static str {
        "conv_winograd_4x4_f32"
    }

    fn accepts(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Layout>> {
        (supports(d) && pays(d)).then(|| {
            let w = Layout::Packed(Packed(match isa.block() {
                16 => &Forward16,
                _ => &Forward8,
            }));
            forward_layouts(d, isa.block(), w, isa.block())
        })
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Winograd::new(d, isa, layouts))
    }
}

impl Implementation<ConvDesc> for DataGradient {
    fn name(&self) -> &'static str {
        "conv_data_gradient_winograd_4x4_f32"
    }

    fn accepts(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Layout>> {
        let fits = supports(d) && d.padding.iter().all(|padding| *padding < 3);
        let turned = fits.then(|| turned(d)).filter(pays)?;
        let w = Layout::Packed(Packed(match isa.block() {
            16 => &Backward16,
            _ => &Backward8,
        }));
        Some(forward_layouts(&turned, isa.block(), w, isa.block()))
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Winograd::new(&turned(d), isa, layouts))
    }
}

/// The convolution of dy whose result is dx.
fn turned(d: &ConvDesc) -> ConvDesc {
    ConvDesc {
        in_channels: d.out_channels,
        out_channels: d.in_channels,
        input: d.output,
        output: d.input,
        padding: d.padding.map(|padding| 2 - padding),
        bias: false,
        residual: false,
        activation: Activation::None,
        ..d.clone()
    }
}

/// Whether the convolution is one of 3 × 3 taps without stride, dilation and groups.
fn supports(d: &ConvDesc) -> bool {
    d.kernel == [3, 3] && d.stride == [1, 1] && d.dilation == [1, 1] && d.groups == 1
}

/// With fewer channels, the transforms outweigh most of the saved multiplications.
const FEWEST_CHANNELS: usize = 32;

/// Whether the convolution takes less time than the direct one. For each pair of an input and an output channel, counted
/// in multiply-adds: 36 for each tile or 9 for each pixel; the transforms of tiles, which take 17 times as many for each
/// channel as the products do for a pair; and 10/3 for each byte of weights, which both read at least once.
fn pays(d: &ConvDesc) -> bool {
    if d.in_channels.min(d.out_channels) < FEWEST_CHANNELS {
        return false;
    }
    let tiles: usize = d.output.map(|extent| extent.div_ceil(OUT)).iter().product();
    let [tiles, pixels] = [tiles, d.output[0] * d.output[1]].map(|count| (count * d.batch) as f64);
    let transforms = 17.0 * (1.0 / d.in_channels as f64 + 1.0 / d.out_channels as f64);
    let weights = |numbers: usize| (numbers * size_of::<f32>()) as f64 * 10.0 / 3.0;
    let own = tiles * PRODUCTS as f64 * (1.0 + transforms) + weights(PRODUCTS);
    own < 9.0 * pixels + weights(9)
}

/// `[36][O/2b][I][2b of O]`: transformed weights for blocks of 16 channels.
struct Forward16;
/// The same for blocks of 8 channels.
struct Forward8;
/// `[36][I/2b][O][2b of I]`: transforms of the flipped weights for blocks of 16 channels.
struct Backward16;
/// The same for blocks of 8 channels.
struct Backward8;

macro_rules! packing {
    ($type:ident, $name:literal, $block:literal, $flips:literal) => {
        impl Packing for $type {
            fn name(&self) -> &'static str {
                $name
            }

            fn len(&self, [o, i, ..]: [usize; 4]) -> usize {
                PRODUCTS * o.next_multiple_of($block) * i.next_multiple_of($block)
            }

            fn home(&self) -> Layout {
                Layout::KernelForward { block: $block }
            }

            fn pack(
                &self,
                shape: [usize; 4],
                from: Layout,
                source: &[f32],
                destination: &mut [f32],
                thread_pool: &ThreadPool,
            ) {
                transform_weights($block, $flips, shape, from, source, destination, thread_pool);
            }
        }
    };
}

packing!(Forward16, "winograd4x4-16", 16, false);
packing!(Forward8, "winograd4x4-8", 8, false);
packing!(Backward16, "winograd4x4-16-flipped", 16, true);
packing!(Backward8, "winograd4x4-8-flipped", 8, true);

/// Transforms three weights along an axis: G w.
fn transform_line([w0, w1, w2]: [f64; 3]) -> [f64; IN] {
    let [a, b] = [f64::from(A), f64::from(B)];
    let [a2, b2] = [a * a, b * b];
    let at = |point: f64| w0 + w1 * point + w2 * point * point;
    let [of_a, of_b] = [2.0 * a2 * (a2 - b2), 2.0 * b2 * (b2 - a2)];
    [w0 / (a2 * b2), at(a) / of_a, at(-a) / of_a, at(b) / of_b, at(-b) / of_b, w2]
}

/// Transforms the weights of all pairs of channels: G w Gᵀ. If it `flips` them, inputs and outputs are exchanged and the
/// taps reversed.
fn transform_weights(
    block: usize,
    flips: bool,
    shape: [usize; 4],
    from: Layout,
    source: &[f32],
    destination: &mut [f32],
    thread_pool: &ThreadPool,
) {
    let [outputs, inputs] = if flips { [shape[1], shape[0]] } else { [shape[0], shape[1]] };
    let (blocks, depth) = (outputs.div_ceil(block), inputs.next_multiple_of(block));
    let product = blocks * block * depth;
    let destination = Pointer(destination.as_mut_ptr());
    thread_pool.run(blocks * depth, |item| {
        let (o_block, i) = (item / depth, item % depth);
        let pair = o_block / PAIR * PAIR;
        let width = PAIR.min(blocks - pair) * block;
        let start = pair * block * depth + i * width + (o_block - pair) * block;
        for lane in 0..block {
            let o = o_block * block + lane;
            let mut columns = [[0.0; 3]; IN];
            if o < outputs && i < inputs {
                for x in 0..3 {
                    let index = |y: usize| if flips { [i, o, 2 - y, 2 - x] } else { [o, i, y, x] };
                    let tap = |y: usize| f64::from(source[from.offset(shape, index(y))]);
                    let line = transform_line([tap(0), tap(1), tap(2)]);
                    (0..IN).for_each(|row| columns[row][x] = line[row]);
                }
            }
            for (row, line) in columns.into_iter().enumerate() {
                for (column, value) in transform_line(line).into_iter().enumerate() {
                    let at = (row * IN + column) * product + start + lane;
                    // SAFETY: the element lies within the packed weights, and belongs to this item alone.
                    unsafe { *destination.get().add(at) = value as f32 };
                }
            }
        }
    });
}

/// Bᵀ d: the transform of six inputs along an axis.
#[inline(always)]
fn transform_input<S: Simd>(s: S, d: [S::F; IN]) -> [S::F; IN] {
    let (a2, b2) = (A * A, B * B);
    let minus = |factor: f32, x: S::F, y: S::F| s.fma(s.splat(-factor), x, y);
    let (even_a, odd_a) = (minus(b2, d[2], d[4]), minus(b2, d[1], d[3]));
    let (even_b, odd_b) = (minus(a2, d[2], d[4]), minus(a2, d[1], d[3]));
    let end = |x: S::F, y: S::F, z: S::F| s.fma(s.splat(a2 * b2), x, minus(a2 + b2, y, z));
    [
        end(d[0], d[2], d[4]),
        s.fma(s.splat(A), odd_a, even_a),
        s.fma(s.splat(-A), odd_a, even_a),
        s.fma(s.splat(B), odd_b, even_b),
        s.fma(s.splat(-B), odd_b, even_b),
        end(d[1], d[3], d[5]),
    ]
}

/// Aᵀ m: four outputs along an axis from six products.
#[inline(always)]
fn transform_output<S: Simd>(s: S, m: [S::F; IN]) -> [S::F; OUT] {
    let (even_a, odd_a) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (even_b, odd_b) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    let both = |a: f32, x: S::F, b: f32, y: S::F| s.fma(s.splat(a), x, s.mul(s.splat(b), y));
    [
        s.add(s.add(m[0], even_a), even_b),
        both(A, odd_a, B, odd_b),
        both(A * A, even_a, B * B, even_b),
        s.fma(s.splat(A * A * A), odd_a, s.fma(s.splat(B * B * B), odd_b, m[5])),
    ]
}

struct Winograd {
    isa: Isa,
    /// Output channels.
    channels: usize,
    activation: Activation,
    has_bias: bool,
    x: Maps,
    y: Maps,
    residual: Option<Maps>,
    /// Padding above and to the left.
    padding: [usize; 2],
    /// Tiles in a column and in a row of a map, and in the batch.
    grid: [usize; 2],
    tiles: usize,
    /// Tiles in a block.
    block: usize,
    /// Whether a thread takes a block through all phases.
    private: bool,
}

/// Bytes of transformed inputs and products that a thread's cache holds.
const PRIVATE_BYTES: usize = 1 << 20;
/// Tiles in a block that all threads share.
const SHARED_TILES: usize = 112;
/// The fewest tiles in a private block that keep the weights worth loading.
const FEWEST_TILES: usize = 28;

impl Winograd {
    fn new(d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Winograd {
        let last = layouts.len() - 1;
        let y_shape = [d.batch, d.out_channels, d.output[0], d.output[1]];
        let x = Maps::new([d.batch, d.in_channels, d.input[0], d.input[1]], layouts[0]);
        let y = Maps::new(y_shape, layouts[last]);
        let grid = d.output.map(|extent| extent.div_ceil(OUT));
        let tiles = d.batch * grid[0] * grid[1];
        let each = PRODUCTS * (x.blocks + y.blocks) * isa.block() * size_of::<f32>();
        let private = each * FEWEST_TILES <= PRIVATE_BYTES && tiles >= 2 * FEWEST_TILES;
        let most = if private { PRIVATE_BYTES / each } else { SHARED_TILES };
        let blocks = tiles.div_ceil(most);
        Winograd {
            isa,
            channels: d.out_channels,
            activation: d.activation,
            has_bias: d.bias,
            x,
            y,
            residual: d.residual.then(|| Maps::new(y_shape, layouts[last - 1])),
            padding: d.padding,
            grid,
            tiles,
            block: tiles.div_ceil(blocks),
            private,
        }
    }

    /// Floats between the transformed inputs of two products.
    fn v_stride(&self) -> usize {
        self.block * self.x.blocks * self.x.block + GAP
    }

    /// Floats between two products.
    fn m_stride(&self) -> usize {
        self.block * self.y.blocks * self.y.block + GAP
    }

    /// Floats of scratch memory for a block.
    fn block_len(&self) -> usize {
        PRODUCTS * (self.v_stride() + self.m_stride())
    }

    /// Blocks of tiles.
    fn blocks(&self) -> usize {
        self.tiles.div_ceil(self.block)
    }

    /// Pairs of blocks of output channels.
    fn pairs(&self) -> usize {
        self.y.blocks.div_ceil(PAIR)
    }
}

impl Kernel for Winograd {
    fn scratch_len(&self, threads: usize) -> usize {
        self.block_len() * if self.private { threads } else { 1 }
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let (x, w) = (views.read::<f32>(0), views.read::<f32>(1));
        let bias = if self.has_bias { views.read::<f32>(2) } else { &[] };
        let residual = self.residual.map(|maps| (maps, views.read::<f32>(views.reads() - 1)));
        let (y, scratch) = (views.write::<f32>(0), views.write::<f32>(1));
        let thread_pool = context.thread_pool;
        let depth = self.x.blocks * self.x.block;
        assert!(
            x.len() >= self.x.count * self.x.map_len()
                && w.len() >= PRODUCTS * self.y.blocks * self.y.block * depth
                && y.len() >= self.y.count * self.y.map_len()
                && residual.is_none_or(|(maps, values)| values.len() >= maps.count * maps.map_len())
                && (!self.has_bias || bias.len() == self.channels)
                && scratch.len() >= self.scratch_len(thread_pool.threads()),
            "operand lengths must match the layouts"
        );
        let (y, scratch) = (Pointer(y.as_mut_ptr()), Pointer(scratch.as_mut_ptr()));
        let work = |thread: usize, phase: Phase, block: usize| {
            // SAFETY: the scratch memory has a part for each thread, or is shared by all.
            let v = unsafe { scratch.get().add(if self.private { thread * self.block_len() } else { 0 }) };
            // SAFETY: the products follow the transformed inputs.
            let m = unsafe { v.add(PRODUCTS * self.v_stride()) };
            let tiles = block * self.block..((block + 1) * self.block).min(self.tiles);
            dispatch(self.isa, Work { conv: self, x, w, bias, residual, y: &y, v, m, tiles, phase });
        };
        if self.private {
            return thread_pool.run_on_threads(self.blocks(), |thread, block| {
                work(thread, Phase::Input(0..self.x.blocks), block);
                work(thread, Phase::Product(0..PRODUCTS * self.pairs()), block);
                work(thread, Phase::Output(0..self.y.blocks), block);
            });
        }
        let whole = |range: usize| range..range + 1;
        for block in 0..self.blocks() {
            thread_pool.run(self.x.blocks, |item| work(0, Phase::Input(whole(item)), block));
            thread_pool.run(PRODUCTS * self.pairs(), |item| work(0, Phase::Product(whole(item)), block));
            thread_pool.run(self.y.blocks, |item| work(0, Phase::Output(whole(item)), block));
        }
    }
}

/// Part of the work on a block of tiles.
enum Phase {
    /// The transform of these blocks of input channels.
    Input(Range<usize>),
    /// These products with pairs of blocks of output channels: product × pairs + pair.
    Product(Range<usize>),
    /// The transform of these blocks of output channels.
    Output(Range<usize>),
}

struct Work<'a> {
    conv: &'a Winograd,
    x: &'a [f32],
    w: &'a [f32],
    bias: &'a [f32],
    residual: Option<(Maps, &'a [f32])>,
    y: &'a Pointer<f32>,
    /// `[36][blocks of input channels][tiles][b]`: transformed inputs.
    v: *mut f32,
    /// `[36][blocks of output channels][tiles][b]`: products.
    m: *mut f32,
    tiles: Range<usize>,
    phase: Phase,
}

impl Body for Work<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match &self.phase {
            Phase::Input(blocks) => {
                for block in blocks.clone() {
                    for tile in self.tiles.clone() {
                        s.outline(InputTile(&self, block, tile));
                    }
                }
            }
            Phase::Product(items) => items.clone().for_each(|item| self.multiply(s, item)),
            Phase::Output(blocks) => {
                for block in blocks.clone() {
                    for tile in self.tiles.clone() {
                        s.outline(OutputTile(&self, block, tile));
                    }
                }
            }
        }
    }
}

impl Work<'_> {
    /// Image, row and column of a tile.
    #[inline(always)]
    fn place(&self, tile: usize) -> [usize; 3] {
        let [rows, columns] = self.conv.grid;
        [tile / (rows * columns), tile / columns % rows, tile % columns]
    }

    /// Multiplies the transformed inputs of all tiles by the weights of a pair of blocks of output channels.
    #[inline(always)]
    fn multiply<S: Simd>(&self, s: S, item: usize) {
        let c = self.conv;
        let (product, pair) = (item / c.pairs(), item % c.pairs());
        let depth = c.x.blocks * S::LANES;
        let outputs = PAIR.min(c.y.blocks - pair * PAIR);
        let w = &self.w[(product * c.y.blocks + pair * PAIR) * S::LANES * depth..];
        let widest = (S::ACCUMULATORS / PAIR).min(14);
        let count = self.tiles.len();
        let groups = count.div_ceil(widest);
        let stride = c.block * S::LANES;
        for group in 0..groups {
            let first = count * group / groups;
            let rows = count * (group + 1) / groups - first;
            // SAFETY: the tiles lie within the block, whose parts of the scratch memory begin at v and m.
            let panel = unsafe {
                Panel {
                    v: self.v.add(product * c.v_stride() + first * S::LANES),
                    w: w.as_ptr(),
                    m: self.m.add(product * c.m_stride() + pair * PAIR * stride + first * S::LANES),
                    stride,
                    blocks: c.x.blocks,
                }
            };
            panel.run(s, rows, outputs);
        }
    }
}

/// Some rows of a matrix multiplication.
#[derive(Clone, Copy)]
struct Panel {
    v: *const f32,
    w: *const f32,
    m: *mut f32,
    /// Floats between blocks of channels in v and m.
    stride: usize,
    /// Blocks of input channels.
    blocks: usize,
}

impl Panel {
    #[inline(always)]
    fn run<S: Simd>(self, s: S, rows: usize, outputs: usize) {
        macro_rules! rows {
            ($($count:literal)*) => {
                match (rows, outputs) {
                    $(
                        ($count, 1) => s.outline(Rows::<$count, 1>(self)),
                        ($count, _) => s.outline(Rows::<$count, 2>(self)),
                    )*
                    _ => unreachable!("panels have at most 14 rows"),
                }
            };
        }
        rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

/// `R` rows for `O` blocks of output channels.
struct Rows<const R: usize, const O: usize>(Panel);

impl<const R: usize, const O: usize> Body for Rows<R, O> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if R * O > S::ACCUMULATORS {
            unreachable!("panels are chosen to fit the registers");
        }
        let Panel { v, mut w, m, stride, blocks } = self.0;
        let mut acc = [[s.zero(); O]; R];
        for block in 0..blocks {
            // SAFETY: created by `Work::multiply`, which guarantees the addresses.
            unsafe {
                let v = v.add(block * stride);
                for i in 0..S::LANES {
                    let weights: [S::F; O] = std::array::from_fn(|o| s.load(w.add(o * S::LANES)));
                    w = w.add(O * S::LANES);
                    s.prefetch(w.wrapping_add(16 * O * S::LANES));
                    for r in 0..R {
                        let value = s.splat(*v.add(r * S::LANES + i));
                        for o in 0..O {
                            acc[r][o] = s.fma(value, weights[o], acc[r][o]);
                        }
                    }
                }
            }
        }
        for r in 0..R {
            for o in 0..O {
                // SAFETY: as above.
                unsafe { s.store(m.add(o * stride + r * S::LANES), acc[r][o]) };
            }
        }
    }
}

/// The input transform of a tile: work, block of channels, tile.
struct InputTile<'a, 'b>(&'a Work<'b>, usize, usize);

impl Body for InputTile<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let InputTile(work, block, tile) = self;
        let c = work.conv;
        let [image, row, column] = work.place(tile);
        let x = &c.x;
        let map = (image * x.blocks + block) * x.map_len();
        // Position of the first input in the map including its halo.
        let [top, left] = [x.halo.top - c.padding[0] + row * OUT, x.halo.left - c.padding[1] + column * OUT];
        let rows = x.halo.top + x.size[0] + x.halo.bottom;
        let columns = x.halo.left + x.size[1] + x.halo.right;
        let (height, width) = (IN.min(rows - top), IN.min(columns - left));
        let start = map + top * x.row_len() + left * S::LANES;
        let source = &work.x[start..start + (height - 1) * x.row_len() + width * S::LANES];
        // Beyond the map there are zeros, whose outputs are not stored.
        let mut halves = [[s.zero(); IN]; IN];
        for column in 0..width {
            let mut line = [s.zero(); IN];
            for (row, value) in line.iter_mut().enumerate().take(height) {
                // SAFETY: the vector lies within the source.
                *value = unsafe { s.load(source.as_ptr().add(row * x.row_len() + column * S::LANES)) };
            }
            let line = transform_input(s, line);
            (0..IN).for_each(|row| halves[row][column] = line[row]);
        }
        let at = (block * c.block + tile - work.tiles.start) * S::LANES;
        for (row, line) in halves.into_iter().enumerate() {
            for (column, value) in transform_input(s, line).into_iter().enumerate() {
                // SAFETY: the tile has this place in the transformed inputs of its block.
                unsafe { s.store(work.v.add((row * IN + column) * c.v_stride() + at), value) };
            }
        }
    }
}

/// The output transform of a tile: work, block of channels, tile.
struct OutputTile<'a, 'b>(&'a Work<'b>, usize, usize);

impl Body for OutputTile<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let OutputTile(work, block, tile) = self;
        let c = work.conv;
        let at = (block * c.block + tile - work.tiles.start) * S::LANES;
        // SAFETY: the tile has this place in the products of its block.
        let product = |row: usize, column: usize| unsafe {
            s.load(work.m.add((row * IN + column) * c.m_stride() + at))
        };
        let mut halves = [[s.zero(); IN]; OUT];
        for column in 0..IN {
            let line = transform_output(s, std::array::from_fn(|row| product(row, column)));
            (0..OUT).for_each(|row| halves[row][column] = line[row]);
        }
        let [image, row, column] = work.place(tile);
        let y = &c.y;
        let map = image * y.blocks + block;
        let real = S::LANES.min(c.channels - block * S::LANES);
        let bias = work.bias(s, block, real);
        let (first, left) = (row * OUT, column * OUT);
        let height = OUT.min(y.size[0] - first);
        let width = OUT.min(y.size[1] - left);
        // SAFETY: the map lies within y.
        let map_start = unsafe { work.y.get().add(map * y.map_len()) };
        for (dy, line) in halves.into_iter().enumerate().take(height) {
            let line = transform_output(s, line);
            for (dx, value) in line.into_iter().enumerate().take(width) {
                let value = work.finish(s, s.add(value, bias), map, [first + dy, left + dx], real);
                // SAFETY: the pixel lies within the map and belongs to this tile alone.
                unsafe { s.store(map_start.add(y.row(first + dy) + (left + dx) * S::LANES), value) };
            }
        }
        if column == 0 && y.halo != Halo::NONE {
            // SAFETY: only the first tile of a row clears the halo of its lines.
            (first..first + height).for_each(|line| unsafe { y.clear_halo_of_row(map_start, line) });
        }
    }
}

impl Work<'_> {
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
    fn finish<S: Simd>(&self, s: S, sum: S::F, map: usize, [row, column]: [usize; 2], real: usize) -> S::F {
        let mut value = sum;
        if let Some((maps, values)) = self.residual {
            let at = map * maps.map_len() + maps.row(row) + column * S::LANES;
            let values = &values[at..at + S::LANES];
            // SAFETY: the slice is a vector long.
            value = s.add(value, unsafe { s.load(values.as_ptr()) });
        }
        match self.conv.activation.clip() {
            Some((low, high)) if (low, high) == UNBOUNDED => value,
            Some((low, high)) => s.min(s.splat(high), s.max(s.splat(low), value)),
            None => s.mul(s.first_lanes(real), activate(s, self.conv.activation, value)),
        }
    }
}
