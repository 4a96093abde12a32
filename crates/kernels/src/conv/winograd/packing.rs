//! Transformed weights.

use super::{A, B, IN, PRODUCTS};
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
                transform_weights::<$block>($flips, shape, from, source, destination, thread_pool);
            }
        }
    };
}

packing!(Forward16, "winograd4x4-16", 16, false);
packing!(Forward8, "winograd4x4-8", 8, false);
packing!(Backward16, "winograd4x4-16-flipped", 16, true);
packing!(Backward8, "winograd4x4-8-flipped", 8, true);

/// G w: six values along an axis from three weights, for `LANES` pairs of channels.
fn transform_line<const LANES: usize>([w0, w1, w2]: [&[f32; LANES]; 3]) -> [[f32; LANES]; IN] {
    let (a2, b2) = (A * A, B * B);
    let [of_a, of_b] = [1.0 / (2.0 * a2 * (a2 - b2)), 1.0 / (2.0 * b2 * (b2 - a2))];
    let at = |point: f32, factor: f32| -> [f32; LANES] {
        std::array::from_fn(|lane| (w0[lane] + w2[lane] * (point * point) + w1[lane] * point) * factor)
    };
    let first = std::array::from_fn(|lane| w0[lane] * (1.0 / (a2 * b2)));
    [first, at(A, of_a), at(-A, of_a), at(B, of_b), at(-B, of_b), *w2]
}

/// Transforms the weights of all pairs of channels: G w Gᵀ. If it `flips` them, inputs and outputs are exchanged and the
/// taps reversed.
fn transform_weights<const LANES: usize>(
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
    let product = o_blocks * LANES * depth;
    assert!(destination.len() >= PRODUCTS * product, "the destination holds all transformed weights");
    let destination = Pointer(destination.as_mut_ptr());
    thread_pool.run(o_blocks * i_blocks, |item| {
        let (o_block, i_block) = (item / i_blocks, item % i_blocks);
        let (o, i) = (o_block * LANES, i_block * LANES);
        let [o_count, i_count] = [LANES.min(outputs - o), LANES.min(inputs - i)];
        // Taps, input channels, output channels.
        let mut taps = [[[0.0; LANES]; LANES]; 9];
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
        for lane in 0..LANES {
            let columns: [_; 3] =
                std::array::from_fn(|x| transform_line([0, 1, 2].map(|y| &taps[3 * y + x][lane])));
            for row in 0..IN {
                let line = transform_line([0, 1, 2].map(|x| &columns[x][row]));
                for (column, values) in line.iter().enumerate() {
                    let at = (row * IN + column) * product + start + (i + lane) * width;
                    // SAFETY: the elements lie within the destination, and belong to this item alone.
                    unsafe { destination.get().add(at).copy_from_nonoverlapping(values.as_ptr(), LANES) };
                }
            }
        }
    });
}
