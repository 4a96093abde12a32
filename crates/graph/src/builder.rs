//! A fluent builder that lets a network read like the paper it comes from.
//!
//! ```
//! use striate_graph::Builder;
//!
//! let net = Builder::new("small", [1, 28, 28]);
//! let x = net.input();
//! let x = x.conv(8, 5).named("conv1").relu().max_pool(2, 2);
//! let x = x.conv(8, 3).pad(1).relu() + x;
//! let x = x.flatten().linear(10);
//! let network = x.finish().unwrap();
//! assert_eq!(network.classes().unwrap(), 10);
//! ```

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Sub};

use striate_tensor::{Error, Result, Shape};

use crate::network::{AuxiliaryHead, INPUT, Layer, Names, Network};
use crate::ops::{self, AveragePool, BatchNorm, Conv, Dropout, Linear, MaxPool};
use crate::{Init, Loss, Op, Padding, PerAxis};

/// A network under construction.
#[derive(Debug)]
pub struct Builder {
    name: String,
    input: Shape,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    init: Init,
    layers: Vec<Draft>,
    /// Auxiliary heads: the layer's index and the factor on its loss.
    heads: Vec<(usize, f32)>,
    loss: Option<Loss>,
    /// The first mistake, reported by `finish`.
    mistake: Option<String>,
}

#[derive(Debug)]
struct Draft {
    name: Option<String>,
    op: Op,
    inputs: Vec<Option<usize>>,
}

/// The output of a layer of a [`Builder`], or the network's input.
#[derive(Debug, Clone, Copy)]
pub struct Tensor<'b> {
    builder: &'b Builder,
    layer: Option<usize>,
}

impl Builder {
    /// Starts a network for inputs of these extents, without the batch: `[C, H, W]` for images.
    pub fn new(name: impl Into<String>, input: impl Into<Shape>) -> Self {
        Builder { name: name.into(), input: input.into(), state: RefCell::default() }
    }

    /// Sets the initialization of all weights.
    #[must_use]
    pub fn init(self, init: Init) -> Self {
        self.state.borrow_mut().init = init;
        self
    }

    /// Sets the loss that the network is trained with unless a recipe names another.
    #[must_use]
    pub fn loss(self, loss: Loss) -> Self {
        self.state.borrow_mut().loss = Some(loss);
        self
    }

    /// The network's input.
    pub fn input(&self) -> Tensor<'_> {
        Tensor { builder: self, layer: None }
    }

    /// Adds a stored value of these extents; training updates it if `trained` is set.
    pub fn constant(&self, shape: impl Into<Shape>, trained: bool) -> Tensor<'_> {
        self.add(ops::Constant { shape: shape.into().to_vec(), trained, initial: 0.0 }, vec![])
    }

    /// Adds a number that is stored and not trained, `[1]`, which arithmetic broadcasts.
    pub fn number(&self, value: f32) -> Tensor<'_> {
        self.add(ops::Constant { shape: vec![1], trained: false, initial: value }, vec![])
    }

    fn add(&self, op: impl Into<Op>, inputs: Vec<Option<usize>>) -> Tensor<'_> {
        let mut state = self.state.borrow_mut();
        state.layers.push(Draft { name: None, op: op.into(), inputs });
        Tensor { builder: self, layer: Some(state.layers.len() - 1) }
    }

    fn mistake(&self, what: String) {
        self.state.borrow_mut().mistake.get_or_insert(what);
    }
}

impl<'b> Tensor<'b> {
    /// The network under construction.
    pub fn builder(self) -> &'b Builder {
        self.builder
    }

    /// Adds any operation that reads only this value.
    pub fn then(self, op: impl Into<Op>) -> Tensor<'b> {
        self.builder.add(op, vec![self.layer])
    }

    /// Adds any operation that reads this value and another.
    pub fn then_with(self, op: impl Into<Op>, other: Tensor<'b>) -> Tensor<'b> {
        self.builder.add(op, vec![self.layer, other.layer])
    }

    /// Convolution with `out_channels` kernels, stride 1, no padding, with bias; see
    /// [`Tensor::stride`], [`Tensor::pad`], [`Tensor::groups`], [`Tensor::no_bias`]. The rank of the input
    /// decides between signals, maps and volumes; a size may be one number, (height, width) or (depth, height,
    /// width).
    pub fn conv(self, out_channels: usize, kernel_size: impl Into<PerAxis>) -> Tensor<'b> {
        self.then(Conv::new(out_channels, kernel_size))
    }

    /// Locally connected layer: a convolution with separate weights at every output position, stride 1, no
    /// padding, with bias.
    pub fn locally_connected(self, out_channels: usize, kernel_size: impl Into<PerAxis>) -> Tensor<'b> {
        self.then(ops::LocallyConnected {
            out_channels,
            kernel_size: kernel_size.into(),
            stride: PerAxis::ONE,
            padding: Padding::default(),
            bias: true,
        })
    }

    /// Fully connected layer.
    pub fn linear(self, out_features: usize) -> Tensor<'b> {
        self.then(Linear::new(out_features))
    }

    /// Maximum over windows.
    pub fn max_pool(self, kernel_size: impl Into<PerAxis>, stride: impl Into<PerAxis>) -> Tensor<'b> {
        self.then(MaxPool {
            kernel_size: kernel_size.into(),
            stride: stride.into(),
            dilation: PerAxis::ONE,
            padding: Padding::default(),
            ceil_mode: false,
        })
    }

    /// Mean over windows.
    pub fn average_pool(self, kernel_size: impl Into<PerAxis>, stride: impl Into<PerAxis>) -> Tensor<'b> {
        self.then(AveragePool {
            kernel_size: kernel_size.into(),
            stride: stride.into(),
            dilation: PerAxis::ONE,
            padding: Padding::default(),
            ceil_mode: false,
            count_include_pad: true,
        })
    }

    /// Mean over the whole map.
    pub fn global_average_pool(self) -> Tensor<'b> {
        self.then(ops::GlobalAveragePool {})
    }

    /// max(x, 0).
    pub fn relu(self) -> Tensor<'b> {
        self.then(ops::Relu {})
    }

    /// min(max(x, 0), 6).
    pub fn relu6(self) -> Tensor<'b> {
        self.then(ops::Relu6 {})
    }

    /// Hyperbolic tangent.
    pub fn tanh(self) -> Tensor<'b> {
        self.then(ops::Tanh {})
    }

    /// 1 / (1 + e^-x).
    pub fn sigmoid(self) -> Tensor<'b> {
        self.then(ops::Sigmoid {})
    }

    /// 1.7159·tanh(2x/3), as in LeNet-5.
    pub fn scaled_tanh(self) -> Tensor<'b> {
        self.then(ops::ScaledTanh {})
    }

    /// Trainable coefficient and bias for each channel.
    pub fn scale(self) -> Tensor<'b> {
        self.then(ops::Scale { bias: true })
    }

    /// Multiplication by a fixed factor.
    pub fn multiply_by(self, factor: f32) -> Tensor<'b> {
        self.then(ops::MultiplyBy { factor })
    }

    /// Local response normalization over `size` channels; `alpha` is divided by `size`.
    pub fn lrn(self, size: usize, alpha: f32, beta: f32, k: f32) -> Tensor<'b> {
        self.then(ops::Lrn { size, alpha, beta, k })
    }

    /// Zero channels before and after the existing ones.
    pub fn pad_channels(self, before: usize, after: usize) -> Tensor<'b> {
        self.then(ops::PadChannels { before, after })
    }

    /// Batch normalization with ε 1e-5 and momentum 0.1.
    pub fn batch_norm(self) -> Tensor<'b> {
        self.then(BatchNorm::default())
    }

    /// Dropout: in training, elements become zero with this probability.
    pub fn dropout(self, probability: f32) -> Tensor<'b> {
        self.then(Dropout { probability, salt: 0 })
    }

    /// Flattens all axes but the batch into one.
    pub fn flatten(self) -> Tensor<'b> {
        self.then(ops::Flatten {})
    }

    /// Scores from the distances to fixed codes.
    pub fn rbf(self, out_features: usize) -> Tensor<'b> {
        self.then(ops::Rbf { out_features })
    }

    /// Probabilities from scores.
    pub fn softmax(self) -> Tensor<'b> {
        self.then(ops::Softmax {})
    }

    /// Names the layer; its variables are named after it.
    pub fn named(self, name: impl Into<String>) -> Tensor<'b> {
        match self.layer {
            Some(index) => self.builder.state.borrow_mut().layers[index].name = Some(name.into()),
            None => self.builder.mistake("the input cannot be renamed".into()),
        }
        self
    }

    /// Makes this value an auxiliary output: in training its loss is added with the factor `weight`; for
    /// inference it is dropped.
    pub fn auxiliary(self, weight: f32) {
        match self.layer {
            Some(index) => self.builder.state.borrow_mut().heads.push((index, weight)),
            None => self.builder.mistake("the input cannot be an auxiliary head".into()),
        }
    }

    /// Sets the stride of a convolution.
    pub fn stride(self, stride: impl Into<PerAxis>) -> Tensor<'b> {
        self.set("stride", stride.into(), |op| match op {
            Op::Conv(conv) => Some(&mut conv.stride),
            Op::LocallyConnected(local) => Some(&mut local.stride),
            _ => None,
        })
    }

    /// Sets the padding of a convolution or pool: zeros, or minus infinity for a max pool.
    pub fn pad(self, padding: impl Into<Padding>) -> Tensor<'b> {
        self.set("padding", padding.into(), |op| match op {
            Op::Conv(conv) => Some(&mut conv.padding),
            Op::LocallyConnected(local) => Some(&mut local.padding),
            Op::MaxPool(pool) => Some(&mut pool.padding),
            Op::AveragePool(pool) => Some(&mut pool.padding),
            _ => None,
        })
    }

    /// Sets the dilation of a convolution or pool: the distance between adjacent taps.
    pub fn dilation(self, dilation: impl Into<PerAxis>) -> Tensor<'b> {
        self.set("dilation", dilation.into(), |op| match op {
            Op::Conv(conv) => Some(&mut conv.dilation),
            Op::MaxPool(pool) => Some(&mut pool.dilation),
            Op::AveragePool(pool) => Some(&mut pool.dilation),
            _ => None,
        })
    }

    /// Sets the number of groups of a convolution.
    pub fn groups(self, groups: usize) -> Tensor<'b> {
        self.set("groups", groups, |op| match op {
            Op::Conv(conv) => Some(&mut conv.groups),
            _ => None,
        })
    }

    /// Connects each output channel of a convolution to the listed input channels only.
    pub fn connections(self, table: &[&[usize]]) -> Tensor<'b> {
        let table = table.iter().map(|inputs| inputs.to_vec()).collect();
        self.set("connections", table, |op| match op {
            Op::Conv(conv) => Some(&mut conv.connections),
            _ => None,
        })
    }

    /// Removes the bias of a convolution, linear layer or scale.
    pub fn no_bias(self) -> Tensor<'b> {
        self.set("bias", false, |op| match op {
            Op::Conv(conv) => Some(&mut conv.bias),
            Op::LocallyConnected(local) => Some(&mut local.bias),
            Op::Linear(linear) => Some(&mut linear.bias),
            Op::Scale(scale) => Some(&mut scale.bias),
            _ => None,
        })
    }

    /// Initializes all biases of a convolution, linear layer or batch norm to `value`.
    pub fn bias_init(self, value: f32) -> Tensor<'b> {
        self.set("bias_init", Some(value), |op| match op {
            Op::Conv(conv) => Some(&mut conv.bias_init),
            Op::Linear(linear) => Some(&mut linear.bias_init),
            Op::BatchNorm(norm) => Some(&mut norm.bias_init),
            _ => None,
        })
    }

    /// Rounds the output size of a pool up, so that a last, partially covered window counts.
    pub fn ceil(self) -> Tensor<'b> {
        self.set("ceil_mode", true, |op| match op {
            Op::MaxPool(pool) => Some(&mut pool.ceil_mode),
            Op::AveragePool(pool) => Some(&mut pool.ceil_mode),
            _ => None,
        })
    }

    /// Excludes the padding from an average pool's divisor.
    pub fn exclude_padding(self) -> Tensor<'b> {
        self.set("count_include_pad", false, |op| match op {
            Op::AveragePool(pool) => Some(&mut pool.count_include_pad),
            _ => None,
        })
    }

    /// Sets the ε that a batch norm adds to the variance.
    pub fn epsilon(self, epsilon: f32) -> Tensor<'b> {
        self.set("epsilon", epsilon, |op| match op {
            Op::BatchNorm(norm) => Some(&mut norm.epsilon),
            _ => None,
        })
    }

    /// Sets the attribute of the layer's operation that `field` selects.
    fn set<T>(self, attribute: &str, value: T, field: impl FnOnce(&mut Op) -> Option<&mut T>) -> Tensor<'b> {
        let mut state = self.builder.state.borrow_mut();
        match self.layer.and_then(|index| field(&mut state.layers[index].op)) {
            Some(place) => *place = value,
            None => {
                let op = self.layer.map_or(INPUT, |index| state.layers[index].op.name());
                let what = format!("{attribute} was set on {op}, which does not have it");
                state.mistake.get_or_insert(what);
            }
        }
        self
    }

    /// Finishes the network, with this value as its output.
    ///
    /// # Errors
    /// If a layer does not fit its inputs, or an attribute was set on a layer that does not have it.
    pub fn finish(self) -> Result<Network> {
        let builder = self.builder;
        let state = builder.state.borrow();
        let at = |what: &str| Error::input(format!("network {}: {what}", builder.name));
        if let Some(mistake) = &state.mistake {
            return Err(at(mistake));
        }
        let last = self.layer.ok_or_else(|| at("it has no layers"))?;
        let mut network = Network {
            name: builder.name.clone(),
            input: builder.input.clone(),
            init: state.init,
            layers: Vec::new(),
            loss: state.loss,
            heads: Vec::new(),
        };
        let needed = state.needed_by(last);
        let mut names: Vec<String> = Vec::new();
        let mut free = Names::default();
        for (index, draft) in state.layers.iter().enumerate() {
            let name = draft.name.clone().unwrap_or_else(|| free.free(draft.op.name()));
            if needed[index] {
                free.take(&name);
                let source = |input: &Option<usize>| input.map_or(INPUT.into(), |i| names[i].clone());
                let inputs = draft.inputs.iter().map(source).collect();
                network.layers.push(Layer { name: name.clone(), op: draft.op.clone(), inputs, shares: None });
            }
            names.push(name);
        }
        let heads = state.heads.iter();
        network.heads = heads
            .map(|(index, weight)| AuxiliaryHead { layer: names[*index].clone(), weight: *weight })
            .collect();
        // The output must be the last layer, even if other layers were added after it.
        let output = network.layers.iter().position(|layer| layer.name == names[last]);
        let output = network.layers.remove(output.expect("the output is among the needed layers"));
        network.layers.push(output);
        network.graph_with_heads(&network.input_shape(1))?;
        Ok(network)
    }
}

impl State {
    /// Marks the layers that `last` and the auxiliary heads depend on, including themselves.
    fn needed_by(&self, last: usize) -> Vec<bool> {
        let mut needed = vec![false; self.layers.len()];
        needed[last] = true;
        self.heads.iter().for_each(|(index, _)| needed[*index] = true);
        for index in (0..self.layers.len()).rev() {
            if needed[index] {
                self.layers[index].inputs.iter().flatten().for_each(|input| needed[*input] = true);
            }
        }
        needed
    }
}

macro_rules! operators {
    ($($operator:ident $method:ident),*) => {$(
        impl<'b> $operator for Tensor<'b> {
            type Output = Tensor<'b>;
            fn $method(self, other: Tensor<'b>) -> Tensor<'b> {
                self.then_with(ops::$operator {}, other)
            }
        }
    )*};
}

operators! { Add add, Sub sub, Mul mul, Div div }

/// Concatenates the parts along the channels.
///
/// # Panics
/// If there are no parts.
pub fn concat<'b>(parts: impl IntoIterator<Item = Tensor<'b>>) -> Tensor<'b> {
    let parts: Vec<Tensor<'b>> = parts.into_iter().collect();
    let builder = parts.first().expect("concat needs at least one part").builder;
    builder.add(ops::Concat {}, parts.iter().map(|part| part.layer).collect())
}
