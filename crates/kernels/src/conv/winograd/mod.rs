//! Winograd convolution: tiles of m outputs along an axis with r taps take m + r − 1 products for each pair of
//! channels, where the direct convolution takes m · r; in two dimensions, these numbers multiply. F(4×4, 3×3) has 36
//! products instead of 144.
//!
//! Y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A. The products over the input channels are matrix multiplications of transformed
//! tiles and transformed weights. `axis` has the transforms along an axis, `tile` those of tiles; an [`Algorithm`]
//! combines an axis for rows with one for columns.
//!
//! Sources: Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016; Barabasz et al., "Error
//! analysis and improving the accuracy of Winograd convolution", ACM TOMS 2020 (points).

mod axis;
mod forward;
mod packing;
mod tile;
mod weight_gradient;

pub(super) use forward::{DataGradient, Forward};
pub(super) use weight_gradient::WeightGradient;

use self::axis::{Axis, F2x3, F3x5, F4x3, F4x7, Unit};
use self::forward::{OutputTiles, transform_outputs};
use self::packing::{WeightPacking, transform_block};
use self::tile::{OfInput, OfOutputGradient, Tiles, transform_tiles};
use self::weight_gradient::{SumsOfBlocks, transform_sums};
use super::geometry::groups_fill_blocks;
use super::{ConvDesc, cost};
use crate::isa::Isa;
use crate::layout::Packed;

/// Floats between the products of a tile, in addition to their length, so that they do not compete for the same lines
/// of the cache.
const GAP: usize = 80;

/// Winograd's algorithm for some number of taps and outputs of a tile.
pub(super) struct Algorithm {
    /// The names of the implementations.
    forward: &'static str,
    data_gradient: &'static str,
    weight_gradient: &'static str,
    /// For blocks of 16 channels, weights and flipped weights; for blocks of 8, the same.
    packings: [[WeightPacking; 2]; 2],
    /// Outputs of a tile in rows and columns.
    out: [usize; 2],
    taps: [usize; 2],
    /// Products of a tile and pair of channels.
    products: usize,
    transform_input: fn(Isa, Tiles),
    transform_outputs: fn(Isa, OutputTiles),
    transform_output_gradient: fn(Isa, Tiles),
    transform_sums: fn(Isa, SumsOfBlocks),
}

macro_rules! algorithms {
    ($($name:ident: $text:literal, $rows:ident by $columns:ident;)*) => {$(
        #[doc = concat!("Outputs of a tile and taps: ", $text, ".")]
        pub(super) static $name: Algorithm = Algorithm {
            forward: concat!("conv_winograd_", $text, "_f32"),
            data_gradient: concat!("conv_data_gradient_winograd_", $text, "_f32"),
            weight_gradient: concat!("conv_weight_gradient_winograd_", $text, "_f32"),
            packings: [
                [
                    packing::<$rows, $columns, 16>(concat!("winograd_", $text, "-16"), false),
                    packing::<$rows, $columns, 16>(concat!("winograd_", $text, "-16-flipped"), true),
                ],
                [
                    packing::<$rows, $columns, 8>(concat!("winograd_", $text, "-8"), false),
                    packing::<$rows, $columns, 8>(concat!("winograd_", $text, "-8-flipped"), true),
                ],
            ],
            out: [$rows::OUT, $columns::OUT],
            taps: [$rows::TAPS, $columns::TAPS],
            products: $rows::PRODUCTS * $columns::PRODUCTS,
            transform_input: transform_tiles::<OfInput, $rows, $columns>,
            transform_outputs: transform_outputs::<$rows, $columns>,
            transform_output_gradient: transform_tiles::<OfOutputGradient, $rows, $columns>,
            transform_sums: transform_sums::<$rows, $columns>,
        };
    )*};
}

algorithms! {
    SQUARE_4X3: "4x4_3x3", F4x3 by F4x3;
    SQUARE_2X3: "2x2_3x3", F2x3 by F2x3;
    SQUARE_3X5: "3x3_5x5", F3x5 by F3x5;
    ROW_4X3: "1x4_1x3", Unit by F4x3;
    COLUMN_4X3: "4x1_3x1", F4x3 by Unit;
    ROW_4X7: "1x4_1x7", Unit by F4x7;
    COLUMN_4X7: "4x1_7x1", F4x7 by Unit;
}

const fn packing<R: Axis, C: Axis, const BLOCK: usize>(name: &'static str, flips: bool) -> WeightPacking {
    WeightPacking {
        name,
        block: BLOCK,
        flips,
        taps: [R::TAPS, C::TAPS],
        products: R::PRODUCTS * C::PRODUCTS,
        transform_block: transform_block::<R, C>,
    }
}

impl Algorithm {
    /// Whether this is an algorithm for the convolution: it has these taps, no stride, no dilation, and groups of whole
    /// blocks of channels.
    fn supports(&self, d: &ConvDesc, block: usize) -> bool {
        d.kernel == self.taps && d.stride == [1, 1] && d.dilation == [1, 1] && groups_fill_blocks(d, block)
    }

    /// The layout of the weights.
    fn packed(&'static self, isa: Isa, groups: usize, flips: bool) -> Packed {
        let of_block = &self.packings[usize::from(isa.block() != 16)];
        Packed { packing: &of_block[usize::from(flips)], groups }
    }

    /// Tiles in a column and in a row of a map of `size` outputs.
    fn grid(&self, size: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| size[axis].div_ceil(self.out[axis]))
    }

    /// The time of the products of all tiles with their transforms and of reading the transformed weights. The
    /// transforms of a tile take [`TRANSFORMS`] times as long for a channel as its products do for a pair.
    fn cost(&self, d: &ConvDesc, isa: Isa) -> f64 {
        let channels = cost::in_blocks(d, isa.block());
        let tiles = (d.batch * self.grid(d.output).iter().product::<usize>()) as f64;
        let [inputs, outputs] = channels.map(|channels| TRANSFORMS * d.groups as f64 / channels as f64);
        let each = tiles * (1.0 + inputs + outputs) + cost::weight();
        cost::pairs(d, channels) * self.products as f64 * each
    }
}

/// See [`Algorithm::cost`]; measured.
const TRANSFORMS: f64 = 17.0;
