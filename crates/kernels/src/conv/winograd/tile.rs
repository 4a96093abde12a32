//! Transforms of tiles of maps.

use std::marker::PhantomData;
use std::ops::Range;

use super::axis::{Axis, Convolution, Halves, Line, MOST};
use crate::isa::Isa;
use crate::layout::maps::Maps;
use crate::simd::{Body, Simd, dispatch};

/// Image, row and column of each of `tiles`, with `grid` tiles in a column and in a row of a map.
pub(super) fn places(grid: [usize; 2], tiles: Range<usize>) -> impl Iterator<Item = [usize; 3]> {
    let [rows, columns] = grid;
    let place = |tile: usize| [tile / (rows * columns), tile / columns % rows, tile % columns];
    let next = move |place: &[usize; 3]| {
        Some(match *place {
            [image, row, column] if column + 1 < columns => [image, row, column + 1],
            [image, row, _] if row + 1 < rows => [image, row + 1, 0],
            [image, ..] => [image + 1, 0, 0],
        })
    };
    std::iter::successors(Some(place(tiles.start)), next).take(tiles.len())
}

/// A value in tiles, which may overlap.
#[derive(Clone, Copy)]
pub(super) struct Tiled {
    pub maps: Maps,
    /// The first row and column of the first tile, in maps with their halo.
    pub first: [usize; 2],
    /// The rows and columns of maps that tiles may read; beyond them, tiles are zero.
    pub end: [usize; 2],
    /// Tiles in a column and in a row of a map.
    pub grid: [usize; 2],
    /// Rows and columns from a tile to the next.
    pub step: [usize; 2],
}

impl Tiled {
    /// The tiles of an input, which include its halo, with `padding` above and to the left.
    pub fn input(maps: Maps, padding: [usize; 2], grid: [usize; 2], step: [usize; 2]) -> Tiled {
        let halo = maps.halo;
        let first = [halo.top - padding[0], halo.left - padding[1]];
        let end = [halo.top + maps.size[0] + halo.bottom, halo.left + maps.size[1] + halo.right];
        Tiled { maps, first, end, grid, step }
    }

    /// The tiles of an output.
    pub fn output(maps: Maps, grid: [usize; 2], step: [usize; 2]) -> Tiled {
        let first = [maps.halo.top, maps.halo.left];
        Tiled { maps, first, end: [first[0] + maps.size[0], first[1] + maps.size[1]], grid, step }
    }
}

/// Some tiles of a block of channels, and where their transforms go.
pub(super) struct Tiles<'a> {
    pub of: &'a Tiled,
    pub values: &'a [f32],
    /// Block of channels.
    pub block: usize,
    pub tiles: Range<usize>,
    /// The first vector of the first tile; those of the next tile lie after them.
    pub to: *mut f32,
    /// Floats from one of them to the next.
    pub stride: usize,
}

/// A transform of tiles along an axis.
pub(super) trait Transform<A>: Send + Sync {
    /// Values along the side of a tile.
    const EXTENT: usize;

    /// Transforms the values along an axis.
    fn line<S: Simd>(s: S, line: Line<S>) -> Line<S>;
}

/// Bᵀ x B.
pub(super) struct OfInput;

impl<A: Axis> Transform<A> for OfInput {
    const EXTENT: usize = A::INPUTS;

    #[inline(always)]
    fn line<S: Simd>(s: S, line: Line<S>) -> Line<S> {
        A::input(s, line)
    }
}

/// A dy Aᵀ.
pub(super) struct OfOutputGradient;

impl<A: Convolution> Transform<A> for OfOutputGradient {
    const EXTENT: usize = A::OUT;

    #[inline(always)]
    fn line<S: Simd>(s: S, line: Line<S>) -> Line<S> {
        A::output_gradient(s, line)
    }
}

/// Transforms `tiles` with R along rows and C along columns.
pub(super) fn transform_tiles<T: Transform<R> + Transform<C>, R: Axis, C: Axis>(isa: Isa, tiles: Tiles) {
    dispatch(isa, TransformTiles::<T, R, C>(tiles, PhantomData));
}

struct TransformTiles<'a, T, R, C>(Tiles<'a>, PhantomData<(T, R, C)>);

impl<T: Transform<R> + Transform<C>, R: Axis, C: Axis> Body for TransformTiles<'_, T, R, C> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Tiles { of, values, block, tiles, mut to, stride } = self.0;
        let (maps, full) = (&of.maps, extents::<T, R, C>());
        for [image, row, column] in places(of.grid, tiles) {
            let map = image * maps.image_len + block * maps.map_len();
            let [top, left] = [of.first[0] + row * of.step[0], of.first[1] + column * of.step[1]];
            let (height, width) = (full[0].min(of.end[0] - top), full[1].min(of.end[1] - left));
            let start = map + top * maps.row_len() + left * S::LANES;
            let source = &values[start..start + (height - 1) * maps.row_len() + width * S::LANES];
            let (from, row_len) = (source.as_ptr(), maps.row_len());
            // SAFETY: the pixels lie within the source, and the caller guarantees the other addresses.
            unsafe {
                // Constants let the compiler unroll the loops.
                if [height, width] == full {
                    transform_tile::<T, R, C, S>(s, from, row_len, extents::<T, R, C>(), to, stride);
                } else {
                    transform_tile::<T, R, C, S>(s, from, row_len, [height, width], to, stride);
                }
                to = to.add(S::LANES);
            }
        }
    }
}

/// Rows and columns of a whole tile.
#[inline(always)]
fn extents<T: Transform<R> + Transform<C>, R, C>() -> [usize; 2] {
    [<T as Transform<R>>::EXTENT, <T as Transform<C>>::EXTENT]
}

/// Transforms a tile of which only `size` pixels are given; the others are zero.
///
/// # Safety
/// The pixels, in rows of `row_len` floats, must be readable and a vector for each product, at distances of `stride`,
/// writable.
#[inline(always)]
unsafe fn transform_tile<T: Transform<R> + Transform<C>, R: Axis, C: Axis, S: Simd>(
    s: S,
    from: *const f32,
    row_len: usize,
    [height, width]: [usize; 2],
    to: *mut f32,
    stride: usize,
) {
    let mut halves = Halves::<S>::new();
    let [_, columns] = extents::<T, R, C>();
    for column in 0..columns {
        let mut line = [s.zero(); MOST];
        if column < width {
            for row in 0..height {
                // SAFETY: the caller guarantees the address.
                line[row] = unsafe { s.load(from.add(row * row_len + column * S::LANES)) };
            }
        }
        halves.set_column(column, <T as Transform<R>>::line(s, line), R::PRODUCTS);
    }
    for row in 0..R::PRODUCTS {
        // SAFETY: all columns of a tile were set.
        let line = <T as Transform<C>>::line(s, unsafe { halves.row(s, row, columns) });
        for column in 0..C::PRODUCTS {
            // SAFETY: as above.
            unsafe { s.store(to.add((row * C::PRODUCTS + column) * stride), line[column]) };
        }
    }
}
