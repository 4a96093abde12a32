//! YCbCr to RGB, with fixed-point numbers of 16 fractional bits. ITU-T T.871, section 7.

use striate_tensor::Vectorize;

use super::plane::Plane;
use super::upsample::Row;
use crate::Region;

/// Converts the samples of a region to pixels.
pub(super) struct Convert<'a> {
    /// One, or three.
    pub planes: &'a [Plane],
    pub region: Region,
    /// Whether the planes are red, green and blue.
    pub is_rgb: bool,
    pub pixels: &'a mut [u8],
}

impl Vectorize for Convert<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Convert { planes, region: Region { left, top, width, height }, is_rgb, pixels } = self;
        let mut rows: [Row; 3] = Default::default();
        for (row, to) in (top..top + height).zip(pixels.chunks_exact_mut(width * planes.len())) {
            let [first, second, third] = &mut rows;
            let [y, blue, red] = planes else {
                to.copy_from_slice(first.of(&planes[0], row, left, width));
                continue;
            };
            let (first, second) = (first.of(y, row, left, width), second.of(blue, row, left, width));
            let third = third.of(red, row, left, width);
            let (to, _) = to.as_chunks_mut::<3>();
            for (((pixel, first), second), third) in to.iter_mut().zip(first).zip(second).zip(third) {
                let samples = [*first, *second, *third];
                *pixel = if is_rgb { samples } else { rgb(samples) };
            }
        }
    }
}

/// Fractional bits of the constants.
const BITS: u32 = 16;
const HALF: i32 = 1 << (BITS - 1);

/// Converts a pixel from YCbCr to RGB.
#[inline(always)]
fn rgb([y, blue, red]: [u8; 3]) -> [u8; 3] {
    const RED: i32 = fixed(1.402);
    const BLUE: i32 = fixed(1.772);
    const GREEN: [i32; 2] = [fixed(0.34414), fixed(0.71414)];
    let (y, blue, red) = (i32::from(y), i32::from(blue) - 128, i32::from(red) - 128);
    [
        to_byte(y + ((RED * red + HALF) >> BITS)),
        to_byte(y + ((HALF - GREEN[0] * blue - GREEN[1] * red) >> BITS)),
        to_byte(y + ((BLUE * blue + HALF) >> BITS)),
    ]
}

#[inline(always)]
pub(super) fn to_byte(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

const fn fixed(value: f64) -> i32 {
    (value * (1 << BITS) as f64 + 0.5) as i32
}
