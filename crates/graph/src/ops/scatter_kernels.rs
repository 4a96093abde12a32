//! Expansion of the kernels of a connection table to a full weight that a convolution can use.

/// Scatters the kernels of a connection table, ordered by output, then input. Operand: kernels
/// `[K, 1, KH, KW]`; output: weight `[O, C, KH, KW]`, zero where there is no connection.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterKernels {
    /// For each output channel, the input channels that it reads.
    pub connections: Vec<Vec<usize>>,
}

/// Gradient: gathers the kernels. Operand: gradient of the weight; output: gradient of the kernels.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterKernelsGradient(pub ScatterKernels);

impl ScatterKernels {
    /// The index of each kernel among those of a full weight with `channels` inputs.
    pub fn places(&self, channels: usize) -> Vec<usize> {
        let row = |(output, inputs): (usize, &Vec<usize>)| {
            inputs.iter().map(move |input| output * channels + input).collect::<Vec<_>>()
        };
        self.connections.iter().enumerate().flat_map(row).collect()
    }
}
