//! The positions of elements that transposes, slices, pads and their gradients copy.

use striate_graph::ops::{Pad, Slice};
use striate_graph::{Graph, Node, Op};
use striate_kernels::strided::{StridedDesc, Strides};
use striate_tensor::Shape;

/// Describes the copy that `node` is; `None` if it is another operation.
pub fn strided_copy(graph: &Graph, node: &Node) -> Option<StridedDesc> {
    let (x, y) = (graph.shape(node.inputs[0]), graph.shape(*node.outputs.first()?));
    Some(match &node.op {
        Op::Transpose(transpose) => {
            let plain = Strides::plain(x);
            let strides = transpose.permutation.iter().map(|axis| plain.strides[*axis]).collect();
            copy(y, Strides { strides, ..plain }, Strides::plain(y), None)
        }
        Op::Slice(slice) => copy(y, sliced(x, slice), Strides::plain(y), None),
        Op::SliceGradient(slice) => copy(x, Strides::plain(x), sliced(y, &slice.0), Some(0.0)),
        Op::Pad(pad) => copy(x, Strides::plain(x), inside(y, pad), Some(pad.value)),
        Op::PadGradient(pad) => copy(y, inside(x, &pad.0), Strides::plain(y), None),
        _ => return None,
    })
}

fn copy(shape: &Shape, from: Strides, to: Strides, rest: Option<f32>) -> StridedDesc {
    StridedDesc { shape: shape.to_vec(), from, to, rest }
}

/// The positions of a slice's elements in the whole value.
fn sliced(whole: &Shape, op: &Slice) -> Strides {
    let mut positions = Strides::plain(whole);
    positions.offset = op.start * positions.strides[op.axis] as usize;
    positions.strides[op.axis] *= op.step;
    positions
}

/// The positions of the unpadded elements in the padded value.
fn inside(whole: &Shape, op: &Pad) -> Strides {
    let mut positions = Strides::plain(whole);
    let strides = positions.strides.iter();
    positions.offset = op.before.iter().zip(strides).map(|(before, stride)| before * *stride as usize).sum();
    positions
}
