//! Random changes of training images, each a pure function of its random numbers.

use striate_tensor::random::Random;

/// Moves a planar image `[C, H, W]` by up to `most` pixels on each axis; what comes in is `fill`.
pub fn shift(random: &mut Random, shape: [usize; 3], most: usize, fill: f32, from: &[f32], to: &mut [f32]) {
    let [_, h, w] = shape;
    let offset = |random: &mut Random| random.below(2 * most + 1) as isize - most as isize;
    let (dy, dx) = (offset(random), offset(random));
    for (from, to) in from.chunks_exact(h * w).zip(to.chunks_exact_mut(h * w)) {
        for y in 0..h {
            for x in 0..w {
                let (sy, sx) = (y as isize + dy, x as isize + dx);
                let inside = (0..h as isize).contains(&sy) && (0..w as isize).contains(&sx);
                to[y * w + x] = if inside { from[sy as usize * w + sx as usize] } else { fill };
            }
        }
    }
}

/// Limits of [`affine`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Largest turn to either side, in degrees.
    pub rotation: f32,
    /// Largest change of size, as a share.
    pub scale: f32,
    /// Largest shear, as a share.
    pub shear: f32,
    /// Largest shift, in pixels.
    pub shift: f32,
}

/// Turns, scales, shears and moves a planar image `[C, H, W]` at random, sampling bilinearly; what
/// comes in is `fill`. The distortions of LeCun et al., 1998, section III C.
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

fn bilinear(map: &[f32], h: usize, w: usize, x: f32, y: f32, fill: f32) -> f32 {
    let at = |x: isize, y: isize| {
        let inside = (0..w as isize).contains(&x) && (0..h as isize).contains(&y);
        if inside { map[y as usize * w + x as usize] } else { fill }
    };
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (x - x0, y - y0);
    let (x0, y0) = (x0 as isize, y0 as isize);
    let top = at(x0, y0) * (1.0 - fx) + at(x0 + 1, y0) * fx;
    let bottom = at(x0, y0 + 1) * (1.0 - fx) + at(x0 + 1, y0 + 1) * fx;
    top * (1.0 - fy) + bottom * fy
}
