//! Transformed weights.

use super::{A, B, GAP, IN, PRODUCTS};
use crate::isa::Isa;
use crate::simd::{Body, Simd, dispatch};
use crate::threads::{Pointer, ThreadPool};
use crate::{Layout, Packing};

/// Blocks of output channels that lie side by side.
pub(super) const PAIR: usize = 2;

/// `[36][O/2b][I][2b of O]`: transformed weights for blocks of 16 channels.
pub(super) struct Forward16;
/// The same for blocks of 8 channels.
pub(super) struct Forward8;
/// `[36][I/2b][O][2b of I]`: transforms of the flipped weights for blocks of 16 channels.
pub(super) struct Backward16;
/// The same for blocks of 8 channels.
pub(super) struct Backward8;

/// Floats between the weights of two products, of which each has `len`.
pub(super) fn product_stride(len: usize) -> usize {
    len + GAP
}

macro_rules! packing {
    ($type:ident, $name:literal, $block:literal, $flips:literal) => {
        impl Packing for $type {
            fn name(&self) -> &'static str {
                $name
            }

            fn len(&self, [o, i, ..]: [usize; 4]) -> usize {
                PRODUCTS * product_stride(o.next_multiple_of($block) * i.next_multiple_of($block))
            }

            fn home(&self) -> Layout {
                Layout::KernelForward { block: $block }
            }

            fn pack(
                &self,
                isa: Isa,
                shape: [usize; 4],
                from: Layout,
                source: &[f32],
                destination: &mut [f32],
                thread_pool: &ThreadPool,
            ) {
                transform_weights::<$block>(isa, $flips, shape, from, source, destination, thread_pool);
            }
        }
    };
}

packing!(Forward16, "winograd4x4-16", 16, false);
packing!(Forward8, "winograd4x4-8", 8, false);
packing!(Backward16, "winograd4x4-16-flipped", 16, true);
packing!(Backward8, "winograd4x4-8-flipped", 8, true);

/// G w: six values along an axis from three weights.
#[inline(always)]
fn transform_line<S: Simd>(s: S, [w0, w1, w2]: [S::F; 3]) -> [S::F; IN] {
    let (a2, b2) = (A * A, B * B);
    let scale = |factor: f32, x: S::F| s.mul(s.splat(factor), x);
    let pair = |point: f32, factor: f32| {
        let even = scale(factor, s.fma(s.splat(point * point), w2, w0));
        let odd = scale(factor * point, w1);
        [s.add(even, odd), s.sub(even, odd)]
    };
    let [a, minus_a] = pair(A, 1.0 / (2.0 * a2 * (a2 - b2)));
    let [b, minus_b] = pair(B, 1.0 / (2.0 * b2 * (b2 - a2)));
    [scale(1.0 / (a2 * b2), w0), a, minus_a, b, minus_b, w2]
}

/// Weights of blocks of input and output channels: taps, input channels, output channels.
type Taps<const LANES: usize> = [[[f32; LANES]; LANES]; 9];

/// The transforms of the weights of two blocks of channels.
struct Cell<'a, const LANES: usize> {
    taps: &'a Taps<LANES>,
    /// Where the first product of the first input channel begins.
    to: *mut f32,
    /// Floats from one product and from one input channel to the next.
    steps: [usize; 2],
}

impl<const LANES: usize> Body for Cell<'_, LANES> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        assert!(S::LANES == LANES, "blocks of channels are vectors");
        let Cell { taps, to, steps } = self;
        for lane in 0..LANES {
            // SAFETY: the vector has `LANES` floats.
            let weights = |tap: usize| unsafe { s.load(taps[tap][lane].as_ptr()) };
            let columns: [_; 3] =
                std::array::from_fn(|x| transform_line(s, [weights(x), weights(3 + x), weights(6 + x)]));
            for row in 0..IN {
                let line = transform_line(s, [columns[0][row], columns[1][row], columns[2][row]]);
                for (column, value) in line.into_iter().enumerate() {
                    // SAFETY: the caller guarantees the addresses.
                    unsafe { s.store(to.add((row * IN + column) * steps[0] + lane * steps[1]), value) };
                }
            }
        }
    }
}

/// Transforms the weights of all pairs of channels: G w Gᵀ. If it `flips` them, inputs and outputs are exchanged and
/// the taps reversed.
fn transform_weights<const LANES: usize>(
    isa: Isa,
    flips: bool,
    shape: [usize; 4],
    from: Layout,
    source: &[f32],
    destination: &mut [f32],
    thread_pool: &ThreadPool,
) {
    let [outputs, inputs] = if flips { [shape[1], shape[0]] } else { [shape[0], shape[1]] };
    let (o_blocks, i_blocks) = (outputs.div_ceil(LANES), inputs.div_ceil(LANES));
    let offset = |o: usize, i: usize, tap: usize| {
        let index = if flips { [i, o, (8 - tap) / 3, (8 - tap) % 3] } else { [o, i, tap / 3, tap % 3] };
        from.offset(shape, index)
    };
    let depth = i_blocks * LANES;
    let product = product_stride(o_blocks * LANES * depth);
    assert!(destination.len() >= PRODUCTS * product, "the destination holds all transformed weights");
    let destination = Pointer(destination.as_mut_ptr());
    thread_pool.run(o_blocks * i_blocks, |item| {
        let (o_block, i_block) = (item / i_blocks, item % i_blocks);
        let (o, i) = (o_block * LANES, i_block * LANES);
        let [o_count, i_count] = [LANES.min(outputs - o), LANES.min(inputs - i)];
        // Taps, input channels, output channels.
        let mut taps: Taps<LANES> = [[[0.0; LANES]; LANES]; 9];
        for (tap, weights) in taps.iter_mut().enumerate() {
            // Within blocks, channels have constant distances.
            let first = offset(o, i, tap);
            let [o_step, i_step] = [(o_count, 1, 0), (i_count, 0, 1)].map(|(count, by_o, by_i)| {
                if count > 1 { offset(o + by_o, i + by_i, tap) - first } else { 0 }
            });
            for (i, line) in weights.iter_mut().enumerate().take(i_count) {
                for (o, weight) in line.iter_mut().enumerate().take(o_count) {
                    *weight = source[first + o * o_step + i * i_step];
                }
            }
        }
        let pair = o_block / PAIR * PAIR;
        let width = PAIR.min(o_blocks - pair) * LANES;
        let start = pair * LANES * depth + (o_block - pair) * LANES;
        // SAFETY: the elements of these blocks lie within the destination, and belong to this item alone.
        let to = unsafe { destination.get().add(start + i * width) };
        dispatch(isa, Cell { taps: &taps, to, steps: [product, width] });
    });
}
