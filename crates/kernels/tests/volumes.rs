//! Convolution and pooling of volumes and signals: every implementation against the reference in f64.

mod common;

use common::{Case, Operand, cases, check};
use proptest::prelude::*;
use striate_kernels::activation::Activation;
use striate_kernels::conv3d::{self, Conv3dDesc};
use striate_kernels::pooling::PoolKind;
use striate_kernels::pooling3d::{self, Pool3dDesc};

fn activation() -> impl Strategy<Value = Activation> {
    use Activation::{None, Relu, Relu6, ScaledTanh, Sigmoid, Tanh};
    prop::sample::select(vec![None, Relu, Relu6, Tanh, Sigmoid, ScaledTanh])
}

fn sizes(most: [usize; 3]) -> impl Strategy<Value = [usize; 3]> {
    (1..=most[0], 1..=most[1], 1..=most[2]).prop_map(|(d, h, w)| [d, h, w])
}

fn borders(most: [usize; 3]) -> impl Strategy<Value = [usize; 3]> {
    (0..=most[0], 0..=most[1], 0..=most[2]).prop_map(|(d, h, w)| [d, h, w])
}

prop_compose! {
    /// Varied sizes, strides, dilation and groups, and different padding on every side.
    fn conv_desc()(
        batch in 1usize..=3,
        groups in 1usize..=3,
        channels in (1usize..=5, 1usize..=7),
        kernel in sizes([3, 3, 4]),
        stride in sizes([2, 3, 3]),
        dilation in sizes([2, 2, 3]),
        before in borders([2, 3, 4]),
        after in borders([1, 2, 3]),
        output in sizes([3, 5, 9]),
        spare in borders([1, 1, 1]),
        options in (any::<bool>(), any::<bool>()),
        activation in activation(),
    ) -> Conv3dDesc {
        let extent = |axis: usize| {
            let covered = (output[axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1;
            covered.saturating_sub(before[axis] + after[axis]).max(1) + spare[axis].min(stride[axis] - 1)
        };
        Conv3dDesc {
            batch,
            in_channels: channels.0 * groups,
            out_channels: channels.1 * groups,
            groups,
            input: [extent(0), extent(1), extent(2)],
            output,
            kernel,
            stride,
            dilation,
            padding: before,
            bias: options.0,
            residual: options.1,
            activation,
        }
    }
}

/// The shape of volumes as `[N, C, D, H·W]`, because operands have four extents.
fn volumes(batch: usize, channels: usize, [d, h, w]: [usize; 3]) -> [usize; 4] {
    [batch, channels, d, h * w]
}

fn check_conv(d: &Conv3dDesc) {
    let taps: usize = d.kernel.iter().product();
    let places = d.batch * d.output.iter().product::<usize>();
    let longest = (d.in_channels * taps).max(d.out_channels * taps).max(places);
    let tolerance = 1e-6 * (longest as f64).sqrt().max(10.0);
    let (x_shape, y_shape) =
        (volumes(d.batch, d.in_channels, d.input), volumes(d.batch, d.out_channels, d.output));
    let w_shape = volumes(d.out_channels, d.in_channels / d.groups, d.kernel);
    let (x, w) = (Operand::random(x_shape, 1), Operand::random(w_shape, 2));
    let (bias, residual) = (Operand::random([1, d.out_channels, 1, 1], 3), Operand::random(y_shape, 4));
    let dy = Operand::random(y_shape, 5);

    let mut y = dy.clone();
    let b = d.bias.then_some(bias.values.as_slice());
    let r = d.residual.then_some(residual.values.as_slice());
    conv3d::reference::forward(d, &x.values, &w.values, b, r, &mut y.values);
    let mut reads = vec![x.clone(), w.clone()];
    reads.extend(d.bias.then_some(bias));
    reads.extend(d.residual.then_some(residual));
    let mut ran =
        check(&Case { desc: d, list: conv3d::forward(), reads, writes: vec![(None, y)], tolerance });

    let mut dx = x.clone();
    conv3d::reference::data_gradient(d, &dy.values, &w.values, &mut dx.values);
    let (reads, writes) = (vec![dy.clone(), w.clone()], vec![(None, dx)]);
    ran.extend(check(&Case { desc: d, list: conv3d::data_gradient(), reads, writes, tolerance }));

    let mut dw = w;
    conv3d::reference::weight_gradient(d, &x.values, &dy.values, &mut dw.values);
    let (reads, writes) = (vec![x, dy], vec![(None, dw)]);
    ran.extend(check(&Case { desc: d, list: conv3d::weight_gradient(), reads, writes, tolerance }));
    for name in
        ["conv3d_columns_f32", "conv3d_data_gradient_columns_f32", "conv3d_weight_gradient_columns_f32"]
    {
        assert!(ran.contains(&name), "{name} refused {d:?}");
    }
}

prop_compose! {
    /// Windows that extend past the volume in every way that the shape rules allow; in ceiling mode, even the first,
    /// unless it is dilated, because it could then cover nothing.
    fn pool_desc()(
        batch in 1usize..=2,
        channels in 1usize..=3,
        spare in borders([4, 5, 9]),
        kernel in sizes([3, 3, 4]),
        stride in sizes([2, 3, 4]),
        dilation in sizes([2, 2, 2]),
        before in borders([1, 1, 2]),
        after in borders([1, 1, 2]),
        ceil in any::<bool>(),
        less in borders([2, 2, 3]),
        kind in prop::sample::select(vec![
            PoolKind::Max,
            PoolKind::Average { count_include_pad: true },
            PoolKind::Average { count_include_pad: false },
        ]),
        activation in prop::sample::select(vec![Activation::None, Activation::Tanh, Activation::Relu]),
    ) -> Pool3dDesc {
        let each = |of: &dyn Fn(usize) -> usize| [of(0), of(1), of(2)];
        let extent = |axis: usize| (kernel[axis] - 1) * dilation[axis] + 1;
        let past = each(&|axis| if ceil { stride[axis] - 1 } else { 0 });
        let input = each(&|axis| {
            let less = if dilation[axis] == 1 { less[axis].min(past[axis]) } else { 0 };
            (extent(axis) + spare[axis]).saturating_sub(less).max(1)
        });
        let padding = each(&|axis| before[axis].min(kernel[axis] / 2));
        let padding_after = each(&|axis| after[axis].min(kernel[axis] / 2));
        let output = each(&|axis| {
            let distance = input[axis] + padding[axis] + padding_after[axis] + past[axis] - extent(axis);
            let count = distance / stride[axis] + 1;
            if ceil && (count - 1) * stride[axis] >= input[axis] + padding[axis] { count - 1 } else { count }
        });
        Pool3dDesc { kind, batch, channels, input, output, kernel, stride, dilation, padding, padding_after, activation }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn convolutions_of_volumes_match_the_reference(d in conv_desc()) {
        check_conv(&d);
    }

    #[test]
    fn convolutions_of_signals_match_the_reference(d in conv_desc(), width in 1usize..40) {
        let (kernel, stride, padding) =
            ([1, 1, d.kernel[2]], [1, 1, d.stride[2]], [0, 0, d.padding[2]]);
        let extent = (width - 1) * stride[2] + (kernel[2] - 1) * d.dilation[2] + 1;
        let input = [1, 1, extent.saturating_sub(padding[2]).max(1)];
        check_conv(&Conv3dDesc { kernel, stride, padding, input, output: [1, 1, width], ..d });
    }

    #[test]
    fn pooling_of_volumes_matches_the_reference(d in pool_desc(), nan in prop::option::of(any::<u64>())) {
        let mut x = Operand::random(volumes(d.batch, d.channels, d.input), 1);
        if let (PoolKind::Max, Some(seed)) = (d.kind, nan) {
            x = x.with_nan(seed);
        }
        let dy = Operand::random(volumes(d.batch, d.channels, d.output), 2);
        let (mut y, mut dx) = (dy.clone(), x.clone());
        pooling3d::reference::forward(&d, &x.values, &mut y.values);
        let case = Case {
            desc: &d,
            list: pooling3d::forward(),
            reads: vec![x.clone()],
            writes: vec![(None, y)],
            tolerance: 1e-6,
        };
        prop_assert!(check(&case).contains(&"pool3d_f32"));
        if d.kind == PoolKind::Max {
            pooling3d::reference::max_gradient(&d, &x.values, &dy.values, &mut dx.values);
            let (reads, writes) = (vec![x, dy], vec![(None, dx)]);
            check(&Case { desc: &d, list: pooling3d::max_gradient(), reads, writes, tolerance: 1e-6 });
        } else {
            let x = (d.activation != Activation::None).then_some(x);
            let values = x.as_ref().map(|x| &x.values[..]);
            pooling3d::reference::average_gradient(&d, &dy.values, values, &mut dx.values);
            let (reads, writes) = ([dy].into_iter().chain(x).collect(), vec![(None, dx)]);
            check(&Case { desc: &d, list: pooling3d::average_gradient(), reads, writes, tolerance: 1e-6 });
        }
    }
}

/// Enough taps and positions to split the columns into chunks of two sizes, in the middle of a volume: with one
/// group and with two, with more outputs than taps, and within rows.
#[test]
fn convolutions_in_several_chunks_match_the_reference() {
    let plain = Conv3dDesc {
        batch: 3,
        in_channels: 64,
        out_channels: 2,
        groups: 1,
        input: [5, 11, 10],
        output: [5, 11, 10],
        kernel: [3; 3],
        stride: [1; 3],
        dilation: [1; 3],
        padding: [1; 3],
        bias: true,
        residual: true,
        activation: Activation::Tanh,
    };
    check_conv(&Conv3dDesc { in_channels: 128, groups: 2, ..plain });
    let size = [3, 41, 37];
    let (kernel, padding) = ([1; 3], [0; 3]);
    let pointwise = Conv3dDesc { input: size, output: size, kernel, padding, ..plain };
    check_conv(&Conv3dDesc { batch: 1, in_channels: 1, out_channels: 512, ..pointwise });
    check_conv(&Conv3dDesc {
        batch: 1,
        in_channels: 500,
        input: [2, 1, 2000],
        output: [2, 1, 1001],
        kernel: [1, 1, 5],
        stride: [1, 1, 2],
        dilation: [1, 1, 3],
        padding: [0, 0, 4],
        ..plain
    });
    check_conv(&plain);
}

/// The mean of very many equal elements is that element, with and without dilation.
#[test]
fn means_of_large_windows_are_accurate() {
    for (input, kernel, dilation) in
        [([10, 100, 300], [10, 100, 300], [1; 3]), ([10, 100, 599], [10, 100, 300], [1, 1, 2])]
    {
        let d = Pool3dDesc {
            kind: PoolKind::Average { count_include_pad: false },
            batch: 1,
            channels: 1,
            input,
            output: [1; 3],
            kernel,
            stride: [1; 3],
            dilation,
            padding: [0; 3],
            padding_after: [0; 3],
            activation: Activation::None,
        };
        let x = Operand::new(volumes(1, 1, input), vec![0.1; input.iter().product()]);
        let (reads, writes) = (vec![x], vec![(None, Operand::row(vec![0.1]))]);
        let list = &pooling3d::forward()[..1];
        check(&Case { desc: &d, list, reads, writes, tolerance: 3e-7 });
    }
}

/// The maximum of a window that contains NaN is NaN, and the gradient goes to it, even after an infinity.
#[test]
fn max_pool_propagates_nan() {
    let d = Pool3dDesc {
        kind: PoolKind::Max,
        batch: 1,
        channels: 1,
        input: [1, 2, 4],
        output: [1, 1, 2],
        kernel: [1, 2, 2],
        stride: [1, 2, 2],
        dilation: [1; 3],
        padding: [0; 3],
        padding_after: [0; 3],
        activation: Activation::None,
    };
    let x = vec![f64::INFINITY, f64::NAN, 5.0, 2.0, f64::NAN, 4.0, 9.0, 1.0];
    let x = Operand::new(volumes(1, 1, d.input), x);
    let y = Operand::new(volumes(1, 1, d.output), vec![f64::NAN, 9.0]);
    let dy = Operand::new(volumes(1, 1, d.output), vec![2.0, 3.0]);
    let dx = Operand::new(x.shape, vec![0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0]);
    let (reads, writes) = (vec![x.clone()], vec![(None, y)]);
    check(&Case { desc: &d, list: pooling3d::forward(), reads, writes, tolerance: 0.0 });
    let (reads, writes) = (vec![x, dy], vec![(None, dx)]);
    check(&Case { desc: &d, list: pooling3d::max_gradient(), reads, writes, tolerance: 0.0 });
}
