//! Rules for layers with weights, normalization, clipping and softmax.

use striate_graph::ops::{BatchNorm, Clip, Conv, Dropout, Linear, Lrn, MatMul, Relu, Relu6, Scale};
use striate_graph::{Op, Padding, PerAxis};
use striate_tensor::{Error, Result, Shape};

use super::constant::Constant;
use super::folding::{Arithmetic, arithmetic};
use super::import::{Import, stem_of, stem_of_weights};
use super::proto::Node;
use super::value::{Flow, Operand, Value};

impl Import<'_> {
    /// Applies `body` to maps `[N, C, H, W]` or volumes `[N, C, D, H, W]`; signals `[N, C, L]` are reshaped to maps of
    /// height 1 and back.
    pub(super) fn on_maps(
        &mut self,
        node: &Node,
        x: &Flow,
        body: impl FnOnce(&mut Self, &Flow) -> Result<Flow>,
    ) -> Result<Flow> {
        if x.shapes[0].get(2..) != x.shapes[1].get(2..) {
            return Err(Error::input("the size of its maps depends on the size of the batch"));
        }
        match x.rank() {
            4 | 5 => body(self, x),
            3 => {
                let raised = x.shapes.each_ref().map(|shape| Shape::from([shape[0], shape[1], 1, shape[2]]));
                let x = self.reshape(node, x, &raised)?;
                let y = body(self, &x)?;
                let lowered = y.shapes.each_ref().map(|shape| Shape::from([shape[0], shape[1], shape[3]]));
                self.reshape(node, &y, &lowered)
            }
            _ => Err(Error::input(format!("takes maps of one to three axes, not {}", x.shapes[0]))),
        }
    }

    pub(super) fn conv(&mut self, node: &Node) -> Result<Flow> {
        let x = self.flow(node, 0)?;
        let mut weight = self.known(node, 1)?;
        let bias = self.known_if_given(node, 2)?;
        let axes = x.rank().saturating_sub(2);
        if weight.shape.len() != x.rank() || !(1..=3).contains(&axes) {
            return Err(Error::input(format!("its weight {:?} does not fit {}", weight.shape, x.shapes[0])));
        }
        let window = Window::read(node, Some(&weight.shape[2..]), &x)?;
        if axes == 1 {
            let [o, i, k] = weight.shape[..] else { unreachable!("has three axes") };
            weight = weight.reshaped(vec![o, i, 1, k])?;
        }
        let groups = node.int("group")?.unwrap_or(1);
        let groups = usize::try_from(groups).ok().filter(|groups| *groups >= 1);
        let weights = |weight| [Some(weight), bias.clone()].into_iter().flatten().collect();
        if groups == Some(weight.shape[0]) && window.is_point(&weight) {
            let weights = weights(weight.reshaped(vec![weight.shape[0]])?);
            return self.layer(&stem_of_weights(node), Scale { bias: bias.is_some() }, &[&x], weights);
        }
        let op = Conv {
            stride: window.stride,
            padding: window.padding,
            dilation: window.dilation,
            groups: groups.ok_or_else(|| Error::input("attribute group must be 1 or more"))?,
            bias: bias.is_some(),
            ..Conv::new(weight.shape[0], window.kernel)
        };
        self.on_maps(node, &x, |import, x| import.layer(&stem_of_weights(node), op, &[x], weights(weight)))
    }

    pub(super) fn gemm(&mut self, node: &Node) -> Result<Flow> {
        let x = self.flow(node, 0)?;
        let flag = |name: &str| Ok::<bool, Error>(node.int(name)?.unwrap_or(0) != 0);
        if flag("transA")? {
            return Err(Error::input("attribute transA: the batch would be summed over"));
        }
        let (alpha, beta) = (node.float("alpha")?.unwrap_or(1.0), node.float("beta")?.unwrap_or(1.0));
        let mut weight = self.known(node, 1)?;
        if weight.shape.len() != 2 {
            return Err(Error::input(format!("its weight has shape {:?}, not two axes", weight.shape)));
        }
        if !flag("transB")? {
            weight = self.transposed_weight(&weight)?;
        }
        let units = weight.shape[0];
        if alpha != 1.0 {
            let alpha = Constant::filled(vec![], alpha);
            weight = arithmetic(Arithmetic::Mul, &weight, &alpha, &mut self.budget)?;
        }
        let mut bias = self.known_if_given(node, 2)?;
        if let Some(given) = &mut bias {
            if beta != 1.0 || given.len()? != units {
                let beta = Constant::filled(vec![units], beta);
                *given = arithmetic(Arithmetic::Mul, given, &beta, &mut self.budget)?;
            }
            *given = given.reshaped(vec![units])?;
        }
        let op = Linear { bias: bias.is_some(), ..Linear::new(units) };
        let weights = [Some(weight), bias].into_iter().flatten().collect();
        self.layer(&stem_of_weights(node), op, &[&x], weights)
    }

    /// Transposes a matrix, once for each weight, so that layers that share a weight still share it.
    fn transposed_weight(&mut self, weight: &Constant) -> Result<Constant> {
        let Some(identity) = weight.identity() else { return weight.transposed(&[1, 0], &mut self.budget) };
        if let Some(done) = self.transposed.get(&identity) {
            return Ok(done.clone());
        }
        let done = weight.transposed(&[1, 0], &mut self.budget)?;
        self.transposed.insert(identity, done.clone());
        Ok(done)
    }

    pub(super) fn matmul(&mut self, node: &Node) -> Result<Flow> {
        let stem = stem_of_weights(node);
        match (self.operand(node, 0)?, self.operand(node, 1)?) {
            (Operand::Flow(x), Operand::Known(weight)) if x.rank() == 2 && weight.shape.len() == 2 => {
                let op = Linear { bias: false, ..Linear::new(weight.shape[1]) };
                let weight = self.transposed_weight(&weight)?;
                self.layer(&stem, op, &[&x], vec![weight])
            }
            (a, b) => {
                let mut operand = |value: Operand, index: usize| match value {
                    Operand::Flow(flow) => Ok(flow),
                    Operand::Known(constant) => self.constant_layer(node.inputs[index], constant, true),
                };
                let (a, b) = (operand(a, 0)?, operand(b, 1)?);
                self.layer(&stem, MatMul::default(), &[&a, &b], vec![])
            }
        }
    }

    pub(super) fn batch_norm(&mut self, node: &Node) -> Result<Flow> {
        let x = self.flow(node, 0)?;
        if node.int("training_mode")?.unwrap_or(0) != 0 || node.int("spatial")?.unwrap_or(1) == 0 {
            return Err(Error::input(
                "attributes training_mode and spatial: only their default values are supported",
            ));
        }
        let weights = (1..5).map(|index| self.known(node, index)).collect::<Result<_>>()?;
        let epsilon = node.float("epsilon")?.unwrap_or(1e-5);
        // ONNX states the weight of the old statistics, rounded to a float; here, it is that of the new ones.
        let kept = f64::from(node.float("momentum")?.unwrap_or(0.9));
        let momentum = (((1.0 - kept) * 1e6).round() / 1e6) as f32;
        self.layer(&stem_of_weights(node), BatchNorm { epsilon, momentum, bias_init: None }, &[&x], weights)
    }

    pub(super) fn lrn(&mut self, node: &Node) -> Result<Flow> {
        let size = node.int("size")?.and_then(|size| usize::try_from(size).ok());
        let op = Lrn {
            size: size.ok_or_else(|| Error::input("attribute size is missing or negative"))?,
            alpha: node.float("alpha")?.unwrap_or(1e-4),
            beta: node.float("beta")?.unwrap_or(0.75),
            k: node.float("bias")?.unwrap_or(1.0),
        };
        let x = self.flow(node, 0)?;
        self.layer(&stem_of(node), op, &[&x], vec![])
    }

    pub(super) fn dropout(&mut self, node: &Node) -> Result<Vec<Value>> {
        if self.known_if_given(node, 2)?.is_some_and(|mode| mode.scalar().is_ok_and(|mode| mode != 0.0)) {
            return Err(Error::input("operand training_mode: export the network in inference mode"));
        }
        let given = self.known_if_given(node, 1)?.map(|ratio| ratio.scalar()).transpose()?;
        let probability = given.or(node.float("ratio")?).unwrap_or(0.5);
        self.elementwise(node, Dropout { probability, salt: 0 })
    }

    pub(super) fn clip(&mut self, node: &Node) -> Result<Vec<Value>> {
        let limit = |name: &str, index: usize| -> Result<Option<f32>> {
            let operand = self.known_if_given(node, index)?.map(|limit| limit.scalar()).transpose()?;
            Ok(operand.or(node.float(name)?))
        };
        let min = limit("min", 1)?.unwrap_or(f32::MIN);
        let max = limit("max", 2)?.unwrap_or(f32::MAX);
        match (min, max) {
            (0.0, 6.0) => self.elementwise(node, Relu6 {}),
            (0.0, max) if max >= f32::MAX => self.elementwise(node, Relu {}),
            _ => self.elementwise(node, Clip { min, max }),
        }
    }

    /// Softmax over one axis; before opset 13, over that axis and all later ones.
    pub(super) fn softmax(&mut self, node: &Node, op: Op) -> Result<Flow> {
        let x = self.flow(node, 0)?;
        let axis = axis_of(node.int("axis")?.unwrap_or(if self.opset < 13 { 1 } else { -1 }), x.rank())?;
        let singles = x.shapes[0][axis + 1..].iter().all(|extent| *extent == 1);
        if self.opset >= 13 && !singles {
            let mut order: Vec<usize> = (0..x.rank()).filter(|other| *other != axis).collect();
            order.push(axis);
            let swap = striate_graph::ops::Transpose { permutation: order };
            let turned = self.layer(&format!("{}/turn", stem_of(node)), swap.clone(), &[&x], vec![])?;
            let y = self.softmax_from(node, op, &turned, x.rank() - 1)?;
            return self.layer(&format!("{}/back", stem_of(node)), swap.inverse(), &[&y], vec![]);
        }
        self.softmax_from(node, op, &x, axis)
    }

    fn softmax_from(&mut self, node: &Node, op: Op, x: &Flow, axis: usize) -> Result<Flow> {
        let rows = x.shapes.each_ref().map(|shape| {
            let product = |part: &[usize]| part.iter().product::<usize>();
            Shape::from([product(&shape[..axis]), product(&shape[axis..])])
        });
        let flat = self.reshape(node, x, &rows)?;
        let y = self.layer(&stem_of(node), op, &[&flat], vec![])?;
        self.reshape(node, &y, &x.shapes)
    }
}

/// Returns the index of an axis; negative numbers count from the end.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize> {
    let counted = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    let counted = counted.and_then(|axis| usize::try_from(axis).ok()).filter(|axis| *axis < rank);
    counted.ok_or_else(|| Error::input(format!("axis {axis} is out of range for {rank} axes")))
}

/// The window of a convolution or pool, from its attributes.
pub(super) struct Window {
    pub kernel: PerAxis,
    pub stride: PerAxis,
    pub dilation: PerAxis,
    pub padding: Padding,
    pub ceil: bool,
}

impl Window {
    /// Whether it covers single elements without stride or padding, so that `weight` only scales each channel.
    fn is_point(&self, weight: &Constant) -> bool {
        weight.shape[0] > 1
            && weight.shape[1..].iter().all(|extent| *extent == 1)
            && self.stride.array() == [1; 3]
            && self.padding.before() == [0; 3]
            && self.padding.after() == [0; 3]
    }

    /// Reads the window of a layer on `x`; a kernel's extents are those of its weights, if it has any.
    pub fn read(node: &Node, weights: Option<&[usize]>, x: &Flow) -> Result<Window> {
        let axes = x.rank().saturating_sub(2);
        if !(1..=3).contains(&axes) {
            return Err(Error::input(format!("takes maps of one to three axes, not {}", x.shapes[0])));
        }
        let kernel = match (node.ints("kernel_shape")?, weights) {
            (None, None) => return Err(Error::input("attribute kernel_shape is missing")),
            (None, Some(own)) => own.to_vec(),
            (Some(_), own) => {
                let stated = node.sizes("kernel_shape", axes, 1, 1)?;
                if own.is_some_and(|own| own != stated) {
                    return Err(Error::input(format!(
                        "attribute kernel_shape {stated:?} does not match the weight"
                    )));
                }
                stated
            }
        };
        let stride = node.sizes("strides", axes, 1, 1)?;
        let dilation = node.sizes("dilations", axes, 1, 1)?;
        let pads = node.sizes("pads", 2 * axes, 0, 0)?;
        let mut sides: Vec<[usize; 2]> = (0..axes).map(|axis| [pads[axis], pads[axis + axes]]).collect();
        let auto = node.text("auto_pad")?.unwrap_or_else(|| "NOTSET".into());
        for (axis, sides) in sides.iter_mut().enumerate() {
            let extent = x.shapes[0][2 + axis];
            let covered = (extent.div_ceil(stride[axis]) - 1) * stride[axis]
                + (kernel[axis].max(1) - 1) * dilation[axis]
                + 1;
            let missing = covered.saturating_sub(extent);
            *sides = match auto.as_str() {
                "NOTSET" | "" => *sides,
                "VALID" => [0, 0],
                "SAME_UPPER" => [missing / 2, missing - missing / 2],
                "SAME_LOWER" => [missing - missing / 2, missing / 2],
                other => {
                    return Err(Error::input(format!("attribute auto_pad {other} is not supported")));
                }
            };
        }
        // Equal sizes become one number, as in handwritten networks.
        let each = |sizes: &[usize]| match sizes.iter().all(|size| *size == sizes[0]) {
            true if axes > 1 => sizes[0].into(),
            _ => PerAxis::of(sizes),
        };
        let sides_alike = sides.concat().iter().all(|side| *side == sides[0][0]);
        Ok(Window {
            kernel: each(&kernel),
            stride: each(&stride),
            dilation: each(&dilation),
            padding: if axes > 1 && sides_alike { sides[0][0].into() } else { Padding::of(&sides) },
            ceil: node.int("ceil_mode")?.unwrap_or(0) != 0,
        })
    }
}
