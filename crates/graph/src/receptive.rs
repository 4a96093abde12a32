//! Receptive fields: the part of the input that an element of a value depends on.

use crate::Op;
use crate::graph::{Graph, Node, ValueId};

/// The receptive field of the elements of a value, by depth, height and width of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceptiveField {
    /// Its extent, including padding.
    pub extent: [u64; 3],
    /// The distance between the fields of adjacent elements.
    pub step: [u64; 3],
    /// The position of the first element's field; negative in padding.
    pub start: [i64; 3],
}

/// The field of an element of the input.
const ITSELF: ReceptiveField = ReceptiveField { extent: [1; 3], step: [1; 3], start: [0; 3] };

/// Returns the receptive field of each value of `graph`, which must not be compiled yet. Operations that reorder
/// positions, such as slices and transpositions, are taken to keep them.
pub fn receptive_fields(graph: &Graph) -> Vec<ReceptiveField> {
    let mut fields = vec![ITSELF; graph.values.len()];
    for node in &graph.nodes {
        if node.op.layer().is_some() {
            fields[node.outputs[0].0] = field_of(graph, node, &fields);
        }
    }
    fields
}

fn field_of(graph: &Graph, node: &Node, fields: &[ReceptiveField]) -> ReceptiveField {
    let data: Vec<ValueId> =
        node.inputs.iter().copied().filter(|id| graph.value(*id).role().is_none()).collect();
    let mut field = data.iter().map(|id| fields[id.0]).reduce(joined).unwrap_or(ITSELF);
    let Some(input) = data.first().map(|id| graph.shape(*id)) else { return field };
    let before = padding_before(&node.op, input.len());
    let window = node.op.layer().and_then(|op| op.window(input));
    for (axis, before) in before.into_iter().enumerate() {
        // Long chains of large strides would overflow.
        let step = i64::try_from(field.step[axis]).unwrap_or(i64::MAX);
        let shift = i64::try_from(before).unwrap_or(i64::MAX).saturating_mul(step);
        field.start[axis] = field.start[axis].saturating_sub(shift);
        let Some(window) = &window else { continue };
        let [kernel, stride, dilation] =
            [window.kernel, window.stride, window.dilation].map(|each| each.array()[axis] as u64);
        let beyond = (kernel.saturating_sub(1) * dilation).saturating_mul(field.step[axis]);
        field.extent[axis] = field.extent[axis].saturating_add(beyond);
        field.step[axis] = field.step[axis].saturating_mul(stride);
    }
    field
}

/// The padding of an operation before the first element of each axis.
fn padding_before(op: &Op, rank: usize) -> [usize; 3] {
    match op {
        Op::Conv(conv) => conv.padding.before(),
        Op::LocallyConnected(local) => local.padding.before(),
        Op::MaxPool(pool) => pool.padding.before(),
        Op::AveragePool(pool) => pool.padding.before(),
        Op::Pad(pad) if (3..=5).contains(&rank) => {
            let mut before = [0; 3];
            before[5 - rank..].copy_from_slice(&pad.before[2..]);
            before
        }
        _ => [0; 3],
    }
}

/// The field that covers both.
fn joined(a: ReceptiveField, b: ReceptiveField) -> ReceptiveField {
    let each = |axis: usize| {
        let start = a.start[axis].min(b.start[axis]);
        let end = |field: &ReceptiveField| field.start[axis].saturating_add_unsigned(field.extent[axis]);
        (start, end(&a).max(end(&b)).abs_diff(start), a.step[axis].max(b.step[axis]))
    };
    let [d, h, w] = [0, 1, 2].map(each);
    ReceptiveField { extent: [d.1, h.1, w.1], step: [d.2, h.2, w.2], start: [d.0, h.0, w.0] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, Tensor, concat};

    fn last(body: impl for<'b> Fn(Tensor<'b>) -> Tensor<'b>) -> ReceptiveField {
        let net = Builder::new("net", [3, 20, 20]);
        let graph = body(net.input()).finish().unwrap().graph(1).unwrap();
        receptive_fields(&graph)[graph.outputs[0].0]
    }

    /// Two convolutions and a pool, counted by hand: extent 3, then 3 + 2·1, then 5 + 1·2; the first field starts one
    /// pixel outside for each padding.
    #[test]
    fn fields_grow_with_windows_and_start_in_the_padding() {
        let field = last(|x| x.conv(4, 3).pad(1).conv(4, 3).stride(2).pad((1, 0)).relu().max_pool(2, 2));
        assert_eq!((field.extent, field.step), ([1, 7, 7], [1, 4, 4]));
        assert_eq!(field.start, [0, -2, -1]);
    }

    #[test]
    fn field_of_branches_covers_those_of_all() {
        let field = last(|x| concat([x.conv(2, 1), x.conv(2, 5).pad(2)]));
        assert_eq!((field.extent, field.start), ([1, 5, 5], [0, -2, -2]));
        let field = last(|x| {
            let shifted = x.conv(2, (1, 2)).pad(crate::Padding { left: 1, ..crate::Padding::default() });
            x.conv(2, (1, 2)).pad(crate::Padding { right: 1, ..crate::Padding::default() }) + shifted
        });
        assert_eq!((field.extent, field.start), ([1, 1, 3], [0, 0, -1]));
    }
}
