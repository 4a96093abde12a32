//! The order of a value's elements in memory.

use striate_graph::{Graph, ValueId};
use striate_tensor::Shape;

/// The order of a value's elements in memory; only values with several channels of several pixels have a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// `[N, C, …]`, the last axis contiguous.
    #[default]
    Plain,
    /// `[N, …, C]`, the channels of a pixel contiguous; of a weight, the inputs of a tap.
    ChannelsLast,
}

/// Whether a value of this shape has the same bytes in every order.
pub(crate) fn has_one_order(shape: &Shape) -> bool {
    let [_, channels, pixels] = extents(shape);
    shape.len() < 3 || channels == 1 || pixels == 1
}

/// The images, channels and pixels of a value.
fn extents(shape: &Shape) -> [usize; 3] {
    let [n, c, h, w] = shape.nchw();
    [n, c, h * w]
}

/// The orders of a graph's values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders(Vec<Order>);

impl Orders {
    /// The order of `id`.
    pub fn of(&self, id: ValueId) -> Order {
        self.0.get(id.0).copied().unwrap_or_default()
    }

    /// Sets the order of `id`.
    pub fn set(&mut self, id: ValueId, order: Order) {
        if self.0.len() <= id.0 {
            self.0.resize(id.0 + 1, Order::default());
        }
        self.0[id.0] = order;
    }

    /// The value `id` as images, channels and pixels.
    pub fn maps(&self, graph: &Graph, id: ValueId) -> Maps {
        Maps::new(extents(graph.shape(id)), self.of(id))
    }
}

/// A value as images, channels and pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Maps {
    pub extents: [usize; 3],
    pub order: Order,
}

/// The elements that a thread handles at once where that is possible.
const WIDTH: usize = 8;

impl Maps {
    /// Describes a value. Without other pixels, channels are last in every order.
    pub fn new(extents: [usize; 3], order: Order) -> Maps {
        Maps { extents, order: if extents[2] == 1 { Order::ChannelsLast } else { order } }
    }

    /// The number of elements.
    pub fn numel(self) -> usize {
        self.extents.iter().product()
    }

    /// The distances between neighboring images, channels and pixels.
    pub fn distances(self) -> [usize; 3] {
        let [_, channels, pixels] = self.extents;
        match self.order {
            Order::Plain => [channels * pixels, pixels, 1],
            Order::ChannelsLast => [channels * pixels, 1, channels],
        }
    }

    /// The elements that a thread can handle at once: as many are contiguous, of one channel or of adjacent ones.
    pub fn width(self) -> usize {
        let [_, channels, pixels] = self.extents;
        let contiguous = if self.order == Order::ChannelsLast { channels } else { pixels };
        width(contiguous)
    }
}

/// The elements of `count` contiguous ones that a thread can handle at once.
pub(crate) fn width(count: usize) -> usize {
    if count.is_multiple_of(WIDTH) { WIDTH } else { 1 }
}
