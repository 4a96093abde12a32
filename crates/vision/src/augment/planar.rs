//! Shifts, flips and affine maps of images of `f32`, already normalized.
//!
//! Images are planar, `[C, H, W]`; pixels from outside the image have the value `fill`.

use striate_tensor::random::Random;

/// Shifts an image by up to `most` pixels on each axis; the same as padding it by as much and cropping it at
/// random.
pub fn shift(random: &mut Random, shape: [usize; 3], most: usize, fill: f32, from: &[f32], to: &mut [f32]) {
    let offset = |random: &mut Random| random.below(2 * most + 1) as isize - most as isize;
    let (dy, dx) = (offset(random), offset(random));
    moved(shape, dy, dx, fill, from, to);
}

/// Shifts an image as [`shift`] does, then mirrors it with probability one half; the augmentation of CIFAR-10 by
/// He et al., CVPR 2016, section 4.2, where `most` is 4.
pub fn shift_flip(
    random: &mut Random,
    shape: [usize; 3],
    most: usize,
    fill: f32,
    from: &[f32],
    to: &mut [f32],
) {
    shift(random, shape, most, fill, from, to);
    flip(random, shape, to);
}

/// Mirrors an image left to right with probability one half.
pub fn flip(random: &mut Random, shape: [usize; 3], image: &mut [f32]) {
    if random.below(2) == 1 {
        image.chunks_exact_mut(shape[2]).for_each(<[f32]>::reverse);
    }
}

/// Writes the image whose upper left pixel is pixel (`dx`, `dy`) of the old one.
fn moved(shape: [usize; 3], dy: isize, dx: isize, fill: f32, from: &[f32], to: &mut [f32]) {
    let [_, h, w] = shape;
    let kept = w.saturating_sub(dx.unsigned_abs());
    let (first, at) = (dx.max(0) as usize, dx.min(0).unsigned_abs());
    for (from, to) in from.chunks_exact(h * w).zip(to.chunks_exact_mut(h * w)) {
        for (y, row) in to.chunks_exact_mut(w).enumerate() {
            row.fill(fill);
            let source = y as isize + dy;
            if (0..h as isize).contains(&source) && kept > 0 {
                let start = source as usize * w + first;
                row[at..at + kept].copy_from_slice(&from[start..start + kept]);
            }
        }
    }
}

/// Limits of [`affine`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Largest rotation in either direction, in degrees.
    pub rotation: f32,
    /// Largest relative change of size.
    pub scale: f32,
    /// Largest shear, relative to the size.
    pub shear: f32,
    /// Largest shift, in pixels.
    pub shift: f32,
}

/// Rotates, scales, shears and shifts an image at random, with bilinear sampling; the distortions of LeCun et al.,
/// 1998, section III C.
pub fn affine(
    random: &mut Random,
    limits: Affine,
    shape: [usize; 3],
    fill: f32,
    from: &[f32],
    to: &mut [f32],
) {
    let [_, h, w] = shape;
    let mut within = |limit: f32| random.between(-limit, limit);
    let (sin, cos) = within(limits.rotation).to_radians().sin_cos();
    let (scale, shear) = (1.0 / (1.0 + within(limits.scale)), within(limits.shear));
    let (dx, dy) = (within(limits.shift), within(limits.shift));
    let (cx, cy) = ((w as f32 - 1.0) / 2.0, (h as f32 - 1.0) / 2.0);
    for (from, to) in from.chunks_exact(h * w).zip(to.chunks_exact_mut(h * w)) {
        for y in 0..h {
            for x in 0..w {
                let (px, py) = (x as f32 - cx - dx, y as f32 - cy - dy);
                let (px, py) = (px + shear * py, py);
                let sx = scale * (cos * px + sin * py) + cx;
                let sy = scale * (cos * py - sin * px) + cy;
                to[y * w + x] = bilinear(from, h, w, sx, sy, fill);
            }
        }
    }
}

/// Interpolates the value at (`x`, `y`) between four pixels of a map `[H, W]`.
fn bilinear(map: &[f32], h: usize, w: usize, x: f32, y: f32, fill: f32) -> f32 {
    let (x0, y0) = (below(x), below(y));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let (x0, y0) = (x0 as isize, y0 as isize);
    let inside = x0 >= 0 && y0 >= 0 && x0 + 1 < w as isize && y0 + 1 < h as isize;
    let [a, b, c, d] = if inside {
        let at = y0 as usize * w + x0 as usize;
        [map[at], map[at + 1], map[at + w], map[at + w + 1]]
    } else {
        let at = |x: isize, y: isize| {
            let inside = (0..w as isize).contains(&x) && (0..h as isize).contains(&y);
            if inside { map[y as usize * w + x as usize] } else { fill }
        };
        [at(x0, y0), at(x0 + 1, y0), at(x0, y0 + 1), at(x0 + 1, y0 + 1)]
    };
    let top = a * (1.0 - fx) + b * fx;
    let bottom = c * (1.0 - fx) + d * fx;
    top * (1.0 - fy) + bottom * fy
}

/// Rounds down; `f32::floor` is a function call on baseline x86-64.
fn below(x: f32) -> i32 {
    let whole = x as i32;
    whole - i32::from(whole as f32 > x)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use striate_tensor::random::Stream;

    use super::*;

    fn random(sequence: u64) -> Random {
        Random::new(3, Stream::Augmentation, sequence)
    }

    fn ramp(shape: [usize; 3]) -> Vec<f32> {
        (0..shape.iter().product()).map(|i| i as f32 + 1.0).collect()
    }

    proptest! {
        #[test]
        fn shift_moves_every_pixel_equally(
            c in 1usize..4, h in 1usize..9, w in 1usize..9, most in 0usize..12, sequence in 0u64..1000,
        ) {
            let shape = [c, h, w];
            let from = ramp(shape);
            let mut to = vec![f32::NAN; from.len()];
            shift(&mut random(sequence), shape, most, 0.0, &from, &mut to);
            let mut numbers = random(sequence);
            let mut offset = || numbers.below(2 * most + 1) as isize - most as isize;
            let (dy, dx) = (offset(), offset());
            for (i, value) in to.iter().enumerate() {
                let (channel, y, x) = (i / (h * w), (i / w % h) as isize + dy, (i % w) as isize + dx);
                let inside = (0..h as isize).contains(&y) && (0..w as isize).contains(&x);
                let expected = if inside { from[channel * h * w + y as usize * w + x as usize] } else { 0.0 };
                prop_assert_eq!(*value, expected);
            }
        }

        #[test]
        fn distortions_stay_in_range_and_are_reproducible(
            c in 1usize..3, h in 1usize..12, w in 1usize..12, sequence in 0u64..1000,
        ) {
            let shape = [c, h, w];
            let from = ramp(shape);
            let limits = Affine { rotation: 40.0, scale: 0.5, shear: 0.5, shift: 3.0 };
            let mut results = [vec![f32::NAN; from.len()], vec![f32::NAN; from.len()]];
            for to in &mut results {
                affine(&mut random(sequence), limits, shape, 1.0, &from, to);
            }
            prop_assert_eq!(&results[0], &results[1]);
            let most = from[from.len() - 1] * 1.0001;
            prop_assert!(results[0].iter().all(|x| (0.999..=most).contains(x)));
        }
    }

    #[test]
    fn zero_limits_are_identity() {
        let from = ramp([2, 6, 5]);
        let mut to = vec![0.0; from.len()];
        let limits = Affine { rotation: 0.0, scale: 0.0, shear: 0.0, shift: 0.0 };
        affine(&mut random(0), limits, [2, 6, 5], 0.0, &from, &mut to);
        assert!(from.iter().zip(&to).all(|(a, b)| (a - b).abs() < 1e-3));
    }

    #[test]
    fn every_second_image_is_mirrored_on_average() {
        let mirrored = |sequence| {
            let mut image = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
            flip(&mut random(sequence), [1, 2, 3], &mut image);
            assert!(image == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] || image == [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
            image[0] == 3.0
        };
        let count = (0..1000).filter(|sequence| mirrored(*sequence)).count();
        assert!((400..600).contains(&count), "{count}");
    }
}
