//! The Neocognitron: Fukushima, "Neocognitron: a self-organizing neural network model for a mechanism of pattern
//! recognition unaffected by shift in position", Biological Cybernetics 36, 1980. It learns without gradients
//! (`ancestors::neocognitron`).
//!
//! S-cells detect features, C-cells blur where they are. With S-cells u, and sums over planes and the area that a cell
//! reads:
//!
//! * S: r·φ((1 + Σ a·u) / (1 + 2r / (1 + r)·b·v) − 1), v = √(Σ c·u²), where φ replaces negative numbers by 0. The
//!   synapses a and b are learned; c falls with the distance and has sum 1.
//! * C: ψ((1 + Σ d·u) / (1 + v) − 1), where v is the mean of Σ d·u over all planes and ψ(x) = φ(x / (α + x)).
//!
//! From the paper of 1980: the formulas, the sizes and numbers of planes, areas of 5×5 cells (2×2 for the last
//! C-cells), r and α. The paper leaves c and d open but for their fall: ours are pyramids
//! (`ancestors::neocognitron::falloff`), those of two averages. C-planes are half as dense as S-planes and extend
//! beyond them by a cell, so that 16 and 8 cells become 10 and 6; where they lie is ours. Also ours: the strength of d,
//! and how classes are read, below. The full text was not at hand: its formulas and numbers are those that later works
//! and implementations repeat.

use striate_graph::ops::{Clip, Pad, ReduceMean, Unary, UnaryFunction};
use striate_graph::{Builder, Network, Tensor};
use striate_tensor::Result;

use crate::{ImagePreprocessing, Model};

/// The network of 1980, which was shown five to ten patterns.
pub(crate) const NEOCOGNITRON: Model = Model {
    name: "neocognitron",
    year: 1980,
    paper: "Fukushima: Neocognitron, a self-organizing neural network model for a mechanism of pattern recognition \
            unaffected by shift in position, Biological Cybernetics 36",
    link: "https://doi.org/10.1007/BF00344251",
    preprocessing: ImagePreprocessing::FromData("gray, 16x16, from 0 to 1"),
    recipe: "neocognitron",
    build: neocognitron,
};

/// A network for handwritten digits with more planes, lower selectivity than while learning, and a last layer whose
/// planes compete for labeled patterns. These are ideas of 1996 and 2003; its sizes are ours.
pub(crate) const NEOCOGNITRON_DIGITS: Model = Model {
    name: "neocognitron-digits",
    year: 2003,
    paper: "Fukushima: Neocognitron for handwritten digit recognition, Neurocomputing 51",
    link: "https://doi.org/10.1016/S0925-2312(02)00614-8",
    preprocessing: ImagePreprocessing::FromData("gray, 16x16, from 0 to 1"),
    recipe: "neocognitron-digits",
    build: neocognitron_digits,
};

/// Answers of C-cells saturate above this.
const ALPHA: f32 = 0.5;
/// Smallest v², so that the root has a gradient where nothing is seen.
const LEAST: f32 = 1e-12;

/// A layer of S-cells and the C-cells that read it.
struct Stage {
    /// Its number.
    number: usize,
    /// Planes of both.
    planes: usize,
    /// Side of the area that an S-cell reads, and zeros around the planes that it reads.
    area: (usize, usize),
    /// r, which sets how similar a feature must be.
    selectivity: f32,
    /// The area that a C-cell reads.
    blur: Blur,
    /// The sum of d.
    strength: f32,
}

/// Averages over an area with weights that fall with the distance.
#[derive(Clone, Copy)]
struct Blur {
    side: usize,
    stride: usize,
    /// Zeros before and after the rows and columns.
    padding: [usize; 2],
}

/// The C-cells of 1980: half as many in each direction, and one more at each end.
const HALF: Blur = Blur { side: 5, stride: 2, padding: [3, 4] };

fn neocognitron() -> Result<Network> {
    let net = Builder::new("neocognitron", [1, 16, 16]);
    let stage = |number, padding, selectivity, blur, strength| Stage {
        number,
        planes: 24,
        area: (5, padding),
        selectivity,
        blur,
        strength,
    };
    let all = Blur { side: 2, stride: 1, padding: [0; 2] };
    let stages = [stage(1, 2, 4.0, HALF, 4.0), stage(2, 1, 1.5, HALF, 4.0), stage(3, 0, 1.5, all, 1.0)];
    classes(&net, cells(&net, &stages)).finish()
}

fn neocognitron_digits() -> Result<Network> {
    let net = Builder::new("neocognitron-digits", [1, 16, 16]);
    let small = Blur { side: 3, stride: 2, padding: [1; 2] };
    let one = Blur { side: 1, stride: 1, padding: [0; 2] };
    let stages = [
        Stage { number: 1, planes: 32, area: (5, 2), selectivity: 3.0, blur: HALF, strength: 4.0 },
        Stage { number: 2, planes: 200, area: (3, 1), selectivity: 1.0, blur: small, strength: 16.0 },
        Stage { number: 3, planes: 1_500, area: (5, 0), selectivity: 1.0, blur: one, strength: 1.0 },
    ];
    classes(&net, cells(&net, &stages)).finish()
}

/// Adds the `stages`.
fn cells<'b>(net: &'b Builder, stages: &[Stage]) -> Tensor<'b> {
    let one = net.number(1.0).named("one");
    stages.iter().fold(net.input(), |u, stage| {
        let s = s_cells(u, one, stage).named(format!("s{}", stage.number));
        c_cells(s, one, stage).named(format!("c{}", stage.number))
    })
}

fn s_cells<'b>(u: Tensor<'b>, one: Tensor<'b>, stage: &Stage) -> Tensor<'b> {
    let Stage { number, planes, area: (side, padding), selectivity: r, .. } = *stage;
    let excitation = u.conv(planes, side).pad(padding).no_bias().named(format!("s{number}.excitation"));
    let square = (u * u).then(ReduceMean { axes: vec![1] });
    let square = blurred(square, Blur { side, stride: 1, padding: [padding; 2] });
    let v = square.then(Clip { min: LEAST, max: f32::MAX }).then(Unary { function: UnaryFunction::Sqrt });
    let inhibition = v.conv(planes, 1).no_bias().named(format!("s{number}.inhibition"));
    let inhibition = inhibition.multiply_by(2.0 * r / (1.0 + r));
    ((one + excitation) / (one + inhibition) - one).relu().multiply_by(r)
}

fn c_cells<'b>(u: Tensor<'b>, one: Tensor<'b>, stage: &Stage) -> Tensor<'b> {
    let sum = blurred(u, stage.blur).multiply_by(stage.strength);
    let v = sum.then(ReduceMean { axes: vec![1] });
    let x = ((one + sum) / (one + v) - one).relu().multiply_by(1.0 / ALPHA);
    x / (one + x)
}

/// Averages over an area: with an odd side, twice over about half of it, which weights it by a pyramid.
fn blurred(u: Tensor, Blur { side, stride, padding: [before, after] }: Blur) -> Tensor {
    let u = match before + after {
        0 => u,
        _ => u.then(Pad { before: vec![0, 0, before, before], after: vec![0, 0, after, after], value: 0.0 }),
    };
    match (side, side % 2) {
        (1, _) => u,
        (_, 0) => u.average_pool(side, stride),
        _ => u.average_pool(side.div_ceil(2), 1).average_pool(side.div_ceil(2), stride),
    }
}

/// Reads classes from the last cells: those that answer most, by a softmax of their answers times a number, count for
/// the class that they were labeled with. In the paper, a person sees which cell answers to which pattern.
fn classes<'b>(net: &'b Builder, u: Tensor<'b>) -> Tensor<'b> {
    let sharpness = net.number(64.0).named("sharpness");
    (u.flatten().named("cells") * sharpness).softmax().linear(10).named("classes")
}
