//! The supported operators, each with the rule that converts a node to layers.

use striate_graph::ops::{
    Add, Approximation, Div, Elu, Gelu, GlobalAveragePool, HardSigmoid, HardSwish, LeakyRelu, LogSoftmax,
    Max, Min, Mul, Relu, Sigmoid, Softmax, Sub, Tanh, UnaryFunction,
};
use striate_tensor::Result;

use super::folding::Arithmetic;
use super::import::{Import, stem_of};
use super::proto::Node;
use super::reductions::Reduction;
use super::value::{Flow, Value};

/// Converts a node to layers; returns its results.
pub(super) type Rule = fn(&mut Import<'_>, &Node<'_>) -> Result<Vec<Value>>;

fn flow(flow: Flow) -> Result<Vec<Value>> {
    Ok(vec![Value::Flow(flow)])
}

fn known(constant: super::constant::Constant) -> Result<Vec<Value>> {
    Ok(vec![Value::Known(constant)])
}

fn value(value: Value) -> Result<Vec<Value>> {
    Ok(vec![value])
}

/// All rules, by operator.
const RULES: &[(&str, Rule)] = &[
    ("Abs", |import, node| import.unary(node, UnaryFunction::Abs, f64::abs)),
    ("Add", |import, node| import.arithmetic(node, Arithmetic::Add, Add {}.into())),
    ("AveragePool", |import, node| flow(import.average_pool(node)?)),
    ("BatchNormalization", |import, node| flow(import.batch_norm(node)?)),
    ("Cast", |import, node| value(import.cast(node)?)),
    ("Ceil", |import, node| import.rounded(node, f32::ceil)),
    ("Celu", |import, node| {
        let alpha = node.float("alpha")?.unwrap_or(1.0);
        import.elementwise(node, Elu { alpha, scale: 1.0, rate: 1.0 / alpha })
    }),
    ("Clip", |import, node| import.clip(node)),
    ("Concat", |import, node| import.concat(node)),
    ("Constant", |import, node| known(import.constant(node)?)),
    ("ConstantOfShape", |import, node| known(import.filled(node)?)),
    ("Conv", |import, node| flow(import.conv(node)?)),
    ("DequantizeLinear", |import, node| known(import.dequantize(node)?)),
    ("Div", |import, node| import.arithmetic(node, Arithmetic::Div, Div {}.into())),
    ("Dropout", |import, node| import.dropout(node)),
    ("Elu", |import, node| {
        let alpha = node.float("alpha")?.unwrap_or(1.0);
        import.elementwise(node, Elu { alpha, scale: 1.0, rate: 1.0 })
    }),
    ("Erf", |import, node| import.function(node, UnaryFunction::Erf)),
    ("Exp", |import, node| import.unary(node, UnaryFunction::Exp, f64::exp)),
    ("Flatten", |import, node| value(import.flatten(node)?)),
    ("Floor", |import, node| import.rounded(node, f32::floor)),
    ("Gather", |import, node| value(import.gather(node)?)),
    ("Gelu", |import, node| {
        let approximate = match node.text("approximate")?.as_deref() {
            Some("tanh") => Approximation::Tanh,
            _ => Approximation::None,
        };
        import.elementwise(node, Gelu { approximate })
    }),
    ("Gemm", |import, node| flow(import.gemm(node)?)),
    ("GlobalAveragePool", |import, node| {
        let x = import.flow(node, 0)?;
        let pooled = import
            .on_maps(node, &x, |import, x| import.layer(&stem_of(node), GlobalAveragePool {}, &[x], vec![]));
        flow(pooled?)
    }),
    ("GlobalMaxPool", |import, node| flow(import.global_max_pool(node)?)),
    ("HardSigmoid", |import, node| {
        let slope = node.float("alpha")?.unwrap_or(0.2);
        let offset = node.float("beta")?.unwrap_or(0.5);
        import.elementwise(node, HardSigmoid { slope, offset })
    }),
    ("HardSwish", |import, node| import.elementwise(node, HardSwish {})),
    ("Identity", |import, node| value(import.as_it_stands(node, 0)?)),
    ("LRN", |import, node| flow(import.lrn(node)?)),
    ("LeakyRelu", |import, node| {
        let negative_slope = node.float("alpha")?.unwrap_or(0.01);
        import.elementwise(node, LeakyRelu { negative_slope })
    }),
    ("Log", |import, node| import.unary(node, UnaryFunction::Log, f64::ln)),
    ("LogSoftmax", |import, node| flow(import.softmax(node, LogSoftmax {}.into())?)),
    ("MatMul", |import, node| flow(import.matmul(node)?)),
    ("Max", |import, node| import.fold_operands(node, Arithmetic::Max, Max {}.into())),
    ("MaxPool", |import, node| flow(import.max_pool(node)?)),
    ("Min", |import, node| import.fold_operands(node, Arithmetic::Min, Min {}.into())),
    ("Mul", |import, node| import.arithmetic(node, Arithmetic::Mul, Mul {}.into())),
    ("Neg", |import, node| import.negative(node)),
    ("PRelu", |import, node| flow(import.parametric_relu(node)?)),
    ("Pad", |import, node| value(import.pad(node)?)),
    ("Pow", |import, node| import.power(node)),
    ("QuantizeLinear", |import, node| known(import.quantize(node)?)),
    ("Reciprocal", |import, node| import.reciprocal(node)),
    ("ReduceL1", |import, node| value(import.reduce(node, Reduction::L1)?)),
    ("ReduceL2", |import, node| value(import.reduce(node, Reduction::L2)?)),
    ("ReduceMax", |import, node| value(import.reduce(node, Reduction::Max)?)),
    ("ReduceMean", |import, node| value(import.reduce(node, Reduction::Mean)?)),
    ("ReduceMin", |import, node| value(import.reduce(node, Reduction::Min)?)),
    ("ReduceSum", |import, node| value(import.reduce(node, Reduction::Sum)?)),
    ("ReduceSumSquare", |import, node| value(import.reduce(node, Reduction::SumSquare)?)),
    ("Relu", |import, node| import.elementwise(node, Relu {})),
    ("Reshape", |import, node| value(import.reshape_rule(node)?)),
    ("Resize", |import, node| flow(import.resize(node)?)),
    ("Round", |import, node| import.rounded(node, f32::round_ties_even)),
    ("Selu", |import, node| {
        let alpha = node.float("alpha")?.unwrap_or(1.673_263_2);
        let scale = node.float("gamma")?.unwrap_or(1.050_701);
        import.elementwise(node, Elu { alpha, scale, rate: 1.0 })
    }),
    ("Shape", |import, node| known(import.shape(node)?)),
    ("Sigmoid", |import, node| import.elementwise(node, Sigmoid {})),
    ("Slice", |import, node| value(import.slice(node)?)),
    ("Softmax", |import, node| flow(import.softmax(node, Softmax {}.into())?)),
    ("Split", |import, node| import.split(node)),
    ("Sqrt", |import, node| import.unary(node, UnaryFunction::Sqrt, f64::sqrt)),
    ("Squeeze", |import, node| value(import.squeeze(node)?)),
    ("Sub", |import, node| import.arithmetic(node, Arithmetic::Sub, Sub {}.into())),
    ("Sum", |import, node| import.fold_operands(node, Arithmetic::Add, Add {}.into())),
    ("Tanh", |import, node| import.elementwise(node, Tanh {})),
    ("Transpose", |import, node| value(import.transpose(node)?)),
    ("Unsqueeze", |import, node| value(import.unsqueeze(node)?)),
    ("Upsample", |import, node| flow(import.resize(node)?)),
];

/// Returns the rule for a node, if its operator is supported.
pub(super) fn rule_of(node: &Node) -> Option<Rule> {
    let is_standard = node.domain.is_empty() || node.domain == "ai.onnx";
    let found = RULES.binary_search_by(|(name, _)| (*name).cmp(node.op)).ok().filter(|_| is_standard);
    found.map(|place| RULES[place].1)
}

#[cfg(test)]
mod tests {
    use super::RULES;

    #[test]
    fn rules_are_sorted_by_operator() {
        assert!(RULES.is_sorted_by(|a, b| a.0 < b.0));
    }
}
