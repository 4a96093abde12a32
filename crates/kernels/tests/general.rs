//! Vectorized kernels of operations on values of any rank, against the reference in f64.

mod common;

use common::{Case, Operand, cases, check, values};
use proptest::prelude::*;
use striate_kernels::broadcast::{self, Arithmetic, BroadcastDesc};
use striate_kernels::clip::{self, ClipDesc};

prop_compose! {
    /// Two values that can be broadcast, some with more elements than an item of the grid.
    fn broadcastable()(
        shape in (1usize..4, 1usize..20, 1usize..30, 1usize..40),
        ones in prop::collection::vec(0usize..4, 4),
    ) -> [[usize; 4]; 2] {
        let shape = [shape.0, shape.1, shape.2, shape.3];
        let side = |bit: usize| std::array::from_fn(|axis| if ones[axis] == bit { 1 } else { shape[axis] });
        [side(1), side(2)]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn arithmetic_with_broadcasting_matches_the_reference(
        [a, b] in broadcastable(),
        op in prop::sample::select(vec![Arithmetic::Add, Arithmetic::Sub, Arithmetic::Mul, Arithmetic::Div]),
    ) {
        let desc = BroadcastDesc::new(op, &a, &b);
        let mut reads = vec![Operand::random(a, 1), Operand::random(b, 2)];
        // Keeps divisors away from zero.
        reads[1].values.iter_mut().for_each(|x| *x += 2.0f64.copysign(*x));
        let shape: [usize; 4] = std::array::from_fn(|axis| desc.shape[axis]);
        let mut expected = vec![0.0; shape.iter().product()];
        let operands = values(&reads);
        broadcast::reference::forward(&desc, operands[0], operands[1], &mut expected);
        let ran = check(&Case {
            desc: &desc,
            list: broadcast::list(),
            writes: vec![(None, Operand::new(shape, expected))],
            reads,
            tolerance: 1e-6,
        });
        prop_assert!(ran.contains(&"broadcast_f32") && ran.contains(&"broadcast_reference"));
    }

    #[test]
    fn clip_matches_the_reference(len in 1usize..20_000, min in -1.0f32..0.2, width in 0.0f32..1.0) {
        let desc = ClipDesc { len, min, max: min + width };
        let x = Operand::random([1, len, 1, 1], 3);
        let mut expected = vec![0.0; len];
        clip::reference::forward(&desc, &x.values, &mut expected);
        check(&Case {
            desc: &desc,
            list: clip::forward(),
            reads: vec![x],
            writes: vec![(None, Operand::row(expected))],
            tolerance: 1e-7,
        });
    }
}
