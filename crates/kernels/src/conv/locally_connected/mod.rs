//! Locally connected layers in all three directions, on plain values.
//!
//! Every weight is used once per image, so there is nothing to keep in registers: rows of weights, inputs
//! and outputs are multiplied element by element, the weights of an output channel with all images in turn.
//! Descriptors are those of a convolution without groups; weights are `[O, C·KH·KW, OH, OW]`.

mod data_gradient;
mod forward;
pub mod reference;
mod runs;
mod weight_gradient;

use crate::Implementation;
use crate::conv::ConvDesc;
use crate::reference::{Reference, floats};

/// Reads x, w and the optional bias `[O, OH, OW]`; writes y.
pub fn forward() -> &'static [&'static dyn Implementation<ConvDesc>] {
    &[
        &forward::Rows,
        &Reference::<ConvDesc> {
            name: "locally_connected_reference",
            operands: |d| floats(3 + usize::from(d.bias)),
            run: |d, views| {
                let (x, w) = (views.read::<f32>(0), views.read(1));
                let bias = d.bias.then(|| views.read(2));
                reference::forward(d, x, w, bias, views.write(0));
            },
        },
    ]
}

/// Reads dy and w, writes dx.
pub fn data_gradient() -> &'static [&'static dyn Implementation<ConvDesc>] {
    &[
        &data_gradient::Rows,
        &Reference::<ConvDesc> {
            name: "locally_connected_data_gradient_reference",
            operands: |_| floats(3),
            run: |d, views| {
                let (dy, w) = (views.read::<f32>(0), views.read(1));
                reference::data_gradient(d, dy, w, views.write(0));
            },
        },
    ]
}

/// Reads x and dy, writes dw.
pub fn weight_gradient() -> &'static [&'static dyn Implementation<ConvDesc>] {
    &[
        &weight_gradient::Rows,
        &Reference::<ConvDesc> {
            name: "locally_connected_weight_gradient_reference",
            operands: |_| floats(3),
            run: |d, views| {
                let (x, dy) = (views.read::<f32>(0), views.read(1));
                reference::weight_gradient(d, x, dy, views.write(0));
            },
        },
    ]
}
