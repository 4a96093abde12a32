//! Rules for elementwise functions: activations with parameters, powers, extrema.

use striate_graph::Op;
use striate_graph::ops::{
    Add, Clip, Constant as ConstantLayer, Div, Mul, MultiplyBy, Power, Relu, Unary, UnaryFunction,
};
use striate_tensor::{Error, Result};

use super::constant::{Constant, Data};
use super::folding::Arithmetic;
use super::import::{Import, stem_of};
use super::proto::Node;
use super::value::{Flow, Value};

impl Import<'_> {
    /// An elementwise function that can also be applied to constants.
    pub(super) fn unary(
        &mut self,
        node: &Node,
        function: UnaryFunction,
        folded: fn(f64) -> f64,
    ) -> Result<Vec<Value>> {
        match self.as_it_stands(node, 0)? {
            Value::Known(constant) if constant.is_float() => {
                self.mapped(&constant, |x| folded(f64::from(x)) as f32)
            }
            _ => self.function(node, function),
        }
    }

    pub(super) fn function(&mut self, node: &Node, function: UnaryFunction) -> Result<Vec<Value>> {
        self.elementwise(node, Unary { function })
    }

    /// Rounding, which is supported for constants only.
    pub(super) fn rounded(&mut self, node: &Node, round: fn(f32) -> f32) -> Result<Vec<Value>> {
        match self.as_it_stands(node, 0)? {
            Value::Known(constant) if constant.is_float() => self.mapped(&constant, round),
            Value::Known(constant) => Ok(vec![Value::Known(constant)]),
            _ => Err(Error::input("rounds computed values, which is supported for constants only")),
        }
    }

    fn mapped(&mut self, constant: &Constant, f: impl Fn(f32) -> f32) -> Result<Vec<Value>> {
        let mapped = match &constant.data {
            Data::Filled(value) => Constant::filled(constant.shape.clone(), f(*value)),
            _ => {
                let values = constant.to_floats()?;
                self.budget.floats(values.len())?;
                self.budget.work(values.len(), 4)?;
                Constant::floats(constant.shape.clone(), values.into_iter().map(f).collect())
            }
        };
        Ok(vec![Value::Known(Constant { is_weight: constant.is_weight, ..mapped })])
    }

    pub(super) fn negative(&mut self, node: &Node) -> Result<Vec<Value>> {
        match self.as_it_stands(node, 0)? {
            Value::Known(constant) => {
                let minus_one = match constant.is_float() {
                    true => Constant::filled(vec![], -1.0),
                    false => Constant::fixed(vec![], vec![-1]),
                };
                let product =
                    super::folding::arithmetic(Arithmetic::Mul, &constant, &minus_one, &mut self.budget);
                Ok(vec![Value::Known(product?)])
            }
            _ => self.elementwise(node, MultiplyBy { factor: -1.0 }),
        }
    }

    /// A power with a constant exponent.
    pub(super) fn power(&mut self, node: &Node) -> Result<Vec<Value>> {
        let exponent = self.known(node, 1)?.scalar().map_err(|e| e.at("the exponent"))?;
        match self.as_it_stands(node, 0)? {
            Value::Known(base) if base.is_float() => self.mapped(&base, |x| x.powf(exponent)),
            x if exponent == 1.0 => Ok(vec![x]),
            _ if exponent == 2.0 => {
                let x = self.computed(node, 0)?;
                let y = self.layer(&stem_of(node), Mul {}, &[&x.flow, &x.flow], vec![])?;
                Ok(vec![x.with(y)])
            }
            _ if exponent == 0.5 => self.function(node, UnaryFunction::Sqrt),
            _ => self.elementwise(node, Power { exponent }),
        }
    }

    pub(super) fn reciprocal(&mut self, node: &Node) -> Result<Vec<Value>> {
        if let Value::Known(constant) = self.as_it_stands(node, 0)?
            && constant.is_float()
        {
            return self.mapped(&constant, |x| 1.0 / x);
        }
        let x = self.computed(node, 0)?;
        let one = Constant::filled(vec![1], 1.0);
        let one = self.constant_layer(&format!("{}/one", stem_of(node)), one, false)?;
        let y = self.layer(&stem_of(node), Div {}, &[&one, &x.flow], vec![])?;
        Ok(vec![x.with(y)])
    }

    /// max(x, 0) + slope·min(x, 0), with a trainable slope.
    pub(super) fn parametric_relu(&mut self, node: &Node) -> Result<Flow> {
        let x = self.flow(node, 0)?;
        let slope = self.known(node, 1)?;
        let part = |what: &str| format!("{}/{what}", stem_of(node));
        let op = ConstantLayer { shape: slope.shape.clone(), trained: true, initial: 0.0 };
        let slope = self.layer(node.inputs[1], op, &[], vec![slope])?;
        let above = self.layer(&part("above"), Relu {}, &[&x], vec![])?;
        let below = Clip { min: f32::MIN, max: 0.0 };
        let below = self.layer(&part("below"), below, &[&x], vec![])?;
        let below = self.layer(&part("slope"), Mul {}, &[&below, &slope], vec![])?;
        self.layer(&stem_of(node), Add {}, &[&above, &below], vec![])
    }

    /// Applies an operation on two values to all operands, one after the other.
    pub(super) fn fold_operands(&mut self, node: &Node, op: Arithmetic, layer: Op) -> Result<Vec<Value>> {
        let mut total = self.as_it_stands(node, 0)?;
        for index in 1..node.inputs.len() {
            let next = self.as_it_stands(node, index)?;
            let names = [node.inputs[0], node.inputs[index]];
            total = self.combine(node, op, layer.clone(), [total, next], names)?;
        }
        // Only the data, or a constant used as data.
        Ok(vec![total])
    }
}
