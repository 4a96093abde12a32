//! Unary functions on every instruction set, compared with their definitions in f64.

mod common;

use common::{Case, Operand, check};
use striate_kernels::elementwise::{self, Elementwise, ElementwiseDesc};
use striate_kernels::function::Function;

const ALL: [Function; 15] = [
    Function::LeakyRelu { slope: 0.1 },
    Function::Elu { alpha: 1.0, scale: 1.0, rate: 1.0 },
    Function::Elu { alpha: 1.673_263_2, scale: 1.050_701, rate: 1.0 },
    Function::Elu { alpha: 2.0, scale: 1.0, rate: 0.5 },
    Function::HardSigmoid { slope: 0.2, offset: 0.5 },
    Function::Step { threshold: 0.3 },
    Function::HardSwish,
    Function::Gelu,
    Function::GeluTanh,
    Function::Exp,
    Function::Log,
    Function::Sqrt,
    Function::Abs,
    Function::Erf,
    Function::Power { exponent: -1.5 },
];

/// Finely spaced values from −9 to 9, or only positive ones where the function requires them.
fn operand(function: Function, shape: [usize; 4]) -> Operand {
    let count: usize = shape.iter().product();
    let is_positive = matches!(function, Function::Log | Function::Sqrt | Function::Power { .. });
    let number = |i: usize| {
        let x = 18.0 * (i as f64 + 0.5) / count as f64 - 9.0;
        f64::from((if is_positive { x.abs() + 0.01 } else { x }) as f32)
    };
    Operand::new(shape, (0..count).map(number).collect())
}

#[test]
fn functions_and_derivatives_match_their_definitions() {
    for function in ALL {
        for shape in [[3, 5, 7, 9], [2, 19, 1, 3], [1, 20_000, 1, 1]] {
            for op in [Elementwise::Function(function), Elementwise::FunctionGradient(function)] {
                let mut reads = vec![operand(function, shape)];
                if matches!(op, Elementwise::FunctionGradient(_)) {
                    reads.push(Operand::random(shape, 2));
                }
                let mut expected = vec![0.0; shape.iter().product()];
                let second = reads.get(1).map(|operand| operand.values.as_slice());
                elementwise::reference::elementwise(op, &reads[0].values, second, &mut expected);
                let desc = ElementwiseDesc { shape, op };
                let writes = vec![(None, Operand::new(shape, expected))];
                let ran =
                    check(&Case { desc: &desc, list: elementwise::list(), reads, writes, tolerance: 2e-6 });
                assert_eq!(ran.contains(&"elementwise_f32"), function.is_vectorized(), "{function:?}");
            }
        }
    }
}
