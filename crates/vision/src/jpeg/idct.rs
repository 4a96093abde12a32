//! The inverse cosine transform of a block, with the rounding of libjpeg's accurate integer method.
//!
//! First the columns are transformed, to numbers with two fractional bits, then the rows. Both passes are linear in
//! 32 bits before they round; therefore, rows are multiplied by a matrix, which is faster without vectors of columns.

use super::color::to_byte;

/// Fractional bits of the constants, and of the numbers between the passes.
const CONSTANT: u32 = 13;
const BETWEEN: u32 = 2;

/// Row `k`: the transform of a row whose coefficient `k` alone is one.
const BASIS: [[i32; 8]; 8] = {
    let mut basis = [[0; 8]; 8];
    let mut at = 0;
    while at < 8 {
        let mut unit = [0; 8];
        unit[at] = 1;
        basis[at] = inverse(unit);
        at += 1;
    }
    basis
};

/// Transforms eight coefficients to samples, which are scaled by √8 and by the constants' 2¹³. The 11 multiplications
/// are those of Loeffler, Ligtenberg and Moschytz, figure 1 in reverse; one more keeps every path at one product.
#[inline(always)]
const fn inverse(x: [i32; 8]) -> [i32; 8] {
    // Even coefficients: a rotation by 3π/8 and butterflies.
    let rotated = times(x[2].wrapping_add(x[6]), 4433);
    let far = rotated.wrapping_sub(times(x[6], 15137));
    let near = rotated.wrapping_add(times(x[2], 6270));
    let sum = x[0].wrapping_add(x[4]).wrapping_shl(CONSTANT);
    let difference = x[0].wrapping_sub(x[4]).wrapping_shl(CONSTANT);
    let even = [
        sum.wrapping_add(near),
        difference.wrapping_add(far),
        difference.wrapping_sub(far),
        sum.wrapping_sub(near),
    ];
    // Odd coefficients.
    let outer = times(x[7].wrapping_add(x[1]), -7373);
    let inner = times(x[5].wrapping_add(x[3]), -20995);
    let (third, fourth) = (x[7].wrapping_add(x[3]), x[5].wrapping_add(x[1]));
    let both = times(third.wrapping_add(fourth), 9633);
    let third = times(third, -16069).wrapping_add(both);
    let fourth = times(fourth, -3196).wrapping_add(both);
    let odd = [
        times(x[1], 12299).wrapping_add(outer).wrapping_add(fourth),
        times(x[3], 25172).wrapping_add(inner).wrapping_add(third),
        times(x[5], 16819).wrapping_add(inner).wrapping_add(fourth),
        times(x[7], 2446).wrapping_add(outer).wrapping_add(third),
    ];
    [
        even[0].wrapping_add(odd[0]),
        even[1].wrapping_add(odd[1]),
        even[2].wrapping_add(odd[2]),
        even[3].wrapping_add(odd[3]),
        even[3].wrapping_sub(odd[3]),
        even[2].wrapping_sub(odd[2]),
        even[1].wrapping_sub(odd[1]),
        even[0].wrapping_sub(odd[0]),
    ]
}

#[inline(always)]
const fn times(x: i32, constant: i32) -> i32 {
    x.wrapping_mul(constant)
}

/// Transforms coefficients, which are multiplied by `factors` before, to samples. `last`: the number of the last
/// coefficient in zigzag order that may not be zero; those of zero are skipped, which does not change the result.
#[inline(always)]
pub(super) fn transform(coefficients: &[i16; 64], factors: &[i16; 64], last: usize) -> [[u8; 8]; 8] {
    match last {
        0 => flat(coefficients[0].wrapping_mul(factors[0])),
        1..=2 => transform_first::<2>(coefficients, factors),
        3..=9 => transform_first::<4>(coefficients, factors),
        10..=20 => transform_first::<6>(coefficients, factors),
        _ => transform_first::<8>(coefficients, factors),
    }
}

/// A block of one value.
#[inline(always)]
fn flat(first: i16) -> [[u8; 8]; 8] {
    let shift = BETWEEN + 3;
    let value = (i32::from(first.wrapping_shl(BETWEEN)) + (1 << (shift - 1))) >> shift;
    [[to_byte(value + 128); 8]; 8]
}

/// Transforms a block of which only the first `N` rows and columns are not zero.
#[inline(always)]
fn transform_first<const N: usize>(coefficients: &[i16; 64], factors: &[i16; 64]) -> [[u8; 8]; 8] {
    const ROUND: u32 = CONSTANT - BETWEEN;
    let mut columns = [[0i32; 8]; 8];
    for at in 0..8 {
        let mut column = [0; 8];
        for row in 0..N {
            column[row] = i32::from(coefficients[row * 8 + at].wrapping_mul(factors[row * 8 + at]));
        }
        let column = inverse(column);
        for row in 0..8 {
            let value = column[row].wrapping_add(1 << (ROUND - 1)) >> ROUND;
            columns[row][at] = value.clamp(i16::MIN.into(), i16::MAX.into());
        }
    }
    let mut samples = [[0; 8]; 8];
    for (to, row) in samples.iter_mut().zip(&columns) {
        transform_row::<N>(row, to);
    }
    samples
}

/// Transforms a row of numbers between the passes.
#[inline(always)]
fn transform_row<const N: usize>(row: &[i32; 8], to: &mut [u8; 8]) {
    const SHIFT: u32 = CONSTANT + BETWEEN + 3;
    // Samples are stored less 128.
    let mut sums = [(128i32 << SHIFT) + (1 << (SHIFT - 1)); 8];
    for (value, basis) in row[..N].iter().zip(&BASIS) {
        for (sum, basis) in sums.iter_mut().zip(basis) {
            *sum = sum.wrapping_add(value.wrapping_mul(*basis));
        }
    }
    for (to, sum) in to.iter_mut().zip(sums) {
        *to = to_byte(sum >> SHIFT);
    }
}
