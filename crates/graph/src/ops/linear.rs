//! Fully connected layer: y = activation(W·x + b).

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::{Activation, Cost, LayerOp, VariableSpec, check_bias_init, is_true, yes};
use crate::Init;
use crate::graph::Role;

/// Fully connected layer. Operands: x `[N, I]`, weight `[O, I]`, bias `[O]`; output `[N, O]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Number of units of the layer.
    pub out_features: usize,
    /// Whether each unit has a bias.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub bias: bool,
    /// Initial value of all biases, if not drawn by the network's initialization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias_init: Option<f32>,
    /// If set, each unit reads this many inputs, chosen at random, half of them (rounded up) with a weight of 1 and the
    /// others with −1, as the association units of Rosenblatt, "The perceptron", Psychological Review 65(6), 1958.
    /// These weights are stored in a buffer and are not trained, and the layer has no bias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_connections: Option<usize>,
    /// Applied to the result; set by fusion.
    #[serde(skip)]
    pub activation: Activation,
}

/// Gradient with respect to the input. Operands: dy, weight; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearDataGradient;

/// Gradient with respect to the weights. Operands: x, dy; output: dw.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearWeightGradient;

impl Linear {
    /// A layer of `out_features` units with biases.
    pub fn new(out_features: usize) -> Self {
        Linear {
            out_features,
            bias: true,
            bias_init: None,
            random_connections: None,
            activation: Activation::None,
        }
    }
}

impl LayerOp for Linear {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        check_bias_init(self.bias, self.bias_init)?;
        match (self.random_connections, &**inputs[0]) {
            (Some(_), _) if self.bias => {
                return Err(Error::input("a layer with random_connections has no bias; write bias = false"));
            }
            (Some(count), [_, inputs]) if !(1..=*inputs).contains(&count) => {
                return Err(Error::input(format!(
                    "random_connections must be from 1 to its {inputs} inputs"
                )));
            }
            _ => {}
        }
        match **inputs[0] {
            [n, i] if i > 0 && self.out_features > 0 => Ok(Shape::from([n, self.out_features])),
            [_, _] => Err(Error::input("out_features and the input's features must be at least 1")),
            _ => Err(Error::input(format!(
                "takes rows [N, features], not {}; put a flatten before it",
                inputs[0]
            ))),
        }
    }

    fn variables(&self, inputs: &[&Shape]) -> Vec<VariableSpec> {
        let features = inputs[0][1];
        let weight = VariableSpec {
            name: "weight",
            shape: Shape::from([self.out_features, features]),
            role: if self.random_connections.is_some() { Role::Buffer } else { Role::Parameter },
            init: self.random_connections.map(Init::Connections),
            fan: (features, self.out_features).into(),
        };
        let bias = VariableSpec {
            name: "bias",
            shape: Shape::from([self.out_features]),
            init: self.bias_init.map(Init::Constant),
            ..weight.clone()
        };
        if self.bias { vec![weight, bias] } else { vec![weight] }
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        let units = output.numel() as u64;
        let features = inputs[0][1] as u64;
        Cost {
            macs: units * features,
            connections: units * (features + u64::from(self.bias)),
            neurons: units,
        }
    }

    fn terms(&self, inputs: &[&Shape]) -> usize {
        inputs[0][1]
    }
}
