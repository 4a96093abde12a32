//! Operations that move elements without computing.

use striate_engine::strided_copy;
use striate_graph::ops::{Gather, ScatterKernels};
use striate_kernels::gather::GatherDesc;
use striate_kernels::strided::{StridedDesc, Strides};
use striate_tensor::{Result, Shape};

use super::{Operation, axes, pointwise};
use crate::launch::{Launch, Operand, Work};
use crate::order::{Maps, Order, has_one_order};

/// Adds a copy of `count` channels between values, from channel `from` of one to channel `to` of the other, in the
/// order of the second.
fn copy_channels(maps: [Maps; 2], count: usize, first: [usize; 2]) -> Launch {
    let [images, _, pixels] = maps[1].extents;
    let arranged = |[image, channel, pixel]: [usize; 3]| match maps[1].order {
        Order::Plain => [image, channel, pixel],
        Order::ChannelsLast => [image, pixel, channel],
    };
    let three = |values, fill| axes(&arranged(values), fill).expect("three axes are few enough");
    let all = images * count * pixels;
    let launch = Launch::each("copy", all).int(all).sizes(three([images, count, pixels], 1));
    maps.into_iter().zip(first).fold(launch, |launch, (maps, first)| {
        let distances = maps.distances();
        launch.int(first * distances[1]).sizes(three(distances, 0))
    })
}

fn fill(shape: &Shape, value: f32) -> Launch {
    Launch::each("fill", shape.numel()).int(shape.numel()).float(value).outputs([0])
}

/// Operand of a gradient: dy.
pub(super) fn strided(node: Operation) -> Result<Work> {
    let copy = strided_copy(node.graph, node.node).expect("the node copies elements");
    let StridedDesc { shape, from, to, rest } = copy;
    let count = shape.iter().product();
    let side = |launch: Launch, Strides { offset, strides }: &Strides| -> Result<Launch> {
        Ok(launch.int(*offset).ints(axes(strides, 0)?.map(|stride| stride as i64)))
    };
    let launch = Launch::each("copy", count).int(count).sizes(axes(&shape, 1)?);
    let launch = side(side(launch, &from)?, &to)?.inputs([0]).outputs([0]);
    let fill = rest.map(|value| fill(node.output(0), value));
    Ok(Work::of(fill.into_iter().chain([launch])))
}

/// A copy in another type or order. Operand: x; output: y.
pub(super) fn cast(node: Operation) -> Work {
    let (x, y) = (node.input_maps(0), node.output_maps(0));
    if x.order == y.order || has_one_order(node.input(0)) {
        return pointwise::identity(node);
    }
    Launch::each("reorder", y.numel()).maps(x).maps(y).inputs([0]).outputs([0]).into()
}

pub(super) fn concat(node: Operation) -> Work {
    let mut first = 0;
    Work::of((0..node.inputs()).map(|index| {
        let part = node.input_maps(index);
        let count = part.extents[1];
        let launch = copy_channels([part, node.output_maps(0)], count, [0, first]);
        first += count;
        launch.inputs([index]).outputs([0])
    }))
}

/// Operand: dy; outputs: the parts.
pub(super) fn concat_gradient(node: Operation) -> Work {
    let mut first = 0;
    Work::of((0..node.node.outputs.len()).map(|index| {
        let part = node.output_maps(index);
        let count = part.extents[1];
        let launch = copy_channels([node.input_maps(0), part], count, [first, 0]);
        first += count;
        launch.inputs([0]).outputs([index])
    }))
}

/// Channel 0 becomes channel `before`; if that is negative, as many leading channels are dropped.
pub(super) fn shift_channels(node: Operation, before: i64) -> Work {
    let maps = [node.input_maps(0), node.output_maps(0)];
    let [from, to] = [before.min(0).unsigned_abs() as usize, before.max(0) as usize];
    let [channels, all] = maps.map(|maps| maps.extents[1]);
    let count = channels.saturating_sub(from).min(all.saturating_sub(to));
    let copy = copy_channels(maps, count, [from, to]);
    Work::of([fill(node.output(0), 0.0), copy.inputs([0]).outputs([0])])
}

pub(super) fn gather(node: Operation, op: &Gather) -> Work {
    gathering(node, "gather", node.input(0), op)
}

/// Operand: dy; output: dx.
pub(super) fn gather_gradient(node: Operation, op: &Gather) -> Work {
    gathering(node, "gather_gradient", node.output(0), op)
}

fn gathering(node: Operation, kernel: &'static str, x: &Shape, op: &Gather) -> Work {
    let GatherDesc { outer, extent, inner, indices } = GatherDesc::new(x, op.axis, op.indices.clone());
    let launch = Launch::each(kernel, node.output(0).numel()).sizes([outer, extent, inner, indices.len()]);
    let launch = launch.at(Operand::Table(0)).inputs([0]).outputs([0]);
    Work { tables: vec![indices.into_iter().map(|index| index as i64).collect()], ..launch.into() }
}

/// Operand: the kernels; output: the full weight.
pub(super) fn scatter(node: Operation, op: &ScatterKernels) -> Work {
    let launch = placed("scatter_kernels", node.output(0), op);
    Work { launches: [vec![fill(node.output(0), 0.0)], launch.launches].concat(), ..launch }
}

/// Operand: the gradient of the full weight; output: that of the kernels.
pub(super) fn scatter_gradient(node: Operation, op: &ScatterKernels) -> Work {
    placed("gather_kernels", node.input(0), op)
}

fn placed(kernel: &'static str, weight: &Shape, op: &ScatterKernels) -> Work {
    let [_, channels, h, w] = weight.nchw();
    let places = op.places(channels);
    let launch = Launch::each(kernel, places.len() * h * w).sizes([places.len(), h * w]);
    let launch = launch.at(Operand::Table(0)).inputs([0]).outputs([0]);
    Work { tables: vec![places.into_iter().map(|place| place as i64).collect()], ..launch.into() }
}
