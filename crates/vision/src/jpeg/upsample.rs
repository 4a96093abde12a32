//! Samples of a component to a row of pixels, as libjpeg's "fancy" upsampling does it: along an axis of which each
//! sample covers two pixels, a pixel is 3/4 of its sample and 1/4 of the next nearest one. Other samples are repeated.

use super::plane::Plane;

/// Buffers for a row of a component.
#[derive(Default)]
pub(super) struct Row {
    /// Sums of two lines, with a neighbor on each side.
    sums: Vec<u16>,
    pixels: Vec<u8>,
}

impl Row {
    /// Returns `width` pixels from column `left` on of row `row` of the image.
    #[inline(always)]
    pub fn of<'a>(&'a mut self, plane: &'a Plane, row: usize, left: usize, width: usize) -> &'a [u8] {
        // Samples, and the place of the first pixel among theirs.
        let (first, last) = (left / plane.across, (left + width - 1) / plane.across);
        let skipped = left % plane.across;
        let near = row / plane.down;
        match (plane.across, plane.down) {
            (1, 1) => return &plane.line(near)[first - plane.left()..][..width],
            (1, 2) => self.between_lines(plane, row, first..last + 1),
            (2, 1) if plane.width > 2 => {
                self.sum(plane, near, None, first, last);
                self.between_columns::<1, 2, 2>();
            }
            (2, 2) if plane.width > 2 => {
                self.sum(plane, near, Some(far(plane, row)), first, last);
                self.between_columns::<8, 7, 4>();
            }
            (across, _) => {
                let samples = plane.line(near)[first - plane.left()..=last - plane.left()].iter();
                self.pixels.clear();
                self.pixels.extend(samples.flat_map(|sample| std::iter::repeat_n(*sample, across)));
            }
        }
        &self.pixels[skipped..][..width]
    }

    /// Rows between lines of samples, without columns between.
    #[inline(always)]
    fn between_lines(&mut self, plane: &Plane, row: usize, columns: std::ops::Range<usize>) {
        let columns = columns.start - plane.left()..columns.end - plane.left();
        let near = &plane.line(row / 2)[columns.clone()];
        let far = &plane.line(far(plane, row))[columns];
        let half = 1 + (row % 2) as u16;
        self.pixels.resize(near.len(), 0);
        for ((pixel, near), far) in self.pixels.iter_mut().zip(near).zip(far) {
            *pixel = ((u16::from(*near) * 3 + u16::from(*far) + half) >> 2) as u8;
        }
    }

    /// Fills `sums` with samples `first..=last` of a line, or with sums of two lines, and with their neighbors; beyond
    /// the ends of the line, the outermost sample is repeated.
    #[inline(always)]
    fn sum(&mut self, plane: &Plane, near: usize, far: Option<usize>, first: usize, last: usize) {
        let (start, end) = (first.saturating_sub(1), (last + 2).min(plane.width));
        let columns = start - plane.left()..end - plane.left();
        self.sums.resize(last + 3 - first, 0);
        let offset = start + 1 - first;
        let sums = &mut self.sums[offset..][..columns.len()];
        let near = &plane.line(near)[columns.clone()];
        match far {
            None => sums.iter_mut().zip(near).for_each(|(sum, near)| *sum = (*near).into()),
            Some(far) => {
                for ((sum, near), far) in sums.iter_mut().zip(near).zip(&plane.line(far)[columns]) {
                    *sum = u16::from(*near) * 3 + u16::from(*far);
                }
            }
        }
        let count = self.sums.len();
        if offset > 0 {
            self.sums[0] = self.sums[1];
        }
        if end < last + 2 {
            self.sums[count - 1] = self.sums[count - 2];
        }
    }

    /// Pixels between the columns of `sums`: two per column, rounded by adding `LEFT` and `RIGHT`.
    #[inline(always)]
    fn between_columns<const LEFT: u16, const RIGHT: u16, const SHIFT: u32>(&mut self) {
        let count = self.sums.len() - 2;
        self.pixels.resize(count * 2, 0);
        let (pairs, _) = self.pixels.as_chunks_mut::<2>();
        let sums = self.sums[..count].iter().zip(&self.sums[1..]).zip(&self.sums[2..]);
        for (pair, ((before, own), after)) in pairs.iter_mut().zip(sums) {
            let own = own * 3;
            *pair = [((own + before + LEFT) >> SHIFT) as u8, ((own + after + RIGHT) >> SHIFT) as u8];
        }
    }
}

/// The second nearest line of samples to a row of pixels, where a sample is two pixels high.
fn far(plane: &Plane, row: usize) -> usize {
    let near = row / 2;
    if row.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(plane.height - 1) }
}
