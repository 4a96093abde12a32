//! Portable Rust.

use super::isa::Isa;
use super::{Body, Simd};

/// Arrays of eight floats, for machines without a supported vector unit.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

macro_rules! portable {
    ($($name:ident($($arg:ident),*) => $lane:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: [f32; 8]),*) -> [f32; 8] {
            std::array::from_fn(|i| {
                $(let $arg = $arg[i];)*
                $lane
            })
        }
    )*};
}

impl Simd for Portable {
    type F = [f32; 8];
    const LANES: usize = 8;
    const ACCUMULATORS: usize = Isa::Scalar.accumulators();

    #[inline(never)]
    fn outline(self, body: impl Body) {
        body.run(self);
    }

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 8] {
        [value; 8]
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> [f32; 8] {
        // SAFETY: guaranteed by the caller.
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: [f32; 8]) {
        // SAFETY: guaranteed by the caller.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(value) }
    }

    #[inline(always)]
    fn halves(self, a: [f32; 8]) -> [[f32; 8]; 2] {
        [a.map(|x| f32::from_bits(x.to_bits() << 16)), a.map(|x| f32::from_bits(x.to_bits() & 0xffff_0000))]
    }

    #[inline(always)]
    fn sum(self, a: [f32; 8]) -> f32 {
        let [a, b, c, d] = std::array::from_fn(|i| a[i] + a[i + 4]);
        (a + c) + (b + d)
    }

    portable! {
        add(a, b) => a + b;
        sub(a, b) => a - b;
        mul(a, b) => a * b;
        div(a, b) => a / b;
        min(a, b) => if a < b { a } else { b };
        max(a, b) => if a > b { a } else { b };
        max_or_nan(a, b) => if b > a || b.is_nan() { b } else { a };
        // Rounds twice: a fused operation in software would be far slower.
        fma(a, b, c) => a * b + c;
        sqrt(a) => a.sqrt();
        round(a) => a.round_ties_even();
        exp2_whole(a) => f32::from_bits((((a as i32) + 127) as u32) << 23);
        select_greater(a, b, yes, no) => if a > b { yes } else { no };
        select_equal_or_nan(a, b, yes, no) => if a == b || a.is_nan() { yes } else { no };
    }
}
