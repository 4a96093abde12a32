//! The layers of S-cells of a network.

use striate_ancestors::neocognitron::Geometry;
use striate_engine::Variables;
use striate_graph::ops::Conv;
use striate_graph::{Layer, Network, Op};
use striate_tensor::{Error, Result};

/// A layer of S-cells: two convolutions of a network.
pub(super) struct SLayer<'a> {
    /// Its name.
    name: &'a str,
    /// The layer whose output its cells read.
    pub input: &'a str,
    /// Its extents.
    pub geometry: Geometry,
}

impl<'a> SLayer<'a> {
    /// Finds the layer of S-cells `name` of `network`.
    ///
    /// # Errors
    /// If its convolutions are missing or of another kind.
    pub fn of(network: &'a Network, name: &'a str) -> Result<SLayer<'a>> {
        let refuse = |what: String| {
            Error::input(format!("self_organization.layers: {name}: network {}: {what}", network.name))
        };
        let [excitation, inhibition] = names(name);
        let conv = |own: &str| -> Result<(&'a Layer, &'a Conv)> {
            let layer = network.layers.iter().find(|layer| layer.name == own);
            match layer.map(|layer| (layer, &layer.op)) {
                Some((layer, Op::Conv(conv))) => Ok((layer, conv)),
                _ => Err(refuse(format!("no convolution {own} found"))),
            }
        };
        let ((read, a), (surround, b)) = (conv(&excitation)?, conv(&inhibition)?);
        let side = a.kernel_size.plane()[0];
        let padding = a.padding.before()[1];
        let plain = |side: usize, padding: usize| Conv {
            padding: padding.into(),
            bias: false,
            ..Conv::new(a.out_channels, side)
        };
        if *a != plain(side, padding) || side % 2 == 0 || padding >= side {
            return Err(refuse(format!(
                "{excitation} must have square kernels of an odd side, the same padding below it at each edge, stride 1 and \
                 no bias"
            )));
        }
        if *b != plain(1, 0) {
            let what =
                format!("{inhibition} must be a 1×1 convolution without biases and with as many planes");
            return Err(refuse(what));
        }
        let graph = network.graph(1)?;
        let shape = |own: &str| graph.find(own).map(|value| graph.shape(value).to_vec()).unwrap_or_default();
        let input = read.inputs[0].as_str();
        let ([_, channels, height, width], [_, 1, ..]) = (&shape(input)[..], &shape(&surround.inputs[0])[..])
        else {
            return Err(refuse(format!("{inhibition} must read one channel")));
        };
        let input_shape = [*channels, *height, *width];
        let geometry = Geometry { planes: a.out_channels, input: input_shape, side, padding };
        Ok(SLayer { name, input, geometry })
    }

    /// The names of its variables.
    pub fn variables(&self) -> [String; 2] {
        names(self.name).map(|name| format!("{name}.weight"))
    }

    /// Returns its variables with these values.
    pub fn named(&self, excitation: Vec<f32>, inhibition: Vec<f32>) -> Variables {
        let Geometry { planes, input: [channels, ..], side, .. } = self.geometry;
        let [a, b] = self.variables();
        Variables::from([
            (a, ([planes, channels, side, side].into(), excitation)),
            (b, ([planes, 1, 1, 1].into(), inhibition)),
        ])
    }
}

/// How the answers of the cells that the last layer reads are compared: the softmax of their product with a number.
pub(super) struct Comparison<'a> {
    /// The layer with the answers.
    pub cells: &'a str,
    /// The variable with the number.
    pub variable: String,
}

impl<'a> Comparison<'a> {
    /// Finds the comparison that ends in the layer `end` of `network`.
    ///
    /// # Errors
    /// If it is missing.
    pub fn of(network: &'a Network, end: &str) -> Result<Comparison<'a>> {
        let layer = |name: &str| network.layers.iter().find(|layer| layer.name == name);
        let softmax = layer(end).filter(|layer| matches!(layer.op, Op::Softmax(_)));
        let product = softmax.and_then(|softmax| layer(&softmax.inputs[0]));
        let factors =
            product.filter(|product| matches!(product.op, Op::Mul(_))).map(|product| &product.inputs[..]);
        if let Some([cells, number]) = factors
            && let Some(Op::Constant(constant)) = layer(number).map(|layer| &layer.op)
            && !constant.trained
            && constant.shape == [1]
        {
            return Ok(Comparison { cells, variable: format!("{number}.value") });
        }
        Err(Error::input(format!(
            "network {}: self-organizing cells need a last layer that reads the softmax of cells times a constant of \
             shape [1]",
            network.name
        )))
    }
}

/// The names of the convolutions of the layer `name`.
fn names(name: &str) -> [String; 2] {
    ["excitation", "inhibition"].map(|own| format!("{name}.{own}"))
}
