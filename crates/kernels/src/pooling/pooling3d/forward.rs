//! Max and average pooling of plain volumes.

use super::Pool3dDesc;
use super::windows::Windows;
use crate::conv::taps::Tap;
use crate::isa::Isa;
use crate::normalization::plain_channels::long_sum;
use crate::pooling::PoolKind;
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Format, Implementation, Kernel, Layout, Views};

/// Windows with more taps than this are summed in f64.
const MANY: usize = 256;

pub(super) struct Rows;

impl Implementation<Pool3dDesc> for Rows {
    fn name(&self) -> &'static str {
        "pool3d_f32"
    }

    fn formats(&self, _desc: &Pool3dDesc, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        Some(vec![Layout::Plain.f32(); 2])
    }

    fn prepare(&self, desc: &Pool3dDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        Box::new(Bound { isa, windows: Windows::new(desc) })
    }
}

struct Bound {
    isa: Isa,
    windows: Windows,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let [x_len, y_len] = self.windows.desc.volumes();
        let x = views.read::<f32>(0);
        context.thread_pool.pieces(views.write(0), y_len, |map, y| {
            dispatch(self.isa, Map { pool: self, x: &x[map * x_len..][..x_len], y });
        });
    }
}

/// One channel of one volume.
struct Map<'a> {
    pool: &'a Bound,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Body for Map<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        let Map { pool, x, y } = self;
        let desc = &pool.windows.desc;
        match desc.kind {
            PoolKind::Max => pool.maximum(x, y),
            _ if desc.kernel.iter().product::<usize>() > MANY => pool.long_mean(x, y),
            _ => pool.mean(x, y),
        }
    }
}

impl Bound {
    #[inline(always)]
    fn maximum(&self, x: &[f32], y: &mut [f32]) {
        y.fill(f32::NEG_INFINITY);
        self.windows.each_row(|to, from, _| {
            self.gather(&x[from..], &mut y[to..], |y, x| if x > y || x.is_nan() { x } else { y });
        });
    }

    /// For windows with few taps: computes all elements of a row at once.
    #[inline(always)]
    fn mean(&self, x: &[f32], y: &mut [f32]) {
        y.fill(0.0);
        self.windows.each_row(|to, from, _| self.gather(&x[from..], &mut y[to..], |y, x| y + x));
        let mut rows = y.chunks_exact_mut(self.windows.desc.output[2]);
        for maps in &self.windows.spans[0] {
            for (lines, row) in self.windows.spans[1].iter().zip(&mut rows) {
                let share = maps.share * lines.share;
                row.iter_mut().zip(&self.windows.shares).for_each(|(y, own)| *y *= own * share);
            }
        }
    }

    /// For windows with many taps: computes each element separately, adding the sums of its rows in f64, so that
    /// long sums stay accurate.
    fn long_mean(&self, x: &[f32], y: &mut [f32]) {
        let ([_, height, width], dilation) = (self.windows.desc.input, self.windows.desc.dilation);
        let mut places = y.iter_mut();
        for maps in &self.windows.spans[0] {
            for rows in &self.windows.spans[1] {
                for (columns, y) in self.windows.columns.iter().zip(&mut places) {
                    let mut sum = 0.0;
                    for map in 0..maps.taps {
                        for row in 0..rows.taps {
                            let map = maps.first + map * dilation[0];
                            let row = rows.first + row * dilation[1];
                            let line = &x[(map * height + row) * width..][..width][columns.first..];
                            sum += match dilation[2] {
                                1 => long_sum(&line[..columns.taps]),
                                dilation => {
                                    let taps = line.iter().step_by(dilation).take(columns.taps);
                                    taps.map(|x| f64::from(*x)).sum()
                                }
                            };
                        }
                    }
                    *y = (sum * f64::from(maps.share * rows.share * columns.share)) as f32;
                }
            }
        }
    }

    /// Combines each element of a row of y with its taps in a row of x.
    #[inline(always)]
    fn gather(&self, x: &[f32], y: &mut [f32], combine: impl Fn(f32, f32) -> f32) {
        let stride = self.windows.desc.stride[2];
        for Tap { outputs, first } in &self.windows.along_row {
            let (x, y) = (&x[*first..], &mut y[outputs.clone()]);
            match stride {
                1 => y.iter_mut().zip(x).for_each(|(y, x)| *y = combine(*y, *x)),
                _ => y.iter_mut().enumerate().for_each(|(i, y)| *y = combine(*y, x[i * stride])),
            }
        }
    }
}
