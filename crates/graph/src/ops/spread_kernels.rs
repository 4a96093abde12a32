//! The kernels of a connection table in their places among zeros, so that a convolution can use them.

/// The kernels that a table lists, in the order of output, then input. Operand: kernels `[K, 1, KH, KW]`;
/// output: weight `[O, C, KH, KW]`, zero where the table connects nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct SpreadKernels {
    /// For each output channel, the input channels that it sees.
    pub connections: Vec<Vec<usize>>,
}

/// Gradient: the kernels' places alone. Operand: gradient of the weight; output: that of the kernels.
#[derive(Debug, Clone, PartialEq)]
pub struct SpreadKernelsGradient(pub SpreadKernels);

impl SpreadKernels {
    /// The place of each kernel among those of a whole weight with `channels` inputs.
    pub fn places(&self, channels: usize) -> Vec<usize> {
        let row = |(output, inputs): (usize, &Vec<usize>)| {
            inputs.iter().map(move |input| output * channels + input).collect::<Vec<_>>()
        };
        self.connections.iter().enumerate().flat_map(row).collect()
    }
}
