//! Dropout, with a mask that is a pure function of seed, step, layer and element.

use striate_tensor::DType;
use striate_tensor::random::{Stream, philox, philox_lanes};

use crate::{Format, Layout, Views};

use crate::isa::Isa;
use crate::layout::maps::{Maps, is_blocked};
use crate::reference::Reference;
use crate::simd::{Body, Simd, dispatch};
use crate::{Context, Implementation, Kernel};

/// Dropout of a value. Reads x, seed `[1]` i64, step `[1]` i64; writes y.
#[derive(Debug, Clone, PartialEq)]
pub struct DropoutDesc {
    /// `[N, C, H, W]`.
    pub shape: [usize; 4],
    /// Probability that an element becomes zero.
    pub probability: f32,
    /// Makes the masks of a network's layers independent.
    pub salt: u64,
}

/// The implementations, best first.
pub fn list() -> &'static [&'static dyn Implementation<DropoutDesc>] {
    &[
        &Threaded,
        &Reference::<DropoutDesc> {
            name: "dropout_reference",
            operands: |_| vec![DType::F32, DType::I64, DType::I64, DType::F32],
            run: |desc, views| {
                let (x, seed, step) = (views.read::<f32>(0), views.read(1)[0], views.read(2)[0]);
                reference::dropout(desc, x, seed, step, views.write(0));
            },
        },
    ]
}

/// Decides which elements are kept.
pub(crate) struct Mask {
    key: [u32; 2],
    high: [u32; 2],
    /// Elements whose random word is below this are dropped.
    threshold: u32,
}

impl Mask {
    pub fn new(desc: &DropoutDesc, seed: i64, step: i64) -> Mask {
        let salt = [desc.salt as u32, (desc.salt >> 32) as u32];
        let seed = [seed as u32, (seed >> 32) as u32];
        let mixed = philox(seed, [salt[0], salt[1], Stream::Dropout as u32, 0]);
        let threshold = (f64::from(desc.probability) * 4_294_967_296.0) as u32;
        Mask { key: [mixed[0], mixed[1]], high: [step as u32, (step >> 32) as u32], threshold }
    }

    /// Whether the elements `4·quad` to `4·quad + 3`, in NCHW order, are kept.
    fn quad(&self, quad: u64) -> [bool; 4] {
        let counter = [quad as u32, (quad >> 32) as u32, self.high[0], self.high[1]];
        philox(self.key, counter).map(|word| word >= self.threshold)
    }

    /// The random words of [`QUADS`] quads, the first word of each, then the second.
    #[inline(always)]
    fn words(&self, first: u64) -> [[u32; QUADS]; 4] {
        let quads: [u64; QUADS] = std::array::from_fn(|index| first + index as u64);
        let low = [quads.map(|quad| quad as u32), quads.map(|quad| (quad >> 32) as u32)];
        let [high0, high1] = self.high.map(|word| [word; QUADS]);
        philox_lanes(self.key, [low[0], low[1], high0, high1])
    }

    /// Whether element number `index` is kept.
    pub fn keeps(&self, index: u64) -> bool {
        self.quad(index / 4)[(index % 4) as usize]
    }
}

/// Quads whose random words are computed together.
const QUADS: usize = 16;
/// Floats of a plain value in one item of the grid; a multiple of those in [`QUADS`].
const PIECE: usize = 4096;

struct Threaded;

impl Implementation<DropoutDesc> for Threaded {
    fn name(&self) -> &'static str {
        "dropout_f32"
    }

    fn formats(&self, _desc: &DropoutDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        let fits = first == Layout::Plain || is_blocked(first, isa.block());
        let integer = Layout::Plain.of(DType::I64);
        fits.then(|| vec![first.f32(), integer, integer, first.f32()])
    }

    fn prepare(&self, desc: &DropoutDesc, isa: Isa, layouts: &[Layout]) -> Box<dyn Kernel> {
        let maps = (layouts[0] != Layout::Plain)
            .then(|| [Maps::new(desc.shape, layouts[0]), Maps::new(desc.shape, layouts[3])]);
        Box::new(Bound { isa, desc: desc.clone(), maps })
    }
}

struct Bound {
    isa: Isa,
    desc: DropoutDesc,
    maps: Option<[Maps; 2]>,
}

impl Kernel for Bound {
    fn run(&self, context: &Context, views: &mut Views) {
        let (x, y) = (views.read::<f32>(0), views.write::<f32>(0));
        let mask = Mask::new(&self.desc, views.read(1)[0], views.read(2)[0]);
        let scale = (1.0 / (1.0 - f64::from(self.desc.probability))) as f32;
        match &self.maps {
            None => context.thread_pool.pieces(y, PIECE, |index, y| {
                let first = index * PIECE;
                let x = &x[first..][..y.len()];
                dispatch(self.isa, Piece { mask: &mask, scale, quad: (first / 4) as u64, x, y });
            }),
            Some([from, to]) => to.each(context.thread_pool, y, |map, y| {
                to.clear_halo(y);
                let x = from.map(x, map);
                let ([rows, columns], block) = (to.size, to.block);
                let [_, channels, h, w] = self.desc.shape;
                let first = map / to.blocks * channels + map % to.blocks * block;
                for row in 0..rows {
                    let x = &x[from.row(row)..][..columns * block];
                    let y = &mut y[to.row(row)..][..columns * block];
                    y.fill(0.0);
                    for lane in 0..to.channels(map) {
                        for column in 0..columns {
                            let index = ((first + lane) * h + row) * w + column;
                            if mask.keeps(index as u64) {
                                y[column * block + lane] = x[column * block + lane] * scale;
                            }
                        }
                    }
                }
            }),
        }
    }
}

/// Consecutive elements of a plain value, from the start of a quad.
struct Piece<'a> {
    mask: &'a Mask,
    scale: f32,
    quad: u64,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Body for Piece<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Piece { mask, scale, quad, x, y } = self;
        for (index, (x, y)) in x.chunks(4 * QUADS).zip(y.chunks_mut(4 * QUADS)).enumerate() {
            let words = mask.words(quad + (index * QUADS) as u64);
            for (at, (x, y)) in x.iter().zip(y).enumerate() {
                *y = if words[at % 4][at / 4] >= mask.threshold { x * scale } else { 0.0 };
            }
        }
    }
}

pub mod reference {
    //! Dropout, by definition.

    use super::{DropoutDesc, Mask};
    use crate::reference::Real;

    /// y = x / (1 − p) where the mask keeps the element, else 0.
    pub fn dropout<T: Real>(d: &DropoutDesc, x: &[T], seed: i64, step: i64, y: &mut [T]) {
        let mask = Mask::new(d, seed, step);
        let scale = T::from_f64(1.0 / (1.0 - f64::from(d.probability)));
        for (index, (x, y)) in x.iter().zip(y).enumerate() {
            *y = if mask.keeps(index as u64) { *x * scale } else { T::from_f64(0.0) };
        }
    }
}
