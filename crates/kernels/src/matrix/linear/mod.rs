//! Fully connected layers: forward, data gradient, weight gradient.

pub mod reference;

use crate::{Format, Layout};

use crate::activation::Activation;
use crate::conv::{ConvDesc, images, images_weight_gradient};
use crate::gemm::{self, GemmDesc};
use crate::isa::Isa;
use crate::reference::{Reference, floats};
use crate::{Implementation, Kernel};

/// A fully connected layer: y = activation(W·x + b), all operands plain.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearDesc {
    /// Rows of x.
    pub batch: usize,
    /// Columns of x.
    pub in_features: usize,
    /// Columns of y.
    pub out_features: usize,
    /// Whether there is a bias.
    pub bias: bool,
    /// Applied to the result.
    pub activation: Activation,
}

/// Reads x `[N, I]`, w `[O, I]` and the optional bias `[O]`; writes y `[N, O]`.
pub fn forward() -> &'static [&'static dyn Implementation<LinearDesc>] {
    &[
        &Images::Forward,
        &Gemm::Forward,
        &Reference::<LinearDesc> {
            name: "linear_reference",
            operands: |desc| floats(3 + usize::from(desc.bias)),
            run: |desc, views| {
                let (x, w) = (views.read::<f32>(0), views.read(1));
                let bias = desc.bias.then(|| views.read(2));
                reference::forward(desc, x, w, bias, views.write(0));
            },
        },
    ]
}

/// Reads dy and w, writes dx.
pub fn data_gradient() -> &'static [&'static dyn Implementation<LinearDesc>] {
    &[
        &Images::DataGradient,
        &Gemm::DataGradient,
        &Reference::<LinearDesc> {
            name: "linear_data_gradient_reference",
            operands: |_| floats(3),
            run: |desc, views| {
                let (dy, w) = (views.read::<f32>(0), views.read(1));
                reference::data_gradient(desc, dy, w, views.write(0));
            },
        },
    ]
}

/// Reads x and dy, writes dw.
pub fn weight_gradient() -> &'static [&'static dyn Implementation<LinearDesc>] {
    &[
        &Images::WeightGradient,
        &Gemm::WeightGradient,
        &Reference::<LinearDesc> {
            name: "linear_weight_gradient_reference",
            operands: |_| floats(3),
            run: |desc, views| {
                let (x, dy) = (views.read::<f32>(0), views.read(1));
                reference::weight_gradient(desc, x, dy, views.write(0));
            },
        },
    ]
}

/// Matrix products, for each direction.
enum Gemm {
    Forward,
    DataGradient,
    WeightGradient,
}

impl Gemm {
    fn product(&self, d: &LinearDesc) -> GemmDesc {
        let (n, i, o) = (d.batch, d.in_features, d.out_features);
        let plain = GemmDesc {
            m: 0,
            n: 0,
            k: 0,
            first: 0,
            a: [0; 2],
            b: [0; 2],
            bias: false,
            activation: Activation::None,
        };
        match self {
            // y [N, O] = x [N, I] · Wᵀ [I, O]
            Gemm::Forward => GemmDesc {
                m: n,
                n: o,
                k: i,
                first: 0,
                a: [i, 1],
                b: [1, i],
                bias: d.bias,
                activation: d.activation,
            },
            // dx [N, I] = dy [N, O] · W [O, I]
            Gemm::DataGradient => GemmDesc { m: n, n: i, k: o, a: [o, 1], b: [i, 1], ..plain },
            // dW [O, I] = dyᵀ [O, N] · x [N, I]
            Gemm::WeightGradient => GemmDesc { m: o, n: i, k: n, first: 1, a: [1, o], b: [i, 1], ..plain },
        }
    }
}

impl Implementation<LinearDesc> for Gemm {
    fn name(&self) -> &'static str {
        match self {
            Gemm::Forward => "linear_gemm_f32",
            Gemm::DataGradient => "linear_data_gradient_gemm_f32",
            Gemm::WeightGradient => "linear_weight_gradient_gemm_f32",
        }
    }

    fn formats(&self, d: &LinearDesc, _isa: Isa, _first: Layout) -> Option<Vec<Format>> {
        let bias = matches!(self, Gemm::Forward) && d.bias;
        Some(vec![Layout::Plain.f32(); 3 + usize::from(bias)])
    }

    fn prepare(&self, d: &LinearDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        gemm::kernel(&self.product(d), isa)
    }
}

/// The batch-innermost layout, if the input has it already: a convolution with one pixel.
enum Images {
    Forward,
    DataGradient,
    WeightGradient,
}

/// The largest number of weights that stays in the cache across the vectors of images.
const MOST_WEIGHTS: usize = 1 << 17;

impl Images {
    fn convolution(d: &LinearDesc) -> ConvDesc {
        ConvDesc {
            batch: d.batch,
            in_channels: d.in_features,
            out_channels: d.out_features,
            groups: 1,
            input: [1; 2],
            output: [1; 2],
            kernel: [1; 2],
            stride: [1; 2],
            dilation: [1; 2],
            padding: [0; 2],
            bias: d.bias,
            residual: false,
            activation: d.activation,
        }
    }
}

impl Implementation<LinearDesc> for Images {
    fn name(&self) -> &'static str {
        match self {
            Images::Forward => "linear_images_f32",
            Images::DataGradient => "linear_data_gradient_images_f32",
            Images::WeightGradient => "linear_weight_gradient_images_f32",
        }
    }

    fn formats(&self, d: &LinearDesc, isa: Isa, first: Layout) -> Option<Vec<Format>> {
        let suits = first == Layout::Images { block: isa.block() }
            && images::fits(d.batch, isa)
            && d.in_features * d.out_features <= MOST_WEIGHTS;
        suits.then(|| match self {
            Images::Forward => images::formats(isa, d.bias),
            Images::DataGradient => images::formats(isa, false),
            Images::WeightGradient => images_weight_gradient::formats(isa),
        })
    }

    fn prepare(&self, d: &LinearDesc, isa: Isa, _layouts: &[Layout]) -> Box<dyn Kernel> {
        let d = Images::convolution(d);
        match self {
            Images::Forward => images::forward(&d, isa),
            Images::DataGradient => images::data_gradient(&d, isa),
            Images::WeightGradient => images_weight_gradient::kernel(&d, isa),
        }
    }
}
