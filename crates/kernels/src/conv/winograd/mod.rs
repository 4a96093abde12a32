//! Winograd convolution: tiles of m outputs along an axis with r taps take m + r − 1 products for each pair of
//! channels, where the direct convolution takes m · r; in two dimensions, these numbers multiply. F(4×4, 3×3) has 36
//! products instead of 144.
//!
//! Y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A. The products over the input channels are matrix multiplications of transformed
//! tiles and transformed weights. `axis` and `strided` have the transforms along an axis, `tile` those of tiles; an
//! [`Algorithm`] combines an axis for rows with one for columns.
//!
//! Sources: Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016; Barabasz et al., "Error
//! analysis and improving the accuracy of Winograd convolution", ACM TOMS 2020 (points).

mod axis;
mod forward;
mod packing;
mod panel;
mod strided;
mod tile;
mod weight_gradient;

pub(super) use forward::{DataGradient, Forward};
pub(super) use weight_gradient::WeightGradient;

use std::ops::Range;

use self::axis::{Axis, Convolution, F2x3, F3x5, F4x2, F4x3, F4x7, Unit};
use self::forward::{OutputTiles, transform_outputs};
use self::packing::{WeightPacking, transform_block};
use self::strided::Strided;
use self::tile::{OfInput, OfOutputGradient, Tiles, transform_tiles};
use self::weight_gradient::{SumsOfBlocks, transform_sums};
use super::geometry::groups_fill_blocks;
use super::{ConvDesc, cost};
use crate::isa::Isa;
use crate::layout::Packed;

/// Floats between the products of a tile, in addition to their length, so that they do not compete for the same lines
/// of the cache.
const GAP: usize = 80;

/// Winograd's algorithm for some number of taps, stride, and outputs of a tile.
pub(super) struct Algorithm {
    forward: Direction,
    data_gradient: Direction,
    /// The name of the weight gradient.
    weight_gradient: &'static str,
    taps: [usize; 2],
    stride: [usize; 2],
    /// Products of a tile and pair of channels, in rows and columns.
    products: [usize; 2],
    /// Factors from the weights of a pair of channels, in rows and columns.
    factors: [usize; 2],
    transform_output_gradient: fn(Isa, Tiles),
    transform_sums: fn(Isa, SumsOfBlocks),
}

/// The convolution, or its data gradient, which is a convolution of dy.
struct Direction {
    name: &'static str,
    /// Weights for blocks of 16 and of 8 channels.
    packings: [WeightPacking; 2],
    /// Rows and columns from the inputs of a tile to those of the next.
    step: [usize; 2],
    /// Outputs of a tile in rows and columns.
    out: [usize; 2],
    transform_input: fn(Isa, Tiles),
    transform_outputs: fn(Isa, OutputTiles),
}

macro_rules! algorithms {
    ($($name:ident: $text:literal, $rows:ty, $columns:ty;)*) => {$(
        #[doc = concat!("Outputs of a tile and taps: ", $text, ".")]
        pub(super) static $name: Algorithm = Algorithm {
            forward: direction::<$rows, $columns>(
                concat!("conv_winograd_", $text, "_f32"),
                [
                    packing::<$rows, $columns, 16>(concat!("winograd_", $text, "-16"), false),
                    packing::<$rows, $columns, 8>(concat!("winograd_", $text, "-8"), false),
                ],
            ),
            data_gradient: direction::<<$rows as Convolution>::Backward, <$columns as Convolution>::Backward>(
                concat!("conv_data_gradient_winograd_", $text, "_f32"),
                [
                    packing::<$rows, $columns, 16>(concat!("winograd_", $text, "-16-flipped"), true),
                    packing::<$rows, $columns, 8>(concat!("winograd_", $text, "-8-flipped"), true),
                ],
            ),
            weight_gradient: concat!("conv_weight_gradient_winograd_", $text, "_f32"),
            taps: [<$rows as Convolution>::TAPS, <$columns as Convolution>::TAPS],
            stride: [<$rows as Convolution>::STRIDE, <$columns as Convolution>::STRIDE],
            products: [<$rows as Axis>::PRODUCTS, <$columns as Axis>::PRODUCTS],
            factors: [<$rows as Convolution>::FACTORS, <$columns as Convolution>::FACTORS],
            transform_output_gradient: transform_tiles::<OfOutputGradient, $rows, $columns>,
            transform_sums: transform_sums::<$rows, $columns>,
        };
    )*};
}

algorithms! {
    SQUARE_4X3: "4x4_3x3", F4x3, F4x3;
    SQUARE_2X3: "2x2_3x3", F2x3, F2x3;
    SQUARE_3X5: "3x3_5x5", F3x5, F3x5;
    ROW_4X3: "1x4_1x3", Unit, F4x3;
    COLUMN_4X3: "4x1_3x1", F4x3, Unit;
    ROW_4X7: "1x4_1x7", Unit, F4x7;
    COLUMN_4X7: "4x1_7x1", F4x7, Unit;
    STRIDED_4X3: "4x4_3x3_stride2", Strided<F4x2>, Strided<F4x2>;
}

const fn direction<R: Axis, C: Axis>(name: &'static str, packings: [WeightPacking; 2]) -> Direction {
    Direction {
        name,
        packings,
        step: [R::STEP, C::STEP],
        out: [R::OUT, C::OUT],
        transform_input: transform_tiles::<OfInput, R, C>,
        transform_outputs: transform_outputs::<R, C>,
    }
}

const fn packing<R: Convolution, C: Convolution, const BLOCK: usize>(
    name: &'static str,
    flips: bool,
) -> WeightPacking {
    WeightPacking {
        name,
        block: BLOCK,
        flips,
        taps: [R::TAPS, C::TAPS],
        factors: R::FACTORS * C::FACTORS,
        transform_block: transform_block::<R, C>,
    }
}

impl Direction {
    /// The layout of the weights.
    fn packed(&'static self, isa: Isa, groups: usize) -> Packed {
        Packed { packing: &self.packings[usize::from(isa.block() != 16)], groups }
    }

    /// Tiles in a column and in a row of a map of `size` outputs.
    fn grid(&self, size: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| size[axis].div_ceil(self.out[axis]))
    }
}

impl Algorithm {
    /// Whether this is an algorithm for the convolution: it has these taps and this stride, no dilation, and groups of
    /// whole blocks of channels.
    fn supports(&self, d: &ConvDesc, block: usize) -> bool {
        let same = d.kernel == self.taps && d.stride == self.stride;
        same && d.dilation == [1, 1] && groups_fill_blocks(d, block)
    }

    /// The number of all products.
    fn all_products(&self) -> usize {
        self.products[0] * self.products[1]
    }

    /// The number of all factors from weights.
    fn all_factors(&self) -> usize {
        self.factors[0] * self.factors[1]
    }

    /// The products with factor number `factor` from weights.
    fn products_of(&self, factor: usize) -> impl Iterator<Item = usize> {
        let ([_, width], [rows, columns]) = (
            self.products,
            [self.along(0, factor / self.factors[1]), self.along(1, factor % self.factors[1])],
        );
        rows.flat_map(move |row| columns.clone().map(move |column| row * width + column))
    }

    /// The products with a factor along an axis.
    fn along(&self, axis: usize, factor: usize) -> Range<usize> {
        let is_last = factor + 1 == self.factors[axis];
        factor..if is_last { self.products[axis] } else { factor + 1 }
    }

    /// The time of the products of all tiles with their transforms and of reading the transformed weights. The
    /// transforms of a tile take [`TRANSFORMS`] times as long for a channel as its products do for a pair. With a
    /// stride, tiles take [`STRIDED`] times as long, because they have many more values than the cache holds.
    fn cost(&self, direction: &Direction, d: &ConvDesc, isa: Isa) -> f64 {
        let channels = cost::in_blocks(d, isa.block());
        let tiles = (d.batch * direction.grid(d.output).iter().product::<usize>()) as f64;
        let [inputs, outputs] = channels.map(|channels| TRANSFORMS * d.groups as f64 / channels as f64);
        let slower = if self.stride == [1, 1] { 1.0 } else { STRIDED };
        let products = slower * self.all_products() as f64 * tiles * (1.0 + inputs + outputs);
        cost::pairs(d, channels) * (products + self.all_factors() as f64 * cost::weight())
    }
}

/// See [`Algorithm::cost`]; measured.
const TRANSFORMS: f64 = 17.0;
/// See [`Algorithm::cost`]; measured.
const STRIDED: f64 = 1.375;
