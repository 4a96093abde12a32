//! The weight gradient: dw = Gᵀ [Σ (A dy Aᵀ) ⊙ (Bᵀ x B)] G, with the sum over all tiles.
//!
//! Tiles pass in blocks through two phases that all threads share: the transforms of x and dy, and 36 matrix
//! multiplications, which add to the sums of all previous blocks. In the end, the sums are transformed.

use std::ops::Range;

use super::{A, B, GAP, IN, Input, InputTiles, OUT, PRODUCTS, costs, supports};
use crate::conv::ConvDesc;
use crate::conv::direct::needed_halo;
use crate::isa::Isa;
use crate::layout::maps::Maps;
use crate::simd::{Body, Simd, dispatch};
use crate::threads::Pointer;
use crate::{Context, Implementation, Kernel, Layout, Views};

/// See the module.
pub(in crate::conv) struct WeightGradient;

impl Implementation<ConvDesc> for WeightGradient {
    fn name(&self) -> &'static str {
        "conv_weight_gradient_winograd_4x4_f32"
    }

    fn accepts(&self, d: &ConvDesc, isa: Isa, _first: Layout) -> Option<Vec<Layout>> {
        let block = isa.block();
        let x = Layout::Channels { block, halo: needed_halo(d) };
        (supports(d) && pays(d)).then(|| vec![x, Layout::channels(block), Layout::KernelForward { block }])
    }

    fn prepare(&self, d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound::new(d, isa, layouts))
    }
}

/// Whether this takes less time than the direct implementation. In addition to [`costs`], the transform of the sums
/// takes as long as 700 multiply-adds for each pair of channels (measured).
fn pays(d: &ConvDesc) -> bool {
    let [own, direct] = costs(d);
    own + 700.0 < direct
}

/// Bytes of transformed values in a block of tiles.
const BLOCK_BYTES: usize = 4 << 20;
/// The fewest and the most tiles in a block.
const TILES: [usize; 2] = [112, 512];
/// The most blocks of output channels that are multiplied at once.
const WIDEST: usize = 3;

/// A dy: six values along an axis from four of dy.
#[inline(always)]
fn transform_output_gradient<S: Simd>(s: S, d: [S::F; OUT]) -> [S::F; IN] {
    let pair = |point: f32| {
        let even = s.fma(s.splat(point * point), d[2], d[0]);
        let odd = s.fma(s.splat(point * point * point), d[3], s.mul(s.splat(point), d[1]));
        [s.add(even, odd), s.sub(even, odd)]
    };
    let ([a, minus_a], [b, minus_b]) = (pair(A), pair(B));
    [d[0], a, minus_a, b, minus_b, d[3]]
}

/// Gᵀ u: three weights along an axis from six sums.
#[inline(always)]
fn transform_sums<S: Simd>(s: S, u: [S::F; IN]) -> [S::F; 3] {
    let (a2, b2) = (A * A, B * B);
    let scale = |factor: f32, x: S::F| s.mul(s.splat(factor), x);
    let [of_a, of_b] = [1.0 / (2.0 * a2 * (a2 - b2)), 1.0 / (2.0 * b2 * (b2 - a2))];
    let (even_a, odd_a) = (scale(of_a, s.add(u[1], u[2])), scale(of_a * A, s.sub(u[1], u[2])));
    let (even_b, odd_b) = (scale(of_b, s.add(u[3], u[4])), scale(of_b * B, s.sub(u[3], u[4])));
    [
        s.fma(s.splat(1.0 / (a2 * b2)), u[0], s.add(even_a, even_b)),
        s.add(odd_a, odd_b),
        s.fma(s.splat(a2), even_a, s.fma(s.splat(b2), even_b, u[5])),
    ]
}

struct Bound {
    isa: Isa,
    x: Input,
    dy: Maps,
    /// Tiles in the batch and in a block.
    tiles: usize,
    block: usize,
}

impl Bound {
    fn new(d: &ConvDesc, isa: Isa, layouts: &[Layout]) -> Bound {
        let maps = Maps::new([d.batch, d.in_channels, d.input[0], d.input[1]], layouts[0]);
        let dy = Maps::new([d.batch, d.out_channels, d.output[0], d.output[1]], layouts[1]);
        let grid = d.output.map(|extent| extent.div_ceil(OUT));
        let tiles = d.batch * grid[0] * grid[1];
        let each = PRODUCTS * (maps.blocks + dy.blocks) * isa.block() * size_of::<f32>();
        let blocks = tiles.div_ceil((BLOCK_BYTES / each).clamp(TILES[0], TILES[1]));
        let x = Input { maps, padding: d.padding, grid };
        Bound { isa, x, dy, tiles, block: tiles.div_ceil(blocks) }
    }

    /// Floats between the transformed values of two products: of x, of dy, and of the sums.
    fn strides(&self) -> [usize; 3] {
        let lanes = self.dy.block;
        let [x, dy] = [self.x.maps.blocks, self.dy.blocks];
        [x * self.block * lanes, dy * self.block * lanes, x * dy * lanes * lanes].map(|len| len + GAP)
    }
}

impl Kernel for Bound {
    fn scratch_len(&self, _threads: usize) -> usize {
        PRODUCTS * self.strides().iter().sum::<usize>()
    }

    fn run(&self, context: &Context, views: &mut Views) {
        let (x, dy) = (views.read::<f32>(0), views.read::<f32>(1));
        let (dw, scratch) = (views.write::<f32>(0), views.write::<f32>(1));
        let lanes = self.dy.block;
        let (inputs, outputs) = (self.x.maps.blocks, self.dy.blocks);
        assert!(
            x.len() >= self.x.maps.count * self.x.maps.map_len()
                && dy.len() >= self.dy.count * self.dy.map_len()
                && dw.len() >= inputs * outputs * 9 * lanes * lanes
                && scratch.len() >= self.scratch_len(context.thread_pool.threads()),
            "operand lengths must match the layouts"
        );
        let strides = self.strides();
        let v = scratch.as_mut_ptr();
        // SAFETY: the scratch memory holds the three parts one after another.
        let [z, sums] =
            unsafe { [v.add(PRODUCTS * strides[0]), v.add(PRODUCTS * (strides[0] + strides[1]))] };
        let pointers = [v, z, sums, dw.as_mut_ptr()].map(Pointer);
        let run = |phase: Phase, tiles: Range<usize>| {
            let [v, z, sums, dw] = pointers.each_ref().map(Pointer::get);
            dispatch(self.isa, Work { bound: self, x, dy, v, z, sums, dw, strides, tiles, phase });
        };
        for block in 0..self.tiles.div_ceil(self.block) {
            let tiles = block * self.block..((block + 1) * self.block).min(self.tiles);
            context.thread_pool.run(inputs + outputs, |item| match item.checked_sub(inputs) {
                None => run(Phase::Input(item), tiles.clone()),
                Some(block) => run(Phase::OutputGradient(block), tiles.clone()),
            });
            context.thread_pool.run(PRODUCTS * inputs, |item| {
                run(Phase::Product(item / inputs, item % inputs), tiles.clone());
            });
        }
        context
            .thread_pool
            .run(inputs * outputs, |item| run(Phase::Sums(item / inputs, item % inputs), 0..0));
    }
}

/// Part of the work.
enum Phase {
    /// The transforms of this block of input channels.
    Input(usize),
    /// The transforms of this block of output channels of dy.
    OutputGradient(usize),
    /// This product for this block of input channels.
    Product(usize, usize),
    /// The transform of the sums for this block of output and this block of input channels.
    Sums(usize, usize),
}

struct Work<'a> {
    bound: &'a Bound,
    x: &'a [f32],
    dy: &'a [f32],
    /// `[36][blocks of input channels][tiles][b]`: transformed x.
    v: *mut f32,
    /// `[36][blocks of output channels][tiles][b]`: transformed dy.
    z: *mut f32,
    /// `[36][blocks of input channels][blocks of output channels][b of input][b of output]`.
    sums: *mut f32,
    /// `[O/b][I/b][3][3][b of I][b of O]`.
    dw: *mut f32,
    strides: [usize; 3],
    tiles: Range<usize>,
    phase: Phase,
}

impl Body for Work<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let bound = self.bound;
        let tiles = self.tiles.clone();
        match self.phase {
            Phase::Input(block) => {
                // SAFETY: the tiles have this place in the transformed x of their block.
                let to = unsafe { self.v.add(block * bound.block * S::LANES) };
                let (input, x, stride) = (&bound.x, self.x, self.strides[0]);
                s.outline(InputTiles { input, x, block, tiles, to, stride });
            }
            Phase::OutputGradient(block) => {
                s.outline(OutputGradientTiles { work: &self, block });
            }
            Phase::Product(product, block) => self.multiply(s, product, block),
            Phase::Sums(output, input) => {
                (0..S::LANES).for_each(|lane| s.outline(SumsLane { work: &self, output, input, lane }));
            }
        }
    }
}

impl Work<'_> {
    /// Adds a product of all tiles to the sums of a block of input channels.
    #[inline(always)]
    fn multiply<S: Simd>(&self, s: S, product: usize, input: usize) {
        let bound = self.bound;
        let outputs = bound.dy.blocks;
        let groups = outputs.div_ceil(WIDEST);
        let step = bound.block * S::LANES;
        for group in 0..groups {
            let first = outputs * group / groups;
            let count = outputs * (group + 1) / groups - first;
            // SAFETY: these are the places of the blocks in the scratch memory.
            let panel = unsafe {
                Panel {
                    v: self.v.add(product * self.strides[0] + input * step),
                    z: self.z.add(product * self.strides[1] + first * step),
                    sums: self
                        .sums
                        .add(product * self.strides[2] + (input * outputs + first) * S::LANES * S::LANES),
                    step,
                    tiles: self.tiles.len(),
                    starts: self.tiles.start == 0,
                }
            };
            match count {
                1 => s.outline(Columns::<1>(panel)),
                2 => s.outline(Columns::<2>(panel)),
                _ => s.outline(Columns::<WIDEST>(panel)),
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
                let (mut v, mut z) = (v.add(half * rows), z);
                for _ in 0..tiles {
                    let outputs: [S::F; O] = std::array::from_fn(|o| s.load(z.add(o * step)));
                    for r in 0..rows {
                        let value = s.splat(*v.add(r));
                        for o in 0..O {
                            acc[r][o] = s.fma(value, outputs[o], acc[r][o]);
                        }
                    }
                    (v, z) = (v.add(S::LANES), z.add(S::LANES));
                }
                for r in 0..rows {
                    (0..O).for_each(|o| s.store(sums.add(cell(r, o)), acc[r][o]));
                }
            }
        }
    }
}

/// The transforms of all tiles of dy for a block of channels.
struct OutputGradientTiles<'a, 'b> {
    work: &'a Work<'b>,
    block: usize,
}

impl Body for OutputGradientTiles<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let OutputGradientTiles { work, block } = self;
        let (dy, stride) = (&work.bound.dy, work.strides[1]);
        // SAFETY: the tiles have this place in the transformed dy of their block.
        let mut to = unsafe { work.z.add(block * work.bound.block * S::LANES) };
        for [image, row, column] in work.bound.x.places(work.tiles.clone()) {
            let [row, column] = [row * OUT, column * OUT];
            let [height, width] = [OUT.min(dy.size[0] - row), OUT.min(dy.size[1] - column)];
            let start = (image * dy.blocks + block) * dy.map_len() + dy.row(row) + column * S::LANES;
            let source = &work.dy[start..start + (height - 1) * dy.row_len() + width * S::LANES];
            // SAFETY: the pixels lie within the source, and each tile has 36 vectors in the transformed dy.
            unsafe {
                // Constants let the compiler unroll the loops.
                match [height, width] {
                    [OUT, OUT] => transform_tile(s, source.as_ptr(), dy.row_len(), [OUT, OUT], to, stride),
                    size => transform_tile(s, source.as_ptr(), dy.row_len(), size, to, stride),
                }
                to = to.add(S::LANES);
            }
        }
    }
}

/// A dy Aᵀ of a tile of which only `size` pixels are given; the others are zero.
///
/// # Safety
/// The pixels, in rows of `row_len` floats, must be readable and 36 vectors at distances of `stride` writable.
#[inline(always)]
unsafe fn transform_tile<S: Simd>(
    s: S,
    from: *const f32,
    row_len: usize,
    [height, width]: [usize; 2],
    to: *mut f32,
    stride: usize,
) {
    let mut halves = [[s.zero(); OUT]; IN];
    for column in 0..width {
        let mut line = [s.zero(); OUT];
        for row in 0..height {
            // SAFETY: the caller guarantees the address.
            line[row] = unsafe { s.load(from.add(row * row_len + column * S::LANES)) };
        }
        let line = transform_output_gradient(s, line);
        for row in 0..IN {
            halves[row][column] = line[row];
        }
    }
    for row in 0..IN {
        let line = transform_output_gradient(s, halves[row]);
        for column in 0..IN {
            // SAFETY: as above.
            unsafe { s.store(to.add((row * IN + column) * stride), line[column]) };
        }
    }
}

/// The transform of the sums of an input channel for a block of output channels.
struct SumsLane<'a, 'b> {
    work: &'a Work<'b>,
    /// Blocks of channels.
    output: usize,
    input: usize,
    /// The channel in its block.
    lane: usize,
}

impl Body for SumsLane<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let SumsLane { work, output, input, lane } = self;
        let (inputs, outputs) = (work.bound.x.maps.blocks, work.bound.dy.blocks);
        let square = S::LANES * S::LANES;
        // SAFETY: the sums and weights of these channels lie here.
        let (sums, dw) = unsafe {
            (
                work.sums.add((input * outputs + output) * square + lane * S::LANES),
                work.dw.add((output * inputs + input) * 9 * square + lane * S::LANES),
            )
        };
        let mut halves = [[s.zero(); IN]; 3];
        for column in 0..IN {
            // SAFETY: as above.
            let sum = |row: usize| unsafe { s.load(sums.add((row * IN + column) * work.strides[2])) };
            let line = transform_sums(s, std::array::from_fn(sum));
            (0..3).for_each(|row| halves[row][column] = line[row]);
        }
        for (row, line) in halves.into_iter().enumerate() {
            for (column, value) in transform_sums(s, line).into_iter().enumerate() {
                // SAFETY: as above.
                unsafe { s.store(dw.add((row * 3 + column) * square), value) };
            }
        }
    }
}
