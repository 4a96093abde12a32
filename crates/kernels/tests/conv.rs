//! Convolution and linear layers: every implementation against the naive ones in f64.

mod common;

use common::{Case, Operand, cases, check, check_bf16, instruction_sets};
use proptest::prelude::*;
use striate_kernels::activation::Activation;
use striate_kernels::choose;
use striate_kernels::conv::{self, ConvDesc};
use striate_kernels::isa::Isa;
use striate_kernels::linear::{self, LinearDesc};
use striate_kernels::locally_connected;
use striate_kernels::threads::ThreadPool;
use striate_kernels::{Context, Implementation, Layout, Operand as Slice, Views, reorder};
use striate_tensor::{DType, Shape};

fn activation() -> impl Strategy<Value = Activation> {
    use Activation::{None, Relu, Relu6, ScaledTanh, Sigmoid, Tanh};
    prop::sample::select(vec![None, Relu, Relu6, Tanh, Sigmoid, ScaledTanh])
}

prop_compose! {
    /// Varied sizes, strides, groups and padding, and channels that do not fill a block.
    fn conv_desc()(
        batch in prop::sample::select(vec![1usize, 1, 2, 2, 3, 8]),
        groups in prop::sample::select(vec![1usize, 1, 1, 2]),
        channels in (1usize..=20, 1usize..=36),
        kernel in (1usize..=5, 1usize..=4),
        stride in (1usize..=3, 1usize..=2),
        dilation in (1usize..=2, 1usize..=3),
        padding in (0usize..=3, 0usize..=3, 0usize..=2, 0usize..=2),
        output in (1usize..=9, 1usize..=17),
        spare in (0usize..2, 0usize..2),
        options in (any::<bool>(), any::<bool>()),
        activation in activation(),
    ) -> ConvDesc {
        let extent = |o: usize, s: usize, k: usize, d: usize, before: usize, after: usize, spare: usize| {
            ((o - 1) * s + (k - 1) * d + 1).saturating_sub(before + after).max(1) + spare.min(s - 1)
        };
        ConvDesc {
            batch,
            in_channels: channels.0 * groups * if groups == 2 { 8 } else { 1 },
            out_channels: channels.1.div_ceil(if groups == 2 { 16 } else { 1 }) * groups * if groups == 2 { 8 } else { 1 },
            groups,
            input: [
                extent(output.0, stride.0, kernel.0, dilation.0, padding.0, padding.2, spare.0),
                extent(output.1, stride.1, kernel.1, dilation.1, padding.1, padding.3, spare.1),
            ],
            output: [output.0, output.1],
            kernel: [kernel.0, kernel.1],
            stride: [stride.0, stride.1],
            dilation: [dilation.0, dilation.1],
            padding: [padding.0, padding.1],
            bias: options.0,
            residual: options.1,
            activation,
        }
    }
}

fn shapes(d: &ConvDesc) -> [[usize; 4]; 3] {
    [
        [d.batch, d.in_channels, d.input[0], d.input[1]],
        [d.out_channels, d.in_channels / d.groups, d.kernel[0], d.kernel[1]],
        [d.batch, d.out_channels, d.output[0], d.output[1]],
    ]
}

/// The rounding error grows with the square root of the number of terms in the longest sum.
fn tolerance(d: &ConvDesc) -> f64 {
    let [c, o] = [d.in_channels, d.out_channels].map(|channels| channels * d.kernel[0] * d.kernel[1]);
    let pixels = d.batch * d.output[0] * d.output[1];
    1e-6 * (c.max(o).max(pixels) as f64).sqrt().max(10.0)
}

fn check_forward(d: &ConvDesc, tolerance: f64, narrow: bool) -> Vec<&'static str> {
    let [x_shape, w_shape, y_shape] = shapes(d);
    let (mut x, mut w) = (Operand::random(x_shape, 1), Operand::random(w_shape, 2));
    if narrow {
        (x, w) = (x.rounded(), w.rounded());
    }
    let (bias, residual) = (Operand::random([1, d.out_channels, 1, 1], 3), Operand::random(y_shape, 4));
    let mut y = vec![0.0; y_shape.iter().product()];
    let b = d.bias.then_some(bias.values.as_slice());
    let r = d.residual.then_some(residual.values.as_slice());
    conv::reference::forward(d, &x.values, &w.values, b, r, &mut y);
    let mut reads = vec![x, w];
    reads.extend(d.bias.then_some(bias));
    reads.extend(d.residual.then_some(residual));
    let writes = vec![(None, Operand::new(y_shape, y))];
    let case = Case { desc: d, list: conv::forward(), reads, writes, tolerance };
    if narrow { check_bf16(&case) } else { check(&case) }
}

fn check_conv(d: &ConvDesc) -> Vec<&'static str> {
    let tolerance = tolerance(d);
    let [x_shape, w_shape, y_shape] = shapes(d);
    let (w, dy) = (Operand::random(w_shape, 2), Operand::random(y_shape, 5));
    let mut ran = check_forward(d, tolerance, false);
    ran.extend(check_forward(d, tolerance, true));

    let mut dx = vec![0.0; x_shape.iter().product()];
    let residual = d.residual.then(|| Operand::random(x_shape, 6));
    let values = residual.as_ref().map(|residual| &residual.values[..]);
    conv::reference::data_gradient(d, &dy.values, &w.values, values, &mut dx);
    let writes = vec![(None, Operand::new(x_shape, dx))];
    let reads = [dy, w].into_iter().chain(residual).collect();
    ran.extend(check(&Case { desc: d, list: conv::data_gradient(), reads, writes, tolerance }));

    ran.extend(check_weight_gradient(d));
    ran
}

fn check_weight_gradient(d: &ConvDesc) -> Vec<&'static str> {
    let [x_shape, w_shape, y_shape] = shapes(d);
    let (x, dy) = (Operand::random(x_shape, 1), Operand::random(y_shape, 5));
    let mut dw = vec![0.0; w_shape.iter().product()];
    conv::reference::weight_gradient(d, &x.values, &dy.values, &mut dw);
    let writes = vec![(None, Operand::new(w_shape, dw))];
    check(&Case {
        desc: d,
        list: conv::weight_gradient(),
        reads: vec![x, dy],
        writes,
        tolerance: tolerance(d),
    })
}

fn check_linear(d: &LinearDesc) -> Vec<&'static str> {
    let tolerance = 1e-6 * (d.in_features.max(d.out_features) as f64).sqrt().max(10.0);
    let matrix = |rows: usize, columns: usize, seed| Operand::random([rows, columns, 1, 1], seed);
    let (x, w) = (matrix(d.batch, d.in_features, 1), matrix(d.out_features, d.in_features, 2));
    let (bias, dy) = (matrix(1, d.out_features, 3), matrix(d.batch, d.out_features, 4));

    let mut y = dy.clone();
    linear::reference::forward(d, &x.values, &w.values, d.bias.then_some(&bias.values[..]), &mut y.values);
    let mut reads = vec![x.clone(), w.clone()];
    reads.extend(d.bias.then_some(bias));
    let mut ran =
        check(&Case { desc: d, list: linear::forward(), reads, writes: vec![(None, y)], tolerance });

    let mut dx = x.clone();
    linear::reference::data_gradient(d, &dy.values, &w.values, &mut dx.values);
    let (reads, writes) = (vec![dy.clone(), w.clone()], vec![(None, dx)]);
    ran.extend(check(&Case { desc: d, list: linear::data_gradient(), reads, writes, tolerance }));

    let mut dw = w;
    linear::reference::weight_gradient(d, &x.values, &dy.values, &mut dw.values);
    let (reads, writes) = (vec![x, dy], vec![(None, dw)]);
    ran.extend(check(&Case { desc: d, list: linear::weight_gradient(), reads, writes, tolerance }));
    ran
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn convolutions_match_the_reference(d in conv_desc()) {
        check_conv(&d);
    }

    /// Few channels and whole vectors of images, where padding, strides and dilation exclude some taps.
    #[test]
    fn batch_innermost_convolutions_match_the_reference(
        d in conv_desc(),
        in_channels in 5usize..=6,
        out_channels in 1usize..=20,
        vectors in 1usize..=2,
    ) {
        let d = ConvDesc { batch: 16 * vectors, in_channels, out_channels, groups: 1, residual: false, ..d };
        let ran = check_conv(&d);
        for name in [
            "conv_images_f32",
            "conv_data_gradient_images_f32",
            "conv_weight_gradient_images_f32",
        ] {
            prop_assert!(ran.contains(&name), "{} refused {:?}", name, d);
        }
    }

    #[test]
    fn depthwise_convolutions_match_the_reference(
        d in conv_desc(),
        channels in 2usize..=40,
        kernel in prop::sample::select(vec![[3usize, 3], [5, 5], [1, 4]]),
    ) {
        let grown = |axis: usize| d.input[axis] + kernel[axis] * d.dilation[axis];
        let input = [grown(0), grown(1)];
        let output = [0, 1].map(|axis| {
            (input[axis] + d.padding[axis] - (kernel[axis] - 1) * d.dilation[axis] - 1) / d.stride[axis] + 1
        });
        let (in_channels, out_channels, groups) = (channels, channels, channels);
        let d = ConvDesc { in_channels, out_channels, groups, kernel, input, output, ..d };
        let ran = check_conv(&d);
        for name in [
            "conv_depthwise_f32",
            "conv_data_gradient_depthwise_f32",
            "conv_weight_gradient_depthwise_f32",
        ] {
            prop_assert!(ran.contains(&name), "{} refused {:?}", name, d);
        }
    }

    #[test]
    fn convolutions_of_few_channels_in_groups_match_the_reference(
        d in conv_desc(),
        groups in 2usize..=4,
        multiplier in 1usize..=12,
    ) {
        // Groups of one and of two channels.
        let in_channels = if groups == 2 { 4 } else { groups };
        let d = ConvDesc { in_channels, out_channels: groups * multiplier, groups, ..d };
        let ran = check_conv(&d);
        for name in ["conv_direct_planar_groups_f32", "conv_weight_gradient_planar_groups_f32"] {
            prop_assert!(ran.contains(&name), "{} refused {:?}", name, d);
        }
    }

    /// Every kernel and stride that has such an algorithm, channels that do not fill a block, and groups that do.
    #[test]
    fn winograd_convolutions_match_the_reference(
        d in conv_desc(),
        kernel in prop::sample::select(vec![[3usize, 3], [5, 5], [1, 3], [3, 1], [1, 7], [7, 1]]),
        strided in prop::sample::select(vec![None, None, Some(0usize), Some(1)]),
        groups in prop::sample::select(vec![1usize, 1, 2, 3]),
        channels in (1usize..=40, 1usize..=40),
        padding in (0usize..=6, 0usize..=6),
        input in (7usize..=17, 7usize..=17),
        batch in prop::sample::select(vec![1usize, 1, 2, 3, 17]),
    ) {
        let most = if batch > 3 { 8 } else { 17 };
        let (input, padding) = ([input.0.min(most), input.1.min(most)], [padding.0, padding.1]);
        let (kernel, stride, padding) = match strided {
            None => (kernel, [1; 2], [0, 1].map(|axis| padding[axis].min(kernel[axis]))),
            Some(padding) => ([3; 2], [2; 2], [padding; 2]),
        };
        let output = [0, 1].map(|axis| (input[axis] + 2 * padding[axis] - kernel[axis]) / stride[axis] + 1);
        let (in_channels, out_channels) = match groups {
            1 => channels,
            _ => (groups * 16, groups * if channels.0 % 2 == 0 { 16 } else { 48 }),
        };
        let dilation = [1; 2];
        let d = ConvDesc { batch, in_channels, out_channels, groups, kernel, stride, dilation, padding, input, output, ..d };
        let ran = check_conv(&d);
        prop_assert!(ran.iter().any(|name| name.contains("conv_winograd")));
        prop_assert!(ran.iter().any(|name| name.contains("weight_gradient_winograd")));
        let has_data_gradient = (0..2).all(|axis| match strided {
            None => padding[axis] < kernel[axis],
            Some(padding) => padding == 1,
        });
        prop_assert_eq!(ran.iter().any(|name| name.contains("data_gradient_winograd")), has_data_gradient);
    }

    /// Few planar channels under several rows of taps; or many channels under one tap, in one or two groups, whose
    /// pixels are copied if they are strided and there are many outputs. Outputs divide into tiles of different numbers
    /// of blocks, and bands contain several images.
    #[test]
    fn weight_gradients_of_many_outputs_match_the_reference(
        d in conv_desc(),
        is_planar in any::<bool>(),
        in_channels in 1usize..=70,
        out_channels in prop_oneof![33usize..=130, 128usize..=144],
        kernel in (1usize..=7, 1usize..=7),
        stride in (1usize..=3, 1usize..=3),
        groups in 1usize..=2,
        dilation in 1usize..=2,
        padding in 0usize..=1,
        side in 1usize..=6,
        batch in prop::sample::select(vec![1usize, 2, 17]),
    ) {
        let (in_channels, kernel, groups) =
            if is_planar { (in_channels % 4 + 1, [kernel.0, kernel.1], 1) } else { (in_channels, [1; 2], groups) };
        let (in_channels, out_channels) = match groups {
            1 => (in_channels, out_channels),
            _ => (groups * in_channels.next_multiple_of(16), groups * out_channels.next_multiple_of(16)),
        };
        let (stride, dilation, padding) = ([stride.0, stride.1], [dilation; 2], [padding; 2]);
        let reach = [0, 1].map(|axis| (kernel[axis] - 1) * dilation[axis] + 1);
        let input = [0, 1].map(|axis| (side - 1) * stride[axis] + reach[axis]);
        let output = [0, 1].map(|axis| (input[axis] + 2 * padding[axis] - reach[axis]) / stride[axis] + 1);
        let d = ConvDesc { batch, in_channels, out_channels, groups, kernel, stride, dilation, padding, input, output, ..d };
        let ran = check_weight_gradient(&d);
        let name = if is_planar { "conv_weight_gradient_planar_f32" } else { "conv_weight_gradient_direct_f32" };
        prop_assert!(ran.contains(&name), "{} refused {:?}", name, d);
    }

    #[test]
    fn locally_connected_layers_match_the_reference(d in conv_desc(), channels in (1usize..=4, 1usize..=5)) {
        let (in_channels, out_channels, activation) = (channels.0, channels.1, Activation::None);
        let d = ConvDesc { in_channels, out_channels, groups: 1, residual: false, activation, ..d };
        let [x_shape, _, y_shape] = shapes(&d);
        let w_shape = [out_channels, in_channels * d.kernel[0] * d.kernel[1], d.output[0], d.output[1]];
        let (x, w, dy) = (Operand::random(x_shape, 1), Operand::random(w_shape, 2), Operand::random(y_shape, 3));
        let bias = d.bias.then(|| Operand::random([1, out_channels, d.output[0], d.output[1]], 4));
        let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
        let values = bias.as_ref().map(|bias| &bias.values[..]);
        locally_connected::reference::forward(&d, &x.values, &w.values, values, &mut y.values);
        let reads = [x.clone(), w.clone()].into_iter().chain(bias).collect();
        let list = locally_connected::forward();
        check(&Case { desc: &d, list, reads, writes: vec![(None, y)], tolerance: 1e-5 });
        locally_connected::reference::data_gradient(&d, &dy.values, &w.values, &mut dx.values);
        let list = locally_connected::data_gradient();
        check(&Case { desc: &d, list, reads: vec![dy.clone(), w], writes: vec![(None, dx)], tolerance: 1e-5 });
        locally_connected::reference::weight_gradient(&d, &x.values, &dy.values, &mut dw.values);
        let list = locally_connected::weight_gradient();
        check(&Case { desc: &d, list, reads: vec![x, dy], writes: vec![(None, dw)], tolerance: 1e-5 });
    }

    #[test]
    fn linear_layers_match_the_reference(
        batch in prop_oneof![1usize..40, prop::sample::select(vec![8usize, 16, 24, 48])],
        in_features in 1usize..300,
        out_features in 1usize..70,
        bias in any::<bool>(),
        activation in activation(),
    ) {
        check_linear(&LinearDesc { batch, in_features, out_features, bias, activation });
    }
}

fn lenet_conv(in_channels: usize, out_channels: usize, side: usize) -> ConvDesc {
    ConvDesc {
        batch: 5,
        in_channels,
        out_channels,
        groups: 1,
        input: [side; 2],
        output: [side - 4; 2],
        kernel: [5; 2],
        stride: [1; 2],
        dilation: [1; 2],
        padding: [0; 2],
        bias: true,
        residual: false,
        activation: Activation::Tanh,
    }
}

#[test]
fn lenet_shapes_reach_every_kernel() {
    let mut ran = check_conv(&lenet_conv(1, 6, 32));
    ran.extend(check_conv(&lenet_conv(6, 16, 14)));
    ran.extend(check_conv(&ConvDesc { batch: 16, ..lenet_conv(6, 16, 14) }));
    let bias = true;
    ran.extend(check_linear(&LinearDesc {
        batch: 16,
        in_features: 40,
        out_features: 12,
        bias,
        activation: Activation::Tanh,
    }));
    for name in [
        "conv_images_f32",
        "conv_data_gradient_images_f32",
        "conv_weight_gradient_images_f32",
        "linear_images_f32",
        "linear_data_gradient_images_f32",
        "linear_weight_gradient_images_f32",
        "conv_direct_planar_f32",
        "conv_direct_f32",
        "conv_data_gradient_direct_f32",
        "conv_weight_gradient_planar_f32",
        "conv_weight_gradient_direct_f32",
        "conv_reference",
    ] {
        assert!(ran.contains(&name), "{name} did not run");
    }
}

/// The harness runs all that replace a residual both ways.
#[test]
fn residuals_are_replaced_if_no_partial_sums_are_kept_in_their_place() {
    let of_kernel = |in_channels: usize, extent: usize| ConvDesc {
        in_channels,
        kernel: [extent; 2],
        output: [15 - extent; 2],
        residual: true,
        ..lenet_conv(1, 32, 14)
    };
    let (few, many, winograd) = (of_kernel(32, 1), of_kernel(2048, 1), of_kernel(32, 3));
    let replace = |list: &[&dyn Implementation<ConvDesc>], name: &str, d: &ConvDesc, isa: Isa| {
        let named = list.iter().find(|implementation| implementation.name() == name).unwrap();
        named.replaces_residual(d, isa)
    };
    for isa in instruction_sets() {
        assert!(replace(conv::forward(), "conv_direct_f32", &few, isa));
        assert!(!replace(conv::forward(), "conv_direct_f32", &many, isa));
        assert!(replace(conv::data_gradient(), "conv_data_gradient_direct_f32", &few, isa));
        assert!(replace(conv::forward(), "conv_winograd_4x4_3x3_f32", &winograd, isa));
        assert!(replace(conv::data_gradient(), "conv_data_gradient_winograd_4x4_3x3_f32", &winograd, isa));
        assert!(!replace(conv::forward(), "conv_reference", &few, isa));
    }
}

/// Enough input channels to split the runs of a convolution and the inner dimension of a product.
#[test]
fn long_sums_match_the_reference() {
    let d = ConvDesc { in_channels: 150, kernel: [3; 2], output: [12; 2], batch: 1, ..lenet_conv(1, 40, 14) };
    check_conv(&d);
    for (batch, in_features, out_features) in [(9, 700, 33), (20, 1040, 800), (40, 1100, 50)] {
        let activation = Activation::Sigmoid;
        check_linear(&LinearDesc { batch, in_features, out_features, bias: true, activation });
    }
}

/// Many tiles: blocks of one thread and, with many channels, several blocks that all threads share; the sums of weight
/// gradients over several blocks, also with several items for each factor and group.
#[test]
fn winograd_convolutions_of_many_tiles_match_the_reference() {
    for (in_channels, out_channels, groups, side, stride) in
        [(16, 32, 1, 66, 1), (600, 8, 1, 30, 1), (64, 96, 2, 50, 1), (16, 48, 1, 97, 2), (600, 8, 1, 58, 2)]
    {
        let d = ConvDesc {
            batch: 2,
            in_channels,
            out_channels,
            groups,
            kernel: [3; 2],
            stride: [stride; 2],
            input: [side; 2],
            output: [side.div_ceil(stride); 2],
            padding: [1; 2],
            activation: Activation::Relu,
            ..lenet_conv(1, 1, side)
        };
        let ran = check_conv(&d);
        let tiles = if stride == 1 { "4x4_3x3" } else { "4x4_3x3_stride2" };
        for direction in ["conv", "conv_data_gradient", "conv_weight_gradient"] {
            let name = format!("{direction}_winograd_{tiles}_f32");
            assert!(ran.contains(&&name[..]), "{name} refused {in_channels} channels");
        }
    }
}

/// Weights are packed to the same bits from plain order and from that in which they are trained, for blocks of channels
/// that are full and that are not.
#[test]
fn packed_weights_do_not_depend_on_the_order_before() {
    for (isa, kernel, groups) in instruction_sets()
        .into_iter()
        .flat_map(|isa| [([3, 3], 1), ([3, 3], 2), ([1, 7], 1), ([5, 5], 1)].map(|(k, g)| (isa, k, g)))
    {
        let [in_channels, out_channels] = if groups == 1 { [40, 39] } else { [64, 96] };
        let padding = kernel.map(|extent| extent / 2);
        let d = ConvDesc {
            in_channels,
            out_channels,
            groups,
            kernel,
            padding,
            output: [8; 2],
            ..lenet_conv(1, 1, 8)
        };
        let [_, shape, _] = shapes(&d);
        let weights: Vec<f32> = Operand::random(shape, 1).values.into_iter().map(|w| w as f32).collect();
        let convert = |from: Layout, to: Layout, weights: &[f32]| {
            let mut converted = vec![0.0f32; to.len(&Shape::from(shape))];
            let kernel = reorder::kernel(shape, from.f32(), to, isa);
            let mut operands = [Slice::read(weights), Slice::write(&mut converted)];
            kernel.run(&Context { thread_pool: &ThreadPool::new(2) }, &mut Views::of(&mut operands));
            converted
        };
        let trained = Layout::KernelForward { block: isa.block() };
        let in_training = convert(Layout::Plain, trained, &weights);
        let packings: Vec<Layout> = [conv::forward(), conv::data_gradient()]
            .into_iter()
            .flatten()
            .filter_map(|i| Some(i.formats(&d, isa, Layout::channels(isa.block()))?[1]))
            .filter(|format| format.dtype == DType::F32 && matches!(format.layout, Layout::Packed(_)))
            .map(|format| format.layout)
            .collect();
        assert!(packings.len() >= 2, "{isa}: both directions have packings for {kernel:?}");
        for to in packings {
            assert_eq!(
                convert(Layout::Plain, to, &weights),
                convert(trained, to, &in_training),
                "{isa}: {to}"
            );
        }
    }
}

/// The error of a layer relative to its largest output.
#[test]
fn winograd_is_accurate_on_layers_of_networks() {
    for (channels, kernel, stride, side, batch, name) in [
        (64, [3, 3], 1, 20, 2, "4x4_3x3"),
        (256, [3, 3], 1, 14, 1, "2x2_3x3"),
        (64, [5, 5], 1, 27, 1, "3x3_5x5"),
        (192, [1, 7], 1, 17, 1, "1x4_1x7"),
        (192, [7, 1], 1, 17, 1, "4x1_7x1"),
        (384, [1, 3], 1, 8, 1, "1x4_1x3"),
        (384, [3, 1], 1, 8, 1, "4x1_3x1"),
        (128, [3, 3], 2, 28, 1, "4x4_3x3_stride2"),
    ] {
        let d = ConvDesc {
            batch,
            in_channels: channels,
            out_channels: channels,
            kernel,
            stride: [stride; 2],
            input: [side; 2],
            output: [side / stride; 2],
            padding: kernel.map(|extent| extent / 2),
            bias: false,
            activation: Activation::None,
            ..lenet_conv(1, 1, side)
        };
        let [x_shape, w_shape, y_shape] = shapes(&d);
        let (x, w) = (Operand::random(x_shape, 1), Operand::random(w_shape, 2));
        let mut y = Operand::new(y_shape, vec![0.0; y_shape.iter().product()]);
        conv::reference::forward(&d, &x.values, &w.values, None, None, &mut y.values);
        let largest = y.values.iter().fold(0.0f64, |most, y| most.max(y.abs()));
        // The tolerance of Winograd is four times that of the case, for a largest value of one.
        y.values.iter_mut().for_each(|y| *y /= largest);
        let scaled = w.values.iter().map(|w| w / largest).collect();
        let reads = vec![x, Operand::new(w_shape, scaled)];
        let case =
            Case { desc: &d, list: conv::forward(), reads, writes: vec![(None, y)], tolerance: 2.5e-6 };
        let name = format!("conv_winograd_{name}_f32");
        assert!(check(&case).contains(&&name[..]), "{name} did not run");
    }
}

/// A gradient larger than the caches, whose full tiles are stored past them; the last rows do not fill a tile.
#[test]
fn weight_gradients_of_huge_layers_match_the_reference() {
    let d = LinearDesc {
        batch: 1,
        in_features: 4096,
        out_features: 2100,
        bias: false,
        activation: Activation::None,
    };
    let [x, dy, mut dw] = [[1, 4096], [1, 2100], [2100, 4096]]
        .map(|[rows, columns]| Operand::random([rows, columns, 1, 1], columns as u64));
    linear::reference::weight_gradient(&d, &x.values, &dy.values, &mut dw.values);
    let list: Vec<_> =
        linear::weight_gradient().iter().copied().filter(|i| i.name().contains("gemm")).collect();
    let (reads, writes) = (vec![x, dy], vec![(None, dw)]);
    let ran = check(&Case { desc: &d, list: &list, reads, writes, tolerance: 1e-6 });
    assert!(ran.contains(&"linear_weight_gradient_gemm_f32"));
}

/// Enough output features for an item of the grid to have several groups of panels.
#[test]
fn wide_layers_match_the_reference_with_little_scratch_memory() {
    let activation = Activation::Relu;
    let d = LinearDesc { batch: 36, in_features: 40, out_features: 4_500, bias: true, activation };
    check_linear(&d);

    let wide = LinearDesc { batch: 64, in_features: 4096, out_features: 100_000, ..d };
    for isa in instruction_sets() {
        let (kernel, layouts) = choose(linear::forward(), &wide, isa, Layout::Plain);
        let bytes = kernel.prepare(&wide, isa, &layouts).scratch_bytes(2);
        assert!(bytes < 32 << 20, "{isa:?} needs {} MiB", bytes >> 20);
    }
}

/// Convolutions whose tables of taps and phases would take gigabytes fall back to the reference, which has none.
#[test]
fn huge_kernels_fall_back_to_the_reference() {
    let over_channels = ConvDesc {
        input: [1, 1],
        output: [1, 1],
        kernel: [31, 31],
        padding: [15, 15],
        ..lenet_conv(1 << 24, 1, 8)
    };
    let one_channel = ConvDesc { in_channels: 1, kernel: [1 << 14, 1 << 14], ..over_channels.clone() };
    let dilated = ConvDesc { dilation: [1, 2], ..one_channel.clone() };
    let depthwise = ConvDesc { in_channels: 8, out_channels: 8, groups: 8, ..one_channel.clone() };
    let large_stride = ConvDesc {
        in_channels: 16,
        out_channels: 16,
        kernel: [1, 1],
        stride: [1 << 12, 1 << 12],
        input: [1 << 16, 1 << 16],
        padding: [0, 0],
        output: [16, 16],
        ..over_channels.clone()
    };
    let chosen = |list, d, isa: Isa| choose(list, d, isa, Layout::channels(isa.block())).0.name();
    for isa in instruction_sets() {
        for d in [&over_channels, &one_channel, &depthwise] {
            assert_eq!(chosen(conv::forward(), d, isa), "conv_reference", "{d:?}");
        }
        for d in [&one_channel, &depthwise, &large_stride] {
            assert_eq!(chosen(conv::data_gradient(), d, isa), "conv_data_gradient_reference", "{d:?}");
        }
        for d in [&dilated, &depthwise] {
            assert_eq!(chosen(conv::weight_gradient(), d, isa), "conv_weight_gradient_reference", "{d:?}");
        }
        assert_eq!(
            chosen(conv::forward(), &large_stride, isa),
            "conv_direct_f32",
            "the forward direction has one phase"
        );
    }
}
